"""Which facilities to extend so that most land can be served: the fewest, and by how much.

Model: that of geo.allocation, where a facility that is extended gives as much as is asked of it. Nobody who is served today
loses that; from where may change. With a budget of k facilities the served hectares are made most; without one, the facilities
fewest that serve every plot with a candidate for each of its needs. Then, for these plots and as many facilities, the
extensions are made least (each as a share of all that is wanted of its utility, so that cubic metres and kilowatts can be added up). What
HiGHS does not prove in time comes with a bound. A stopwatch is the only clock that is read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array

from geo.allocation import Allocation, by_plot, gap, served
from geo.connections import FULL, Case, Flags, Ids, Numbers, Program

# A hundredth of a square metre.
_SAME_HA = 1e-6
# Up to so many connections the solver may move who is served already; beyond it has no answer in a second.
_WHOLE = 2500
# Of the time: for the choice of facilities, then (where it was not proved) for one that leaves the others where they are; the
# rest is for the least extension.
_FOR_CHOICE, _FOR_FROZEN = 0.55, 0.8


@dataclass(frozen=True, slots=True)
class Extension:
    """What extending some facilities would do.

    Attributes:
        facilities: shape (k,), positions, ascending.
        by: shape (k,), how much more each must give, in its unit, above 0.
        connection: shape (n plots, needs), position of the connection in the case; -1 all along for who is not served.
        hectares, hectares_bound: served then, and what no extension of as many facilities can exceed.
        fewest: so many facilities it takes at least for as many hectares; 0 where a budget was given.
    """

    facilities: Ids
    by: Numbers
    connection: Ids
    hectares: float
    hectares_bound: float
    fewest: int

    @property
    def served(self) -> Flags:
        """Shape (n plots,)."""
        return served(self.connection)

    @property
    def gap(self) -> float:
        """By which share more hectares could be possible at most; 0: proved that not."""
        return gap(self.hectares_bound - self.hectares, self.hectares_bound)


Aim = Callable[[Program], None]


def extend(case: Case, now: Allocation, budget: int, *, time_limit_s: float = 1.0) -> Extension:
    """Extend at most `budget` facilities so that the most hectares are served; `now` is the allocation without that."""

    def aim(program: Program) -> None:
        program.cost[program.y] = -case.hectares[program.plots]
        columns = np.arange(program.z.start, program.z.stop)
        program.row(columns, np.ones(len(columns)), 0, budget)

    found, bound = _choose(case, now, aim, _one_by_one(case, now, budget), time_limit_s)
    # Without a bound of the solver: no more than everybody.
    reach = float(case.hectares[np.unique(case.plot[_all(case)])].sum())
    return _extension(case, found, min(-bound, reach), fewest=0)


def extend_for_all(case: Case, now: Allocation, *, time_limit_s: float = 1.0) -> Extension:
    """Extend the fewest facilities that serve every plot which has a candidate for each need."""

    def aim(program: Program) -> None:
        program.cost[program.z] = 1.0
        program.low[program.y] = 1.0

    found, bound = _choose(case, now, aim, _covering(case, now), time_limit_s)
    reach = float(case.hectares[np.unique(case.plot[found])].sum())
    if not (case.load(found) > case.room * FULL).any():
        return _extension(case, found, reach, fewest=0)
    return _extension(case, found, reach, fewest=int(max(np.ceil(bound - 1e-6), 1)))


def curve(
    case: Case, now: Allocation, most: int, *, time_limit_s: float = 2.0
) -> Iterator[Extension]:
    """Give the best extension of 1, 2, … up to `most` facilities, those that free more land than fewer do."""
    began, before = perf_counter(), now.hectares
    among = _all(case)
    reach = float(case.hectares[np.unique(case.plot[among])].sum())
    for budget in range(1, most + 1):
        if before >= reach - _SAME_HA:
            return
        left = max(time_limit_s - (perf_counter() - began), 0.1)
        found = extend(case, now, budget, time_limit_s=left / (most + 1 - budget))
        if found.hectares > before + _SAME_HA:
            before = found.hectares
            yield found


def _all(case: Case) -> Ids:
    return case.complete(np.arange(len(case.plot)))


def _choose(
    case: Case, now: Allocation, aim: Aim, start: Ids, time_limit_s: float
) -> tuple[Ids, float]:
    """The connections that serve an aim best with the least extension, and a bound on the cost of the aim.

    `start` are connections that are known to keep to it: the solver may have nothing better in time.
    """
    began = perf_counter()

    def left(share: float) -> float:
        return max(time_limit_s * share - (perf_counter() - began), 0.05)

    among = _all(case)
    program = _program(case, among, case.room)
    program.low[program.y] = now.served[program.plots]
    aim(program)
    bound = program.relaxed(left(_FOR_CHOICE)).bound
    standing = now.connection[now.served].ravel()
    choices = [start]
    proved = False
    if len(among) <= _WHOLE:
        out = program.solve(left(_FOR_CHOICE))
        bound, proved = max(bound, out.bound), out.proved
        if out.values is not None:
            choices.append(program.chosen(out.values))
    if not proved:
        free = among[~now.served[case.plot[among]]]
        program = _program(case, free, np.maximum(case.room - now.load, 0.0))
        aim(program)
        out = program.solve(left(_FOR_FROZEN))
        if out.values is not None:
            choices.append(np.r_[standing, program.chosen(out.values)])
    best = min(choices, key=lambda chosen: _worth(case, chosen))
    return _least(case, best, left(1.0)), bound


def _worth(case: Case, chosen: Ids) -> tuple[float, int]:
    """The lower the better: more hectares first, then fewer facilities that must be extended."""
    hectares = float(case.hectares[np.unique(case.plot[chosen])].sum())
    return -round(hectares, 6), int((case.load(chosen) > case.room * FULL).sum())


def _program(case: Case, among: Ids, room: Numbers) -> Program:
    """Facilities may be extended to give all that is wanted of them."""
    wanted = case.load(among)
    extendable = np.flatnonzero(wanted > room)
    program = Program(case, among, room, extendable, (wanted - room)[extendable])
    # What fits no facility as it is needs that one extended: told so, the solver bounds it much better.
    large = np.flatnonzero(case.demand[among] > room[case.facility[among]] * FULL)
    z = program.z.start + np.searchsorted(extendable, case.facility[among[large]])
    rows = np.arange(len(large))
    if len(large):
        only_if = coo_array(
            (
                np.r_[np.ones(len(large)), -np.ones(len(large))],
                (np.r_[rows, rows], np.r_[large, z]),
            ),
            shape=(len(large), len(program.cost)),
        )
        program.rows.append(LinearConstraint(only_if.tocsr(), -np.inf, 0))
    return program


def _least(case: Case, chosen: Ids, seconds: float) -> Ids:
    """Connect the same plots with as many facilities extended, but by as little as can be."""
    over = case.load(chosen) > case.room * FULL
    if not over.any():
        return chosen
    among = _all(case)
    among = among[np.isin(case.plot[among], case.plot[chosen])]
    if len(among) > _WHOLE:
        among = case.usable(among, np.where(over, np.inf, case.room))
    wanted = case.load(among)
    extendable = np.flatnonzero(wanted > case.room)
    if len(among) > _WHOLE:
        extendable = np.flatnonzero(over)
    n, most = len(extendable), np.maximum(wanted - case.room, 0.0)[extendable]
    # Twice: first how far (a share of all that could be asked of it), then whether at all.
    program = Program(
        case, among, case.room, np.r_[extendable, extendable], np.r_[most, np.zeros(n)]
    )
    program.low[program.y] = 1.0
    far, at_all = np.arange(n) + program.z.start, np.arange(n) + program.z.start + n
    program.whole[far] = False
    program.row(at_all, np.ones(n), 0, float(over.sum()))
    only_if = coo_array(
        (np.r_[np.ones(n), -np.ones(n)], (np.r_[np.arange(n), np.arange(n)], np.r_[far, at_all])),
        shape=(n, len(program.cost)),
    )
    program.rows.append(LinearConstraint(only_if.tocsr(), -np.inf, 0))
    of_need = np.bincount(case.need, case.demand, minlength=case.needs)
    need = np.zeros(len(case.capacity), dtype=np.int64)
    need[case.facility] = case.need
    program.cost[far] = most / of_need[need[extendable]]
    out = program.solve(seconds)
    return chosen if out.values is None else program.chosen(out.values)


def _one_by_one(case: Case, now: Allocation, budget: int) -> Ids:
    """Extend one facility after the other, each time the one on which most land waits, as far as the others can give the rest."""
    among = _all(case)
    room = np.maximum(case.room - now.load, 0.0)
    served, made = now.served.copy(), [*now.connection[now.served].ravel()]
    for step in range(budget):
        free = among[~served[case.plot[among]]]
        fits = free[case.demand[free] <= room[case.facility[free]] * FULL]
        short = np.ones((len(served), case.needs), dtype=bool)
        short[case.plot[fits], case.need[fits]] = False
        missing = short.sum(axis=1)[case.plot[free]]
        helped = short[case.plot[free], case.need[free]] & (missing <= budget - step)
        score = np.bincount(
            case.facility[free[helped]],
            case.hectares[case.plot[free[helped]]] / missing[helped],
            minlength=len(room),
        )
        if not score.any():
            break
        room[int(score.argmax())] = np.inf
        for plot in sorted(set(case.plot[free]), key=lambda p: (-case.hectares[p], p)):
            mine = free[case.plot[free] == plot]
            mine = mine[case.demand[mine] <= room[case.facility[mine]] * FULL]
            mine = mine[np.argsort(case.length_m[mine], kind="stable")]
            needs, first = np.unique(case.need[mine], return_index=True)
            if len(needs) == case.needs:
                room[case.facility[mine[first]]] -= case.demand[mine[first]]
                np.maximum(room, 0.0, out=room)
                served[plot] = True
                made += [*mine[first]]
    return np.array(made, dtype=np.int64)


def _covering(case: Case, now: Allocation) -> Ids:
    """Everybody else from facilities that many of them can lean on: what can always be done when time runs out."""
    among = _all(case)
    waiting = among[~now.served[case.plot[among]]]
    task = case.plot * case.needs + case.need
    made = [now.connection[now.served].ravel()]
    while len(waiting):
        most = int(np.bincount(case.facility[waiting]).argmax())
        mine = waiting[case.facility[waiting] == most]
        made.append(mine[np.unique(task[mine], return_index=True)[1]])
        waiting = waiting[~np.isin(task[waiting], task[mine])]
    return np.sort(np.concatenate(made))


def _extension(case: Case, chosen: Ids, bound: float, fewest: int) -> Extension:
    load = case.load(chosen)
    facilities = np.flatnonzero(load > case.room * FULL)
    connection = by_plot(case, chosen)
    hectares = float(case.hectares[served(connection)].sum())
    return Extension(
        facilities=facilities,
        by=(load - case.room)[facilities],
        connection=connection,
        hectares=hectares,
        hectares_bound=max(bound, hectares),
        fewest=fewest,
    )
