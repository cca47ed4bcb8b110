"""Many plots of a plan at once: put on offer, suspended, resumed or withdrawn, each for itself and with its own result."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import planner, reserving
from landready.blockers import Blocker
from landready.db import actor_of
from landready.errors import Conflict, Invalid, NotReady
from landready.gate import list_plot, lock_plots
from landready.plans import Plot
from landready.progress import PlotLine
from landready.settings import Gate

ACTIONS = ("listed", "suspended", "withdrawn")
_NOTHING = {
    "listed": N_("已经上架或成交，没有改变。"),
    "suspended": N_("不在上架中，不能暂停。"),
    "withdrawn": N_("没有上架，不能撤回。"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one plot. Unless it is done: why not, by the gate (`blockers`) or by the state it is in (`said`)."""

    plot: Plot
    blockers: tuple[Blocker, ...] = ()
    said: str = ""

    @property
    def done(self) -> bool:
        return not (self.blockers or self.said)


_NONE = {
    "listed": N_("没有可以上架或恢复的地块。"),
    "suspended": N_("没有上架中的地块，没有可以暂停的。"),
    "withdrawn": N_("没有上架或暂停中的地块，没有可以撤回的。"),
}


def fitting(lines: Sequence[PlotLine], action: str) -> list[int]:
    """Return the plots for which an action could mean something: what a planner means by "all"."""
    states = {line.plot.id: line.listing.state if line.listing else "" for line in lines}
    if action == "listed":
        return [x.plot.id for x in lines if x.may_list or states[x.plot.id] == "suspended"]
    from_ = ("listed",) if action == "suspended" else ("listed", "suspended")
    return [number for number, state in states.items() if state in from_]


def all_fitting(lines: Sequence[PlotLine], action: str) -> set[int]:
    """Return what `fitting` finds.

    Raises:
        Invalid: nothing.
    """
    found = set(fitting(lines, action))
    if not found and action in ACTIONS:
        raise Invalid((Problem("none_fits", "error", _NONE[action], where="plot"),))
    return found


def move_plots(
    session: Session,
    lines: Sequence[PlotLine],
    plot_ids: Collection[int],
    action: str,
    reason: str,
    gate: Gate,
    now: datetime,
) -> list[Result]:
    """Do one of ACTIONS to those plots of a plan's `lines` that are named. One that cannot be holds up no other.

    Raises:
        Invalid: no such action, no plot, or no reason where one is asked for.
    """
    if action not in ACTIONS:
        text = N_("请选择要做什么。")
        raise Invalid((Problem("action_unknown", "error", text, where="action"),))
    chosen = [line for line in lines if line.plot.id in plot_ids]
    if not chosen:
        raise Invalid((Problem("no_plot", "error", N_("请至少选择一个地块。"), where="plot"),))
    reason = planner.reason_of(action, reason)
    numbers = sorted(line.plot.id for line in chosen)
    # All locks before the first turn, in the order in which whoever answers takes them.
    lock_plots(session, numbers)
    reserving.lock(session, *numbers)
    return [_move(session, line, action, reason, gate, now) for line in chosen]


def _move(
    session: Session, line: PlotLine, action: str, reason: str, gate: Gate, now: datetime
) -> Result:
    listing = line.listing
    open_ = listing is not None and listing.state in ("listed", "suspended")
    try:
        if open_ and listing is not None:
            planner.change_listing(session, line.plot.id, listing.id, action, reason, gate, now)
        elif action == "listed":
            with session.begin_nested():
                account_id = actor_of(session).account_id
                list_plot(session, line.plot.id, gate, account_id=account_id, now=now)
        else:
            return Result(line.plot, said=_NOTHING[action])
    except NotReady as error:
        return Result(line.plot, error.blockers)
    except Conflict:
        return Result(line.plot, said=_NOTHING[action])
    return Result(line.plot)
