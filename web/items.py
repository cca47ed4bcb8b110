"""Items at work: the list of whoever handles them, and one item with its allowed moves (R14, R10)."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready.db import Role
from landready.errors import Invalid
from landready.project_pages import item_page, items_of
from landready.tracker import declare_external_works, give_first_design, move
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("items", __name__)
# An office handles item 10 where it is registered for it.
_HANDLERS = (Role.ENTERPRISE, Role.DEPARTMENT, Role.OFFICE)


@pages.get("/items")
@only(*_HANDLERS)
def items() -> ResponseReturnValue:
    return render_template("items/list.html", items=items_of(database(), now()))


@pages.get("/items/<int:item_id>")
@only(*_HANDLERS, Role.OWNER, Role.SUPERVISOR)
def item(item_id: int) -> ResponseReturnValue:
    return _page(item_id)


@pages.post("/items/<int:item_id>/moves")
@only(*_HANDLERS, Role.OWNER)
def moves(item_id: int) -> ResponseReturnValue:
    to_state = request.form.get("to_state", 0, type=int)
    try:
        move(database(), item_id, to_state, request.form.get("note", ""), now=now())
    except Invalid as error:
        return _page(item_id, error.problems), 422
    flash(_("已办理，建设单位即时可见。"))
    return redirect(url_for("items.item", item_id=item_id), 303)


@pages.post("/items/<int:item_id>/design")
@only(*_HANDLERS)
def design(item_id: int) -> ResponseReturnValue:
    give_first_design(database(), item_id, now=now())
    flash(_("已记录首次设计方案反馈。"))
    return redirect(url_for("items.item", item_id=item_id), 303)


@pages.post("/items/<int:item_id>/external-works")
@only(*_HANDLERS, Role.OWNER)
def external_works(item_id: int) -> ResponseReturnValue:
    declare_external_works(database(), settings().clocks, item_id)
    flash(_("已标明涉及外线工程，首次设计方案开始计时。"))
    return redirect(url_for("items.item", item_id=item_id), 303)


def _page(item_id: int, faults: tuple[Problem, ...] = ()) -> str:
    page, view = item_page(database(), item_id, now())
    return render_template(
        "items/page.html",
        page=page,
        v=view,
        clocks=settings().clocks,
        faults=faults,
        typed=request.form,
    )
