"""On which plot does a project stand?"""

from shapely import MultiPolygon
from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import shapes
from landready.plans import Plot, SupplyPlan

# A project stands on a plot when more than this share of its boundary lies in it [OWN].
OVERLAP = 0.5


def plot_at(
    session: Session, city: str, code: str, shape: MultiPolygon
) -> tuple[Plot | None, tuple[Problem, ...]]:
    """Return the released plot of that code in the city, else the one in which most of the boundary lies, and what is odd.

    `shape`: lon/lat in EPSG:4490; `code` may be empty. Needs to be the engine.
    """
    released = (
        select(Plot)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(SupplyPlan.state == "released", Plot.city == city)
        .order_by(SupplyPlan.released_at.desc(), Plot.id.desc())
    )
    if code and (named := session.scalars(released.where(Plot.code == code)).first()):
        if _share(shape, named):
            return named, ()
        text = N_("许可的边界不在地块 {code} 内，请核对地块编号。")
        return named, (_doubt("plot_elsewhere", text, code),)
    around = session.scalars(released.where(Plot.geom.op("&&")(shapes.stored([shape])[0]))).all()
    shares = [(_share(shape, plot), plot) for plot in around]
    share, best = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    doubts: tuple[Problem, ...] = ()
    if code:
        text = N_("本市没有已下发的地块 {code}，已按位置查找地块。")
        doubts = (_doubt("plot_unknown", text, code),)
    return (best if share > OVERLAP else None), doubts


def _share(shape: MultiPolygon, plot: Plot) -> float:
    """Share of the permit's boundary inside the plot; degrees cancel out in the ratio."""
    other = shapes.loaded([plot.geom])[0]
    share: float = shape.intersection(other).area / shape.area
    return share


def _doubt(code: str, text: str, plot: str) -> Problem:
    return Problem(code, "warning", text, {"code": plot}, where="plot_code")
