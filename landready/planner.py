"""What a planner does to a draft, one function per button. A released plan is never changed (landready.release)."""

from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_
from landready import drafts, systems, uploads
from landready.db import actor_of
from landready.errors import Conflict, NotFound
from landready.organisations import Organisation
from landready.plans import SupplyPlan, Upload
from landready.settings import Settings


def upload_plan(
    session: Session,
    settings: Settings,
    *,
    title: str,
    filename: str,
    stream: BinaryIO,
    crs: str,
    now: datetime,
) -> SupplyPlan:
    """Make a draft of a file. `crs` is a choice of landready.systems, empty: as the file says.

    Raises:
        Invalid: no title, or the file is empty or too large; nothing is kept. Any other fault is kept with the draft.
    """
    upload = _receive(session, settings, title, filename, stream, crs, now)
    office = session.get_one(Organisation, upload.organisation_id)
    return drafts.draft_plan(session, upload, office=office, now=now)


def replace_file(
    session: Session,
    settings: Settings,
    plan_id: int,
    *,
    filename: str,
    stream: BinaryIO,
    crs: str,
    now: datetime,
) -> SupplyPlan:
    """Put a new file in the place of a draft's old one; columns that were named stay named where they are still there.

    Raises:
        NotFound: no such plan of the asker's.
        Conflict: the plan was released.
        Invalid: the file is empty or too large; the draft stays as it was.
    """
    plan = draft(session, plan_id)
    upload = _receive(session, settings, plan.title, filename, stream, crs, now)
    upload.mapping = {
        **upload.mapping,
        **{ours: theirs for ours, theirs in plan.upload.mapping.items() if theirs in upload.fields},
    }
    drafts.redraft(session, plan, upload)
    return plan


def name_columns(
    session: Session, plan_id: int, mapping: Mapping[str, str], now: datetime
) -> SupplyPlan:
    """Take the planner's word for which column is what, and draw the plots anew.

    Raises:
        NotFound: no such plan of the asker's.
        Conflict: the plan was released.
        Invalid: a column is not in the file or named twice.
    """
    plan = draft(session, plan_id)
    uploads.remap(session, plan.upload, mapping, now)
    drafts.redraft(session, plan, plan.upload)
    return plan


def name_crs(session: Session, settings: Settings, plan_id: int, crs: str) -> SupplyPlan:
    """Read the file again in the coordinate system the planner names.

    Raises:
        NotFound: no such plan of the asker's, or its file is no longer kept.
        Conflict: the plan was released.
    """
    plan = draft(session, plan_id)
    uploads.reread(session, settings, plan.upload, systems.named(crs))
    drafts.redraft(session, plan, plan.upload)
    return plan


def delete_draft(session: Session, plan_id: int) -> str:
    """Delete a draft with its plots and return its title; the file stays kept as it was sent.

    Raises:
        NotFound: no such plan of the asker's.
        Conflict: the plan was released.
    """
    plan = draft(session, plan_id)
    session.delete(plan)
    session.flush()
    return plan.title


def draft(session: Session, plan_id: int) -> SupplyPlan:
    """Return the asker's draft, locked against a release at the same moment.

    Raises:
        NotFound: no such plan of the asker's.
        Conflict: the plan was released.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.id == plan_id, SupplyPlan.office_id == actor_of(session).organisation_id)
        .with_for_update(of=SupplyPlan)
    )
    if plan is None:
        raise NotFound
    if plan.state != "draft":
        raise Conflict(N_("供地计划已经下发，不能再修改。"))
    return plan


def _receive(
    session: Session,
    settings: Settings,
    title: str,
    filename: str,
    stream: BinaryIO,
    crs: str,
    now: datetime,
) -> Upload:
    asker = actor_of(session)
    if asker.organisation_id is None:
        raise NotFound
    return uploads.receive(
        session,
        settings,
        organisation_id=asker.organisation_id,
        account_id=asker.account_id,
        kind="plots",
        title=title,
        filename=filename,
        stream=stream,
        crs=systems.named(crs),
        now=now,
    )
