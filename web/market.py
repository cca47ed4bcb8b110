"""A plan's plots on the market: many listed, suspended or withdrawn at once, with a result for each."""

from collections.abc import Collection, Sequence

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from geo.problems import Problem
from landready import market, progress
from landready.db import Role
from landready.errors import Invalid, NotFound
from landready.market import ACTIONS, Result
from landready.plans import SupplyPlan
from web.auth import only
from web.plans import page_of
from web.session import database, now, settings

pages = Blueprint("market", __name__)


@pages.get("/plans/<int:plan_id>/listings")
@only(Role.OFFICE)
def plan(plan_id: int) -> ResponseReturnValue:
    return _page(_released(plan_id))


@pages.post("/plans/<int:plan_id>/listings")
@only(Role.OFFICE)
def move(plan_id: int) -> ResponseReturnValue:
    """Do `action` to the plots that are ticked (`plot`), or with `all` to every plot it fits."""
    found = _released(plan_id)
    lines = progress.plot_lines(database(), found.plots, settings().gate, now())
    action = request.form.get("action", "")
    chosen = set(request.form.getlist("plot", type=int))
    try:
        if "all" in request.form:
            chosen = market.all_fitting(lines, action)
        results = market.move_plots(
            database(),
            lines,
            chosen,
            action,
            request.form.get("reason", ""),
            settings().gate,
            now(),
        )
    except Invalid as error:
        return _page(found, problems=error.problems, chosen=chosen), 422
    # Something done must be kept, whatever became of the others.
    status = 200 if any(one.done for one in results) else 409
    return _page(found, results=results, action=action), status


def _released(plan_id: int) -> SupplyPlan:
    found = progress.plan_of(database(), plan_id)
    if found.state != "released":
        raise NotFound
    return found


def _page(
    found: SupplyPlan,
    *,
    problems: Sequence[Problem] = (),
    results: Sequence[Result] = (),
    action: str = "",
    chosen: Collection[int] = (),
) -> str:
    lines = progress.plot_lines(database(), found.plots, settings().gate, now())
    return render_template(
        "plans/market.html",
        plan=found,
        actions=ACTIONS,
        fitting={name: len(market.fitting(lines, name)) for name in ACTIONS},
        problems=problems,
        results=results,
        done=sum(one.done for one in results),
        action=action or request.form.get("action", "listed"),
        reason="" if results else request.form.get("reason", ""),
        chosen=chosen,
        **page_of(lines),
    )
