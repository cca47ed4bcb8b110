"""The city's base layers (底图) of the office: roads, greens, waters and planning areas, by version."""

from collections.abc import Sequence
from itertools import groupby

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import Problem
from landready import base_layers, base_uploads, uploads
from landready.base_layers import BaseLayer
from landready.base_uploads import Drawn
from landready.db import Role
from landready.errors import Invalid
from landready.road_classes import RoadClass, rules
from web import maps, plot_shapes
from web import uploads as forms
from web.auth import only
from web.filters import day, label
from web.session import database, now, settings

pages = Blueprint("base_layers", __name__)
DRAWN = 2000
ROWS = 100


@pages.get("/base-layers", endpoint="layers")
@only(Role.OFFICE)
def all_layers() -> ResponseReturnValue:
    versions = base_layers.versions(database(), g.actor.organisation_id)
    groups = [list(group) for _key, group in groupby(versions, lambda x: (x.kind, x.title))]
    there = {x.kind for x in versions if x.current}
    return render_template(
        "base_layers/list.html",
        groups=groups,
        waiting=base_uploads.waiting(database()),
        missing=[kind for kind in base_layers.KINDS if kind not in there],
        rules=rules().values(),
    )


@pages.route("/base-layers/upload", methods=["GET", "POST"])
@only(Role.OFFICE)
def upload() -> ResponseReturnValue:
    if request.method == "GET":
        return _upload_form(())
    try:
        with forms.sent_file() as file:
            kept = base_uploads.receive(
                database(),
                settings(),
                kind=request.form.get("kind", ""),
                road_class=request.form.get("road_class", ""),
                title=request.form.get("title", ""),
                filename=file.filename,
                stream=file.stream,
                crs=forms.sent_crs(),
                now=now(),
            )
    except Invalid as error:
        return _upload_form(error.problems), 422
    return _to(kept.id)


@pages.get("/base-layers/uploads/<int:base_upload_id>")
@only(Role.OFFICE)
def waiting(base_upload_id: int) -> ResponseReturnValue:
    return _waiting_page(base_upload_id)


@pages.post("/base-layers/uploads/<int:base_upload_id>/columns")
@only(Role.OFFICE)
def columns(base_upload_id: int) -> ResponseReturnValue:
    found = base_uploads.upload_of(database(), base_upload_id)
    try:
        mapping = forms.sent_mapping(found.kind)
        base_uploads.name_columns(database(), base_upload_id, mapping, now())
    except Invalid as error:
        return _waiting_page(base_upload_id, error.problems), 422
    flash(_("已按您指定的列重新读取。"))
    return _to(base_upload_id)


@pages.post("/base-layers/uploads/<int:base_upload_id>/crs")
@only(Role.OFFICE)
def crs(base_upload_id: int) -> ResponseReturnValue:
    base_uploads.name_crs(database(), settings(), base_upload_id, forms.sent_crs())
    flash(_("已按您指定的坐标系重新读取。"))
    return _to(base_upload_id)


@pages.post("/base-layers/uploads/<int:base_upload_id>/confirm")
@only(Role.OFFICE)
def confirm(base_upload_id: int) -> ResponseReturnValue:
    """Confirm turned axes or repairs (`what`)."""
    what = request.form.get("what", "")
    try:
        base_uploads.confirm(database(), settings(), base_upload_id, what, now())
    except Invalid as error:
        return _waiting_page(base_upload_id, error.problems), 422
    flash(_("已记录您的确认。"))
    return _to(base_upload_id)


@pages.post("/base-layers/uploads/<int:base_upload_id>/publish")
@only(Role.OFFICE)
def publish(base_upload_id: int) -> ResponseReturnValue:
    try:
        layer = base_uploads.publish(database(), base_upload_id, now())
    except Invalid as error:
        return _waiting_page(base_upload_id, error.problems), 422
    flash(_("已发布第 %(n)s 版，从现在起接入路线使用它。", n=layer.version))
    return redirect(url_for("base_layers.layer", base_layer_id=layer.id), 303)


@pages.post("/base-layers/uploads/<int:base_upload_id>/discard")
@only(Role.OFFICE)
def discard(base_upload_id: int) -> ResponseReturnValue:
    title = base_uploads.discard(database(), base_upload_id)
    flash(_("已放弃上传的“%(title)s”。", title=title))
    return redirect(url_for("base_layers.layers"), 303)


@pages.get("/base-layers/<int:base_layer_id>")
@only(Role.OFFICE)
def layer(base_layer_id: int) -> ResponseReturnValue:
    found = base_uploads.layer_of(database(), base_layer_id)
    features = base_uploads.drawn(database(), found, DRAWN)
    same = base_layers.versions(database(), found.office_id)
    return render_template(
        "base_layers/layer.html",
        layer=found,
        versions=[x for x in same if (x.kind, x.title) == (found.kind, found.title)],
        features=features[:ROWS],
        drawn=DRAWN,
        map=maps.draw(
            settings(), [[_shape(f, found.kind) for f in features]], label=_("底图图层地图")
        ),
    )


@pages.post("/base-layers/<int:base_layer_id>/withdraw")
@only(Role.OFFICE)
def withdraw(base_layer_id: int) -> ResponseReturnValue:
    found: BaseLayer = base_uploads.withdraw(database(), base_layer_id)
    flash(_("已停用“%(title)s”，以后的接入路线不再使用它。", title=found.title))
    return redirect(url_for("base_layers.layers"), 303)


def _to(upload_id: int) -> ResponseReturnValue:
    return redirect(url_for("base_layers.waiting", base_upload_id=upload_id), 303)


def _upload_form(problems: Sequence[Problem]) -> str:
    return render_template(
        "base_layers/upload.html",
        problems=problems,
        kinds=base_layers.KINDS,
        classes=list(RoadClass),
        given={**request.args, **request.form},
        systems=forms.systems(),
        accept=forms.ACCEPT,
        limit_mb=settings().web.upload_mb,
    )


def _waiting_page(upload_id: int, said: Sequence[Problem] = ()) -> str:
    found = base_uploads.upload_of(database(), upload_id)
    features, blocking = base_uploads.preview(found, DRAWN)
    warnings = [p for p in uploads.problems_of(found) if p.severity != "error"]
    problems = [*blocking, *warnings]
    marks = [plot_shapes.problem(p) for p in problems[:DRAWN] if p.place]
    return render_template(
        "base_layers/waiting.html",
        upload=found,
        said=[p for p in said if p not in blocking],
        problems=problems,
        errors=blocking,
        features=features[:ROWS],
        total=len(found.features),
        columns=forms.columns(found),
        choices=forms.choices(found),
        asks_crs=forms.crs_question(found),
        asked=forms.asked(found),
        kept=forms.confirmed(found),
        source_crs=forms.system_name(found.source_crs),
        systems=forms.systems(),
        drawn=DRAWN,
        map=maps.draw(
            settings(),
            [[_shape(f, found.kind) for f in features], marks],
            label=_("底图与问题位置地图"),
        )
        if features or marks
        else None,
    )


def _shape(found: Drawn, kind: str) -> maps.Shape:
    told = [label(kind, "base_kind")]
    if found.road_class:
        told = [label(found.road_class, "road_class")]
    if found.land_width_m:
        told.append(_("用地宽度 %(n)s 米", n=f"{found.land_width_m:g}"))
    if found.completed:
        told.append(_("交付使用 %(day)s", day=day(found.completed)))
    return maps.Shape(found.geometry, kind, found.name, tuple(told))
