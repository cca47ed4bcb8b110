"""Release of a supply plan: in one transaction it is measured and put to every enterprise concerned (R2, R3)."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_
from landready import clock, outbox, service_areas
from landready.bulk import insert_rows
from landready.checks import Check, ServedShare
from landready.concerned import LEFT_OUT, Asked, Candidate, concerned
from landready.db import as_engine
from landready.drafts import may_release
from landready.errors import Conflict, Invalid, NotFound
from landready.layers import Layer
from landready.measuring import measure
from landready.organisations import Organisation
from landready.plan_messages import PlanMessages, of_checks
from landready.plans import SupplyPlan
from landready.pushes import Push, PushPlot
from landready.settings import Settings
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a release did. `nobody` names utilities for which the city has no enterprise to ask."""

    plan_id: int
    plots: int
    due_on: date
    due_provisional: bool
    pushes: tuple[uuid.UUID, ...]
    asked: tuple[Asked, ...]
    not_asked: tuple[Asked, ...]
    nobody: tuple[Utility, ...]


def release(
    session: Session, settings: Settings, plan_id: int, now: datetime, account_id: int | None
) -> Receipt:
    """Release a draft: measure every plot, push it to every enterprise concerned and tell the outbox, all or nothing.

    Raises:
        NotFound: no such plan of the asker's.
        Conflict: it is released already.
        Invalid: it has errors, or no plots.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.id == plan_id)
        .with_for_update(of=SupplyPlan)
        .execution_options(populate_existing=True)
    )
    if plan is None:
        raise NotFound
    if plan.state != "draft":
        raise Conflict(N_("供地计划已经下发，不能再次下发。"))
    if found := may_release(plan):
        raise Invalid(found, N_("供地计划还有错误，不能下发。"))
    plan.state, plan.released_at, plan.released_by = "released", now, account_id
    session.flush()
    due = clock.due(clock.today(now), settings.clocks.answer_days)
    plots = [plot.id for plot in plan.plots]
    with as_engine(session):
        checks = measure(session, settings, plan.plots, now)
        everyone = concerned(_candidates(session, settings, plan, checks), plots)
        asked = [a for a in everyone if a.reason not in LEFT_OUT]
        plan.asked = [{**asdict(a), "plots": len(a.plots)} for a in everyone]
        soon = clock.due(clock.today(now), settings.clocks.acknowledge_days)
        pushes = _push(session, plan, asked, due, soon.day, now)
        _tell(session, plan, pushes, asked, checks, now)
    return Receipt(
        plan_id=plan.id,
        plots=len(plots),
        due_on=due.day,
        due_provisional=due.provisional,
        pushes=tuple(push.uid for push in pushes.values()),
        asked=tuple(asked),
        not_asked=tuple(a for a in everyone if a.reason in LEFT_OUT),
        nobody=tuple(u for u in Utility if u not in {a.utility for a in asked}),
    )


def _candidates(
    session: Session, settings: Settings, plan: SupplyPlan, checks: Sequence[Check]
) -> list[Candidate]:
    """Enterprises registered for the city or the whole province, and those from elsewhere whose areas touch a plot."""
    of_check = {check.id: check for check in checks}
    touches: dict[tuple[int, str], set[int]] = defaultdict(set)
    for row in of_checks(session, checks, ServedShare.check_id, ServedShare.enterprise_id):
        check = of_check[row.check_id]
        touches[row.enterprise_id, check.utility].add(check.plot_id)
    mapped = {
        (row.enterprise_id, row.utility)
        for row in session.execute(
            select(Layer.enterprise_id, Layer.utility).where(
                Layer.current, Layer.kind == "service_areas"
            )
        )
    }
    city, waiting = plan.city, service_areas.coming(session, settings, plan.plots)
    enterprises = session.scalars(
        select(Organisation).where(Organisation.kind == "enterprise").order_by(Organisation.id)
    )
    return [
        Candidate(
            enterprise.id,
            enterprise.name,
            utility,
            local=enterprise.city in ("", city),
            mapped=(enterprise.id, utility.value) in mapped,
            touches=frozenset(touches[enterprise.id, utility.value]),
            coming=(enterprise.id, utility.value) in waiting,
        )
        for enterprise in enterprises
        for utility in enterprise.utility_list
        if enterprise.city in ("", city)
        or touches[enterprise.id, utility.value]
        or (enterprise.id, utility.value) in waiting
    ]


def _push(
    session: Session,
    plan: SupplyPlan,
    asked: Sequence[Asked],
    due: clock.Due,
    acknowledge_by: date,
    now: datetime,
) -> dict[int, Push]:
    """One push per enterprise, with every plot and utility it is asked about."""
    pushes = {
        enterprise_id: Push(
            kind="plan",
            enterprise_id=enterprise_id,
            office_id=plan.office_id,
            plan_id=plan.id,
            pushed_at=now,
            due_on=due.day,
            due_provisional=due.provisional,
            acknowledge_by=acknowledge_by,
        )
        for enterprise_id in dict.fromkeys(a.enterprise_id for a in asked)
    }
    session.add_all(pushes.values())
    session.flush()
    rows = [
        {
            "push_id": pushes[a.enterprise_id].id,
            "plot_id": plot_id,
            "enterprise_id": a.enterprise_id,
            "office_id": plan.office_id,
            "utility": a.utility.value,
        }
        for a in asked
        for plot_id in a.plots
    ]
    insert_rows(session, PushPlot, rows)
    return pushes


def _tell(
    session: Session,
    plan: SupplyPlan,
    pushes: Mapping[int, Push],
    asked: Sequence[Asked],
    checks: Sequence[Check],
    now: datetime,
) -> None:
    """Write one event per push."""
    utilities: dict[int, dict[int, list[Utility]]] = defaultdict(lambda: defaultdict(list))
    for a in asked:
        for plot_id in a.plots:
            utilities[a.enterprise_id][plot_id].append(a.utility)
    messages = PlanMessages(session, plan, checks)
    for enterprise_id, push in pushes.items():
        outbox.record(
            session,
            enterprise_id=enterprise_id,
            office_id=plan.office_id,
            push_id=push.id,
            type_="plan.released",
            data=messages.to(push, utilities[enterprise_id]),
            now=now,
        )
