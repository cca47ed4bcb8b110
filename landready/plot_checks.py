"""What is wrong with a draft's plots where they lie: on one another, on other plans' and listed plots, outside the city, shifted."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import shapely
from geoalchemy2.functions import ST_MakeEnvelope
from shapely.geometry.base import BaseGeometry
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from geo import overlaps, shift
from geo.crs import Geometries, geodesic_area_m2
from geo.overlaps import Overlap, Pairs
from geo.problems import N_, Problem
from landready import cities, overlapping
from landready.base_layers import BaseFeature, BaseLayer
from landready.listings import Listing
from landready.overlapping import INTRICATE, LISTED, ON_ANOTHER, more
from landready.plans import Plot, SupplyPlan
from landready.plot_rows import DraftPlot
from landready.shapes import SRID, geojson_of, loaded

# The outlines are drawn for maps: nearer than this to them, or less than this share beyond them, they say nothing [OWN].
_OUTLINE_M = 1000.0
_OUTLINE_SHARE = 0.01
_METRES = 111_000.0
# So far around a plan known plots are looked for: BD-09 moves by up to 1.4 km.
_AROUND = 0.02
_SHOWN = ("listed", "suspended", "sold")
_ONLISTED = N_("与已上架地块“{code}”重叠 {area} 平方米。请核对。")
_ON_SOLD = N_("与已成交地块“{code}”重叠 {area} 平方米。请核对。")
_ON_OTHER = N_("与供地计划“{plan}”的地块“{code}”重叠 {area} 平方米。请核对。")
_SHIFTED = N_(
    "坐标可能经过 {frame} 偏移：第 1 个点起整体移回约 {metres} 米后，{count} 个地块与已有{what}吻合，不移则不吻合。互联网地图的坐标不能用于供地，请向测绘单位取得 2000 国家大地坐标系的坐标；如坐标无误，请确认。"
)


def found(
    session: Session, plan: SupplyPlan, plots: Sequence[DraftPlot], *, sure: bool
) -> list[Problem]:
    """Return the problems of `plots` as a draft of `plan`; `sure`: the planner vouched that nothing is shifted."""
    if not plots:
        return []
    ours = np.array([plot.geometry for plot in plots], dtype=object)
    known = _known(session, plan, ours)
    return [
        *_on_one_another(plots, ours),
        *_on_known(plots, ours, known),
        *_outside(plots, ours, plan.city),
        *_shifted(session, plan, plots, ours, known.shapes, sure=sure),
    ]


def _on_one_another(plots: Sequence[DraftPlot], ours: Geometries) -> list[Problem]:
    pairs = overlaps.among(ours)
    measured = overlapping.measured(ours, ours, pairs)
    if measured is None:
        return _intricate(plots, pairs)
    return [
        _problem(
            "overlap", "error", ON_ANOTHER, plots[o.first], o.shape,
            other=plots[o.second].row, code=plots[o.second].code, area=round(o.area_m2, 1),
        )
        for o in measured[:LISTED]
    ] + more(len(measured) - LISTED, "error")  # fmt: skip


class _Known:
    """Plots that the asker may see around a draft, without its own; an overlap is told by their title and state."""

    def __init__(self, rows: Sequence[object]) -> None:
        by_plot = {row.id: row for row in rows}  # type: ignore[attr-defined]
        self.rows = list(by_plot.values())
        self.shapes = loaded(row.geom for row in self.rows)  # type: ignore[attr-defined]


def _known(session: Session, plan: SupplyPlan, ours: Geometries) -> _Known:
    west, south, east, north = shapely.total_bounds(ours)
    box = ST_MakeEnvelope(west - _AROUND, south - _AROUND, east + _AROUND, north + _AROUND, SRID)
    rows = session.execute(
        select(Plot.id, Plot.code, Plot.geom, SupplyPlan.title, Listing.state)
        .outerjoin(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .outerjoin(Listing, and_(Listing.plot_id == Plot.id, Listing.state.in_(_SHOWN)))
        .where(Plot.plan_id != plan.id, Plot.geom.intersects(box))
        .order_by(Plot.id)
    ).all()
    return _Known(rows)


def _on_known(plots: Sequence[DraftPlot], ours: Geometries, known: _Known) -> list[Problem]:
    """Warn of land that another plan or the market has already: it may be supplied again once it is free."""
    if not len(known.shapes):
        return []
    pairs: Pairs = overlaps.between(ours, known.shapes)
    measured = overlapping.measured(ours, known.shapes, pairs)
    if measured is None:
        return _intricate(plots, pairs)
    return [_with(plots[o.first], known.rows[o.second], o) for o in measured[:LISTED]] + more(
        len(measured) - LISTED, "warning"
    )


def _with(plot: DraftPlot, other: object, overlap: Overlap) -> Problem:
    code, title, state = other.code, other.title, other.state  # type: ignore[attr-defined]
    area = round(overlap.area_m2, 1)
    if state is not None:
        text = _ON_SOLD if state == "sold" else _ONLISTED
        return _problem(
            "overlap_listed", "warning", text, plot, overlap.shape, code=code, area=area
        )
    return _problem(
        "overlap_plan", "warning", _ON_OTHER, plot, overlap.shape, code=code, plan=title, area=area
    )


@cache
def _outlines() -> dict[str, BaseGeometry]:
    """Adcode → outline. Some cross themselves; they are mended here because they are drawn for maps, not measured."""
    codes = {name: code for code, name in cities.names().items()}
    return {
        codes[f["properties"]["name"]]: shapely.make_valid(shapely.geometry.shape(f["geometry"]))
        for f in cities.outlines()["features"]
        if f["properties"]["name"] in codes
    }


def _outside(plots: Sequence[DraftPlot], ours: Geometries, city: str) -> list[Problem]:
    """Warn of plots in another city, or clearly outside one's own; nothing is said of other parts of the world."""
    outlines = _outlines()
    if city not in outlines:
        return []
    around = shapely.box(*shapely.total_bounds(list(outlines.values())))
    own = outlines[city]
    shapely.prepare(own)
    problems = []
    for plot, shape in zip(plots, ours, strict=True):
        if own.covers(shape) or not around.intersects(shape):
            continue
        problems += _elsewhere(plot, shape, city, outlines)
        gap = shape.distance(own) * _METRES
        if gap > _OUTLINE_M and not any(p.row == plot.row for p in problems):
            text = N_("不在{city}境内，距示意界线约 {km} 公里。请核对坐标系和数据。")
            km = f"{gap / 1000:.1f}"
            problems.append(
                _problem(
                    "outside_city", "warning", text, plot, shape, city=cities.name(city), km=km
                )
            )
    return problems


