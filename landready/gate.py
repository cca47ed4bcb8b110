"""The gate: loads the facts of plots, asks the rule, certifies and lists, all in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from geo.problems import N_
from landready import certificates, plot_facts, reserving, rule_book
from landready.blockers import Blocker
from landready.certificates import Certificate
from landready.clock import APART_S
from landready.clock import today as local_date
from landready.db import actor_of, as_engine, seconds_ahead
from landready.errors import Conflict, NotFound, NotReady
from landready.facts import PlotFacts
from landready.listings import Listing
from landready.offers import tell
from landready.plans import Plot
from landready.readiness import Readiness, readiness
from landready.rule_sets import Exemption, Gate, in_force

# Raised by the listing trigger of migration 0010.
_REFUSED = "LR001"
_FINAL = "LR002"
# The turn in which listings change (migration 0010); taken before any row, so that no two wait for each other.
TURN = 4600001
# state → states a person may move a listing to; withdrawn and sold stay
MOVES: Mapping[str, tuple[str, ...]] = {
    "listed": ("suspended", "withdrawn", "sold"),
    "suspended": ("listed", "withdrawn"),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict rested on, and the verdict."""

    facts: PlotFacts
    readiness: Readiness


def judged(
    session: Session, plot_ids: Sequence[int], gate: Gate, now: datetime
) -> dict[int, Judged]:
    """Judge plots by their stored facts, all in one pass. A plot that does not exist has no entry."""
    day = local_date(now)
    facts = plot_facts.load(session, plot_ids, now)
    with as_engine(session):
        cities = dict(session.execute(select(Plot.id, Plot.city).where(Plot.id.in_(facts))).all())
    lifted, broken = _exemptions(session, set(cities.values()))
    sets = gate.all()
    found = {}
    for plot_id, fact in facts.items():
        if broken:
            fact = plot_facts.with_failure(fact, "rules", broken)
        rules = in_force(sets, lifted, cities.get(plot_id, ""), plot_id, day)
        found[plot_id] = Judged(fact, readiness(fact, rules, day))
    return found


def readiness_of(
    session: Session, plot_ids: Sequence[int], gate: Gate, now: datetime
) -> dict[int, Readiness]:
    """Judge plots by their stored facts. A plot that does not exist has no entry."""
    return {plot_id: one.readiness for plot_id, one in judged(session, plot_ids, gate, now).items()}


def _exemptions(session: Session, cities: set[str]) -> tuple[Sequence[Exemption], str]:
    """The exemptions of the cities; where they cannot be read none, and what happened."""
    try:
        with as_engine(session), session.begin_nested():
            return tuple(rule_book.exemptions(session, cities)), ""
    except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever broke
        return (), type(error).__name__


def list_plot(
    session: Session, plot_id: int, gate: Gate, *, account_id: int | None, now: datetime
) -> Listing:
    """Put a plot on offer, or say everything that is missing.

    Raises:
        NotFound: no such plot of the asker's.
        NotReady: with all blockers; also when the database's own gate refuses.
        Conflict: the plot is on offer already, or was sold.
    """
    made, refused = list_plots(session, [plot_id], gate, account_id=account_id, now=now)
    if refused:
        raise NotReady(refused[plot_id])
    return made[plot_id]


