"""Reserving (R3): a positive answer at a facility takes what the plot needs, first come, first reserved; expiry gives it back.

Whoever reserves at the same facility at the same moment waits: the lock of the facility is taken before anything is counted.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import capacity, demand
from landready.answer_rules import POSITIVE, AnswerDraft
from landready.answers import Answer
from landready.capacity import Stated
from landready.clock import today as local_date
from landready.connection_points import facilities_at
from landready.db import as_engine
from landready.loads import Claim, Kind, Load, names
from landready.plans import Plot
from landready.pushes import Push
from landready.reservations import Reservation
from landready.settings import Check, Region
from landready.utilities import UNITS, Utility

# One name for the locks of facilities, beside their ids.
_LOCK = 46_00_002
REPLACED = N_("企业更新了答复。")
TAKEN_BACK = N_("企业改答不能接入或不涉及。")
WITHDRAWN = N_("地块撤回上架。")
_OPEN = Reservation.state.in_(("held", "sold"))
Pair = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What one draft would reserve: `low` to `high` (None: not known) at a facility where `before` is promised to others.

    `ahead` are the plots that hold it. `place` is kept by a correction that asks for no more at the same facility.
    """

    draft: AnswerDraft
    plot: Plot
    stated: Stated
    low: float | None
    high: float | None
    before: float
    ahead: tuple[Claim, ...] = ()
    place: int | None = None

    @property
    def fits(self) -> bool:
        """Unknown needs and capacities that nobody stated are neither fitting nor too much: they are not refused."""
        spare = self.stated.spare
        return spare is None or self.high is None or self.before + self.high <= spare


def wishes(
    session: Session,
    push: Push,
    plots: Sequence[Plot],
    drafts: Sequence[AnswerDraft],
    check: Check,
    region: Region,
    now: datetime,
    *,
    lock: bool = False,
) -> list[Wish | None]:
    """Return what each draft would reserve, in their order, the earlier ones counted for the later ones.

    None: the answer is not positive, or its point is at no facility of the enterprise. With `lock` nobody else reserves at
    these facilities before the transaction ends.
    """
    if lock:
        hold(session, [(push, drafts)], check, region)
    at = facilities_at(session, push, drafts, check, region)
    ids = set(at.values())
    with as_engine(session):
        known = capacity.stated(session, ids)
        queues = capacity.held(session, ids, now)
        mine = _open(session, push, {(d.plot_id, d.utility) for d in drafts}, local_date(now))
    needs = demand.figures(session, list({plot.id: plot for plot in plots}.values()), check)
    keeps: dict[int, int] = {}
    for number, draft in enumerate(drafts):
        need = needs[draft.plot_id, Utility(draft.utility)]
        old = mine.get((draft.plot_id, draft.utility))
        if number in at and old and old.facility_id == at[number] and _no_more(need.high, old):
            keeps[number] = old.place or old.id
    moving: dict[str, set[int]] = defaultdict(set)
    for number, draft in enumerate(drafts):
        if number not in keeps:
            moving[draft.utility].add(draft.plot_id)
    taken: dict[int, list[Claim]] = defaultdict(list)
    found: list[Wish | None] = []
    for number, (draft, plot) in enumerate(zip(drafts, plots, strict=True)):
        if number not in at:
            found.append(None)
            continue
        facility_id = at[number]
        own = plot.id if number in keeps else None
        ahead = _ahead(queues[facility_id], own, moving[draft.utility])
        need = needs[plot.id, Utility(draft.utility)]
        if number not in keeps:
            ahead += tuple(taken[facility_id])
            claim = Claim(plot.id, plot.code, Kind.HELD, need.low, need.high, now)
            taken[facility_id].append(claim)
        before = sum(claim.high or 0.0 for claim in ahead)
        found.append(
            Wish(
                draft, plot, known[facility_id], need.low, need.high, before, ahead, keeps.get(number)
            )
        )  # fmt: skip
    return found


def hold(
    session: Session,
    asked: Sequence[tuple[Push, Sequence[AnswerDraft]]],
    check: Check,
    region: Region,
) -> None:
    """Let nobody else reserve at the facilities of these drafts before the transaction ends; in one order for everybody."""
    found = {
        facility
        for push, drafts in asked
        for facility in facilities_at(session, push, drafts, check, region).values()
    }
    for facility_id in sorted(found):
        session.execute(select(func.pg_advisory_xact_lock(_LOCK, facility_id)))


def _no_more(high: float | None, old: Reservation) -> bool:
    return high == old.high or (high is not None and old.high is not None and high <= old.high)


def _ahead(queue: Load, plot_id: int | None, moving: Collection[int]) -> tuple[Claim, ...]:
    """Who holds the facility before this plot: those at earlier places when it keeps its own, else everybody who stays."""
    found: list[Claim] = []
    for line in queue.lines:
        if plot_id is not None and line.claim.plot_id == plot_id:
            break
        if line.claim.plot_id not in moving:
            found.append(line.claim)
    return tuple(found)


def faults(found: Sequence[Wish | None]) -> list[Problem]:
    """Return one problem for each wish that does not fit and was not confirmed with a reason, naming who is before it."""
    return [
        Problem(
            "over_unconfirmed",
            "error",
            N_(
                "“{facility}”登记余量 {spare} {unit}，已预留 {before} {unit}（{plots}）；本地块需要 {low}–{high} {unit}，"
                "超出 {over} {unit}。如果您确认仍能接入，请写明理由后再提交。"
            ),
            _params(wish),
            where=wish.plot.code,
        )
        for wish in found
        if wish is not None and not wish.fits and not wish.draft.over
    ]


