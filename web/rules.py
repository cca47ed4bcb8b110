"""The rules of the gate as everybody concerned may read them, and a supervisor's legal exceptions. There is no other way past."""

import re
from collections.abc import Sequence
from datetime import date

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready import cities, clock, rule_book
from landready.db import Role
from landready.errors import Invalid
from landready.rule_sets import REQUIREMENTS
from landready.suspending import after_exemption
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("rules", __name__)


@pages.get("/rules", endpoint="rules")
@only(Role.OFFICE, Role.SUPERVISOR)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/rules/exemptions")
@only(Role.SUPERVISOR)
def issue() -> ResponseReturnValue:
    wish = rule_book.Wish(
        city=request.form.get("city", ""),
        lifts=tuple(dict.fromkeys(request.form.getlist("lifts"))),
        start=_day("start"),
        end=_day("end"),
        document=request.form.get("document", ""),
        reason=request.form.get("reason", ""),
        codes=_codes(request.form.get("codes", "").strip()),
    )
    try:
        rule_book.issue(database(), wish, now())
    except Invalid as refused:
        return _page(refused.problems), 422
    flash(_("例外已记录，依据它上架的地块会公开文号和理由。"))
    return redirect(url_for("rules.rules"), 303)


@pages.post("/rules/exemptions/<int:exemption_id>/end")
@only(Role.SUPERVISOR)
def revoke(exemption_id: int) -> ResponseReturnValue:
    try:
        ended = rule_book.revoke(
            database(), exemption_id, request.form.get("document", ""),
            request.form.get("reason", ""), now(),
        )  # fmt: skip
    except Invalid as refused:
        return _page(refused.problems), 422
    suspended = after_exemption(database(), settings().gate, ended, now())
    flash(_("例外已终止，%(n)s 个上架地块因此暂停。", n=len(suspended)))
    return redirect(url_for("rules.rules"), 303)


def _codes(text: str) -> tuple[str, ...]:
    """The plots that are named; a field that holds separators alone names a plot that is not there, never the whole city."""
    found = re.split(r"[,，、;；\s]+", text)
    return tuple(code for code in found if code) or ((text,) if text else ())


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(request.form.get(name, ""))
    except ValueError:
        return None


def _page(problems: Sequence[Problem] = ()) -> str:
    rows, ended = rule_book.history(database())
    own = g.actor.city
    return render_template(
        "rules.html",
        standards=[row for row in rows if row.kind == "standard"],
        exemptions=[row for row in rows if row.kind == "exemption"],
        ended=ended,
        people=rule_book.issued_by(database(), rows),
        requirements=REQUIREMENTS,
        today=clock.today(now()),
        mine=g.actor.role is Role.SUPERVISOR,
        cities={code: name for code, name in cities.names().items() if not own or code == own},
        own=own,
        problems=problems,
    )
