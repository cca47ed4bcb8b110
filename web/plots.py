"""One plot of a released plan: what was measured, what was answered, what is missing, and its listing."""

from collections.abc import Sequence
from math import nan

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready import (
    annex,
    clock,
    demand,
    disputes,
    later_facts,
    ledger,
    planner,
    progress,
    provisional,
    routes,
    titles,
)
from landready.answers import AnswerVerdict
from landready.blockers import Blocker
from landready.db import Role
from landready.errors import Invalid, NotFound, NotReady
from landready.needs import needs
from landready.utilities import Utility
from web import maps, plot_shapes, title_form
from web.auth import only
from web.filters import label
from web.session import capacity_words, database, now, settings

pages = Blueprint("plots", __name__)


@pages.get("/plots/<int:plot_id>")
@only(Role.OFFICE, Role.SUPERVISOR)
def plot(plot_id: int) -> ResponseReturnValue:
    return _plot_page(plot_id)


@pages.post("/plots/<int:plot_id>/list")
@only(Role.OFFICE)
def list_one(plot_id: int) -> ResponseReturnValue:
    refused = planner.list_plots(database(), [plot_id], settings().gate, now())
    if refused:
        return _plot_page(plot_id, refused=refused[plot_id]), 409
    flash(_("地块已上架，公众现在可以在土地超市看到它。"))
    return redirect(url_for("plots.plot", plot_id=plot_id), 303)


@pages.post("/plots/<int:plot_id>/listing/<int:listing_id>")
@only(Role.OFFICE)
def change_listing(plot_id: int, listing_id: int) -> ResponseReturnValue:
    wish, reason = request.form.get("state", ""), request.form.get("reason", "")
    try:
        moved = planner.change_listing(
            database(), plot_id, listing_id, wish, reason, settings().gate, now()
        )
    except NotReady as error:
        return _plot_page(plot_id, refused=error.blockers), 409
    except Invalid as error:
        return _plot_page(plot_id, problems=error.problems), 422
    flash(_("上架状态已改为“%(state)s”。", state=label(moved.state, "listing")))
    return redirect(url_for("plots.plot", plot_id=moved.plot_id), 303)


@pages.post("/plots/<int:plot_id>/title")
@only(Role.OFFICE)
def state_title(plot_id: int) -> ResponseReturnValue:
    """Take the planner's word that the land is clear, or why it is not, with the document."""
    try:
        titles.state(database(), [plot_id], **title_form.sent(), now=now())
    except Invalid as error:
        return _plot_page(plot_id, problems=error.problems), 422
    flash(_("已记录净地声明。"))
    return redirect(url_for("plots.plot", plot_id=plot_id, _anchor="title"), 303)


@pages.post("/plots/<int:plot_id>/demand/<utility>")
@only(Role.OFFICE)
def state_demand(plot_id: int, utility: str) -> ResponseReturnValue:
    """Take the planner's figure for one utility; `index` returns to the computed one."""
    if utility not in set(Utility):
        raise NotFound
    back = "index" in request.form
    low, high = (None if back else _amount(request.form.get(name, "")) for name in ("low", "high"))
    if not back and low is None and high is None:
        low = high = nan  # empty fields are no wish to return to the index
    try:
        reason = request.form.get("why", "")
        demand.state(database(), plot_id, Utility(utility), low, high, reason, now=now())
    except Invalid as error:
        return _plot_page(plot_id, problems=error.problems, stating=utility), 422
    flash(_("已记录%(utility)s用量。", utility=label(utility, "utility")))
    return redirect(url_for("plots.plot", plot_id=plot_id, _anchor=f"demand-{utility}"), 303)


def _amount(text: str) -> float | None:
    """The number of a field; what is no number is told as one."""
    text = text.replace(",", "").replace("，", "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        return nan


def _promised(utilities: Sequence[progress.UtilityPage]) -> dict[int, ledger.Record]:
    """How each enterprise that promises something for this plot has kept its promises."""
    said = (q.answer for one in utilities for q in one.questions)
    who = {a.enterprise_id for a in said if a and a.verdict == AnswerVerdict.READY_BY}
    return ledger.records(database(), who, clock.today(now()))


def _plot_page(
    plot_id: int,
    problems: Sequence[Problem] = (),
    refused: Sequence[Blocker] = (),
    stating: str = "",
) -> str:
    line, utilities = progress.plot_page(database(), plot_id, settings().gate, now())
    near = {one.cell.utility: one.check.facilities if one.check else () for one in utilities}
    links, points = plot_shapes.surroundings(utilities)
    measured = [one.check for one in utilities if one.check]
    ways = routes.of_plot(database(), settings().route, line.plot, measured, now())
    asked = {q.push.enterprise_id for one in utilities for q in one.questions}
    return render_template(
        "plans/plot.html",
        line=line,
        plot=line.plot,
        findings=provisional.findings(database(), [line], settings().check),
        mine=g.actor.role is Role.OFFICE,
        utilities_asked=utilities,
        promised=_promised(utilities),
        promises=ledger.promises_for(database(), plot_id),
        needs=needs(database(), line.plot, near, settings().check, now()),
        open_disputes=disputes.of_plots(database(), [plot_id]),
        records={
            f.enterprise_id: f.record
            for f in later_facts.fared(database(), settings().accuracy, asked, city=line.plot.city)
        },
        stating=stating,
        **capacity_words(),
        problems=problems,
        refused=refused,
        title=titles.latest(database(), [plot_id]).get(plot_id),
        today=clock.today(now()),
        reason=request.form.get("reason", ""),
        points=plot_shapes.connection_points(utilities),
        colours=maps.COLOURS,
        routes=ways,
        item_names=annex.items(),
        map=maps.draw(
            settings(),
            [
                [plot_shapes.released_plot(line, link=False), *links],
                plot_shapes.routes(ways.values()),
                points,
            ],
            label=_("地块、最近设施与接入点地图"),
        ),
    )
