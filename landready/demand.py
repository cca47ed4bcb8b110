"""What each plot will need of each utility: from planning indices, or as the planner states it with a reason.

The indices and the mapping of land uses to them are data with their sources; whoever shows a figure shows its standing.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column

from geo import demand as engine
from geo.demand import Demand, Index, Lack
from geo.problems import N_, Problem
from landready.db import Base, Id, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotFound
from landready.landuse import System
from landready.organisations import Account
from landready.plans import Plot, SupplyPlan
from landready.settings import Check as Reach
from landready.uploads import storable
from landready.uses import Uses, uses_of
from landready.utilities import MOST, UNITS, Utility

_TABLE = Path(__file__).parent / "data" / "demand_indices.csv"
_REASON = 500
ASK = N_("这项服务没有按用地面积的指标，请填写项目自己的用量。")
NO_ROW = N_("指标表里没有 {classes} 类用地的指标，请填写项目自己的用量。")


class Standing(StrEnum):
    """On what a figure rests; the pages have one label for each."""

    STATED = "stated"  # a planner stated it, with a reason
    INDEX = "index"  # computed from rows whose numbers were read in the standard
    UNVERIFIED = "unverified"  # computed from rows whose numbers nobody has checked against the printed standard
    NONE = "none"  # there is no figure


class DemandOverride(Base):
    """What a planner stated for a plot and a utility; the newest of a revision holds, empty amounts return to the index."""

    __tablename__ = "demand_override"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id", ondelete="CASCADE"), index=True)
    plot_revision: Mapped[int]
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    low: Mapped[float | None]
    high: Mapped[float | None]
    reason: Mapped[str] = mapped_column(Text)
    stated_at: Mapped[datetime]
    stated_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("(low is null) = (high is null) and low >= 0 and high >= low", name="amount"),
        CheckConstraint("reason <> ''", name="reason"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """What a plot needs of one utility: `low` to `high` in `unit`, both None without a figure; then `question` says why.

    `computed` names the rows of the indices, also where a planner's `stated` figure stands in its place.
    """

    utility: Utility
    low: float | None
    high: float | None
    unit: str
    standing: Standing
    uses: Uses
    computed: Demand | None = None
    question: Problem | None = None
    stated: DemandOverride | None = None


@cache
def indices() -> tuple[Index, ...]:
    """Return the index table, row by row."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Index(
                row["utility"], row["standard"], row["table"], row["gb50137_class"],
                row["description"], _cell(row["min"]), _cell(row["max"]), row["unit"],
                row["note"], row["source"], row["standing"] == "verified",
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def _cell(text: str) -> float | None:
    return float(text) if text else None


def figure(
    plot: Plot, utility: Utility, reach: Reach, stated: DemandOverride | None = None
) -> Figure:
    """Return what a plot needs of one utility; `stated` is what a planner said last. Reads the plot's plan."""
    uses = _uses(plot.use, plot.use_shares, plot.plan.use_system)
    found = None if uses.question else _computed(plot, utility, uses, reach)
    computed = found if isinstance(found, Demand) else None
    if stated is not None and stated.low is not None:
        return Figure(
            utility, stated.low, stated.high, UNITS[utility], Standing.STATED, uses, computed,
            stated=stated,
        )  # fmt: skip
    if computed:
        standing = Standing.INDEX if computed.verified else Standing.UNVERIFIED
        low, high = _rounded(computed.low), _rounded(computed.high)
        return Figure(utility, low, high, computed.unit, standing, uses, computed, stated=stated)
    if isinstance(found, Lack):
        question: Problem | None = _lacking(found)
    else:
        question = uses.question
        if utility not in (Utility.WATER, Utility.DRAINAGE, Utility.POWER):
            question = _lacking(Lack())
    return Figure(
        utility, None, None, UNITS[utility], Standing.NONE, uses, question=question, stated=stated
    )


@lru_cache(maxsize=4096)
def _uses(use: str, shares: str, system: str) -> Uses:
    return uses_of(use, shares, System(system) if system else None)


def _computed(plot: Plot, utility: Utility, uses: Uses, reach: Reach) -> Demand | Lack:
    match utility:
        case Utility.WATER:
            return engine.water(uses.parts, plot.area_m2, indices())
        case Utility.DRAINAGE:
            return engine.drainage(uses.parts, plot.area_m2, indices(), reach.day_variation)
        case Utility.POWER:
            ratio = engine.plot_ratio(plot.plot_ratio)
            return engine.power(uses.parts, plot.area_m2, ratio, indices())
        case _:
            return Lack()


def _lacking(lack: Lack) -> Problem:
    if lack.land_classes:
        names = "、".join(name or "—" for name in lack.land_classes)
        return Problem("no_row", "warning", NO_ROW, {"classes": names})
    return Problem("no_index", "warning", ASK)


def _rounded(amount: float) -> float:
    """A tenth of a unit is finer than any index is."""
    return round(amount, 1)