def _params(wish: Wish) -> dict[str, object]:
    spare, high = wish.stated.spare or 0.0, wish.high or 0.0
    return {
        "facility": wish.stated.name or "—",
        "spare": amount(spare),
        "before": amount(wish.before),
        "plots": names(wish.ahead) or "—",
        "low": amount(wish.low or 0.0),
        "high": amount(high),
        "over": amount(wish.before + high - spare),
        "unit": UNITS[wish.stated.utility],
    }


def amount(value: float) -> str:
    """Return a quantity for a sentence."""
    return f"{round(value, 1):,.12g}"


def record(
    session: Session,
    made: Sequence[Answer],
    found: Sequence[Wish | None],
    check: Check,
    now: datetime,
) -> None:
    """Give up what the answers' earlier versions held and reserve what these ask for."""
    day = local_date(now)
    with as_engine(session):
        wished = dict(zip(((a.plot_id, a.utility) for a in made), found, strict=True))
        sold_pairs = _release(session, made[0].enterprise_id, wished, now) if made else set()
        for answer, wish in zip(made, found, strict=True):
            if wish is None:
                continue
            sold = (answer.plot_id, answer.utility) in sold_pairs
            session.add(
                Reservation(
                    answer_id=answer.id,
                    plot_id=answer.plot_id,
                    plot_revision=answer.plot_revision,
                    utility=answer.utility,
                    enterprise_id=answer.enterprise_id,
                    office_id=answer.office_id,
                    facility_id=wish.stated.facility_id,
                    low=wish.low,
                    high=wish.high,
                    place=wish.place,
                    reserved_at=now,
                    expires_on=None if sold else expires(answer, check.reserve_days, day),
                    state="sold" if sold else "held",
                    state_at=now,
                    spare=wish.stated.spare,
                    before=wish.before,
                    exception="" if wish.fits else wish.draft.over,
                )
            )
        session.flush()


def given_up(session: Session, answer: Answer) -> Reservation | None:
    """What the version before a positive answer held and nothing holds any more: its point is at no facility."""
    if answer.verdict not in POSITIVE:
        return None
    pair = (
        Reservation.plot_id == answer.plot_id,
        Reservation.utility == answer.utility,
        Reservation.enterprise_id == answer.enterprise_id,
    )
    rows = session.scalars(
        select(Reservation)
        .where(*pair, or_(Reservation.answer_id == answer.id, Reservation.state_at == answer.answered_at))
        .order_by(Reservation.id.desc())
    )  # fmt: skip
    newest = rows.first()
    return newest if newest and newest.answer_id != answer.id else None


def expires(answer: Answer, days: int, day: date) -> date:
    """Return the last day of what an answer reserves: some days on, not before a committed date, not after its validity."""
    until = max(day + timedelta(days=days), answer.ready_by or day)
    return min(until, answer.valid_until or until)


def _release(
    session: Session, enterprise_id: int, wished: Mapping[Pair, Wish | None], now: datetime
) -> set[Pair]:
    """Give up what the pairs hold and return those whose land was sold."""
    open_ = session.scalars(
        select(Reservation).where(
            Reservation.enterprise_id == enterprise_id,
            Reservation.plot_id.in_({plot_id for plot_id, _ in wished}),
            _OPEN,
        )
    ).all()
    sold = set()
    for r in open_:
        pair = (r.plot_id, r.utility)
        if pair not in wished:
            continue
        if r.state == "sold":
            sold.add(pair)
        r.state, r.state_at = "released", now
        r.state_reason = REPLACED if wished[pair] else TAKEN_BACK
    session.flush()
    return sold


def lock(session: Session, *plot_ids: int) -> None:
    """Let nobody change what is reserved for these plots before the transaction ends."""
    with as_engine(session):
        session.execute(
            select(Reservation.id)
            .where(Reservation.plot_id.in_(plot_ids), _OPEN)
            .order_by(Reservation.id)
            .with_for_update(of=Reservation)
        )


def listing_moved(session: Session, plot_id: int, state: str, now: datetime) -> None:
    """Keep what is reserved for land that was sold without end, and give it up when land is taken off the market."""
    values: dict[str, object] = {"state_at": now}
    if state == "sold":
        values |= {"state": "sold", "expires_on": None}
    elif state == "withdrawn":
        values |= {"state": "released", "state_reason": WITHDRAWN}
    else:
        return
    day = local_date(now)
    with as_engine(session):
        session.execute(
            update(Reservation)
            .where(
                Reservation.plot_id == plot_id,
                Reservation.state == "held",
                func.coalesce(Reservation.expires_on, day) >= day,
            )
            .values(values)
        )


def connected(
    session: Session, plot_id: int, enterprise_id: int, utility: str, now: datetime
) -> None:
    """Note that a plot was connected: it draws from the facility until its enterprise states a newer capacity."""
    with as_engine(session):
        session.execute(
            update(Reservation)
            .where(
                Reservation.plot_id == plot_id,
                Reservation.enterprise_id == enterprise_id,
                Reservation.utility == utility,
                _OPEN,
            )
            .values(state="connected", state_at=now, expires_on=None)
        )


def _open(
    session: Session, push: Push, pairs: Collection[Pair], day: date
) -> dict[Pair, Reservation]:
    """What the enterprise's earlier answers to these pairs still hold."""
    rows = session.scalars(
        select(Reservation)
        .join(Reservation.plot)
        .where(
            Reservation.enterprise_id == push.enterprise_id,
            Reservation.plot_id.in_({plot_id for plot_id, _ in pairs}),
            Reservation.plot_revision == Plot.revision,
            func.coalesce(Reservation.expires_on, day) >= day,
            _OPEN,
        )
    )
    return {(r.plot_id, r.utility): r for r in rows}
