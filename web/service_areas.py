"""Service areas that wait for approval: the office of the city and the supervisors decide."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from landready import service_areas
from landready.db import Role
from landready.service_areas import Proposed
from web import maps
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("service_areas", __name__)


@pages.get("/areas", endpoint="areas")
@only(Role.OFFICE, Role.SUPERVISOR)
def waiting() -> ResponseReturnValue:
    found = service_areas.proposed(database())
    return render_template(
        "service_areas/list.html",
        found=found,
        map=maps.draw(
            settings(), [[shape for one in found for shape in _shapes(one)]], label=_("待批准的服务边界地图")
        )
        if found
        else None,
    )  # fmt: skip


@pages.post("/areas/<int:layer_id>/approve")
@only(Role.OFFICE, Role.SUPERVISOR)
def approve(layer_id: int) -> ResponseReturnValue:
    layer = service_areas.approve(
        database(), layer_id, account_id=current_user.actor.account_id, now=now()
    )
    if layer.current:
        flash(_("已批准，从现在起的推送按新的服务边界询问。"))
    else:
        flash(_("已批准，%(day)s 起生效。", day=layer.valid_from))
    return redirect(url_for("service_areas.areas"), 303)


@pages.post("/areas/<int:layer_id>/refuse")
@only(Role.OFFICE, Role.SUPERVISOR)
def refuse(layer_id: int) -> ResponseReturnValue:
    service_areas.refuse(database(), layer_id, request.form.get("reason", ""))
    flash(_("未批准，理由已告知企业。"))
    return redirect(url_for("service_areas.areas"), 303)


def _shapes(one: Proposed) -> list[maps.Shape]:
    layer = one.layer
    facts = (layer.title, _("第 %(n)s 版", n=layer.version))
    return [maps.Shape(area, layer.utility, layer.enterprise.name, facts) for area in one.areas]
