"""Which plots of a plan can be served together, and from where.

Model: every plot that counts has one connection for each utility it needs, whole (geo.connections); no facility gives more
than it has. First the served hectares are made most, then, of the sets of plots that reach them, the connections shortest. Both
together are a generalised assignment problem, NP-hard. What HiGHS proves is exact; where time runs out first the best found is
given beside the bound of the split flow (the linear relaxation), and the gap says how far it can be from the best. A stopwatch
is the only clock that is read.
"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.connections import FULL, Case, Flags, Ids, Numbers, Program

# Parts with at most so many plots are given to the solver whole; up to there it mostly proves its answer in a second.
_WHOLE = 250
# Small parts go together: a call costs 3 ms whatever is in it.
_BATCH = 60
# Larger parts are improved around one unserved plot at a time, with so many plots and seconds for each.
_WINDOW = 45
_WINDOW_S = 0.25
_WINDOW_GAP = 2e-3
# Of the time: until then more hectares are sought, the rest is for shorter connections.
_FOR_HECTARES = 0.8
# Where nothing is proved a metre of connection weighs so little against land: it only chooses among equals.
_HA_A_METRE = 1e-7
# A hundredth of a square metre.
_SAME_HA = 1e-6


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who is served from where.

    Attributes:
        connection: shape (n plots, needs), position of the connection in the case; -1 all along for a plot that is not served.
        load: shape (m facilities,), what the plan takes from each.
        hectares, hectares_bound: of the served plots, and what no allocation can exceed.
        length_m, length_bound_m: of all connections, and below what no allocation of as many hectares can go (where the
            hectares are not proved: none of these plots).
    """

    connection: Ids
    load: Numbers
    hectares: float
    hectares_bound: float
    length_m: float
    length_bound_m: float

    @property
    def served(self) -> Flags:
        """Shape (n plots,)."""
        return served(self.connection)

    @property
    def gap(self) -> float:
        """By which share more hectares could be possible at most; 0: proved that not."""
        return gap(self.hectares_bound - self.hectares, self.hectares_bound)

    @property
    def length_gap(self) -> float:
        """By which share the connections could be shorter at most; 0: proved that not."""
        return gap(self.length_m - self.length_bound_m, self.length_m)


def served(connection: Ids) -> Flags:
    """Which plots have a connection for each need, shape (n plots,)."""
    whole: Flags = np.logical_and.reduce(connection >= 0, axis=1)
    return whole


def by_plot(case: Case, chosen: Ids) -> Ids:
    """Lay out connections by plot and need, shape (n plots, needs), -1 where there is none."""
    connection = np.full((len(case.hectares), case.needs), -1, dtype=np.int64)
    connection[case.plot[chosen], case.need[chosen]] = chosen
    return connection


def gap(missing: float, whole: float) -> float:
    """By which share something falls short; 0 when by no more than a hundredth of a square metre or a rounding."""
    return 0.0 if missing <= max(_SAME_HA, 1e-9 * whole) else missing / whole


def allocate(case: Case, *, time_limit_s: float = 4.0) -> Allocation:
    """Serve the most hectares, then by the shortest connections; ends after about `time_limit_s` seconds at the latest."""
    work = _Work(case, perf_counter(), time_limit_s)
    for part in work.parts:
        if len(part.plots) <= _WHOLE or not part.binds:
            work.solve(part)
    work.improve()
    work.fill()
    length_bound = work.shorten()
    chosen = np.flatnonzero(work.used)
    return Allocation(
        connection=by_plot(case, chosen),
        load=case.load(chosen),
        hectares=work.hectares(work.used),
        hectares_bound=sum(part.bound for part in work.parts),
        length_m=float(case.length_m[chosen].sum()),
        length_bound_m=length_bound,
    )


@dataclass(slots=True, eq=False)
class _Part:
    """Plots that share no scarce facility with the rest. `bound`: hectares at most."""

    plots: Ids
    among: Ids
    binds: bool
    bound: float
    proved: bool = False


