"""The readiness board of a released plan: rows that load page by page, the map, what would free most, and the files to take along."""

import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, g, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from landready import allocations, board, board_choice, disputes, progress
from landready.board import Board
from landready.board_choice import Wish
from landready.board_lines import Line
from landready.db import Role
from landready.errors import NotFound
from landready.plans import SupplyPlan
from landready.standing import Standing
from web.auth import only
from web.board_words import lacking, of_cell
from web.filters import area, label
from web.maps import COLOURS
from web.quarters import quarter
from web.session import database, now, settings

pages = Blueprint("board", __name__)
# Rows that come at once; each has six cells with all that is to be said of them.
ROWS = 50


@pages.get("/plans/<int:plan_id>/board")
@only(Role.OFFICE, Role.SUPERVISOR)
def whole(plan_id: int) -> ResponseReturnValue:
    """Sums, filters and the first rows, for a page that opened without them."""
    found = released(plan_id)
    return render_template("plans/_board.html", **parts(found, judged_board(found)))


@pages.get("/plans/<int:plan_id>/board/rows")
@only(Role.OFFICE, Role.SUPERVISOR)
def rows(plan_id: int) -> ResponseReturnValue:
    found = released(plan_id)
    given = parts(found, judged_board(found))
    answer = make_response(render_template("plans/_board_rows.html", **given))
    # The address of a page that shows the same, to be reloaded or sent to a colleague.
    answer.headers["HX-Push-Url"] = url_for("plans.plan", plan_id=plan_id, **given["asked"])
    return answer


@pages.get("/plans/<int:plan_id>/board/map")
@only(Role.OFFICE, Role.SUPERVISOR)
def plots(plan_id: int) -> ResponseReturnValue:
    """Every plot with the colour of its verdict and what is told of it."""
    found = released(plan_id)
    shapes = board.shapes(database(), found.id)
    features = [
        f'{{"type":"Feature","geometry":{shapes[line.plot_id]},"properties":{_properties(line)}}}'
        for line in judged_board(found).lines
    ]
    body = f'{{"type":"FeatureCollection","features":[{",".join(features)}]}}'
    return Response(body, content_type="application/geo+json")


@pages.get("/plans/<int:plan_id>/board/extensions")
@only(Role.OFFICE, Role.SUPERVISOR)
def extensions(plan_id: int) -> ResponseReturnValue:
    """Which facilities to extend to free most hectares: some seconds of computing, asked for with a button."""
    result = allocations.together(database(), released(plan_id), settings(), now())
    return render_template("plans/_extend.html", result=result, plan_id=plan_id)


def parts(found: SupplyPlan, judged: Board | None) -> dict[str, Any]:
    """What the templates of the board show of what this request asks for; without a board only whose page it is."""
    page_of = {"plan": found, "mine": g.actor.role is Role.OFFICE, "gate": settings().gate}
    if judged is None:
        return page_of
    wish = wished()
    asked = {k: v for k, v in request.args.items() if k in _NAMES and v}
    chosen = board_choice.choose(judged.lines, wish)
    count = max(1, -(-len(chosen) // ROWS))
    page = min(max(1, _page_of(chosen) or request.args.get("page", 1, type=int)), count)
    shown = chosen[(page - 1) * ROWS : page * ROWS]
    doubts = disputes.disputed(database(), [line.plot_id for line in shown])
    return {
        **page_of,
        "board": judged,
        "sums": board_choice.sums(judged.lines),
        "wish": wish,
        "asked": asked,
        "files_of": {k: v for k, v in asked.items() if k != "page"},
        "enterprises": board_choice.enterprises(judged.lines),
        "states": list(Standing),
        "chosen": chosen,
        "lines": shown,
        "disputed": {(plot, utility) for plot, utility, _enterprise in doubts},
        "page": page,
        "pages": count,
        "quarter_word": quarter,
        "of_cell": of_cell,
        "lacking": lacking,
    }


_NAMES = ("utility", "enterprise", "state", "quarter", "blocked", "sort", "page")


def wished() -> Wish:
    """What the address asks for; a value that does not exist finds nothing, as it should."""
    given = {name: request.args.get(name, "")[:200] for name in _NAMES}
    return Wish(
        given["utility"],
        given["enterprise"],
        given["state"],
        given["quarter"],
        given["blocked"] == "1",
        given["sort"],
    )


def _page_of(chosen: Sequence[Line]) -> int:
    """The page on which the plot stands that the map asks for; 0: it asks for none, or the filters leave it out."""
    plot_id = request.args.get("plot", 0, type=int)
    places = [i for i, line in enumerate(chosen) if line.plot_id == plot_id]
    return places[0] // ROWS + 1 if places else 0


def _properties(line: Line) -> str:
    missing = [
        f"{label(c.utility, 'utility')}{label(c.standing, 'standing')}" for c in line.missing
    ]
    lines = [label(line.stage, "stage"), area(line.area_m2), quarter(line.quarter), *missing]
    return json.dumps(
        {
            "id": line.plot_id,
            "colour": COLOURS[f"stage_{line.stage}"],
            "dashed": line.stage == "blocked",
            "title": line.code,
            "lines": lines,
        },
        ensure_ascii=False,
    )


def released(plan_id: int) -> SupplyPlan:
    found = progress.plan_of(database(), plan_id)
    if found.state != "released":
        raise NotFound
    return found


def judged_board(found: SupplyPlan) -> Board:
    return board.board(database(), settings(), found.id, now())
