"""Drafts of supply plans: the plots of an upload under the columns the planner named, and what forbids their release."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import confirmations, plot_checks, problems, uploads
from landready.bulk import insert_rows
from landready.errors import Conflict
from landready.landuse import System
from landready.organisations import Organisation
from landready.plans import Plot, SupplyPlan, Upload
from landready.plot_rows import draft_plots
from landready.shapes import multi, stored


def draft_plan(
    session: Session, upload: Upload, *, office: Organisation, now: datetime
) -> SupplyPlan:
    """Make the draft of an upload, or make it anew after a mapping; valid plots are there at once, whatever else is wrong.

    Raises:
        Conflict: the plan was released.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.upload_id == upload.id)
        .with_for_update(of=SupplyPlan)
        .execution_options(populate_existing=True)
    )
    if plan is None:
        plan = SupplyPlan(
            office_id=office.id,
            upload_id=upload.id,
            city=office.city,
            title=upload.title,
            state="draft",
            created_at=now,
            created_by=upload.created_by,
        )
        session.add(plan)
        session.flush()
    _draw(session, plan, upload)
    return plan


def redraft(session: Session, plan: SupplyPlan, upload: Upload) -> None:
    """Put a new file in the place of a draft's old one; the old upload is kept.

    Raises:
        Conflict: the plan was released.
    """
    session.refresh(plan, with_for_update={"of": SupplyPlan})
    _draw(session, plan, upload)
    plan.upload_id = upload.id
    plan.title = upload.title
    session.flush()
    session.expire(plan, ["upload"])


def _draw(session: Session, plan: SupplyPlan, upload: Upload) -> None:
    if plan.state != "draft":
        raise Conflict(N_("供地计划已经下发，不能再修改。"))
    declared = System(plan.use_system) if plan.use_system else None
    plots, found = draft_plots(upload.features, upload.mapping, declared)
    sure = "shift" in confirmations.confirmed(upload)
    found += plot_checks.found(session, plan, plots, sure=sure)
    upload.problems = uploads.storable(problems.replaced(upload.problems, "content", found))
    session.execute(delete(Plot).where(Plot.plan_id == plan.id))
    shapes = stored(multi(plot.geometry) for plot in plots)
    rows = [
        {
            "plan_id": plan.id,
            "office_id": plan.office_id,
            "city": plan.city,
            "row": plot.row,
            "code": plot.code,
            "name": plot.name,
            "use": plot.use,
            "use_shares": plot.use_shares,
            "use_code": plot.use_code,
            "declared_area_m2": plot.declared_area_m2,
            "area_m2": plot.area_m2,
            "plot_ratio": plot.plot_ratio,
            "plot_ratio_value": plot.plot_ratio_value,
            "quarter": plot.quarter,
            "supply_mode": plot.supply_mode,
            "source_crs": upload.source_crs,
            "illustrative": bool(upload.purpose.get("illustrative")),
            "revision": 1,
            "geom": shape,
        }
        for plot, shape in zip(plots, shapes, strict=True)
    ]
    insert_rows(session, Plot, rows)
    session.expire(plan, ["plots"])


def problems_of(plan: SupplyPlan) -> tuple[Problem, ...]:
    """Return what is wrong with a plan, errors first; whoever may not see its upload sees none."""
    upload: Upload | None = plan.upload
    return uploads.problems_of(upload) if upload else ()


def may_release(plan: SupplyPlan) -> tuple[Problem, ...]:
    """Return what forbids the release of a plan: its errors, or that it has no plot. Empty: it may be released."""
    found = problems.errors(problems_of(plan))
    if not found and not plan.plots:
        return (Problem("plan_empty", "error", N_("供地计划里没有地块。")),)
    return found
