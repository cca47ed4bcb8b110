"""Deadlines of a push with their reckoning, pauses and notices; and the escalations that name a supervisor."""

from collections.abc import Sequence
from datetime import date

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import Problem
from landready import clock, deadlines, reminders
from landready.db import Role
from landready.disputes import Dispute
from landready.errors import Invalid
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("clocks", __name__)


@pages.get("/pushes/<int:push_id>/clock", endpoint="clock")
@only(Role.OFFICE, Role.ENTERPRISE, Role.SUPERVISOR)
def show(push_id: int) -> ResponseReturnValue:
    return _page(push_id)


@pages.post("/pushes/<int:push_id>/pauses")
@only(Role.OFFICE)
def pause(push_id: int) -> ResponseReturnValue:
    try:
        push = deadlines.pause(
            database(), push_id,
            first=_day("first"), last=_day("last"), reason=request.form.get("reason", ""),
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _page(push_id, refused.problems), 422
    flash(_("已暂停计时，答复期限改为 %(day)s。", day=push.due_on.isoformat()))
    return redirect(url_for("clocks.clock", push_id=push_id), 303)


@pages.post("/pauses/<int:pause_id>/resume")
@only(Role.OFFICE)
def resume(pause_id: int) -> ResponseReturnValue:
    found = deadlines.resume(database(), pause_id, now())
    flash(_("已恢复计时，答复期限改为 %(day)s。", day=found.due_on.isoformat()))
    if isinstance(found, Dispute):
        return redirect(url_for("disputes.dispute", dispute_id=found.id), 303)
    return redirect(url_for("clocks.clock", push_id=found.id), 303)


@pages.get("/escalations", endpoint="escalations")
@only(Role.SUPERVISOR, Role.OFFICE)
def escalated() -> ResponseReturnValue:
    return render_template(
        "clocks/escalations.html",
        open=reminders.escalations(database(), handled=False),
        handled=reminders.escalations(database(), handled=True),
        me=g.actor.organisation_id,
        today=clock.today(now()),
        working_days=clock.working_days,
        days=settings().clocks.escalate_days,
        notices_from=settings().clocks.notices_from,
    )


@pages.post("/escalations/<int:reminder_id>")
@only(Role.SUPERVISOR)
def handle(reminder_id: int) -> ResponseReturnValue:
    reminders.handle(
        database(), reminder_id, request.form.get("note", ""),
        account_id=current_user.actor.account_id, now=now(),
    )  # fmt: skip
    flash(_("已登记督办情况。"))
    return redirect(url_for("clocks.escalations"), 303)


def _page(push_id: int, found: Sequence[Problem] = ()) -> str:
    shown = deadlines.clocks_of(database(), push_id)
    push = shown.push
    return render_template(
        "clocks/push.html",
        shown=shown,
        push=push,
        title=push.plan.title if push.plan else push.permit.project_name if push.permit else "",
        reminders=reminders.reminders_of(database(), push_id),
        clocks=settings().clocks,
        today=clock.today(now()),
        found=found,
        typed=request.form,
    )


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(request.form.get(name, ""))
    except ValueError:
        return None
