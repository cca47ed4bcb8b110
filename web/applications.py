"""The owner's projects and the joint application: check, correct, submit, follow (R9, R14)."""

from collections.abc import Iterable

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready import annex, disputes
from landready.answers import latest_answers
from landready.db import Role
from landready.errors import Invalid
from landready.form_views import FieldView
from landready.permit_items import add_item, remove_item
from landready.project_pages import ApplicationPage, application_page, projects_of
from landready.proposed_items import basis_of
from landready.routes import RouteView, of_permit
from landready.shapes import to_geojson
from landready.submission import correct, submit
from web import maps, plot_shapes
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("applications", __name__)
_READERS = (Role.OWNER, Role.OFFICE, Role.ENTERPRISE, Role.DEPARTMENT, Role.SUPERVISOR)


@pages.get("/projects")
@only(Role.OWNER)
def projects() -> ResponseReturnValue:
    return render_template("applications/projects.html", rows=projects_of(database()))


@pages.get("/applications/<int:application_id>")
@only(*_READERS)
def application(application_id: int) -> ResponseReturnValue:
    return _page(application_id)


@pages.post("/applications/<int:application_id>")
@only(Role.OWNER)
def save(application_id: int) -> ResponseReturnValue:
    """Take the owner's corrections; with `action=submit` also submit. All of it or nothing."""
    session = database()
    written = {f.name: f.value for f in application_page(session, application_id, now()).fields}
    faults: list[Problem] = []
    for name, value in request.form.items():
        if name in written and value.strip() != written[name]:
            try:
                correct(session, application_id, name, value, now=now())
            except Invalid as error:
                faults.extend(error.problems)
    submitting = request.form.get("action") == "submit"
    if submitting and not faults:
        try:
            submit(session, settings().clocks, application_id, now=now())
        except Invalid as error:
            faults.extend(error.problems)
    if faults:
        return _page(application_id, faults), 422
    flash(_("申请已提交，各企业和部门已收到。") if submitting else _("已保存。"))
    return redirect(url_for("applications.application", application_id=application_id), 303)


@pages.post("/applications/<int:application_id>/items")
@only(Role.OWNER, Role.OFFICE, Role.ENTERPRISE)
def add(application_id: int) -> ResponseReturnValue:
    number = request.form.get("annex_no", 0, type=int)
    try:
        add_item(database(), application_id, number, request.form.get("reason", ""), now=now())
    except Invalid as error:
        return _page(application_id, list(error.problems)), 422
    flash(_("事项已添加。"))
    return redirect(_items_of(application_id), 303)


@pages.post("/applications/<int:application_id>/items/<int:item_id>/remove")
@only(Role.OWNER, Role.OFFICE)
def remove(application_id: int, item_id: int) -> ResponseReturnValue:
    remove_item(database(), item_id)
    flash(_("事项已移除。"))
    return redirect(_items_of(application_id), 303)


def _items_of(application_id: int) -> str:
    return url_for("applications.application", application_id=application_id) + "#items"


def _page(application_id: int, faults: list[Problem] | None = None) -> str:
    page = application_page(database(), application_id, now())
    ways = of_permit(database(), page.permit.id, now())
    there = {view.item.annex_no for view in page.items}
    choices = [i for i in annex.items().values() if i.kind == "permit" and i.number not in there]
    mine = g.actor.role in (Role.OWNER, Role.OFFICE)
    plots = [page.application.plot_id] if page.application.plot_id else []
    said = latest_answers(database(), plots)
    connects = g.actor.role is Role.ENTERPRISE and any(v.item.utility for v in page.items)
    return render_template(
        "applications/page.html",
        page=page,
        map=_map(page, ways),
        ways=ways,
        choices=choices if mine or connects else [],
        written=[f for f in page.fields if not f.enterprise],
        answered=_by_enterprise(page.fields),
        said_of={(a.utility, a.enterprise.name): a for a in said},
        disputed=disputes.disputed(database(), plots),
        faults={p.where: p for p in faults or ()},
        editable=g.actor.role is Role.OWNER and page.application.state == "draft",
        basis={v.item.id: basis_of(v.item) for v in page.items},
        unlisted=[n for n in _proposed(page.fields) if int(n) not in there],
        removable=mine and page.application.state == "draft",
        typed=request.form,
    )


def _proposed(fields: Iterable[FieldView]) -> list[str]:
    """The numbers of annex 2 that the computed external lines take, as the form names them."""
    said = [f.value for f in fields if f.name == "external_items"]
    return [n for n in said[0].split("、") if n] if said else []


def _by_enterprise(fields: Iterable[FieldView]) -> list[dict[str, FieldView]]:
    """The values that came from answers, one row for each enterprise and utility, keyed by the last part of their names."""
    rows: dict[tuple[str, str], dict[str, FieldView]] = {}
    for field in fields:
        if field.enterprise:
            row = rows.setdefault((field.utility, field.enterprise), {})
            row[field.name.rpartition(".")[2]] = field
    return list(rows.values())


def _map(page: ApplicationPage, ways: list[RouteView]) -> maps.Drawn:
    permit = page.permit
    site = maps.Shape(to_geojson(permit.geom), "project", permit.project_name, (permit.permit_no,))
    layers = [[site]]
    if permit.plot is not None:
        plot = maps.Shape(
            to_geojson(permit.plot.geom), "plot", permit.plot.name or permit.plot.code, dashed=True
        )
        layers.insert(0, [plot])
    layers.append(plot_shapes.routes(ways))
    return maps.draw(settings(), layers, label=_("项目位置"), height="20rem")
