"""What an enterprise has and where it serves: versions of its layers, and the upload of a new one."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import Problem
from landready import layer_uploads, layers, uploads
from landready.db import Role
from landready.errors import Invalid
from landready.layer_uploads import Drawn
from landready.layers import Layer
from landready.plans import Upload
from web import maps, plot_shapes
from web import uploads as forms
from web.auth import only
from web.filters import label
from web.session import database, now, settings

pages = Blueprint("layers", __name__)
# More features than a page should draw at once; the page says so.
DRAWN = 2000
ROWS = 100


@pages.get("/layers", endpoint="layers")
@only(Role.ENTERPRISE)
def all_layers() -> ResponseReturnValue:
    groups = [list(group) for _key, group in groupby(_versions(), _title_of)]
    return render_template(
        "layers/list.html", groups=groups, waiting=layer_uploads.waiting(database())
    )


@pages.route("/layers/upload", methods=["GET", "POST"])
@only(Role.ENTERPRISE)
def upload() -> ResponseReturnValue:
    if request.method == "GET":
        return _upload_form(())
    try:
        with forms.sent_file() as file:
            kept = layer_uploads.upload_layer(
                database(),
                settings(),
                kind=request.form.get("kind", ""),
                utility=request.form.get("utility", ""),
                title=request.form.get("title", ""),
                filename=file.filename,
                stream=file.stream,
                crs=forms.sent_crs(),
                now=now(),
            )
    except Invalid as error:
        return _upload_form(error.problems), 422
    return _to(kept.id)


@pages.get("/layers/uploads/<int:upload_id>")
@only(Role.ENTERPRISE)
def waiting(upload_id: int) -> ResponseReturnValue:
    return _waiting_page(layer_uploads.upload_of(database(), upload_id))


@pages.post("/layers/uploads/<int:upload_id>/columns")
@only(Role.ENTERPRISE)
def columns(upload_id: int) -> ResponseReturnValue:
    found = layer_uploads.upload_of(database(), upload_id)
    try:
        layer_uploads.name_columns(database(), upload_id, forms.sent_mapping(found.kind), now())
    except Invalid as error:
        return _waiting_page(found, error.problems), 422
    flash(_("已按您指定的列重新读取。"))
    return _to(upload_id)


@pages.post("/layers/uploads/<int:upload_id>/crs")
@only(Role.ENTERPRISE)
def crs(upload_id: int) -> ResponseReturnValue:
    layer_uploads.name_crs(database(), settings(), upload_id, forms.sent_crs())
    flash(_("已按您指定的坐标系重新读取。"))
    return _to(upload_id)


@pages.post("/layers/uploads/<int:upload_id>/confirm")
@only(Role.ENTERPRISE)
def confirm(upload_id: int) -> ResponseReturnValue:
    """Confirm turned axes or repairs (`what`)."""
    try:
        layer_uploads.confirm(
            database(), settings(), upload_id, request.form.get("what", ""), now()
        )
    except Invalid as error:
        return _waiting_page(layer_uploads.upload_of(database(), upload_id), error.problems), 422
    flash(_("已记录您的确认。"))
    return _to(upload_id)


@pages.post("/layers/uploads/<int:upload_id>/publish")
@only(Role.ENTERPRISE)
def publish(upload_id: int) -> ResponseReturnValue:
    try:
        layer = layer_uploads.publish(database(), upload_id, now(), _day("valid_from"))
    except Invalid as error:
        found = layer_uploads.upload_of(database(), upload_id)
        return _waiting_page(found, error.problems), 422
    if layer.kind == "service_areas":
        flash(_("已提交第 %(n)s 版，经资规部门或监督单位批准后使用。", n=layer.version))
    else:
        flash(_("已发布第 %(n)s 版，从现在起的测算使用它。", n=layer.version))
    return redirect(url_for("layers.layer", layer_id=layer.id), 303)


@pages.post("/layers/uploads/<int:upload_id>/discard")
@only(Role.ENTERPRISE)
def discard(upload_id: int) -> ResponseReturnValue:
    title = layer_uploads.discard(database(), upload_id)
    flash(_("已放弃上传的“%(title)s”。", title=title))
    return redirect(url_for("layers.layers"), 303)


@pages.get("/layers/<int:layer_id>")
@only(Role.ENTERPRISE)
def layer(layer_id: int) -> ResponseReturnValue:
    found = layer_uploads.layer_of(database(), layer_id)
    features = layer_uploads.drawn(database(), found, DRAWN)
    return render_template(
        "layers/layer.html",
        layer=found,
        versions=[x for x in _versions() if _title_of(x) == _title_of(found)],
        features=features[:ROWS],
        drawn=DRAWN,
        map=maps.draw(
            settings(),
            [[_shape(f, found.kind, found.utility) for f in features]],
            label=_("图层地图"),
        ),
    )


def _day(name: str) -> date | None:
    """A day of the form; empty or none that there is: at once."""
    try:
        return date.fromisoformat(request.form.get(name, ""))
    except ValueError:
        return None


def _versions() -> list[Layer]:
    return layers.layers_of(database(), g.actor.organisation_id)


def _title_of(layer: Layer) -> tuple[str, str, str]:
    return layer.utility, layer.kind, layer.title


def _to(upload_id: int) -> ResponseReturnValue:
    return redirect(url_for("layers.waiting", upload_id=upload_id), 303)


def _upload_form(problems: Sequence[Problem]) -> str:
    return render_template(
        "layers/upload.html",
        problems=problems,
        own=current_user.utilities,
        kinds=layer_uploads.KINDS,
        given={**request.args, **request.form},
        systems=forms.systems(),
        accept=forms.ACCEPT,
        limit_mb=settings().web.upload_mb,
    )


def _waiting_page(found: Upload, said: Sequence[Problem] = ()) -> str:
    problems = uploads.problems_of(found)
    utility = found.purpose["utility"]
    features = layer_uploads.preview(found, DRAWN)
    marks = [plot_shapes.problem(p) for p in problems[:DRAWN] if p.place]
    return render_template(
        "layers/waiting.html",
        upload=found,
        said=said,
        utility_code=utility,
        problems=problems,
        errors=[p for p in problems if p.severity == "error"],
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
            [[_shape(f, found.kind, utility) for f in features], marks],
            label=_("图层与问题位置地图"),
        )
        if features or marks
        else None,
    )


def _shape(found: Drawn, kind: str, utility: str) -> maps.Shape:
    told = [label(utility, "utility")]
    if found.spare_capacity is not None:
        told.append(_("可供容量 %(n)s", n=f"{found.spare_capacity:g} {label(utility, 'unit')}"))
    colour = utility if kind == "facilities" else "service_area"
    return maps.Shape(found.geometry, colour, found.name, tuple(told))
