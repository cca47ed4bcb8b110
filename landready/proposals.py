"""Draft answers from the newest check: a proposal with its basis, standing "computed" until a person confirms it (R3, R4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import shapely

from geo.problems import N_
from landready.answer_rules import AnswerDraft
from landready.answers import AnswerVerdict
from landready.checks import Check, NearFacility
from landready.settings import Check as Reach

NOTHING_NEAR = N_("系统在 {radius} 米内没有找到本单位的设施，没有建议。请按实际情况选择。")
NOT_MEASURED = N_("该地块还没有测算，没有建议。请按实际情况选择。")
CLOSE = N_("距地块 {metres} 米有本单位设施“{name}”，在 {limit} 米以内，建议答复已具备条件。")
FAR = N_(
    "最近的本单位设施“{name}”距地块 {metres} 米，超过 {limit} 米，接入需要建设。请补充工程和日期。"
)
FULL = N_(
    "最近的本单位设施“{name}”距地块 {metres} 米，但登记的余量为 0，接入需要扩容。请补充工程和日期。"
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A draft, and the sentence (with `params`) that says what it rests on. `near`: own facilities, the nearest first."""

    draft: AnswerDraft
    basis: str
    params: Mapping[str, str] = field(default_factory=dict)
    near: Sequence[NearFacility] = ()
    check: Check | None = None


def propose(
    plot_id: int, utility: str, check: Check | None, own: Iterable[NearFacility], reach: Reach
) -> Proposal:
    """Propose an answer from the enterprise's own facilities in a check.

    Ready: the nearest is within `reach.ready_m` and is not stated to be full. By a date: it is farther away, or full; the date
    and the works are for a person to say. Nothing in reach: no verdict is proposed.
    """
    draft = AnswerDraft(plot_id, utility)
    if check is None:
        return Proposal(draft, NOT_MEASURED)
    near = sorted(own, key=lambda facility: facility.rank)
    if not near:
        return Proposal(draft, NOTHING_NEAR, {"radius": f"{check.radius_m:,.0f}"}, check=check)
    best = near[0]
    close, full = best.distance_m <= reach.ready_m, best.spare_capacity == 0
    draft = AnswerDraft(
        plot_id,
        utility,
        AnswerVerdict.READY if close and not full else AnswerVerdict.READY_BY,
        connection_point=facility_end(best),
        spare_capacity=best.spare_capacity,
    )
    params = {
        "name": best.name or "—",
        "metres": f"{best.distance_m:,.1f}",
        "limit": f"{reach.ready_m:,.0f}",
    }
    basis = (FULL if full else CLOSE) if close else FAR
    return Proposal(draft, basis, params, near, check)


def facility_end(near: NearFacility) -> tuple[float, float]:
    """Return the end of the shortest line at the facility, as lon/lat in EPSG:4490."""
    line = shapely.from_wkb(near.link.desc)
    lon, lat = line.coords[-1]
    return float(lon), float(lat)