class _Work:
    """The allocation while it is made: `used` marks the connections that are made, shape (c,)."""

    def __init__(self, case: Case, began: float, time_limit_s: float) -> None:
        self.case, self.began, self.limit = case, began, time_limit_s
        self.among = case.usable(np.arange(len(case.plot)), case.room)
        self.used = np.zeros(len(case.plot), dtype=bool)
        program = self._hectares_program(self.among, case.room)
        out = program.relaxed(time_limit_s)
        values = np.zeros(len(program.cost)) if out.values is None else out.values
        # Without an answer of the solver in time nothing better is known than that all could be.
        shares = values[program.y] if out.proved else np.ones(len(program.plots))
        worth = np.zeros(len(case.hectares))
        worth[program.plots] = case.hectares[program.plots] * shares
        self.parts = _parts(case, self.among, worth)
        self._dive()

    def left(self, share: float = 1.0) -> float:
        """Seconds that are left of a share of the time."""
        return self.limit * share - (perf_counter() - self.began)

    def hectares(self, connections: Flags) -> float:
        return float(self.case.hectares[np.unique(self.case.plot[connections])].sum())

    def solve(self, part: _Part) -> None:
        """Let the solver have the whole part; what it finds is taken where it is better than what is there."""
        waiting = sum(len(p.among) for p in self.parts if not p.proved)
        share = self.left(_FOR_HECTARES) * len(part.among) / waiting
        if share <= 0:
            return
        program = self._hectares_program(part.among, self.case.room)
        out = program.solve(share)
        part.bound = min(part.bound, -out.bound)
        if out.values is None:
            return
        mine = np.zeros_like(self.used)
        mine[program.chosen(out.values)] = True
        theirs = self.used & np.isin(self.case.plot, part.plots)
        if out.proved or self.hectares(mine) > self.hectares(theirs):
            self.used = self.used & ~theirs | mine
        if out.proved:
            part.proved, part.bound = True, self.hectares(mine)

    def improve(self) -> None:
        """Around each unserved plot, the largest first, assign anew who leans on its facilities; until nothing changes."""
        seeds = self._unserved()
        while len(seeds) and self.left(_FOR_HECTARES) > 0:
            better = False
            for seed in seeds:
                if self.left(_FOR_HECTARES) <= 0:
                    break
                better |= self._improve_around(int(seed))
            seeds = self._unserved() if better else seeds[:0]

    def fill(self) -> None:
        """Serve who still fits, so that everybody left out lacks something."""
        room = self.case.room - self.case.load(np.flatnonzero(self.used))
        for plot in self._unserved():
            mine = self.among[self.case.plot[self.among] == plot]
            self._take(self._nearest(mine, room), room)

    def shorten(self) -> float:
        """Make connections shorter where that can be; returns the length below which they cannot go."""
        weight = sum(len(part.among) for part in self.parts)
        bound = 0.0
        for part in self.parts:
            bound += self._shorten(part, max(self.left() * len(part.among) / weight, 0.02))
            weight -= len(part.among)
        return bound

    def _shorten(self, part: _Part, seconds: float) -> float:
        case = self.case
        theirs = self.used & np.isin(case.plot, part.plots)
        if not theirs.any():
            return 0.0
        served = np.unique(case.plot[theirs])
        # A set of other plots with the same hectares may be nearer; without a proof of the hectares these plots it is.
        among = part.among if part.proved else part.among[np.isin(case.plot[part.among], served)]
        program = Program(case, among, case.room)
        program.cost[program.x] = case.length_m[among]
        if part.proved and len(served) < len(program.plots):
            columns = np.arange(program.y.start, program.y.stop)
            program.row(columns, case.hectares[program.plots], part.bound - _SAME_HA, np.inf)
        else:
            program.low[program.y] = np.isin(program.plots, served)
        now = float(case.length_m[theirs].sum())
        began = perf_counter()
        bound = program.relaxed(seconds)
        out = program.solve(seconds - (perf_counter() - began))
        if out.values is not None:
            chosen = program.chosen(out.values)
            if case.length_m[chosen].sum() < now:
                self.used &= ~theirs
                self.used[chosen] = True
                now = float(case.length_m[chosen].sum())
        return now if out.proved else max(bound.bound, out.bound, 0.0)

    def _hectares_program(
        self, among: Ids, room: Numbers, hectares_a_metre: float = 0.0
    ) -> Program:
        program = Program(self.case, among, room)
        program.cost[program.x] = hectares_a_metre * self.case.length_m[among]
        program.cost[program.y] = -self.case.hectares[program.plots]
        return program

    def _unserved(self) -> Ids:
        could = np.unique(self.case.plot[self.among])
        missing = np.setdiff1d(could, self.case.plot[self.used])
        done = [part.plots for part in self.parts if part.proved]
        missing = np.setdiff1d(missing, np.concatenate(done)) if done else missing
        order: Ids = missing[np.argsort(-self.case.hectares[missing], kind="stable")]
        return order

    def _nearest(self, mine: Ids, room: Numbers) -> list[int]:
        """One connection of a plot for each need, the nearest that fits; none where one is missing."""
        case = self.case
        fits = mine[case.demand[mine] <= room[case.facility[mine]] * FULL]
        fits = fits[np.argsort(case.length_m[fits], kind="stable")]
        needs, first = np.unique(case.need[fits], return_index=True)
        return [int(c) for c in fits[first]] if len(needs) == case.needs else []

    def _take(self, connections: list[int], room: Numbers) -> bool:
        """Make a plot's connections if all fit; `room` is brought up to date."""
        case = self.case
        if not connections or any(
            case.demand[c] > room[case.facility[c]] * FULL for c in connections
        ):
            return False
        for c in connections:
            room[case.facility[c]] = max(room[case.facility[c]] - case.demand[c], 0.0)
        self.used[connections] = True
        return True

    def _dive(self) -> None:
        """Round the relaxation: keep what is whole, relax the rest again with what is left, until nobody else fits."""
        case, room, among = self.case, self.case.room, self.among
        while len(among) and self.left(_FOR_HECTARES) > 0:
            program = self._hectares_program(among, room, _HA_A_METRE)
            out = program.relaxed(self.left())
            if out.values is None:
                return
            shares = out.values[program.x]
            strength = np.zeros((len(case.hectares), case.needs))
            np.maximum.at(strength, (case.plot[among], case.need[among]), shares)
            by_share = among[np.argsort(-shares, kind="stable")]
            keys = case.plot[by_share] * case.needs + case.need[by_share]
            best = by_share[np.unique(keys, return_index=True)[1]].reshape(-1, case.needs)
            sure = strength.min(axis=1)[case.plot[best[:, 0]]]
            taken: list[int] = []
            for row in np.argsort(-sure, kind="stable"):
                if (sure[row] < 1 - 1e-6 and taken) or sure[row] <= 1e-9:
                    break
                if self._take([int(c) for c in best[row]], room):
                    taken.append(int(case.plot[best[row, 0]]))
            if not taken:
                return
            among = case.usable(among[~np.isin(case.plot[among], taken)], room)

    def _around(self, seed: int, served: Flags) -> Flags:
        """A plot, those on the facilities where it lacks least, then others that wait for these; shape (n plots,)."""
        case = self.case
        mine = self.among[case.plot[self.among] == seed]
        room = case.room - case.load(np.flatnonzero(self.used))
        lack = case.demand[mine] - room[case.facility[mine]]
        share = lack / np.maximum(case.demand[mine], 1e-9)
        free = np.zeros(len(case.hectares), dtype=bool)
        free[seed] = True
        around = np.zeros(len(case.capacity), dtype=bool)
        for facility in case.facility[mine[np.argsort(share, kind="stable")]]:
            more = free.copy()
            more[case.plot[self.used & (case.facility == facility)]] = True
            if more.sum() > _WINDOW and around.any():
                continue
            free, around[facility] = more, True
        waiting = np.unique(case.plot[self.among[around[case.facility[self.among]]]])
        waiting = waiting[~served[waiting] & ~free[waiting]]
        waiting = waiting[np.argsort(-case.hectares[waiting], kind="stable")]
        free[waiting[: max(_WINDOW - int(free.sum()), 0)]] = True
        return free

    def _improve_around(self, seed: int) -> bool:
        case = self.case
        served = np.zeros(len(case.hectares), dtype=bool)
        served[case.plot[self.used]] = True
        if served[seed]:
            return False
        free = self._around(seed, served)
        inside = self.used & free[case.plot]
        room = np.maximum(case.room - case.load(np.flatnonzero(self.used & ~inside)), 0.0)
        among = case.usable(self.among[free[case.plot[self.among]]], room)
        program = self._hectares_program(among, room, _HA_A_METRE)
        out = program.solve(min(_WINDOW_S, self.left()), _WINDOW_GAP)
        if out.values is None:
            return False
        mine = np.zeros_like(self.used)
        mine[program.chosen(out.values)] = True
        if self.hectares(mine) <= self.hectares(inside) + _SAME_HA:
            return False
        self.used = self.used & ~inside | mine
        return True


