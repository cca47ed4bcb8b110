"""Which approvals an external line (外线工程) takes, read off what the line meets: items 7 to 11 of annex 2 (R14, R19).

Pure rules. Each names its clause and repeats the sentence of the law (data/external_lines.csv). `standing` is `law` where the sentence
says it and `reading` where it is our reading that no authority has confirmed: that laying a line in a road digs it up, and
that works in the land of a road affect traffic safety until the police say otherwise.
"""

import calendar
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from geo.problems import N_
from landready.clock import today
from landready.road_classes import RoadClass, rules

DATA = Path(__file__).parent / "data"
NEW_YEARS, OVERHAULED_YEARS = 5, 3
BASE_KINDS = ("roads", "greens", "waters", "planning_areas")


@dataclass(frozen=True, slots=True)
class Met:
    """One thing a line meets, as stored with its route.

    `what` is road, green, water or planning; `manner` as in geo.encounters. `edge` says where the edge of a road's land comes from:
    `stated` in the data or `assumed` for the class. `place` is lon/lat in EPSG:4490.
    """

    what: Literal["road", "green", "water", "planning"]
    manner: str
    length_m: float
    place: tuple[float, float]
    name: str = ""
    road_class: RoadClass | None = None
    distance_m: float = 0.0
    zone_m: float = 0.0
    edge: Literal["", "stated", "assumed"] = ""
    completed: date | None = None
    overhauled: date | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """A sentence of the law; `item` is the number in annex 2 that it leads to, None for a flag."""

    code: str
    item: int | None
    clause: str
    sentence: str
    source: str
    standing: Literal["law", "reading"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is needed, or what to mind: a sentence for `params`, its clause, and where on the line."""

    clause: Clause
    text: str
    params: Mapping[str, Any] = field(default_factory=dict)
    place: tuple[float, float] | None = None
    # The width of the road's land is assumed, or the planning area is: to be verified.
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """An item of annex 2 and every reason for it."""

    item: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a line takes. `flags` are no items but must be known; `unknown` are the base layers that nobody uploaded."""

    needs: tuple[Need, ...]
    flags: tuple[Reason, ...]
    unknown: tuple[str, ...]

    @property
    def items(self) -> tuple[int, ...]:
        return tuple(need.item for need in self.needs)


STREET_ALONG = N_("沿{road}敷设，约 {metres} 米在道路用地内。")
STREET_DIG = N_("穿越{road}，挖掘道路约 {metres} 米。")
STREET_ENTERS = N_("进入{road}用地约 {metres} 米，需占用或挖掘道路。")
STREET_POLICE = N_("在{road}用地内施工，需公安交通管理部门批准。")
HIGHWAY_POLICE = N_("在{road}用地内施工；影响交通安全的，还须公安机关同意。")
HIGHWAY_CROSS = N_("穿越{road}。")
HIGHWAY_LAND = N_("在{road}的公路用地内约 {metres} 米。")
CONTROL_ZONE = N_("距{road}的公路用地外缘 {distance} 米，在 {zone} 米的建筑控制区内。")
VILLAGE_ROAD = N_("在{road}用地内约 {metres} 米；村道由乡级人民政府参照公路管理。")
PLANNING = N_("地块以外的管线约 {metres} 米在规划区内。")
PLANNING_ASSUMED = N_("地块以外有管线约 {metres} 米；没有规划区数据，按在规划区内处理。")
GREEN = N_("经过绿地{name}约 {metres} 米，需临时占用；砍伐、移植树木另须批准。")
NO_DIG = N_("{road}在 {until} 以前（含当日）不得挖掘；确需挖掘的，须经县级以上城市人民政府批准。")
WATER = N_("穿越水体{name}；附件2没有对应事项，工程建设方案须报河道主管机关审查同意。")


@cache
def clauses() -> Mapping[str, Clause]:
    """Return the sentences of the law by the code of their rule."""
    with (DATA / "external_lines.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: Clause(
                row["code"],
                int(row["item"]) if row["item"] else None,
                row["clause"],
                row["sentence"],
                row["source"],
                "law" if row["standing"] == "law" else "reading",
            )
            for row in csv.DictReader(file)
        }


