"""What an answer must say (R4): pure rules over a draft, each fault named by the field it is in."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import shapely

from geo import crs
from geo.problems import N_, Problem
from landready import clock
from landready.answers import Answer, AnswerVerdict
from landready.settings import Check, Region
from landready.shapes import to_geojson, turned
from landready.utilities import MOST

POSITIVE = (AnswerVerdict.READY, AnswerVerdict.READY_BY)
# Every problem's code begins with the field it is about.
FIELDS = ("verdict", "point", "capacity", "works", "ready_by", "reason", "valid_until", "over")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """What is about to be answered for one plot and utility; nothing of it is stored before a person confirms.

    `connection_point` is lon/lat in EPSG:4490, `spare_capacity` in the unit of the utility. A number that could not be read
    is NaN and a date that could not be read is `date.min`: both are told as faults of their field.
    """

    plot_id: int
    utility: str
    verdict: AnswerVerdict | None = None
    connection_point: tuple[float, float] | None = None
    spare_capacity: float | None = None
    works: str = ""
    ready_by: date | None = None
    reason: str = ""
    valid_until: date | None = None
    # Why the plot can be connected although the registered spare capacity does not suffice; used only where it does not.
    over: str = ""


def as_recorded(answer: Answer) -> AnswerDraft:
    """Return what a recorded answer said, but for the reason under which it reserved more than is left."""
    at = answer.connection_point
    lon_lat = to_geojson(at)["coordinates"] if at is not None else None
    return AnswerDraft(
        answer.plot_id,
        answer.utility,
        AnswerVerdict(answer.verdict),
        connection_point=(lon_lat[0], lon_lat[1]) if lon_lat else None,
        spare_capacity=answer.spare_capacity,
        works=answer.works,
        ready_by=answer.ready_by,
        reason=answer.reason,
        valid_until=answer.valid_until,
    )


def relevant(draft: AnswerDraft) -> AnswerDraft:
    """Drop what the verdict has no use for: what a form still carried when the person changed their mind."""
    match draft.verdict:
        case AnswerVerdict.READY_BY:
            return draft
        case AnswerVerdict.READY:
            return replace(draft, works="", ready_by=None)
        case AnswerVerdict.NOT_POSSIBLE:
            kept = replace(draft, connection_point=None, spare_capacity=None, over="")
            return replace(kept, works="", ready_by=None)
        case _:
            return AnswerDraft(draft.plot_id, draft.utility, draft.verdict, reason=draft.reason)


def word_faults(draft: AnswerDraft, today: date) -> Iterator[Problem]:
    """What is wrong with a draft wherever the plot lies; `today` is the date in Asia/Shanghai."""
    if draft.verdict is None:
        yield _fault("verdict_missing", N_("请选择答复结论。"))
    if draft.verdict is AnswerVerdict.READY_BY:
        yield from _promise_faults(draft, today)
    if draft.verdict is AnswerVerdict.NOT_POSSIBLE and not draft.reason:
        yield _fault("reason_missing", N_("无法接入时，请写明原因。"))
    spare = draft.spare_capacity
    if spare is not None and not 0 <= spare <= MOST:  # NaN compares false
        text = N_("可用余量应是不小于 0、不超过 {most} 的数字；不清楚可以不填。")
        yield _fault("capacity_unusable", text, most=f"{MOST:,.0f}")
    for name, said in (("works", draft.works), ("reason", draft.reason), ("over", draft.over)):
        if len(said) > _LONGEST:
            yield _fault(
                f"{name}_long", N_("文字超过 {limit} 字，请写得简短些或放进附件。"), limit=_LONGEST
            )
    yield from _validity_faults(draft, today)


def _promise_faults(draft: AnswerDraft, today: date) -> Iterator[Problem]:
    if not draft.works:
        yield _fault("works_missing", N_("承诺期限内具备时，请写明要建设的工程。"))
    if draft.ready_by is None:
        yield _fault("ready_by_missing", N_("承诺期限内具备时，请填写完成日期。"))
    elif draft.ready_by <= today:
        yield _fault("ready_by_past", N_("完成日期应是今天以后的日期，写作 2026-12-31 的样子。"))
    elif clock.too_far(draft.ready_by, today):
        yield _fault("ready_by_far", clock.TOO_FAR, day=draft.ready_by.isoformat())


def _validity_faults(draft: AnswerDraft, today: date) -> Iterator[Problem]:
    until, done = draft.valid_until, draft.ready_by
    if until is None:
        return
    if until <= today:
        yield _fault(
            "valid_until_past",
            N_("有效期应是今天以后的日期，写作 2026-12-31 的样子；不填为长期有效。"),
        )
    elif clock.too_far(until, today):
        yield _fault("valid_until_far", clock.TOO_FAR, day=until.isoformat())
    elif draft.verdict is AnswerVerdict.READY_BY and done is not None and until < done:
        yield _fault("valid_until_early", N_("有效期早于承诺的完成日期，答复会在完成之前失效。"))


def point_faults(
    draft: AnswerDraft, plot: shapely.Geometry, code: str, reach: Check, region: Region
) -> Iterator[Problem]:
    """What is wrong with the connection point for this plot (lon/lat): missing, not on Earth, or out of reach.

    Reach is `check.radius_m`, in metres of the plot's working CRS: beyond it the check looks for no facilities either.
    """
    at = draft.connection_point
    if draft.verdict not in POSITIVE:
        return
    if at is None:
        text = N_("请在地图上点出接入点，或填写经纬度。")
        yield Problem("point_missing", "error", text, where=code)
        return
    if not (abs(at[0]) <= 180 and abs(at[1]) <= 90):  # NaN compares false
        text = (
            N_(
                "接入点的经度、纬度好像填反了：经度在前，例如 110.3491234；纬度在后，例如 20.0312345。"
            )
            if turned(at)
            else N_("接入点经纬度应是数字：经度在前，例如 110.3491234；纬度在后，例如 20.0312345。")
        )
        yield Problem("point_unusable", "error", text, where=code)
        return
    metres = distance_m(at, plot, region)
    if not metres <= reach.radius_m:
        text = N_("接入点距地块 {metres} 米，超过 {limit} 米。请核对位置，以及经度、纬度是否填反。")
        far = f"{metres:,.0f}" if math.isfinite(metres) else "∞"
        params = {"metres": far, "limit": f"{reach.radius_m:,.0f}"}
        yield Problem("point_far", "error", text, params, where=code, place=at)


def batch_faults(
    drafts: Sequence[AnswerDraft],
    plots: Iterable[shapely.Geometry],
    codes: Iterable[str],
    today: date,
    reach: Check,
    region: Region,
) -> list[Problem]:
    """Every fault of several drafts, each with its plot (lon/lat) and code; a problem's `row` counts the drafts from 1."""
    return [
        replace(problem, row=number)
        for number, (draft, plot, code) in enumerate(zip(drafts, plots, codes, strict=True), 1)
        for problem in (
            *word_faults(draft, today),
            *point_faults(draft, plot, code, reach, region),
        )
    ]


def distance_m(point: tuple[float, float], plot: shapely.Geometry, region: Region) -> float:
    """Metres from a lon/lat plot to a lon/lat point, in the plot's working CRS; infinite where that has no coordinates."""
    west, _, east, _ = shapely.bounds(plot)
    system = crs.working_crs(float(west + east) / 2, region.working_crs)
    ground, there = crs.to_working(np.array([plot, shapely.Point(point)], dtype=object), system)
    return float(shapely.distance(ground, there)) if np.isfinite(there.x) else math.inf


def _fault(code: str, text: str, **params: object) -> Problem:
    return Problem(code, "error", text, params)
