"""What can be served of a plan together: which plots, from where, what is short, and which facilities to extend.

A plot counts when every utility that blocks the listing can be served; the rules for each are in landready.supplies, the
models in geo.allocation and geo.extension. Only the plan's office and its supervisors may ask.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import numpy as np
from sqlalchemy.orm import Session

from geo.allocation import Allocation, allocate, gap
from geo.connections import FULL
from geo.extension import Extension, curve, extend_for_all
from landready.capacity import Stated
from landready.db import Role, actor_of
from landready.demand import Standing
from landready.errors import NotAllowed, NotFound
from landready.plans import Plot, SupplyPlan
from landready.settings import Settings
from landready.supplies import Facts, Posed, Supply, gather, pose
from landready.utilities import Utility

# Seconds for: all blocking utilities together, facilities to extend one by one, those for everybody, each utility by itself.
_TOGETHER_S, _STEPS_S, _ALL_S, _ALONE_S = 1.3, 0.9, 0.3, 0.05
# Reading and solving together; a slow reading leaves the solver less.
_WHOLE_S = 4.0
STEPS = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """One plot and utility: how it stands, and from where it is served."""

    utility: Utility
    supply: Supply
    high: float | None = None
    source: Stated | None = None
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One plot: `cells` for every utility that blocks. `outcome` is the worst of them in one word, `given` for a served one."""

    plot: Plot
    cells: tuple[Cell, ...]
    outcome: Supply


@dataclass(frozen=True, slots=True)
class Source:
    """One facility: what is left of it, what this plan takes in the allocation, and who in its reach goes without.

    `reserved` of the plan's plots hold a part of it already: what they take is gone from `left`.
    """

    stated: Stated
    left: float
    reserved: int
    given: float
    waiting: tuple[PlotLine, ...]
    waiting_for: float


