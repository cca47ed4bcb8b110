"""Works over time: the Gantt page, one works project with its promises, and moving its end with the effects shown first."""

from datetime import date
from typing import BinaryIO, cast

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import Problem
from landready import cities, clock, commitments, completion, ledger, progress, reminders
from landready import replanning as replanned
from landready.completion import Evidence, File
from landready.db import Role
from landready.errors import Conflict, Invalid
from landready.timeline import Line, Progress, timeline, works_page
from web import gantt
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("works", __name__)


@pages.get("/works", endpoint="timeline")
@only(Role.ENTERPRISE, Role.OFFICE, Role.SUPERVISOR)
def all_works() -> ResponseReturnValue:
    """Everything that is built: the engineer's own, the planner's city, of one plan if asked, the supervisor's cities."""
    plan_id, city = request.args.get("plan", type=int), request.args.get("city", "")
    plan = progress.plan_of(database(), plan_id) if plan_id is not None else None
    who = request.args.get("enterprise", type=int)
    lines = timeline(
        database(), now(), _warn(), plan_id=plan_id, enterprise_id=who, city=city
    )  # fmt: skip
    groups = gantt.by_enterprise(lines)
    enterprises = [id_ for id_, _lines in groups]
    if g.actor.role is Role.ENTERPRISE:
        enterprises = [g.actor.organisation_id]
    return render_template(
        "works/timeline.html",
        groups=groups,
        chart=gantt.chart(lines, clock.today(now())),
        records=ledger.records(database(), enterprises, clock.today(now())),
        missed=[line for line in lines if line.progress is Progress.MISSED],
        plan=plan,
        city=city,
        cities=cities.names(),
        mine=g.actor.role is Role.ENTERPRISE,
        states=list(Progress),
        warn=settings().clocks.promise_days,
    )


@pages.get("/works/<int:works_id>")
@only(Role.ENTERPRISE, Role.OFFICE, Role.SUPERVISOR)
def works(works_id: int) -> ResponseReturnValue:
    return _page(works_id)


@pages.get("/works/<int:works_id>/replan")
@only(Role.ENTERPRISE)
def replan(works_id: int) -> ResponseReturnValue:
    """The form to move the end, with what the day in the address would do; htmx takes the part alone."""
    commitments.own_works(database(), works_id)
    return _replan(works_id, request.args.get("ends_on"))


@pages.post("/works/<int:works_id>/replan")
@only(Role.ENTERPRISE)
def save_replan(works_id: int) -> ResponseReturnValue:
    wish, reason = request.form.get("ends_on"), request.form.get("reason", "")
    try:
        made = replanned.replan(
            database(), settings(), works_id, _date(wish), reason,
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _replan(works_id, wish, refused.problems), 422
    flash(_("已改期，%(n)s 个地块的答复成为新的一版。首次承诺的日期仍在记录中。", n=len(made)))
    return redirect(url_for(".works", works_id=works_id), 303)


@pages.post("/works/<int:works_id>/describe")
@only(Role.ENTERPRISE)
def describe(works_id: int) -> ResponseReturnValue:
    given = request.form
    try:
        completion.describe(
            database(), works_id, given.get("title", ""), given.get("facility", ""),
            _date(given.get("starts_on")),
        )  # fmt: skip
    except Invalid as refused:
        return _page(works_id, "describe", refused.problems), 422
    flash(_("已保存。"))
    return redirect(url_for(".works", works_id=works_id), 303)


@pages.post("/works/<int:works_id>/milestones")
@only(Role.ENTERPRISE)
def milestones(works_id: int) -> ResponseReturnValue:
    title, day = request.form.get("title", ""), _date(request.form.get("planned_on"))
    try:
        completion.plan_milestone(database(), works_id, title, day)
    except Invalid as refused:
        return _page(works_id, "milestone", refused.problems), 422
    flash(_("已增加节点。"))
    return redirect(url_for(".works", works_id=works_id), 303)


@pages.post("/milestones/<int:milestone_id>/done")
@only(Role.ENTERPRISE)
def done(milestone_id: int) -> ResponseReturnValue:
    step = completion.own_milestone(database(), milestone_id)
    works_id = step.works_id
    evidence = Evidence(
        _date(request.form.get("done_on")),
        request.form.get("document_no", "").replace("\x00", "").strip(),
        _date(request.form.get("document_on")),
        _file(),
    )
    try:
        completion.reach(
            database(), settings(), milestone_id, evidence,
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _page(works_id, f"done-{milestone_id}", refused.problems), 422
    if step.completes:
        flash(_("已登记完工，这些地块的答复成为“已具备条件”的新版本。"))
    else:
        flash(_("已登记节点完成。"))
    return redirect(url_for(".works", works_id=works_id), 303)


@pages.post("/works/<int:works_id>/join")
@only(Role.ENTERPRISE)
def join(works_id: int) -> ResponseReturnValue:
    commitments.join(database(), works_id, request.form.get("other", 0, type=int))
    flash(_("已合并，承诺日期没有变化。"))
    return redirect(url_for(".works", works_id=works_id), 303)


@pages.post("/works/<int:works_id>/separate")
@only(Role.ENTERPRISE)
def separate(works_id: int) -> ResponseReturnValue:
    made = commitments.separate(database(), works_id, request.form.get("plot", 0, type=int), now())
    flash(_("已分出，承诺日期没有变化。"))
    return redirect(url_for(".works", works_id=made.id), 303)


def _page(works_id: int, form: str = "", problems: tuple[Problem, ...] = ()) -> str:
    """One works project; `form` is the one whose problems are shown, open and with what was typed."""
    line = works_page(database(), works_id, now(), _warn())
    mine = g.actor.role is Role.ENTERPRISE
    return render_template(
        "works/works.html",
        line=line,
        works=line.works,
        mine=mine and line.open and not line.done_on,
        chart=gantt.chart([line], clock.today(now())),
        record=_record(line),
        moves=replanned.moves_of(database(), works_id),
        notices=reminders.notices_of_works(database(), works_id),
        others=commitments.may_join(database(), line.works) if mine and line.open else (),
        form=form,
        problems=problems,
        typed=request.form,
        today=clock.today(now()).isoformat(),
    )


def _replan(works_id: int, wish: str | None, problems: tuple[Problem, ...] = ()) -> str:
    found: list[replanned.Effect] = []
    refused: Conflict | None = None
    if wish is not None and not problems:
        try:
            found = replanned.effects(database(), settings(), works_id, _date(wish), now())
        except Invalid as error:
            problems = error.problems
        except Conflict as error:
            refused = error
    line = works_page(database(), works_id, now(), _warn())
    template = "works/_replan.html" if "HX-Request" in request.headers else "works/replan.html"
    return render_template(
        template,
        line=line,
        works=line.works,
        effects=found,
        problems=problems,
        refused=refused,
        ends_on=wish or line.ends_on.isoformat(),
        reason=request.form.get("reason", ""),
        record=_record(line),
        horizon=settings().gate.commitment_horizon_days,
        today=clock.today(now()).isoformat(),
    )


def _record(line: Line) -> ledger.Record:
    who = line.works.enterprise_id
    return ledger.records(database(), [who], clock.today(now()))[who]


def _warn() -> int:
    return max(settings().clocks.promise_days)


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _file() -> File | None:
    file = request.files.get("attachment")
    if file is None or not file.filename:
        return None
    return file.filename, cast("BinaryIO", file.stream)
