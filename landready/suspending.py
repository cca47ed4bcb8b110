"""Taking off the market what lost its ground (R6), and telling everybody: whoever suspended it, nothing goes off in silence."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from landready import misses, reserving, rule_book, suspension_events
from landready.certificates import Certificate
from landready.changes import Cause, cause, lapse
from landready.clock import today
from landready.db import as_engine
from landready.gate import Judged, judged, readiness_of, take_turn
from landready.listings import Listing, ListingMove
from landready.offers import tell
from landready.plans import Plot
from landready.readiness import Readiness, readiness
from landready.settings import Gate


def review(session: Session, gate: Gate, now: datetime) -> list[Listing]:
    """Judge everything on offer, as the day turns: answers, promises, reservations, checks and rules end with a day."""
    with as_engine(session):
        return suspend_lapsed(session, gate, now, causes=misses.causes(session, now))


def expire(session: Session, gate: Gate, now: datetime) -> list[Listing]:
    """Suspend what is on offer by a certificate that has expired, to the moment."""
    with as_engine(session):
        over = session.scalars(
            select(Listing.plot_id)
            .join(Certificate, Certificate.id == Listing.certificate_id)
            .where(Listing.state == "listed", Certificate.valid_until <= now)
        ).all()
    return suspend_lapsed(session, gate, now, over) if over else []


def after_exemption(
    session: Session, gate: Gate, ended: rule_book.Rule, now: datetime
) -> list[Listing]:
    """Judge what was on offer under an exemption that somebody ended (a revocation of landready.rule_book)."""
    with as_engine(session):
        exemption = session.get_one(rule_book.Rule, ended.revokes)
        offered = select(Listing.plot_id).where(
            Listing.state == "listed", Listing.city == exemption.city
        )
        if exemption.plots:
            offered = offered.where(Listing.plot_id.in_(exemption.plots))
        why = cause("exemption_ended", document=exemption.document)
        return suspend_lapsed(session, gate, now, session.scalars(offered).all(), why)


def suspend_lapsed(
    session: Session,
    gate: Gate,
    now: datetime,
    plot_ids: Sequence[int] | None = None,
    causes: Cause | Mapping[int, Cause] | None = None,
) -> list[Listing]:
    """Suspend what is on offer while its conditions no longer hold: these plots, or all that are listed.

    `causes`: what changed, for all or by plot; where nothing is said, what is missing now. Whoever caused it, an enterprise's
    correction or the calendar, need not see the listing; the product itself acts.
    """
    lapsed: list[Listing] = []
    with as_engine(session):
        query = select(Listing).where(Listing.state == "listed")
        if plot_ids is not None:
            query = query.where(Listing.plot_id.in_(plot_ids))
        if session.scalar(query.with_only_columns(Listing.id).limit(1)) is not None:
            take_turn(session)
            offered = session.scalars(query.with_for_update(of=Listing)).all()
            found = judged(session, [x.plot_id for x in offered], gate, now)
            valid = _valid(session, offered, now)
            for listing in offered:
                ready = _as_shown(found.get(listing.plot_id), listing.certificate, now)
                if ready and ready.may_list and listing.certificate_id in valid:
                    continue
                _suspend(listing, _cause(listing.plot_id, ready, causes), now)
                lapsed.append(listing)
            session.flush()
        tell_moved(session, gate, now, plot_ids)
    return lapsed


def settle(session: Session, gate: Gate, now: datetime) -> int:
    """Tell of every move that nobody has told of: a trigger made it, or SQL; return how many there were. Needs the engine.

    What is reserved follows the land that was sold or withdrawn that way.
    """
    left = session.execute(
        select(ListingMove.plot_id, ListingMove.to_state).where(ListingMove.told_at.is_(None))
    ).all()
    if not left:
        return 0
    ended = {row.plot_id: row.to_state for row in left if row.to_state in ("sold", "withdrawn")}
    # In the order of landready.gate: plots, what they hold, the turn.
    plots = select(Plot.id).where(Plot.id.in_(ended)).order_by(Plot.id)
    session.execute(plots.with_for_update(of=Plot))
    reserving.lock(session, *ended)
    take_turn(session)
    for plot_id, state in ended.items():
        reserving.listing_moved(session, plot_id, state, now)
    return tell_moved(session, gate, now, None)


def tell_moved(session: Session, gate: Gate, now: datetime, plot_ids: Sequence[int] | None) -> int:
    """Tell the trading platforms and the enterprises concerned of moves of these plots not told yet, each once for all.

    Two who do this at the same moment wait for each other at the rows. Needs the engine.
    """
    untold = update(ListingMove).where(ListingMove.told_at.is_(None))
    if plot_ids is not None:
        untold = untold.where(ListingMove.plot_id.in_(plot_ids))
    moves = session.scalars(
        untold.values(told_at=now)
        .returning(ListingMove)
        .execution_options(synchronize_session=False)
    ).all()
    if not moves:
        return 0
    listings = session.scalars(
        select(Listing)
        .where(Listing.id.in_({move.listing_id for move in moves}))
        .execution_options(populate_existing=True)
    ).all()
    tell(session, listings, now)
    taken = [move for move in moves if move.cause and move.to_state == "suspended"]
    if taken:
        found = readiness_of(session, [move.plot_id for move in taken], gate, now)
        suspension_events.suspended(session, taken, found, now)
    return len(moves)


def _valid(session: Session, offered: Sequence[Listing], now: datetime) -> set[int]:
    return set(
        session.scalars(
            select(Certificate.id).where(
                Certificate.id.in_([x.certificate_id for x in offered]),
                Certificate.valid_until > now,
            )
        )
    )


def _as_shown(
    found: Judged | None, certificate: Certificate | None, now: datetime
) -> Readiness | None:
    """Judge by no other exceptions than the certificate shows everybody: a later one carries no listing in silence."""
    if found is None:
        return None
    if found.readiness.rules is None:
        return found.readiness
    rules = found.readiness.rules
    shown = {one["id"] for one in certificate.exemptions} if certificate else set()
    known = tuple(one for one in rules.exemptions if one.id in shown)
    if known == rules.exemptions:
        return found.readiness
    return readiness(found.facts, rules.model_copy(update={"exemptions": known}), today(now))


def _cause(
    plot_id: int, ready: Readiness | None, causes: Cause | Mapping[int, Cause] | None
) -> Cause:
    """What changed, else what is missing; a certificate that expired is told as such."""
    if ready is None:
        return cause("lapsed")
    if ready.may_list:
        return cause("certificate_expired")
    given = causes if isinstance(causes, Cause) else (causes or {}).get(plot_id)
    return given or lapse(ready)


def _suspend(listing: Listing, why: Cause, now: datetime) -> None:
    listing.state, listing.state_reason = "suspended", why.message[:500]
    listing.cause, listing.changed_at = why.kept(), now