def judge(met: Sequence[Met], known: Iterable[str], length_m: float, now: datetime) -> Judgement:
    """Say which items a line of `length_m` metres needs that meets `met`, and what else must be minded on the day of `now`.

    `known` are the kinds of base layers that were there to be met (BASE_KINDS); what is missing is said, never taken for nothing.
    """
    there = set(known)
    unknown = tuple(kind for kind in BASE_KINDS if kind not in there) if length_m > 0 else ()
    reasons = [reason for one in met for reason in _RULES[one.what](one)]
    if length_m > 0 and "planning_areas" not in there:
        reasons.append(
            _reason("planning", PLANNING_ASSUMED, {"metres": _metres(length_m)}, assumed=True)
        )
    flags = [flag for one in met for flag in _flags(one, today(now))]
    numbers = sorted({r.clause.item for r in reasons if r.clause.item is not None})
    needs = (
        Need(number, tuple(r for r in reasons if r.clause.item == number)) for number in numbers
    )
    return Judgement(tuple(needs), tuple(flags), unknown)


def no_dig_until(completed: date | None, overhauled: date | None) -> date | None:
    """Return the last day on which a street may not be dug up: five years from its opening, three from its overhaul."""
    ends = [
        _years_on(day, years)
        for day, years in ((completed, NEW_YEARS), (overhauled, OVERHAULED_YEARS))
        if day is not None
    ]
    return max(ends, default=None)


def _years_on(day: date, years: int) -> date:
    last = calendar.monthrange(day.year + years, day.month)[1]
    return day.replace(year=day.year + years, day=min(day.day, last))


def _reason(code: str, text: str, params: Mapping[str, Any], met: Met | None = None, *, assumed: bool = False) -> Reason:  # fmt: skip
    return Reason(
        clauses()[code], text, params, met.place if met else None, assumed or bool(met and met.edge == "assumed")
    )  # fmt: skip


def _called(met: Met) -> str:
    """The name of a road, else the word for its class, which the page translates."""
    return met.name or (rules()[met.road_class].name if met.road_class else "")


def _metres(length: float) -> str:
    return f"{length:,.0f}" if length >= 10 else f"{length:,.1f}"


def _on_road(met: Met) -> Iterator[Reason]:
    params = {
        "road": _called(met),
        "metres": _metres(met.length_m),
        "distance": f"{met.distance_m:,.1f}",
        "zone": f"{met.zone_m:g}",
    }
    if met.manner == "zone":
        yield _reason("control_zone", CONTROL_ZONE, params, met)
    elif met.road_class is RoadClass.STREET:
        if met.manner == "along":
            yield _reason("street_along", STREET_ALONG, params, met)
        else:
            text = STREET_DIG if met.manner == "crosses" else STREET_ENTERS
            yield _reason("street_dig", text, params, met)
        yield _reason("street_police", STREET_POLICE, params, met)
    else:
        yield _reason("highway_police", HIGHWAY_POLICE, params, met)
        if met.road_class is RoadClass.VILLAGE:
            yield _reason("village_road", VILLAGE_ROAD, params, met)
        elif met.manner == "crosses":
            yield _reason("highway_cross", HIGHWAY_CROSS, params, met)
        else:
            yield _reason("highway_land", HIGHWAY_LAND, params, met)


def _in_green(met: Met) -> Iterator[Reason]:
    yield _reason("green", GREEN, {"name": met.name, "metres": _metres(met.length_m)}, met)


def _in_planning_area(met: Met) -> Iterator[Reason]:
    yield _reason("planning", PLANNING, {"metres": _metres(met.length_m)}, met)


def _in_water(_met: Met) -> Iterator[Reason]:
    """No item of annex 2 is about water; it is a flag."""
    return iter(())


_RULES: Mapping[str, Callable[[Met], Iterator[Reason]]] = {
    "road": _on_road,
    "green": _in_green,
    "planning": _in_planning_area,
    "water": _in_water,
}


def _flags(met: Met, day: date) -> Iterator[Reason]:
    if met.what == "water":
        yield _reason("water", WATER, {"name": met.name}, met)
    if met.road_class is RoadClass.STREET:
        until = no_dig_until(met.completed, met.overhauled)
        if until is not None and day <= until:
            params = {"road": _called(met), "until": until.isoformat()}
            yield _reason("no_dig", NO_DIG, params, met)
