"""Planning permits of an office: what arrived, who was told, and upload where no connection exists (R7, R8)."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready.clock import today
from landready.db import Role, actor_of
from landready.errors import Invalid
from landready.permit_file import receive_permit_file
from landready.project_pages import permits_of
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("permits", __name__)


@pages.get("/permits")
@only(Role.OFFICE)
def permits() -> ResponseReturnValue:
    return render_template("permits/list.html", rows=permits_of(database(), today(now())))


@pages.post("/permits")
@only(Role.OFFICE)
def upload() -> ResponseReturnValue:
    file = request.files.get("file")
    if file is None or not file.filename:
        flash(_("请选择文件。"), "danger")
        return redirect(url_for("permits.permits"), 303)
    try:
        outcomes = receive_permit_file(
            database(),
            settings(),
            filename=file.filename,
            stream=file.stream,
            source_id=actor_of(database()).organisation_id or 0,
            now=now(),
        )
    except Invalid as error:
        rows = permits_of(database(), today(now()))
        page = render_template(
            "permits/list.html", rows=rows, problems=error.problems, refused=file.filename
        )
        return page, 422
    created = sum(o.outcome == "created" for o in outcomes)
    flash(
        _(
            "收到 %(created)s 个新许可并已推送给各企业，%(same)s 个此前已收到。",
            created=created,
            same=len(outcomes) - created,
        )
    )
    return redirect(url_for("permits.permits"), 303)