def list_plots(
    session: Session, plot_ids: Iterable[int], gate: Gate, *, account_id: int | None, now: datetime
) -> tuple[dict[int, Listing], dict[int, tuple[Blocker, ...]]]:
    """Put plots on offer, judged in one pass; return the listings, and what is missing for those that may not be.

    Raises:
        NotFound: one is not a plot of the asker's.
        NotReady: the database's own gate refuses; nothing is listed.
        Conflict: one is on offer already, or was sold; or this machine's clock is ahead of the database's.
    """
    ids = list(dict.fromkeys(plot_ids))
    lock_plots(session, ids)
    reserving.lock(session, *ids)
    take_turn(session)
    plots = session.scalars(
        select(Plot)
        .where(Plot.id.in_(ids), Plot.office_id == actor_of(session).organisation_id)
        .order_by(Plot.id)
        .execution_options(populate_existing=True)
    ).all()
    if len(plots) != len(ids):
        raise NotFound
    taken = Listing.state.in_(("listed", "suspended", "sold"))
    if session.scalar(select(Listing.id).where(Listing.plot_id.in_(ids), taken).limit(1)):
        raise Conflict(N_("地块已经上架或成交。"))
    issued, refused = _certify(session, plots, gate, now)
    made = {
        one.plot_id: Listing(
            plot_id=one.plot_id,
            office_id=one.office_id,
            city=one.city,
            certificate_id=one.id,
            listed_at=now,
            listed_by=account_id,
            changed_at=now,
        )
        for one in issued
    }
    session.add_all(made.values())
    _flush(session)
    tell(session, list(made.values()), now)
    return made, refused


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
    # Both before the turn: who answers holds them first and then waits for the turn. The plot for every move: of reservations
    # that somebody replaces while this waits for them, the new ones would not be held.
    lock_plots(session, [plot_id])
    reserving.lock(session, plot_id)
    take_turn(session)
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
        issued, refused = _certify(session, [session.get_one(Plot, plot_id)], gate, now)
        if refused:
            raise NotReady(refused[plot_id])
        listing.certificate_id = issued[0].id
    listing.state, listing.state_reason, listing.changed_at = state, reason, now
    listing.cause = None
    _flush(session)
    reserving.listing_moved(session, plot_id, state, now)
    tell(session, [listing], now)
    return listing


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


def take_turn(session: Session) -> None:
    """Let no other listing change before the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(TURN)))


def _certify(
    session: Session, plots: Sequence[Plot], gate: Gate, now: datetime
) -> tuple[list[Certificate], dict[int, tuple[Blocker, ...]]]:
    """Judge plots, by the rule and by the database's own; certify those that are ready, and say what the others lack."""
    ids = [plot.id for plot in plots]
    found = judged(session, ids, gate, now)
    refused = {i: x.readiness.blockers for i, x in found.items() if not x.readiness.may_list}
    for plot_id, missing in _missing(session, [i for i in ids if i not in refused]).items():
        text = N_("数据库的准入校验没有通过：{missing}。")
        refused[plot_id] = (Blocker("database", text, {"missing": "、".join(missing)}),)
    ready = [plot for plot in plots if plot.id not in refused]
    # By the database's clock they would be issued in the future: its trigger refuses that (migration 0010).
    if ready and (ahead := seconds_ahead(session.connection(), now)) > APART_S:
        text = N_("本机时钟比数据库快 {seconds} 秒，签发不了准入凭证。请系统管理员校准时钟后再试。")
        raise Conflict(text, seconds=round(ahead))
    made = certificates.issue(
        session,
        [(plot, found[plot.id].facts, found[plot.id].readiness) for plot in ready],
        plot_facts.calendar(),
        local_date(now),
        now,
    )
    return made, refused


def _missing(session: Session, plot_ids: Sequence[int]) -> dict[int, list[str]]:
    """What the database's own gate misses, by plot; those that lack nothing are not there."""
    lacks = func.missing_requirements(Plot.id)
    rows = session.execute(select(Plot.id, lacks).where(Plot.id.in_(plot_ids))).all()
    return {plot_id: missing for plot_id, missing in rows if missing}


def _flush(session: Session) -> None:
    try:
        session.flush()
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", "")
        if state == _REFUSED:
            blocker = Blocker(
                "database", N_("数据库的准入校验没有通过：{missing}。"), {"missing": "—"}
            )
            raise NotReady((blocker,)) from error
        if state == _FINAL:
            raise Conflict(N_("上架状态不允许这样变更。")) from error
        raise
