"""The gate: loads the facts of plots, asks the rule, records the verdict and lists, all in the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, joinedload

from geo.problems import N_
from landready import reserving
from landready.answers import Answer, AnswerVerdict, latest_answers
from landready.blockers import Blocker
from landready.checks import Check, NearFacility
from landready.clock import today as local_date
from landready.db import actor_of, as_engine
from landready.errors import Conflict, NotFound, NotReady
from landready.listings import GateRule, Listing, Verdict
from landready.offers import tell
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushPlot
from landready.readiness import Asked, Measured, PlotFacts, Readiness, Said, readiness
from landready.settings import Gate
from landready.utilities import Utility

# Raised by the listing trigger of migration 0001.
_REFUSED = "LR001"
_FINAL = "LR002"
# The turn in which listings change (migration 0001); taken before any row, so that no two wait for each other.
TURN = 4600001
LAPSED = N_("接入条件不再具备，已自动暂停上架。")
# state → states a person may move a listing to; withdrawn and sold stay
MOVES: Mapping[str, tuple[str, ...]] = {
    "listed": ("suspended", "withdrawn", "sold"),
    "suspended": ("listed", "withdrawn"),
}


def write_rules(connection: Connection, gate: Gate) -> None:
    """Make the database's own copy of the rule equal to the configuration; needs the owner role."""
    connection.execute(delete(GateRule))
    connection.execute(
        insert(GateRule),
        [
            {
                "utility": utility.value,
                "effect": rule.effect,
                "source": rule.source,
                "since": rule.since,
                "version": gate.version,
                "horizon_days": gate.commitment_horizon_days,
            }
            for utility, rule in gate.utilities.items()
        ],
    )


def readiness_of(
    session: Session, plot_ids: Sequence[int], gate: Gate, now: datetime
) -> dict[int, Readiness]:
    """Judge plots by their stored facts. A plot that does not exist has no entry."""
    day = local_date(now)
    with as_engine(session):
        facts = _facts(session, plot_ids)
    return {plot_id: readiness(fact, gate, day) for plot_id, fact in facts.items()}


def list_plot(
    session: Session, plot_id: int, gate: Gate, *, account_id: int | None, now: datetime
) -> Listing:
    """Put a plot on offer, or say everything that is missing.

    Raises:
        NotFound: no such plot of the asker's.
        NotReady: with all blockers; also when the database's own gate refuses.
        Conflict: the plot is on offer already, or was sold.
    """
    lock_plots(session, [plot_id])
    _take_turn(session)
    plot = session.scalar(
        select(Plot)
        .where(Plot.id == plot_id, Plot.office_id == actor_of(session).organisation_id)
        .with_for_update(of=Plot)
    )
    if plot is None:
        raise NotFound
    taken = Listing.state.in_(("listed", "suspended", "sold"))
    if session.scalar(select(Listing.id).where(Listing.plot_id == plot_id, taken)):
        raise Conflict(N_("地块已经上架或成交。"))
    verdict = _judge(session, plot, gate, now)
    listing = Listing(
        plot_id=plot.id,
        office_id=plot.office_id,
        city=plot.city,
        verdict_id=verdict.id,
        listed_at=now,
        listed_by=account_id,
        changed_at=now,
    )
    session.add(listing)
    _flush(session)
    tell(session, [listing], now)
    return listing


def move_listing(
    session: Session, listing_id: int, state: str, reason: str, gate: Gate, now: datetime
) -> Listing:
    """Suspend, resume, withdraw or mark as sold; resuming goes through the gate again.

    Raises:
        NotFound: no such listing of the asker's.
        Conflict: the state does not allow this move.
        NotReady: resuming while something is missing.
    """
    plot_id = session.scalar(select(Listing.plot_id).where(Listing.id == listing_id))
    if plot_id is None:
        raise NotFound
    if state == "listed":
        lock_plots(session, [plot_id])
    # Before the turn: who answers holds its reservations first and then waits for the turn.
    reserving.lock(session, plot_id)
    _take_turn(session)
    listing = session.scalar(
        select(Listing)
        .where(Listing.id == listing_id, Listing.office_id == actor_of(session).organisation_id)
        .with_for_update(of=Listing)
    )
    if listing is None:
        raise NotFound
    if state not in MOVES.get(listing.state, ()):
        raise Conflict(N_("上架状态不允许这样变更。"))
    if state == "listed":
        plot = session.get_one(Plot, listing.plot_id)
        listing.verdict_id = _judge(session, plot, gate, now).id
    listing.state, listing.state_reason, listing.changed_at = state, reason, now
    _flush(session)
    reserving.listing_moved(session, plot_id, state, now)
    tell(session, [listing], now)
    return listing


def suspend_lapsed(
    session: Session, gate: Gate, now: datetime, plot_ids: Sequence[int] | None = None
) -> list[Listing]:
    """Suspend what is on offer while its conditions no longer hold (R6): these plots, or all that are listed.

    Whoever caused it, an enterprise's correction or the calendar, need not see the listing; the product itself acts.
    """
    with as_engine(session):
        query = select(Listing).where(Listing.state == "listed")
        if plot_ids is not None:
            query = query.where(Listing.plot_id.in_(plot_ids))
        if session.scalar(query.with_only_columns(Listing.id).limit(1)) is None:
            return []
        _take_turn(session)
        offered = session.scalars(query.with_for_update(of=Listing)).all()
        found = readiness_of(session, [x.plot_id for x in offered], gate, now)
        lapsed = [x for x in offered if not found[x.plot_id].may_list]
        for listing in lapsed:
            listing.state, listing.state_reason = "suspended", LAPSED
            listing.changed_at = now
        session.flush()
        tell(session, lapsed, now)
    return lapsed


