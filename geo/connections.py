"""The connections that could be made in a plan, and the one way to the solver (HiGHS, through scipy).

A connection joins one plot to one facility for one utility and carries all that the plot needs of it: nobody builds half a
connection here and half there. Whether all can be made together is then a generalised assignment problem. HiGHS solves it as a
mixed-integer program; without the whole numbers it is a flow with gains, which bounds what any assignment can reach.
"""

from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# What rounding may make of a sum that fills a facility to the last drop.
FULL = 1 + 1e-9
# HiGHS takes a row for kept when it is broken by less than 1e-6; a set that overfills a facility by so little is then forbidden.
_ROUNDS = 20


class BadCase(ValueError):
    """The arrays of a case do not fit each other."""


@dataclass(frozen=True, slots=True)
class Case:
    """The plots of a plan, the facilities around them, and every connection that could be made.

    Attributes:
        hectares: shape (n plots,), above 0.
        capacity: shape (m facilities,), what each can still give, in the unit of its utility; below 0 counts as 0.
        plot, need, facility: shape (c connections,), positions: of the plot, of the utility among the `needs`, of the facility.
        demand: shape (c,), what the plot takes from the facility, in the facility's unit, 0 or more.
        length_m: shape (c,), metres.
        needs: how many utilities a plot must be connected to before it counts.

    Raises:
        BadCase: shapes, positions or signs are not as above.
    """

    hectares: Numbers
    capacity: Numbers
    plot: Ids
    need: Ids
    facility: Ids
    demand: Numbers
    length_m: Numbers
    needs: int

    def __post_init__(self) -> None:
        sizes = {len(a) for a in (self.plot, self.need, self.facility, self.demand, self.length_m)}
        if len(sizes) != 1:
            raise BadCase("the arrays of the connections differ in length")
        for name, positions, end in (
            ("plot", self.plot, len(self.hectares)),
            ("need", self.need, self.needs),
            ("facility", self.facility, len(self.capacity)),
        ):
            if len(positions) and not 0 <= positions.min() <= positions.max() < end:
                raise BadCase(f"{name}: a position is not in 0..{end - 1}")
        for name, numbers in (("demand", self.demand), ("length_m", self.length_m)):
            if not (np.isfinite(numbers).all() and (numbers >= 0).all()):
                raise BadCase(f"{name}: neither negative nor missing numbers")
        if not (np.isfinite(self.hectares).all() and (self.hectares > 0).all()):
            raise BadCase("hectares: every plot has an area")
        if not np.isfinite(self.capacity).all():
            raise BadCase("capacity: a facility without a stated capacity is no candidate")

    @property
    def room(self) -> Numbers:
        """What the facilities can give before anything is connected."""
        return np.maximum(self.capacity, 0.0)

    def load(self, chosen: Ids) -> Numbers:
        """What connections (by position) take from each facility, shape (m facilities,)."""
        return np.bincount(
            self.facility[chosen], self.demand[chosen], minlength=len(self.capacity)
        ).astype(np.float64)

    def complete(self, among: Ids) -> Ids:
        """Those of the connections whose plot has one for every need."""
        has = np.zeros((len(self.hectares), self.needs), dtype=bool)
        has[self.plot[among], self.need[among]] = True
        whole: Flags = np.logical_and.reduce(has, axis=1)
        return among[whole[self.plot[among]]]

    def usable(self, among: Ids, room: Numbers) -> Ids:
        """Those of the connections that fit by themselves and whose plot has one that fits for every need."""
        facility = self.facility[among]
        return self.complete(among[self.demand[among] <= room[facility] * FULL])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the solver found: `values` of all columns (None: nothing in time), a bound on the cost, and is it proved best?"""

    values: Numbers | None
    bound: float
    proved: bool


@dataclass(slots=True)
class Program:
    """A mixed-integer program over some connections: columns are connections, then plots, then facilities to extend.

    Rows: a plot that counts has exactly one connection for each need; a facility gives no more than `room`, or than that and
    `most` where it is extended. `cost` is minimised. Bounds and rows may be added before it is solved.
    """

    case: Case
    among: Ids
    room: Numbers
    extendable: Ids = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    most: Numbers = field(default_factory=lambda: np.zeros(0))
    plots: Ids = field(init=False)
    facilities: Ids = field(init=False)
    cost: Numbers = field(init=False)
    low: Numbers = field(init=False)
    high: Numbers = field(init=False)
    whole: Flags = field(init=False)
    rows: list[LinearConstraint] = field(init=False)

    def __post_init__(self) -> None:
        case, c = self.case, len(self.among)
        self.plots, plot = np.unique(case.plot[self.among], return_inverse=True)
        self.facilities, facility = np.unique(case.facility[self.among], return_inverse=True)
        p, e, wide = len(self.plots), len(self.extendable), c + len(self.plots)
        links = p * case.needs
        one_each = coo_array(
            (
                np.r_[np.ones(c), -np.ones(links)],
                (
                    np.r_[plot * case.needs + case.need[self.among], np.arange(links)],
                    np.r_[np.arange(c), c + np.arange(links) // case.needs],
                ),
            ),
            shape=(links, wide + e),
        )
        demand, room = case.demand[self.among], self.room[self.facilities]
        # Rows of about 1: the solver's tolerance is then a share of the facility.
        scale = np.maximum(room, np.bincount(facility, demand) / np.bincount(facility))
        scale[scale <= 0] = 1.0
        at = np.searchsorted(self.facilities, self.extendable)
        within = coo_array(
            (
                np.r_[demand / scale[facility], -self.most / scale[at]],
                (np.r_[facility, at], np.r_[np.arange(c), wide + np.arange(e)]),
            ),
            shape=(len(self.facilities), wide + e),
        )
        self.rows = [
            LinearConstraint(one_each.tocsr(), 0, 0),
            LinearConstraint(within.tocsr(), -np.inf, room / scale),
        ]
        self.cost, self.low, self.high = np.zeros(wide + e), np.zeros(wide + e), np.ones(wide + e)
        self.whole = np.ones(wide + e, dtype=bool)

    @property
    def x(self) -> slice:
        return slice(0, len(self.among))

    @property
    def y(self) -> slice:
        return slice(len(self.among), len(self.among) + len(self.plots))

    @property
    def z(self) -> slice:
        return slice(len(self.among) + len(self.plots), len(self.cost))

    def row(self, columns: Ids, factors: Numbers, low: float, high: float) -> None:
        """Keep a sum of columns between two numbers."""
        one = coo_array(
            (factors, (np.zeros(len(columns), dtype=np.int64), columns)), shape=(1, len(self.cost))
        )
        self.rows.append(LinearConstraint(one.tocsr(), low, high))

    def relaxed(self, time_limit_s: float) -> Outcome:
        """Solve without whole numbers: a plot may count in part and split its connections. The cost is a bound."""
        return self._run(time_limit_s, 0.0, np.zeros(len(self.cost), dtype=bool))

    def solve(self, time_limit_s: float, gap: float = 0.0) -> Outcome:
        """Solve with whole numbers, until proved within `gap` (a share) or out of time. No facility is overfilled."""
        began = perf_counter()
        out = self._run(time_limit_s, gap, self.whole)
        for _ in range(_ROUNDS):
            if out.values is None or not self._forbid_overfull(out.values):
                return out
            left = time_limit_s - (perf_counter() - began)
            if left <= 0:
                break
            out = self._run(left, gap, self.whole)
        return Outcome(None, out.bound, proved=False)

    def chosen(self, values: Numbers) -> Ids:
        """The connections that are made, by their position in the case."""
        return self.among[values[self.x] > 0.5]

    def _forbid_overfull(self, values: Numbers) -> bool:
        chosen = np.flatnonzero(values[self.x] > 0.5)
        load = self.case.load(self.among[chosen])
        over = load > self.room * FULL
        over[self.extendable[(values[self.z] > 0.5) | ~self.whole[self.z]]] = False
        for facility in np.flatnonzero(over):
            here = chosen[self.case.facility[self.among[chosen]] == facility]
            columns, factors, most = here, np.ones(len(here)), len(here) - 1.0
            at = np.flatnonzero(self.extendable == facility)
            if len(at):
                columns, factors = np.r_[here, self.z.start + at], np.r_[factors, -1.0]
            self.row(columns, factors, -np.inf, most)
        return bool(over.any())

    def _run(self, time_limit_s: float, gap: float, whole: Flags) -> Outcome:
        if not len(self.cost):
            return Outcome(np.zeros(0), 0.0, proved=True)
        found = milp(
            self.cost,
            integrality=whole.astype(np.int64),
            bounds=Bounds(self.low, self.high),
            constraints=self.rows,
            options={"time_limit": max(time_limit_s, 0.01), "mip_rel_gap": gap},
        )
        bound = found.fun if found.status == 0 and not whole.any() else found.mip_dual_bound
        return Outcome(
            found.x, -np.inf if bound is None else float(bound), proved=found.status == 0
        )