def _parts(case: Case, among: Ids, worth: Numbers) -> list[_Part]:
    """Split the plots where no scarce facility joins them: small ones first, those without any scarcity together."""
    plots, facilities = len(case.hectares), len(case.capacity)
    scarce = case.load(among) > case.room * FULL
    tight = among[scarce[case.facility[among]]]
    joins = coo_array(
        (np.ones(len(tight)), (case.plot[tight], plots + case.facility[tight])),
        shape=(plots + facilities, plots + facilities),
    )
    _, of = connected_components(joins, directed=False)
    could = np.unique(case.plot[among])
    tied = np.isin(could, case.plot[tight])
    _, group = np.unique(of[could[tied]], return_inverse=True)
    groups = [could[tied][group == g] for g in range(int(group.max(initial=-1)) + 1)]
    batches: list[Ids] = []
    for one in sorted(groups, key=len):
        if batches and len(batches[-1]) + len(one) <= _BATCH:
            batches[-1] = np.r_[batches[-1], one]
        else:
            batches.append(one)
    found = [(could[~tied], False)] if not tied.all() else []
    found += [(one, True) for one in batches]
    return [
        _Part(
            members,
            among[np.isin(case.plot[among], members)],
            binds,
            float(worth[members].sum()),
        )
        for members, binds in found
    ]