def _elsewhere(
    plot: DraftPlot, shape: BaseGeometry, city: str, outlines: dict[str, BaseGeometry]
) -> list[Problem]:
    """The shares of a plot in other cities."""
    text = N_("有 {area} 平方米（{percent}%）在{city}境内（界线为示意）。请核对。")
    problems = []
    # A bound on what an intricate shape may cost against outlines of some hundred points.
    simple = shape if shapely.get_num_coordinates(shape) <= 5000 else shape.envelope
    for code, outline in outlines.items():
        if code == city or not outline.intersects(simple):
            continue
        common = shapely.intersection(simple, outline)
        area = sum(geodesic_area_m2(part) for part in shapely.get_parts(common))
        if area > _OUTLINE_SHARE * plot.area_m2:
            percent = f"{min(area / plot.area_m2, 1) * 100:.1f}"
            problems.append(
                _problem(
                    "outside_city", "warning", text, plot, common,
                    area=round(min(area, plot.area_m2), 1), percent=percent, city=cities.name(code),
                )
            )  # fmt: skip
    return problems


def _shifted(
    session: Session,
    plan: SupplyPlan,
    plots: Sequence[DraftPlot],
    ours: Geometries,
    known: Geometries,
    *,
    sure: bool,
) -> list[Problem]:
    """Ask where shifting the plots back makes them fall on known plots or clear of the roads."""
    suspicion = shift.suspected(ours, known, _roads(session, plan, ours))
    if suspicion is None:
        return []
    what = N_("地块") if suspicion.by == "plots" else N_("道路")
    return [
        _problem(
            "shift_suspected", "warning" if sure else "error", _SHIFTED,
            plots[suspicion.plots[0]], ours[suspicion.plots[0]], frame=suspicion.frame,
            metres=round(suspicion.metres), count=len(suspicion.plots), what=what,
        )
    ]  # fmt: skip


def _roads(session: Session, plan: SupplyPlan, ours: Geometries) -> Geometries:
    west, south, east, north = shapely.total_bounds(ours)
    box = ST_MakeEnvelope(west - _AROUND, south - _AROUND, east + _AROUND, north + _AROUND, SRID)
    return loaded(
        session.scalars(
            select(BaseFeature.geom)
            .join(BaseLayer, BaseLayer.id == BaseFeature.layer_id)
            .where(
                BaseLayer.kind == "roads",
                BaseLayer.current,
                BaseLayer.office_id == plan.office_id,
                BaseFeature.geom.intersects(box),
            )
        )
    )


def _intricate(plots: Sequence[DraftPlot], pairs: Pairs) -> list[Problem]:
    rows = sorted(set(pairs[:, 0].tolist()))[:LISTED]
    return [
        _problem("overlap_unmeasured", "error", INTRICATE, plots[i], plots[i].geometry)
        for i in rows
    ]


def _problem(
    code: str,
    severity: str,
    text: str,
    plot: DraftPlot,
    shape: BaseGeometry,
    /,
    **params: object,
) -> Problem:
    at = shape.representative_point()
    overlap = code.startswith("overlap_") or code == "overlap"
    drawn = geojson_of(shape) if overlap and shape is not plot.geometry else None
    # A row number needs no words; the code is how the planner finds it in the file.
    return Problem(
        code,
        "error" if severity == "error" else "warning",
        text,
        params,
        plot.row,
        plot.code,
        (at.x, at.y),
        drawn,
    )
