"""What a released plan says to one enterprise: its plots and that enterprise's own network around them, never another's."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from landready.checks import Check, NearFacility, ServedShare
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push
from landready.shapes import to_geojson
from landready.utilities import Utility


class PlanMessages:
    """The messages of one release; what the checks found is loaded once for all of them."""

    def __init__(self, session: Session, plan: SupplyPlan, checks: Sequence[Check]) -> None:
        self._plan = plan
        self._plots = {plot.id: (plot, plot_data(plot)) for plot in plan.plots}
        self._checks = {(c.plot_id, c.utility): c for c in checks}
        self._near: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        near = (
            NearFacility.check_id,
            NearFacility.enterprise_id,
            NearFacility.rank,
            NearFacility.name,
            NearFacility.distance_m,
            NearFacility.spare_capacity,
        )
        for row in sorted(of_checks(session, checks, *near), key=lambda r: r.rank):
            self._near[row.check_id, row.enterprise_id].append(
                near_data(row.name, row.distance_m, row.spare_capacity)
            )
        shares = (ServedShare.check_id, ServedShare.enterprise_id, ServedShare.share)
        self._shares = {
            (r.check_id, r.enterprise_id): r.share for r in of_checks(session, checks, *shares)
        }

    def _own(self, plot: Plot, enterprise_id: int, utility: Utility) -> dict[str, Any]:
        check = self._checks[plot.id, utility.value]
        key = (check.id, enterprise_id)
        return asked_data(check, self._near.get(key, []), self._shares.get(key, 0.0))

    def to(self, push: Push, asked: Mapping[int, Sequence[Utility]]) -> dict[str, Any]:
        """Return the data of one push's event; `asked` names the utilities it asks about by plot id."""
        plots = [
            {**data, "asked": [self._own(plot, push.enterprise_id, u) for u in asked[plot_id]]}
            for plot_id, (plot, data) in self._plots.items()
            if plot_id in asked
        ]
        return plan_data(self._plan, push, plots)


def plan_data(plan: SupplyPlan, push: Push, plots: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the data of one push; every plot is its `plot_data` with what it is `asked`."""
    return {
        "push": str(push.uid),
        "portal_path": f"/pushes/{push.id}",
        "plan": {"title": plan.title, "city": plan.city},
        "office": {"name": plan.office.name, "phone": plan.office.phone},
        "due_on": push.due_on.isoformat(),
        "due_provisional": push.due_provisional,
        "plots": plots,
    }


def asked_data(check: Check, nearest: list[dict[str, Any]], share: float) -> dict[str, Any]:
    """Return one question about a plot with what was measured of the asked enterprise's own network."""
    return {
        "utility": check.utility,
        "measured_at": check.measured_at.isoformat(),
        "radius_m": check.radius_m,
        "nearest": nearest,
        "served_share": round(share, 4),
    }


def near_data(name: str, distance_m: float, spare_capacity: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "distance_m": round(distance_m, 3),
        "spare_capacity": spare_capacity,
    }


def plot_data(plot: Plot) -> dict[str, Any]:
    return {
        "code": plot.code,
        "name": plot.name,
        "revision": plot.revision,
        "use": plot.use,
        "use_code": plot.use_code,
        "area_m2": round(plot.area_m2, 2),
        "declared_area_m2": plot.declared_area_m2,
        "plot_ratio": plot.plot_ratio,
        "quarter": plot.quarter,
        "supply_mode": plot.supply_mode,
        "illustrative": plot.illustrative,
        "boundary": to_geojson(plot.geom),
    }


def of_checks(session: Session, checks: Sequence[Check], *columns: Any) -> Sequence[Any]:  # noqa: ANN401
    """Columns of facilities or shares of these checks, which share moment and plan."""
    if not checks:
        return []
    return session.execute(
        select(*columns)
        .join(Check, Check.id == columns[0])
        .where(
            Check.plot_id.in_({c.plot_id for c in checks}),
            Check.measured_at == checks[0].measured_at,
        )
    ).all()
