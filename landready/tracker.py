"""Items at work: moved through the national states, each step recorded for the owner to see (R14, R10)."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from geo.problems import N_, Problem
from landready import clock, outbox, reserving
from landready.annex import STATE_NAMES, State, resting_states, terminal_states
from landready.applications import Application, Item, ItemMove
from landready.db import Actor, Role, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.items import NEEDS_NOTE, Party, Step, allowed, rests
from landready.pushes import Push
from landready.settings import Clocks

_NOTE_LENGTH = 2000
# A connection item that ends so is a plot that draws from its facility.
CONNECTED = (State.PASSED, State.PASSED_PAPERS_OWED)


def begin(session: Session, item: Item, now: datetime) -> None:
    """Let an item start: received (接件)."""
    _step(session, item, State.RECEIVED, "", now)


def start_design_clock(item: Item, clocks: Clocks, submitted_at: datetime) -> None:
    """Set when the first design is due: working days from the first receipt of the application (五(十)1), pauses left out."""
    pauses = rests(steps_of(item))
    due = clock.due(clock.today(submitted_at), clocks.first_design_days, pauses=pauses)
    item.first_design_due, item.due_provisional = due.day, due.provisional


def move(session: Session, item_id: int, to_state: int, note: str, *, now: datetime) -> Item:
    """Move an item to a state by its national code, as its handler or as the owner of the project.

    Raises:
        NotFound: no such item for the asker, or it was not submitted.
        NotAllowed: the asker neither handles nor owns it.
        Conflict: not allowed from the present state; the message names what is.
        Invalid: the state asks for a reason and none is given.
    """
    item = _locked(session, item_id)
    party = party_of(item, actor_of(session))
    if party is None:
        raise NotAllowed
    choices = allowed([State(step.to_state) for step in item.moves], party)
    if to_state not in choices:
        raise Conflict(
            N_("事项现在是“{state}”，不能这样办理；可以办理的是：{allowed}。"),
            state=STATE_NAMES[State(item.state or State.RECEIVED)],
            allowed="、".join(STATE_NAMES[choice] for choice in choices) or "—",
        )
    state = State(to_state)
    note = note.strip()
    if state in NEEDS_NOTE or note:
        note = words(note, "note", _NOTE_LENGTH, N_("请写明理由或需要补正的全部内容。"))
    _step(session, item, state, note, now)
    session.flush()
    if state in CONNECTED and item.utility:
        plot_id = session.scalar(
            select(Application.plot_id).where(Application.id == item.application_id)
        )
        if plot_id is not None:
            reserving.connected(session, plot_id, item.assignee_id, item.utility, now)
    _tell(session, item, note, now)
    return item


def give_first_design(session: Session, item_id: int, *, now: datetime) -> Item:
    """Record that the handler gave the owner the first design (首次设计方案).

    Raises:
        NotFound, NotAllowed: not an item of the asking handler.
        Conflict: no connection with external works, given already, or the item is over.
    """
    item = _locked(session, item_id)
    if party_of(item, actor_of(session)) is not Party.HANDLER:
        raise NotAllowed
    if not item.external_works:
        raise Conflict(N_("只有涉及外线工程的接入事项需要反馈首次设计方案。"))
    if item.first_design_at:
        raise Conflict(N_("首次设计方案已经反馈过。"))
    _still_open(item)
    item.first_design_at = now
    item.first_design_by = actor_of(session).account_id
    session.flush()
    return item


def declare_external_works(session: Session, clocks: Clocks, item_id: int) -> Item:
    """Say, as owner or handler, that a connection needs external works.

    The first design is due from the submission on, however late this is said.

    Raises:
        NotFound, NotAllowed: neither owner nor handler of the item.
        Conflict: not a connection item, said already, or the item is over.
    """
    item = _locked(session, item_id)
    if party_of(item, actor_of(session)) is None:
        raise NotAllowed
    if not item.utility or item.external_works:
        raise Conflict(N_("这个事项不是接入报装，或已经标明涉及外线工程。"))
    _still_open(item)
    item.external_works = True
    start_design_clock(item, clocks, item.moves[0].moved_at)
    session.flush()
    return item


def steps_of(item: Item) -> list[Step]:
    """Return the moves of an item as the rules take them."""
    return [Step(State(move.to_state), move.moved_at, move.note) for move in item.moves]


def party_of(item: Item, actor: Actor) -> Party | None:
    """Return as whom the actor moves this item."""
    if actor.organisation_id == item.assignee_id:
        return Party.HANDLER
    if actor.role is Role.OWNER and actor.organisation_id == item.owner_id:
        return Party.OWNER
    return None


def _still_open(item: Item) -> None:
    if State(item.state or State.RECEIVED) in terminal_states():
        raise Conflict(N_("事项已经办结。"))


def _locked(session: Session, item_id: int) -> Item:
    """A submitted item with its moves, locked: whoever moves it at the same time waits and sees this move."""
    item = session.scalar(
        select(Item)
        .where(Item.id == item_id, Item.state.is_not(None))
        .options(selectinload(Item.moves))
        .with_for_update(of=Item)
        .execution_options(populate_existing=True)
    )
    if item is None:
        if session.scalar(select(Item.id).where(Item.id == item_id, Item.state.is_not(None))):
            raise NotAllowed  # seen by a supervisor, who changes nothing
        raise NotFound
    return item


def words(text: str, where: str, limit: int, missing: str) -> str:
    """Return what a person wrote, tidied.

    Raises:
        Invalid: nothing (`missing` says so), or more than `limit` signs.
    """
    text = text.replace("\x00", "").strip()
    if not text:
        raise Invalid((Problem(f"{where}_missing", "error", missing, where=where),))
    if len(text) > limit:
        said = N_("文字超过 {limit} 个字，请缩短。")
        raise Invalid((Problem(f"{where}_long", "error", said, {"limit": limit}, where=where),))
    return text


def _step(session: Session, item: Item, state: State, note: str, now: datetime) -> None:
    actor = actor_of(session)
    step = ItemMove(
        item_id=item.id,
        from_state=item.state,
        to_state=int(state),
        note=note,
        moved_at=now,
        moved_by=actor.account_id,
        mover_id=actor.organisation_id,
    )
    session.add(step)
    if item.state in resting_states() and item.state_at:
        _resume(item, clock.today(item.state_at), clock.today(now))
    item.state, item.state_at = int(state), now


def _resume(item: Item, begun: date, ended: date) -> None:
    """What was left of the time for the first design when a pause began is left when it ends."""
    if item.first_design_at or item.first_design_due is None:
        return
    if left := clock.working_days(begun, item.first_design_due):
        due = clock.due(ended, left)
        item.first_design_due, item.due_provisional = due.day, due.provisional


def _tell(session: Session, item: Item, note: str, now: datetime) -> None:
    """An enterprise is told of a move of its item that it did not make itself."""
    if item.assignee.kind != "enterprise" or item.assignee_id == actor_of(session).organisation_id:
        return
    with as_engine(session):
        push_id = session.scalar(
            select(Push.id)
            .join(Application, Application.permit_id == Push.permit_id)
            .where(Application.id == item.application_id, Push.enterprise_id == item.assignee_id)
        )
        outbox.record(
            session,
            enterprise_id=item.assignee_id,
            office_id=item.office_id,
            push_id=push_id,
            type_="item.moved",
            data={"item": item.id, "annex_no": item.annex_no, "state": item.state, "note": note},
            now=now,
        )
