"""The permit items of an application (annex 2, numbers 5 and 7 to 11), added with a reason (R14).

By the owner or an officer; and by an enterprise that handles a connection of it, whose design shows what the computed route missed.
"""

from contextlib import nullcontext
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import annex, tracker
from landready.applications import Application, Item
from landready.db import Role, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.organisations import Organisation

_REASON_LENGTH = 300


def add_item(
    session: Session, application_id: int, annex_no: int, reason: str, *, now: datetime
) -> Item:
    """Add a permit item (5, 7 to 11) for the department that handles it in the city; after submission it starts at once.

    Raises:
        NotFound, NotAllowed: not an application of the asking owner, office or connecting enterprise.
        Invalid: no reason, or not one of those numbers.
        Conflict: it is there already, or nobody in the city handles it.
    """
    application = _for_change(session, application_id)
    found = annex.items().get(annex_no)
    if found is None or found.kind == "utility":
        text = N_("只能增加第 5、7 至 11 项；接入报装事项随项目自动生成。")
        raise Invalid((Problem("annex_no", "error", text, where="annex_no"),))
    reason = tracker.words(reason, "reason", _REASON_LENGTH, N_("请写明为什么需要这个事项。"))
    handler = handler_of(session, annex_no, application.city)
    if handler is None:
        raise Conflict(N_("本市县还没有单位登记办理“{item}”，请联系系统管理员。"), item=found.name)
    if session.scalar(
        select(Item.id).where(Item.application_id == application.id, Item.annex_no == annex_no)
    ):
        raise Conflict(N_("申请中已经有“{item}”。"), item=found.name)
    item = Item(
        application_id=application.id,
        annex_no=annex_no,
        owner_id=application.owner_id,
        office_id=application.office_id,
        assignee_id=handler.id,
        reason=reason,
    )
    # An enterprise may not write items of others: that it may add this one was decided above.
    with as_engine(session) if actor_of(session).role is Role.ENTERPRISE else nullcontext():
        session.add(item)
        session.flush()
        if application.state == "submitted":
            tracker.begin(session, item, now)
            session.flush()
    return item


def remove_item(session: Session, item_id: int) -> None:
    """Take a permit item out of a draft.

    Raises:
        NotFound, NotAllowed: not an item of the asking owner, office or connecting enterprise.
        Conflict: submitted already, or a connection item, which always stays.
    """
    item = session.scalar(select(Item).where(Item.id == item_id))
    if item is None:
        raise NotFound
    application = _for_change(session, item.application_id)
    if application.state != "draft":
        raise Conflict(N_("申请已经提交；不再需要的事项请撤件或撤回。"))
    if item.utility:
        raise Conflict(N_("接入报装事项随项目自动生成，不能删除。"))
    session.delete(item)
    session.flush()


def _for_change(session: Session, application_id: int) -> Application:
    """An application whose list of items the asker may change, locked against a submission at the same time."""
    actor = actor_of(session)
    query = select(Application).where(Application.id == application_id)
    application = session.scalar(query)
    if application is None:
        raise NotFound
    mine = {Role.OWNER: application.owner_id, Role.OFFICE: application.office_id}
    if actor.role is Role.ENTERPRISE:
        connects = select(Item.id).where(
            Item.application_id == application_id,
            Item.assignee_id == actor.organisation_id,
            Item.utility != "",
        )
        if session.scalar(connects) is None:
            raise NotAllowed
    elif mine.get(actor.role) is None or mine[actor.role] != actor.organisation_id:
        raise NotAllowed
    with as_engine(session):
        session.execute(
            select(Application.id).where(Application.id == application_id).with_for_update()
        )
    session.refresh(application, ["state"])
    return application


def handler_of(session: Session, annex_no: int, city: str) -> Organisation | None:
    """Who handles a permit item in a city: its own department first, else one for the whole province."""
    return session.scalars(
        select(Organisation)
        .where(
            Organisation.kind.in_(("department", "office")),
            Organisation.annex_items.contains([annex_no]),
            Organisation.city.in_((city, "")),
        )
        .order_by(Organisation.city == "", Organisation.id)
    ).first()
