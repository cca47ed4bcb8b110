"""A planner's day: upload a plan, mend the draft, release it, see the answers come, list the plots that are ready."""

from collections.abc import Sequence

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready import board, clock, drafts, misses, planner, progress, titles
from landready.blockers import Blocker
from landready.db import Role
from landready.errors import Invalid, NotFound
from landready.landuse import System
from landready.needs import plan_capacity
from landready.plans import SupplyPlan
from landready.release import release
from landready.suspended import suspended
from push import status
from web import board as board_pages
from web import maps, plot_shapes, title_form, uploads
from web.auth import only
from web.session import capacity_words, database, now, settings

pages = Blueprint("plans", __name__)
# Rows of a table that a person reads at once.
ROWS = 100


@pages.get("/plans")
@only(Role.OFFICE)
def plans() -> ResponseReturnValue:
    page = max(1, request.args.get("page", 1, type=int))
    lines, older = progress.plan_lines(database(), settings().gate, now(), min(page, 10_000))
    missed = misses.missed_of(database(), now())
    return render_template(
        "plans/list.html",
        lines=lines,
        older=older,
        page=page,
        missed=missed,
        suspended=suspended(database(), settings().gate, now()),
    )


@pages.route("/plans/upload", methods=["GET", "POST"])
@only(Role.OFFICE)
def upload() -> ResponseReturnValue:
    if request.method == "GET":
        return _upload_form(())
    try:
        with uploads.sent_file() as file:
            plan = planner.upload_plan(
                database(),
                settings(),
                title=request.form.get("title", ""),
                filename=file.filename,
                stream=file.stream,
                crs=uploads.sent_crs(),
                now=now(),
            )
    except Invalid as error:
        return _upload_form(error.problems), 422
    return _to(plan.id)


@pages.get("/plans/<int:plan_id>")
@only(Role.OFFICE, Role.SUPERVISOR)
def plan(plan_id: int) -> ResponseReturnValue:
    return _plan_page(progress.plan_of(database(), plan_id))


@pages.post("/plans/<int:plan_id>/columns")
@only(Role.OFFICE)
def columns(plan_id: int) -> ResponseReturnValue:
    try:
        planner.name_columns(database(), plan_id, uploads.sent_mapping("plots"), now())
    except Invalid as error:
        return _plan_page(progress.plan_of(database(), plan_id), error.problems), 422
    flash(_("已按您指定的列重新读取。"))
    return _to(plan_id)


@pages.post("/plans/<int:plan_id>/crs")
@only(Role.OFFICE)
def crs(plan_id: int) -> ResponseReturnValue:
    planner.name_crs(database(), settings(), plan_id, uploads.sent_crs())
    flash(_("已按您指定的坐标系重新读取。"))
    return _to(plan_id)


@pages.post("/plans/<int:plan_id>/confirm")
@only(Role.OFFICE)
def confirm(plan_id: int) -> ResponseReturnValue:
    """Confirm turned axes, repairs or that nothing is shifted (`what`)."""
    try:
        planner.confirm(database(), settings(), plan_id, request.form.get("what", ""), now())
    except Invalid as error:
        return _plan_page(progress.plan_of(database(), plan_id), error.problems), 422
    flash(_("已记录您的确认。"))
    return _to(plan_id)


@pages.post("/plans/<int:plan_id>/use-system")
@only(Role.OFFICE)
def use_system(plan_id: int) -> ResponseReturnValue:
    """Which land-use classification the bare numbers of the plan belong to."""
    try:
        found = planner.name_use_system(database(), plan_id, request.form.get("system", ""))
    except Invalid as error:
        return _plan_page(progress.plan_of(database(), plan_id), error.problems), 422
    flash(_("已按您指明的用地分类重新识别用途。"))
    at = "plans.plan" if found.state == "draft" else "plans.capacity"
    return redirect(url_for(at, plan_id=plan_id), 303)


