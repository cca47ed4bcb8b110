"""Which plots of a board a reader wants to see, in which order, and what they add up to. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from landready.board_lines import Cell, Line
from landready.utilities import Utility

_STAGES = ("listed", "ready", "waiting", "blocked")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader asked for; an empty text asks for nothing. Utility, enterprise and state are asked of one and the same cell."""

    utility: str = ""
    enterprise: str = ""
    state: str = ""
    quarter: str = ""
    blocked: bool = False
    sort: str = ""

    @property
    def narrows(self) -> bool:
        return bool(self.utility or self.enterprise or self.state or self.quarter or self.blocked)


@dataclass(frozen=True, slots=True)
class Sum:
    """Plots and their hectares."""

    plots: int
    hectares: float


@dataclass(frozen=True, slots=True)
class Sums:
    """A plan on top of its board.

    `stages` in the order of a plot's way, `quarters` by when all that is required will be there (`now` first, `unknown` last),
    `missing` by required utility: plots that lack it, and those that lack nothing else; `own` the same of what the plot itself
    lacks (clear title, no overlap).
    """

    all: Sum
    stages: Mapping[str, Sum]
    quarters: Mapping[str, Sum]
    missing: Mapping[Utility, tuple[Sum, Sum]]
    own: tuple[Sum, Sum]


# Name of an order → what is sorted by; the order of the plan's file among equals.
ORDERS: Mapping[str, Callable[[Line], object]] = {
    "": lambda _line: 0,
    "code": lambda line: line.code,
    "area": lambda line: -line.area_m2,
    "use": lambda line: line.use,
    "planned": lambda line: line.planned,
    "verdict": lambda line: _STAGES.index(line.stage),
    "quarter": lambda line: _in_time(line.quarter),
    "missing": lambda line: -len(line.missing) - len(line.own),
}


def choose(lines: Iterable[Line], wish: Wish) -> list[Line]:
    """Return the lines asked for in the order asked for; an unknown order is the plan's."""
    found = [line for line in lines if _wanted(line, wish)]
    return sorted(found, key=ORDERS.get(wish.sort, ORDERS[""]))  # type: ignore[arg-type]


def sums(lines: Sequence[Line]) -> Sums:
    lacking = [line for line in lines if line.stage in ("waiting", "blocked")]
    utilities = [c.utility for c in lines[0].cells if c.blocks] if lines else []
    return Sums(
        all=_sum(lines),
        stages={s: _sum([x for x in lines if x.stage == s]) for s in _STAGES},
        quarters=_by(lines, lambda line: line.quarter),
        missing={
            u: (
                _sum([x for x in lacking if any(c.utility is u for c in x.missing)]),
                _sum([x for x in lacking if not x.own and [c.utility for c in x.missing] == [u]]),
            )
            for u in utilities
        },
        own=(
            _sum([x for x in lacking if x.own]),
            _sum([x for x in lacking if x.own and not x.missing]),
        ),
    )


def enterprises(lines: Iterable[Line]) -> list[str]:
    """Everybody who was asked about any of the plots."""
    return sorted({name for line in lines for cell in line.cells for name in cell.asked})


def _wanted(line: Line, wish: Wish) -> bool:
    if wish.blocked and line.stage not in ("waiting", "blocked"):
        return False
    if wish.quarter and line.quarter != wish.quarter:
        return False
    return any(_cell_wanted(cell, wish) for cell in line.cells) or not line.cells


def _cell_wanted(cell: Cell, wish: Wish) -> bool:
    return (
        wish.utility in ("", cell.utility)
        and (not wish.enterprise or wish.enterprise in cell.asked)
        and wish.state in ("", cell.standing)
    )


def _by(lines: Iterable[Line], key: Callable[[Line], str]) -> dict[str, Sum]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[key(line)].append(line)
    return {name: _sum(found[name]) for name in sorted(found, key=_in_time)}


def _in_time(quarter: str) -> tuple[int, str]:
    return {"now": 0, "unknown": 2}.get(quarter, 1), quarter


def _sum(lines: Sequence[Line]) -> Sum:
    return Sum(len(lines), sum(line.hectares for line in lines))
