"""Projects, applications and items as their pages show them: read once, no query per row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from geo.problems import N_
from landready import annex, clock
from landready.annex import STATE_NAMES, State
from landready.applications import Application, Item, ItemMove
from landready.db import Actor, actor_of, as_engine
from landready.errors import NotFound
from landready.form_views import FieldView, field_views
from landready.items import NEEDS_NOTE, allowed, elapsed_days, rests
from landready.permits import Permit
from landready.pushes import Push, PushState
from landready.tracker import party_of, steps_of


@dataclass(frozen=True, slots=True)
class Choice:
    """A state to which the asker may move an item now."""

    state: int
    name: str
    needs_note: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item with where it stands. `due` is the day of the first design with how it was reckoned; empty: none owed."""

    item: Item
    name: str
    department: str
    handler: str
    state_name: str
    elapsed_days: int
    due: clock.Due | None
    # Its clock stands still: papers are being corrected, or a special procedure runs.
    rests: bool
    late: bool
    open: bool
    choices: tuple[Choice, ...]

    @property
    def moves(self) -> Sequence[ItemMove]:
        return self.item.moves


@dataclass(frozen=True, slots=True)
class ApplicationPage:
    application: Application
    permit: Permit
    fields: tuple[FieldView, ...]
    items: tuple[ItemView, ...]


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project with the count of its items and of those that are over."""

    application: Application
    items: int
    closed: int


@dataclass(frozen=True, slots=True)
class PermitRow:
    """A permit with whom it was pushed to and where each push stands."""

    permit: Permit
    application_id: int | None
    pushes: tuple[tuple[Push, PushState], ...]


def projects_of(session: Session) -> list[ProjectRow]:
    """Return the applications the asker may see, newest first."""
    found = session.scalars(
        select(Application)
        .options(selectinload(Application.items))
        .order_by(Application.seeded_at.desc(), Application.id.desc())
    )
    return [ProjectRow(a, len(a.items), sum(not _open(item) for item in a.items)) for a in found]


def permits_of(session: Session, today: date) -> list[PermitRow]:
    """Return the permits the asker may see with their pushes, newest first."""
    permits = session.scalars(
        select(Permit)
        .options(joinedload(Permit.plot))
        .order_by(Permit.received_at.desc(), Permit.id.desc())
    ).all()
    applications = dict(session.execute(select(Application.permit_id, Application.id)).all())
    pushes: dict[int, list[Push]] = {}
    for push in session.scalars(select(Push).where(Push.kind == "project").order_by(Push.id)):
        pushes.setdefault(push.permit_id or 0, []).append(push)
    return [
        PermitRow(
            permit,
            applications.get(permit.id),
            tuple((push, push.state(today)) for push in pushes.get(permit.id, ())),
        )
        for permit in permits
    ]


def application_page(session: Session, application_id: int, now: datetime) -> ApplicationPage:
    """Return an application with its values and the items the asker may see.

    Raises:
        NotFound: there is none, or it is not the asker's to see.
    """
    application = session.scalar(
        select(Application)
        .where(Application.id == application_id)
        .options(
            selectinload(Application.fields),
            selectinload(Application.items).selectinload(Item.moves).joinedload(ItemMove.mover),
        )
        .execution_options(populate_existing=True)
    )
    if application is None:
        raise NotFound
    return ApplicationPage(
        application,
        application.permit,
        tuple(field_views(session, application.fields)),
        tuple(_item_view(item, actor_of(session), now) for item in application.items),
    )


def items_of(session: Session, now: datetime) -> list[ItemView]:
    """Return the submitted items that the asker handles, open ones first, the longest waiting first."""
    found = session.scalars(
        select(Item)
        .join(Item.application)
        .where(Item.assignee_id == actor_of(session).organisation_id, Item.state.is_not(None))
        .options(
            contains_eager(Item.application),
            selectinload(Item.moves).joinedload(ItemMove.mover),
        )
        .order_by(Application.submitted_at, Item.id)
        .execution_options(populate_existing=True)
    )
    views = [_item_view(item, actor_of(session), now) for item in found]
    return sorted(views, key=lambda view: not view.open)


def item_page(session: Session, item_id: int, now: datetime) -> tuple[ApplicationPage, ItemView]:
    """Return one item with the application it belongs to.

    Raises:
        NotFound: there is none, or it is not the asker's to see.
    """
    application_id = session.scalar(select(Item.application_id).where(Item.id == item_id))
    if application_id is None:
        raise NotFound
    page = application_page(session, application_id, now)
    return page, next(view for view in page.items if view.item.id == item_id)


def pushed_to(session: Session, permit_id: int) -> list[str]:
    """Return the names of the enterprises a project was pushed to, for whoever sent or may see the permit."""
    if session.scalar(select(Permit.id).where(Permit.id == permit_id)) is None:
        raise NotFound
    with as_engine(session):
        pushes = session.scalars(select(Push).where(Push.permit_id == permit_id).order_by(Push.id))
        return [push.enterprise.name for push in pushes]


def _item_view(item: Item, actor: Actor, now: datetime) -> ItemView:
    row = annex.items()[item.annex_no]
    party = party_of(item, actor)
    history = [State(step.to_state) for step in item.moves]
    choices = allowed(history, party) if party else ()
    due = _due(item)
    return ItemView(
        item=item,
        name=row.name,
        department=row.department,
        handler=item.assignee.name,
        state_name=STATE_NAMES[State(item.state)] if item.state else N_("待提交"),
        elapsed_days=elapsed_days(steps_of(item), now),
        due=due,
        rests=item.state in annex.resting_states(),
        late=bool(due and _runs(item) and clock.today(now) > due.day),
        open=_open(item),
        choices=tuple(Choice(int(c), STATE_NAMES[c], c in NEEDS_NOTE) for c in choices),
    )


def _open(item: Item) -> bool:
    return item.state is None or State(item.state) not in annex.terminal_states()


def _runs(item: Item) -> bool:
    """Is a first design still owed, and does its time pass?"""
    return not item.first_design_at and _open(item) and item.state not in annex.resting_states()


def _due(item: Item) -> clock.Due | None:
    """The stored due day with the reckoning that led to it."""
    if item.first_design_due is None or not item.moves:
        return None
    start, pauses = clock.today(item.moves[0].moved_at), rests(steps_of(item))
    days = clock.working_days(start, item.first_design_due, pauses=pauses)
    reckoned = clock.due(start, max(days, 1), pauses=pauses)
    return clock.Due(item.first_design_due, item.due_provisional, reckoned.explained)