def lock_plots(session: Session, plot_ids: Sequence[int]) -> None:
    """Let no answer come between judging these plots and listing them: its foreign key waits for this lock.

    All at once and before the turn: who answers holds the plots first and then waits for the turn.
    """
    session.execute(
        select(Plot.id)
        .where(Plot.id.in_(plot_ids), Plot.office_id == actor_of(session).organisation_id)
        .order_by(Plot.id)
        .with_for_update(of=Plot)
    )


def _take_turn(session: Session) -> None:
    session.execute(select(func.pg_advisory_xact_lock(TURN)))


def _judge(session: Session, plot: Plot, gate: Gate, now: datetime) -> Verdict:
    found = readiness_of(session, [plot.id], gate, now)[plot.id]
    if not found.may_list:
        raise NotReady(found.blockers)
    verdict = Verdict(
        plot_id=plot.id,
        office_id=plot.office_id,
        plot_revision=plot.revision,
        ready=True,
        blockers=[],
        warnings=[_plain(w) for w in found.warnings],
        inputs=_inputs(session, plot.id),
        rule_version=gate.version,
        evaluated_at=now,
        valid_until=now + timedelta(days=gate.verdict_days),
    )
    session.add(verdict)
    session.flush()
    return verdict


def _flush(session: Session) -> None:
    try:
        session.flush()
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", "")
        if state == _REFUSED:
            blocker = Blocker("database", N_("数据库的准入校验没有通过。"))
            raise NotReady((blocker,)) from error
        if state == _FINAL:
            raise Conflict(N_("上架状态不允许这样变更。")) from error
        raise


def _plain(blocker: Blocker) -> dict[str, Any]:
    return asdict(blocker)


def _inputs(session: Session, plot_id: int) -> dict[str, Any]:
    """Name the answers and checks a verdict rests on, by version, so that it can be explained later."""
    with as_engine(session):
        answers = latest_answers(session, [plot_id])
        checks = _latest_checks(session, [plot_id])
    return {
        "answers": [
            {"id": a.id, "enterprise": a.enterprise_id, "utility": a.utility, "version": a.version}
            for a in answers
        ],
        "checks": [{"id": c.id, "utility": c.utility} for c in checks],
    }


def _facts(session: Session, plot_ids: Sequence[int]) -> dict[int, PlotFacts]:
    said = {(a.plot_id, a.utility, a.enterprise_id): a for a in latest_answers(session, plot_ids)}
    asked: dict[int, dict[Utility, list[Asked]]] = defaultdict(lambda: defaultdict(list))
    for asked_plot in session.scalars(
        select(PushPlot)
        .where(PushPlot.plot_id.in_(plot_ids))
        .options(joinedload(PushPlot.push).joinedload(Push.enterprise))
        .order_by(PushPlot.id)
    ):
        push = asked_plot.push
        answer = said.get((asked_plot.plot_id, asked_plot.utility, push.enterprise_id))
        asked[asked_plot.plot_id][Utility(asked_plot.utility)].append(
            Asked(push.enterprise.name, push.due_on, _said(answer) if answer else None)
        )
    measured = _measured(session, plot_ids)
    plots = session.execute(
        select(Plot.id, Plot.revision, SupplyPlan.state)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(Plot.id.in_(plot_ids))
    )
    return {
        plot_id: PlotFacts(
            revision,
            state == "released",
            {utility: tuple(who) for utility, who in asked[plot_id].items()},
            measured[plot_id],
        )
        for plot_id, revision, state in plots
    }


def _said(answer: Answer) -> Said:
    return Said(
        AnswerVerdict(answer.verdict),
        answer.plot_revision,
        answer.ready_by,
        answer.valid_until,
        answer.reason,
    )


def _measured(session: Session, plot_ids: Sequence[int]) -> dict[int, dict[Utility, Measured]]:
    checks = _latest_checks(session, plot_ids)
    near = session.execute(
        select(NearFacility.check_id, func.min(NearFacility.distance_m))
        .where(NearFacility.check_id.in_([c.id for c in checks]))
        .group_by(NearFacility.check_id)
    )
    nearest: dict[int, float] = dict(near.all())
    measured: dict[int, dict[Utility, Measured]] = defaultdict(dict)
    for check in checks:
        measured[check.plot_id][Utility(check.utility)] = Measured(
            nearest.get(check.id), check.served_share
        )
    return measured


def _latest_checks(session: Session, plot_ids: Sequence[int]) -> Sequence[Check]:
    return session.scalars(
        select(Check)
        .ext(distinct_on(Check.plot_id, Check.utility))
        .where(Check.plot_id.in_(plot_ids))
        .order_by(Check.plot_id, Check.utility, Check.measured_at.desc())
    ).all()
