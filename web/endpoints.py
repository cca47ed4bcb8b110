"""An enterprise's own systems and its journal, and how an office's pushes reached the enterprises' systems (R2)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from geo.problems import N_, Problem
from landready.db import Role
from landready.errors import Invalid, NotAllowed, NotFound
from push import completeness, endpoints, journal, networks, replay, status
from push.vault import Vault
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("endpoints", __name__)
# What people type of dates and times is that of the province.
_ZONE = ZoneInfo("Asia/Shanghai")


@pages.get("/system")
@only(Role.ENTERPRISE)
def system() -> ResponseReturnValue:
    return _system()


@pages.post("/endpoints")
@only(Role.ENTERPRISE)
def add() -> ResponseReturnValue:
    try:
        _endpoint, secret = endpoints.add_endpoint(
            database(), _vault(), _own(), request.form.get("url", ""), now()
        )
    except Invalid as error:
        return _system(error.problems, form="new"), 422
    return _secret(secret)


@pages.post("/endpoints/<int:endpoint_id>/url")
@only(Role.ENTERPRISE)
def change_url(endpoint_id: int) -> ResponseReturnValue:
    try:
        endpoints.change_url(database(), endpoint_id, request.form.get("url", ""), now())
    except Invalid as error:
        return _system(error.problems, form=str(endpoint_id)), 422
    flash(_("已更改接收地址。主机或端口变化时，原来批准的内网网段随即失效。"))
    return _to_system()


@pages.post("/endpoints/<int:endpoint_id>/secret")
@only(Role.ENTERPRISE)
def rotate(endpoint_id: int) -> ResponseReturnValue:
    return _secret(endpoints.rotate_secret(database(), _vault(), endpoint_id, now()))


@pages.post("/endpoints/<int:endpoint_id>/secret/end")
@only(Role.ENTERPRISE)
def end_rotation(endpoint_id: int) -> ResponseReturnValue:
    endpoints.end_rotation(database(), endpoint_id)
    flash(_("旧密钥已停用，从现在起只用新密钥签名。"))
    return _to_system()


@pages.post("/endpoints/<int:endpoint_id>/test")
@only(Role.ENTERPRISE)
def test(endpoint_id: int) -> ResponseReturnValue:
    endpoints.send_test_event(database(), endpoint_id, now())
    flash(_("已发送测试事件，结果稍后显示在“最近一次发送”中。"))
    return _to_system()


@pages.post("/endpoints/<int:endpoint_id>/disable")
@only(Role.ENTERPRISE)
def disable(endpoint_id: int) -> ResponseReturnValue:
    endpoints.disable_endpoint(database(), endpoint_id, N_("企业自行停用"), now())
    flash(_("已停用接收地址。"))
    return _to_system()


@pages.post("/system/replay")
@only(Role.ENTERPRISE)
def send_again() -> ResponseReturnValue:
    try:
        owed = replay.replay(database(), _own(), _wanted(), now())
    except Invalid as error:
        return _system(error.problems, form="replay"), 422
    flash(_("已安排重新发送 %(n)s 条。", n=owed))
    return _to_system()


@pages.get("/deliveries")
@only(Role.OFFICE)
def deliveries() -> ResponseReturnValue:
    return _deliveries()


@pages.post("/deliveries/enterprises/<int:enterprise_id>/replay")
@only(Role.OFFICE)
def send_all_again(enterprise_id: int) -> ResponseReturnValue:
    if enterprise_id not in {x.enterprise_id for x in completeness.by_enterprise(database())}:
        raise NotFound
    try:
        owed = replay.replay(database(), enterprise_id, _wanted(), now())
    except Invalid as error:
        return _deliveries(error.problems, form=enterprise_id), 422
    flash(_("已安排重新发送 %(n)s 条。", n=owed))
    return redirect(url_for(".deliveries"), 303)


@pages.post("/deliveries/<int:delivery_id>")
@only(Role.OFFICE, Role.ENTERPRISE)
def redeliver(delivery_id: int) -> ResponseReturnValue:
    status.redeliver(database(), delivery_id, now())
    flash(_("已安排重新发送。"))
    office = g.actor.role is Role.OFFICE
    return redirect(url_for(".deliveries" if office else ".system"), 303)


def _wanted() -> replay.Wanted:
    """What a form asks to be sent again.

    Raises:
        Invalid: no number, or no date.
    """
    kind, value = request.form.get("kind", ""), request.form.get("value", "").strip()
    if kind == "since":
        try:
            return replay.Since(datetime.fromisoformat(value).replace(tzinfo=_ZONE))
        except ValueError:
            text = N_("请填写时间，例如 2026-03-02 08:00。")
            raise Invalid((Problem("no_moment", "error", text, where="value"),)) from None
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        text = N_("请填写编号，例如 17。")
        raise Invalid((Problem("no_number", "error", text, where="value"),))
    return replay.One(int(value)) if kind == "number" else replay.After(int(value))


def _system(found: Sequence[Problem] = (), *, form: str = "") -> str:
    systems = endpoints.systems_of(database(), _own())
    ids = [one.id for one in systems]
    return render_template(
        "endpoints/system.html",
        systems=systems,
        networks=networks.networks_of(database(), ids),
        last=status.last_attempts(database(), ids),
        undelivered=status.undelivered(database()),
        standing=journal.standing(database()),
        now=now(),
        form=form,
        faults=_by_field(found),
        typed=request.form,
    )


def _deliveries(found: Sequence[Problem] = (), *, form: int = 0) -> str:
    return render_template(
        "endpoints/deliveries.html",
        rows=completeness.by_enterprise(database()),
        undelivered=status.undelivered(database()),
        form=form,
        faults=_by_field(found),
        typed=request.form,
    )


def _secret(secret: str) -> str:
    """Show a secret in the answer itself: kept for a redirect it would lie readable in the session cookie."""
    return render_template("endpoints/secret.html", secret=secret)


def _by_field(found: Sequence[Problem]) -> dict[str, list[Problem]]:
    sorted_: dict[str, list[Problem]] = defaultdict(list)
    for problem in found:
        sorted_[problem.where or "url"].append(problem)
    return sorted_


def _own() -> int:
    enterprise_id = g.actor.organisation_id
    if enterprise_id is None:
        raise NotAllowed
    return int(enterprise_id)


def _vault() -> Vault:
    return Vault(settings().secret_key)


def _to_system() -> ResponseReturnValue:
    return redirect(url_for(".system"), 303)