@dataclass(frozen=True, slots=True)
class UtilityLine:
    """One utility by itself, as if the others were no matter. `counts` are plots by how they stand, all taken together."""

    utility: Utility
    blocks: bool
    weighed: int
    served: int
    hectares: float
    gap: float
    counts: Mapping[Supply, int]
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Facilities to extend, by how much each, and the plots that this frees. `gap`: how many more hectares at most, a share."""

    more: tuple[tuple[Stated, float], ...]
    freed: tuple[Plot, ...]
    hectares: float
    gap: float
    fewest: int = 0


@dataclass(frozen=True, slots=True)
class Together:
    """The page of a plan. `gap` and `length_gap` are 0 where the solver proved its answer."""

    blocking: tuple[Utility, ...]
    lines: tuple[PlotLine, ...]
    utilities: tuple[UtilityLine, ...]
    sources: tuple[Source, ...]
    hectares: float
    most_hectares: float
    gap: float
    length_m: float
    length_gap: float
    steps: tuple[Step, ...]
    for_all: Step | None

    @property
    def served(self) -> tuple[PlotLine, ...]:
        return tuple(line for line in self.lines if line.outcome is Supply.GIVEN)

    @property
    def short(self) -> tuple[PlotLine, ...]:
        """Plots that are left out for want of capacity alone."""
        return tuple(line for line in self.lines if line.outcome is Supply.SHORT)


def together(session: Session, plan: SupplyPlan, settings: Settings, now: datetime) -> Together:
    """Weigh all plots of a released plan against what the facilities around them have left; gives the solver less time the longer the reading took.

    Raises:
        NotAllowed: the asker is neither an office nor a supervisor.
        NotFound: the plan is a draft: nothing is measured yet.
    """
    if actor_of(session).role not in (Role.OFFICE, Role.SUPERVISOR):
        raise NotAllowed
    if plan.state != "released":
        raise NotFound
    began = perf_counter()
    facts = gather(session, plan, settings, now)
    pace = min(max((_WHOLE_S - (perf_counter() - began)) / _WHOLE_S, 0.25), 1.0)
    rules = settings.gate.utilities
    blocking = tuple(u for u in Utility if u in rules and rules[u].effect == "block") or tuple(
        rules
    )
    posed = pose(facts, blocking)
    found = allocate(posed.case, time_limit_s=_TOGETHER_S * pace)
    steps = [
        _step(facts, posed, found, one)
        for one in curve(posed.case, found, STEPS, time_limit_s=_STEPS_S * pace)
    ]
    lines = _lines(facts, posed, found)
    for_all = None
    if any(line.outcome is Supply.SHORT for line in lines):
        for_all = _step(
            facts, posed, found, extend_for_all(posed.case, found, time_limit_s=_ALL_S * pace)
        )
    return Together(
        blocking=blocking,
        lines=lines,
        utilities=tuple(
            _alone(facts, u, found, lines, blocks=u in blocking) for u in Utility if u in rules
        ),
        sources=_sources(facts, posed, found, lines),
        hectares=found.hectares,
        most_hectares=found.hectares_bound,
        gap=found.gap,
        length_m=found.length_m,
        length_gap=found.length_gap,
        steps=tuple(steps),
        for_all=for_all,
    )


def _lines(facts: Facts, posed: Posed, found: Allocation) -> tuple[PlotLine, ...]:
    room = dict(zip(posed.roots, posed.case.room - found.load, strict=True))
    lines = []
    for number, plot in enumerate(facts.plots):
        cells = tuple(
            _cell(facts, posed, int(found.connection[number, need]), plot, utility, room)
            for need, utility in enumerate(posed.utilities)
        )
        lines.append(PlotLine(plot, cells, _outcome([c.supply for c in cells])))
    return tuple(lines)


def _cell(
    facts: Facts,
    posed: Posed,
    connection: int,
    plot: Plot,
    utility: Utility,
    room: Mapping[int, float],
) -> Cell:
    key, high = (plot.id, utility), facts.high[plot.id, utility]
    options = facts.options.get(key, ())
    if root := facts.reserved.get((plot.id, utility.value)):
        return Cell(utility, Supply.RESERVED, high, facts.known.get(root), options[0].distance_m)
    if connection >= 0:
        root = posed.roots[int(posed.case.facility[connection])]
        far = float(posed.case.length_m[connection])
        return Cell(utility, Supply.GIVEN, high, facts.known[root], far)
    if key in facts.lack:
        return Cell(utility, facts.lack[key], high)
    fits = any(one.takes <= room[one.root] * FULL for one in options)
    return Cell(utility, Supply.FITS if fits else Supply.SHORT, high)


def _outcome(cells: Sequence[Supply]) -> Supply:
    """What keeps a plot from being served: what no capacity could mend first, then what is not known, then what is short."""
    order = (Supply.NONE, Supply.REFUSED, Supply.UNKNOWN, Supply.NOT_STATED, Supply.SHORT)
    return next((s for s in order if s in cells), Supply.GIVEN)


def _alone(
    facts: Facts, utility: Utility, joint: Allocation, lines: Sequence[PlotLine], *, blocks: bool
) -> UtilityLine:
    posed = pose(facts, [utility])
    found = allocate(posed.case, time_limit_s=_ALONE_S)
    served, hectares = int(found.served.sum()), found.hectares
    if blocks and hectares < joint.hectares:
        # Both were cut short: who is served with the others is served by this one alone, too.
        served, hectares = int(joint.served.sum()), joint.hectares
    counts: dict[Supply, int] = defaultdict(int)
    for cell in (c for line in lines for c in line.cells if c.utility is utility):
        counts[cell.supply] += 1
    if not blocks:
        for line in _lines(facts, posed, found):
            counts[line.cells[0].supply] += 1
    return UtilityLine(
        utility,
        blocks,
        weighed=len(np.unique(posed.case.plot)),
        served=served,
        hectares=hectares,
        gap=gap(found.hectares_bound - hectares, found.hectares_bound),
        counts=counts,
        standings=facts.standings[utility],
    )


def _sources(
    facts: Facts, posed: Posed, found: Allocation, lines: Sequence[PlotLine]
) -> tuple[Source, ...]:
    """Facilities with a part in the plan, those that most is missing of first."""
    waiting: dict[int, list[PlotLine]] = defaultdict(list)
    amount: dict[int, float] = defaultdict(float)
    for line in lines:
        if line.outcome is not Supply.SHORT:
            continue
        for cell in line.cells:
            if cell.supply is Supply.SHORT:
                for one in facts.options[line.plot.id, cell.utility]:
                    waiting[one.root].append(line)
                    amount[one.root] += one.takes
    reserved = Counter(facts.reserved.values())
    sources = [
        Source(
            facts.known[root], facts.left[root], reserved[root], float(load),
            tuple(waiting[root]), amount[root],
        )
        for root, load in zip(posed.roots, found.load, strict=True)
        if root in facts.left and (load > 0 or waiting[root] or reserved[root])
    ]  # fmt: skip
    hectares = {s.stated.facility_id: sum(x.plot.area_m2 for x in s.waiting) for s in sources}
    order = list(Utility)
    return tuple(
        sorted(
            sources,
            key=lambda s: (
                -hectares[s.stated.facility_id], order.index(s.stated.utility), s.stated.name,
                s.stated.facility_id,
            ),
        )
    )  # fmt: skip


def _step(facts: Facts, posed: Posed, now: Allocation, found: Extension) -> Step:
    freed = np.flatnonzero(found.served & ~now.served)
    return Step(
        more=tuple(
            (facts.known[posed.roots[int(f)]], float(by))
            for f, by in zip(found.facilities, found.by, strict=True)
        ),
        freed=tuple(facts.plots[int(i)] for i in freed),
        hectares=found.hectares - now.hectares,
        gap=found.gap,
        fewest=found.fewest,
    )
