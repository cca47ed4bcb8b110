"""The owner's part: correcting what was seeded, and submitting the joint application once (R9)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_
from landready import annex, clock, form, outbox, tracker
from landready.applications import Application, ApplicationField, Item
from landready.db import Role, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.pushes import Push
from landready.settings import Clocks


def correct(
    session: Session, application_id: int, name: str, value: str, *, now: datetime
) -> ApplicationField:
    """Put the owner's value beside the seeded one, which stays; the seeded value itself takes the correction back.

    Raises:
        NotFound, NotAllowed: not the asker's application, or no such value.
        Conflict: submitted already, or the value is not the owner's to change.
        Invalid: the value cannot be right.
    """
    application = _draft(session, application_id)
    field = session.scalar(
        select(ApplicationField).where(
            ApplicationField.application_id == application.id, ApplicationField.name == name
        )
    )
    if field is None:
        raise NotFound
    key = form.key_of(name)
    if not key.field.correctable:
        raise Conflict(
            N_("“{label}”由许可证、地块或企业答复确定，不能在申请表中更正。"), label=key.field.label
        )
    value = value.strip()
    if found := form.value_problems(key, value):
        raise Invalid(found)
    changed = value != field.value
    field.corrected = value if changed else None
    field.corrected_at = now if changed else None
    field.corrected_by = actor_of(session).account_id if changed else None
    session.flush()
    return field


def submit(session: Session, clocks: Clocks, application_id: int, *, now: datetime) -> Application:
    """Send the application to everyone who handles an item of it: from now on the clocks run.

    Raises:
        NotFound, NotAllowed: not the asker's application.
        Conflict: submitted already, or nothing to handle.
        Invalid: a required value is empty.
    """
    application = _draft(session, application_id)
    fields = session.scalars(
        select(ApplicationField)
        .where(ApplicationField.application_id == application.id)
        .order_by(ApplicationField.id)
    ).all()
    keys = [form.key_of(field.name) for field in fields]
    empty = [
        form.missing(key)
        for key, field in zip(keys, fields, strict=True)
        if key.field.required and not effective(field)
    ]
    if empty:
        raise Invalid(tuple(empty))
    items = session.scalars(
        select(Item).where(Item.application_id == application.id).order_by(Item.annex_no, Item.id)
    ).all()
    if not items:
        raise Conflict(N_("这个项目还没有需要办理的事项，不能提交。"))
    application.state = "submitted"
    application.submitted_at = now
    application.submitted_by = actor_of(session).account_id
    session.flush()
    for item in items:
        tracker.begin(session, item, now)
        if item.external_works:
            tracker.start_design_clock(item, clocks, now)
    session.flush()
    _tell(session, application, fields, items, clocks, now)
    return application


def effective(field: ApplicationField) -> str:
    """Return the value that counts: the owner's where there is one."""
    return field.value if field.corrected is None else field.corrected


def _draft(session: Session, application_id: int) -> Application:
    """The asker's own draft, locked until the transaction ends."""
    visible = session.scalar(select(Application.id).where(Application.id == application_id))
    if visible is None:
        raise NotFound
    actor = actor_of(session)
    application = session.scalar(
        select(Application)
        .where(Application.id == application_id, Application.owner_id == actor.organisation_id)
        .with_for_update(of=Application)
        .execution_options(populate_existing=True)
    )
    if actor.role is not Role.OWNER or application is None:
        raise NotAllowed
    if application.state != "draft":
        raise Conflict(N_("申请已经提交，不能再更改。"))
    return application


def _tell(
    session: Session,
    application: Application,
    fields: Sequence[ApplicationField],
    items: Sequence[Item],
    clocks: Clocks,
    now: datetime,
) -> None:
    """One event `application.submitted` per enterprise, with its items and the form without the others' answers."""
    contact = clock.due(clock.today(now), clocks.contact_days)
    with as_engine(session):
        pushes = session.execute(
            select(Push.enterprise_id, Push.id).where(Push.permit_id == application.permit_id)
        )
        for enterprise_id, push_id in pushes.all():
            own = [item for item in items if item.assignee_id == enterprise_id]
            if own:
                outbox.record(
                    session,
                    enterprise_id=enterprise_id,
                    office_id=application.office_id,
                    push_id=push_id,
                    type_="application.submitted",
                    data={
                        "application": application.id,
                        "permit_no": application.permit.permit_no,
                        "contact_due": contact.day.isoformat(),
                        "contact_due_provisional": contact.provisional,
                        "items": [_item(item) for item in own],
                        "form": _form(fields, enterprise_id),
                    },
                    now=now,
                )


def _item(item: Item) -> dict[str, Any]:
    return {
        "item": item.id,
        "annex_no": item.annex_no,
        "name": annex.items()[item.annex_no].name,
        "utility": item.utility,
        "state": item.state,
        "external_works": item.external_works,
        "first_design_due": item.first_design_due and item.first_design_due.isoformat(),
        "due_provisional": item.due_provisional,
    }


def _form(fields: Sequence[ApplicationField], enterprise_id: int) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "label": key.field.label,
            "value": effective(field),
            "original": field.value,
            "source": field.source,
        }
        for field in fields
        if (key := form.key_of(field.name)).enterprise_id in (None, enterprise_id)
    ]