def verified(utility: Utility) -> bool:
    """Were the numbers of all rows for a utility checked against the printed standard?"""
    return all(row.verified for row in indices() if row.utility == utility)


def demand_of(plot: Plot, utility: Utility, reach: Reach) -> dict[str, Any]:
    """Return the demand columns of a coverage check: what the indices give for the plot as it is."""
    found = figure(plot, utility, reach)
    unit = found.unit if found.low is not None else ""
    return {"demand_min": found.low, "demand_max": found.high, "demand_unit": unit}


def figures(
    session: Session, plots: Sequence[Plot], reach: Reach
) -> dict[tuple[int, Utility], Figure]:
    """Return what each plot needs of each utility, as far as the asker may see what planners stated."""
    said = stated(session, [plot.id for plot in plots])
    return {
        (plot.id, utility): figure(plot, utility, reach, said.get((plot.id, plot.revision, utility)))
        for plot in plots
        for utility in Utility
    }  # fmt: skip


def stated(
    session: Session, plot_ids: Sequence[int]
) -> Mapping[tuple[int, int, str], DemandOverride]:
    """Return what planners stated last, by plot, its revision and utility, as far as the asker may see it."""
    o = DemandOverride
    newest = session.scalars(
        select(o)
        .ext(distinct_on(o.plot_id, o.plot_revision, o.utility))
        .where(o.plot_id.in_(plot_ids))
        .order_by(o.plot_id, o.plot_revision, o.utility, o.id.desc())
    )
    return {(row.plot_id, row.plot_revision, row.utility): row for row in newest}


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of the history of a plot's demand, with the name of whoever stated it."""

    override: DemandOverride
    who: str


def history(session: Session, plot_id: int) -> dict[Utility, list[Said]]:
    """Return what planners stated of a plot that the asker may see, newest first, by utility."""
    rows = session.scalars(
        select(DemandOverride)
        .where(DemandOverride.plot_id == plot_id)
        .order_by(DemandOverride.id.desc())
    ).all()
    with as_engine(session):
        accounts = select(Account.id, Account.full_name).where(
            Account.id.in_({row.stated_by for row in rows})
        )
        names: dict[int, str] = dict(session.execute(accounts).all())
    found: dict[Utility, list[Said]] = {}
    for row in rows:
        who = names.get(row.stated_by or 0, "")
        found.setdefault(Utility(row.utility), []).append(Said(row, who))
    return found


def state(
    session: Session,
    plot_id: int,
    utility: Utility,
    low: float | None,
    high: float | None,
    reason: str,
    *,
    now: datetime,
) -> DemandOverride:
    """Record what the planner states for a plot, in the unit of the utility; both amounts None return to the index.

    Raises:
        NotFound: no such plot of the asker's office.
        Conflict: its plan is a draft, whose plots may still change.
        Invalid: no reason, or amounts that are none; nothing is recorded.
    """
    asker = actor_of(session)
    plot = session.scalar(
        select(Plot)
        .where(Plot.id == plot_id, Plot.office_id == asker.organisation_id)
        .options(joinedload(Plot.plan))
    )
    if plot is None:
        raise NotFound
    if plot.plan.state != "released":
        raise Conflict(N_("供地计划下发以后才能填写用量。"))
    reason = str(storable(reason)).strip()
    if faults := tuple(_faults(low, high, reason)):
        raise Invalid(faults)
    row = DemandOverride(
        plot_id=plot.id,
        plot_revision=plot.revision,
        office_id=plot.office_id,
        utility=utility.value,
        low=low,
        high=high,
        reason=reason,
        stated_at=now,
        stated_by=asker.account_id,
    )
    session.add(row)
    session.flush()
    return row


def _faults(low: float | None, high: float | None, reason: str) -> Iterable[Problem]:
    if (low is None) != (high is None):
        yield Problem("amount_half", "error", N_("请把最小值和最大值都填上，或者都不填。"))
    elif low is not None and high is not None:
        if not all(math.isfinite(x) and 0 <= x <= MOST for x in (low, high)):
            yield Problem("amount_odd", "error", N_("用量应是不小于 0 的数字。"))
        elif low > high:
            yield Problem("amount_turned", "error", N_("最小值大于最大值，请核对。"))
    if not reason:
        yield Problem("reason_missing", "error", N_("请写明理由，例如项目可研报告的用量计算。"))
    elif len(reason) > _REASON:
        text = N_("理由最多 {limit} 个字。")
        yield Problem("reason_long", "error", text, {"limit": _REASON})


def declare_system(session: Session, plan_id: int, system: System | None) -> SupplyPlan:
    """Note which classification the bare numbers of a plan belong to; None takes it back.

    Raises:
        NotFound: no such plan of the asker's office.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.id == plan_id, SupplyPlan.office_id == actor_of(session).organisation_id)
        .with_for_update(of=SupplyPlan)
    )
    if plan is None:
        raise NotFound
    plan.use_system = system.value if system else ""
    session.flush()
    return plan