@pages.get("/plans/<int:plan_id>/capacity")
@only(Role.OFFICE, Role.SUPERVISOR)
def capacity(plan_id: int) -> ResponseReturnValue:
    """What the plots of a released plan need together, and what is left of each facility that they lean on."""
    found = progress.plan_of(database(), plan_id)
    if found.state != "released":
        raise NotFound
    page = plan_capacity(database(), found, settings().check, now())
    return render_template(
        "plans/capacity.html",
        plan=found,
        mine=g.actor.role is Role.OFFICE,
        sums=page.sums,
        loads=page.loads,
        asks=page.asks,
        use_systems=list(System),
        **capacity_words(),
    )


@pages.post("/plans/<int:plan_id>/file")
@only(Role.OFFICE)
def replace(plan_id: int) -> ResponseReturnValue:
    try:
        with uploads.sent_file() as file:
            planner.replace_file(
                database(),
                settings(),
                plan_id,
                filename=file.filename,
                stream=file.stream,
                crs=uploads.sent_crs(),
                now=now(),
            )
    except Invalid as error:
        return _plan_page(progress.plan_of(database(), plan_id), error.problems), 422
    flash(_("已换成新文件，原文件保留存档。"))
    return _to(plan_id)


@pages.post("/plans/<int:plan_id>/delete")
@only(Role.OFFICE)
def delete(plan_id: int) -> ResponseReturnValue:
    title = planner.delete_draft(database(), plan_id)
    flash(_("已删除草稿“%(title)s”。", title=title))
    return redirect(url_for("plans.plans"), 303)


@pages.post("/plans/<int:plan_id>/release")
@only(Role.OFFICE)
def release_plan(plan_id: int) -> ResponseReturnValue:
    try:
        receipt = release(database(), settings(), plan_id, now(), g.actor.account_id)
    except Invalid as error:
        return _plan_page(progress.plan_of(database(), plan_id), error.problems), 422
    flash(
        _(
            "已下发：%(plots)s 个地块同时推送给 %(n)s 家企业，请他们在 %(due)s 前答复。",
            plots=receipt.plots,
            n=len(receipt.pushes),
            due=receipt.due_on.isoformat(),
        )
    )
    return _to(plan_id, "receipt")


@pages.post("/plans/<int:plan_id>/list")
@only(Role.OFFICE)
def list_ready(plan_id: int) -> ResponseReturnValue:
    """List one plot (`plot`), or every plot that is ready."""
    found = progress.plan_of(database(), plan_id)
    if "plot" in request.form:
        ids = [i for i in progress.codes(database(), plan_id) if str(i) == request.form["plot"]]
        if not ids:
            raise NotFound
    else:
        judged = board.board(database(), settings(), plan_id, now())
        ids = [line.plot_id for line in judged.lines if line.may_list]
    refused = planner.list_plots(database(), ids, settings().gate, now())
    if refused:
        return _plan_page(found, refused=refused), 409
    flash(_("%(n)s 个地块已上架。", n=len(ids)))
    return _to(plan_id, "plots")


@pages.post("/plans/<int:plan_id>/title")
@only(Role.OFFICE)
def state_title(plan_id: int) -> ResponseReturnValue:
    """State clear title of every plot of a released plan that is not on offer or sold."""
    found = progress.plan_of(database(), plan_id)
    if found.state != "released":
        raise NotFound
    ids = titles.of_plan(database(), plan_id).open
    try:
        n = titles.state(database(), ids, **title_form.sent(), now=now())
    except Invalid as error:
        return _plan_page(found, error.problems), 422
    flash(_("已记录 %(n)s 个地块的净地声明。", n=n))
    return _to(plan_id, "title")


@pages.post("/plans/<int:plan_id>/deliveries/<int:delivery_id>")
@only(Role.OFFICE)
def redeliver(plan_id: int, delivery_id: int) -> ResponseReturnValue:
    progress.plan_of(database(), plan_id)
    status.redeliver(database(), delivery_id, now())
    database().info["told"] = True
    flash(_("已安排重新发送。"))
    return _to(plan_id, "pushes")


