"""What a planner does, one function per button. A released plan is never changed (landready.release)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import demand, drafts, systems, uploads
from landready import gate as gate_
from landready.blockers import Blocker
from landready.db import actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.gate import move_listing
from landready.landuse import System
from landready.listings import Listing
from landready.organisations import Organisation
from landready.plans import SupplyPlan, Upload
from landready.settings import Gate, Settings

# As much as the column holds.
REASON = 500


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


def name_use_system(session: Session, plan_id: int, system: str) -> SupplyPlan:
    """Take the planner's word for the land-use classification of a plan's bare numbers; empty: as good as not said.

    A draft is drawn anew; the plots of a released plan stay as they were pushed, only their demand can now be told.

    Raises:
        NotFound: no such plan of the asker's.
        Invalid: there is no such classification.
    """
    if system not in {"", *System}:
        text = N_("没有这套用地分类。")
        raise Invalid((Problem("use_system_unknown", "error", text),))
    plan = demand.declare_system(session, plan_id, System(system) if system else None)
    if plan.state == "draft":
        drafts.redraft(session, plan, plan.upload)
    return plan


def confirm(
    session: Session, settings: Settings, plan_id: int, what: str, now: datetime
) -> SupplyPlan:
    """Keep what the planner confirms of the file (landready.confirmations), and draw the plots anew.

    Raises:
        NotFound: no such plan of the asker's, or its file is no longer kept.
        Conflict: the plan was released.
        Invalid: that is nothing to confirm.
    """
    plan = draft(session, plan_id)
    uploads.confirm(session, settings, plan.upload, what, actor_of(session).account_id, now)
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


def left_out(plan: SupplyPlan, limit: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Return row and GeoJSON geometry of up to `limit` features of a draft's file that made no plot, for the map."""
    rows = {plot.row for plot in plan.plots}
    without = [f for f in plan.upload.features if f["row"] not in rows]
    return [(f["row"], f["geometry"]) for f in without[:limit]]


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


def list_plots(
    session: Session, plot_ids: Iterable[int], gate: Gate, now: datetime
) -> dict[int, tuple[Blocker, ...]]:
    """Put plots on offer; return what is missing for those that may not be.

    Raises:
        NotFound: one is not a plot of the asker's.
        NotReady: the database's own gate refuses what the rule found ready; nothing is listed.
        Conflict: one is on offer already, or was sold.
    """
    asker = actor_of(session)
    with session.begin_nested():
        return gate_.list_plots(session, plot_ids, gate, account_id=asker.account_id, now=now)[1]


def change_listing(
    session: Session,
    plot_id: int,
    listing_id: int,
    state: str,
    reason: str,
    gate: Gate,
    now: datetime,
) -> Listing:
    """Suspend, resume, withdraw or mark as sold a plot's listing (landready.gate.move_listing), with a reason for everybody.

    What puts land on the market is the gate's verdict; a reason beside it is welcome and not asked for.

    Raises:
        Invalid: the reason is missing or too long.
        NotFound, Conflict, NotReady: as the gate says, or not this plot's; the session can still be used.
    """
    if session.scalar(select(Listing.plot_id).where(Listing.id == listing_id)) != plot_id:
        raise NotFound
    reason = reason_of(state, reason)
    with session.begin_nested():
        return move_listing(session, listing_id, state, reason, gate, now)


def reason_of(state: str, reason: str) -> str:
    """Return a reason as it is kept.

    Raises:
        Invalid: it is missing where one is asked for, or too long.
    """
    reason = uploads.storable(reason).strip()
    if state != "listed" and not reason:
        text = N_("请写明原因，公众会看到它。")
        raise Invalid((Problem("reason_missing", "error", text, where="reason"),))
    if len(reason) > REASON:
        text = N_("原因最多 {limit} 个字。")
        raise Invalid((Problem("reason_long", "error", text, {"limit": REASON}, where="reason"),))
    return reason