def _to(plan_id: int, anchor: str | None = None) -> ResponseReturnValue:
    return redirect(url_for("plans.plan", plan_id=plan_id, _anchor=anchor), 303)


def _upload_form(problems: Sequence[Problem]) -> str:
    return render_template(
        "plans/upload.html",
        problems=problems,
        systems=uploads.systems(),
        accept=uploads.ACCEPT,
        limit_mb=settings().web.upload_mb,
    )


def _plan_page(
    found: SupplyPlan,
    problems: Sequence[Problem] = (),
    refused: dict[int, tuple[Blocker, ...]] | None = None,
) -> str:
    if found.state == "draft":
        return _draft_page(found, problems)
    return _released_page(found, refused or {}, problems)


def _draft_page(found: SupplyPlan, said: Sequence[Problem]) -> str:
    problems = drafts.problems_of(found)
    wrong = {p.row for p in problems if p.severity == "error" and p.row is not None}
    plots = [
        plot_shapes.draft_plot(p, wrong=p.row in wrong) for p in found.plots[: plot_shapes.DRAWN]
    ]
    plots += [plot_shapes.left_out(*f) for f in planner.left_out(found, plot_shapes.DRAWN)]
    marks = [plot_shapes.problem(p) for p in problems[: plot_shapes.DRAWN] if p.place]
    return render_template(
        "plans/draft.html",
        plan=found,
        upload=found.upload,
        said=said,
        problems=problems,
        blocking=drafts.may_release(found),
        wrong=wrong,
        columns=uploads.columns(found.upload),
        choices=uploads.choices(found.upload),
        asks_columns=uploads.question(found.upload, "column_code"),
        asks_crs=uploads.crs_question(found.upload),
        asks_use=uploads.question(found.upload, "use_system", "use_elsewhere"),
        use_systems=list(System),
        asked=uploads.asked(found.upload),
        kept=uploads.confirmed(found.upload),
        source_crs=uploads.system_name(found.upload.source_crs),
        systems=uploads.systems(),
        accept=uploads.ACCEPT,
        limit_mb=settings().web.upload_mb,
        drawn=plot_shapes.DRAWN,
        **page_of(found.plots),
        map=maps.draw(settings(), [plots, marks], label=_("地块与问题位置地图"))
        if plots or marks
        else None,
    )


def _released_page(
    found: SupplyPlan, refused: dict[int, tuple[Blocker, ...]], problems: Sequence[Problem]
) -> str:
    judged = board.kept(database(), settings(), found.id, now())
    pushes = progress.pushes_of(database(), found.id)
    codes = progress.codes(database(), found.id) if refused else {}
    return render_template(
        "plans/released.html",
        judged=judged,
        suspended=suspended(database(), settings().gate, now(), plan_id=found.id),
        **board_pages.parts(found, judged),
        pushes=pushes,
        today=clock.today(now()),
        deliveries=status.deliveries_of(database(), [push.id for push in pushes]),
        problems=problems,
        clear=titles.of_plan(database(), found.id),
        refused=[(code, refused[i]) for i, code in codes.items() if i in refused],
        clocks=settings().clocks,
        colours=maps.COLOURS,
        map=maps.draw_board(
            settings(),
            url_for("board.plots", plan_id=found.id),
            url_for("board.rows", plan_id=found.id),
            label=_("地块具备条件情况地图"),
        ),
    )


def page_of(rows: Sequence[object]) -> dict[str, object]:
    """The rows of the page that was asked for, and where it stands among the others."""
    pages_ = max(1, -(-len(rows) // ROWS))
    page = min(max(1, request.args.get("page", 1, type=int)), pages_)
    return {
        "rows": rows[(page - 1) * ROWS : page * ROWS],
        "total": len(rows),
        "page": page,
        "pages": pages_,
    }
