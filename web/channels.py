"""On which channel an enterprise is told, the addresses of its people, and the answer links that went out to them."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import N_, Problem
from landready import answer_links
from landready.db import Role
from landready.errors import Invalid
from push import channels, endpoints
from push.channels import Channel
from push.vault import Vault
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("channels", __name__)


@pages.get("/channels", endpoint="channels")
@only(Role.ENTERPRISE)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/channels")
@only(Role.ENTERPRISE)
def choose() -> ResponseReturnValue:
    try:
        channels.wish(
            database(), request.form.get("channel", ""), request.form.getlist("also"),
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _page(refused.problems), 422
    flash(_("已保存通知渠道。"))
    return _back()


@pages.post("/channels/addresses")
@only(Role.ENTERPRISE)
def add() -> ResponseReturnValue:
    kind, address = request.form.get("kind", ""), request.form.get("address", "")
    try:
        channels.add_address(database(), Vault(settings().secret_key), kind, address, now())
    except Invalid as refused:
        return _page(refused.problems), 422
    flash(_("已添加地址。"))
    return _back()


@pages.post("/channels/addresses/<int:endpoint_id>/test")
@only(Role.ENTERPRISE)
def test(endpoint_id: int) -> ResponseReturnValue:
    endpoints.send_test_event(database(), endpoint_id, now())
    flash(_("已发送测试消息。"))
    return _back()


@pages.post("/channels/addresses/<int:endpoint_id>/disable")
@only(Role.ENTERPRISE)
def disable(endpoint_id: int) -> ResponseReturnValue:
    endpoints.disable_endpoint(database(), endpoint_id, N_("企业自行停用"), now())
    flash(_("已停用这个地址。"))
    return _back()


@pages.post("/links/<int:link_id>/revoke")
@only(Role.ENTERPRISE)
def revoke(link_id: int) -> ResponseReturnValue:
    answer_links.revoke(database(), link_id, account_id=current_user.actor.account_id, now=now())
    flash(_("已撤销答复链接，它从现在起无效。"))
    return _back()


def _page(found: Sequence[Problem] = ()) -> str:
    session = database()
    addresses = channels.addresses_of(session)
    own = endpoints.endpoints_of(session, current_user.actor.organisation_id)
    has = {channels.channel_of(e.url) for e in (*own, *addresses) if not e.disabled_at}
    wish = channels.wish_of(session)
    return render_template(
        "channels/page.html",
        wish=wish,
        told=channels.told_on(has, wish),
        has=has,
        choices=list(Channel),
        sent=channels.SENT,
        addresses=[(e, channels.channel_of(e.url), channels.address_of(e.url)) for e in addresses],
        links=answer_links.links_of(session),
        now=now(),
        found=found,
        typed=request.form,
        ready={
            Channel.EMAIL: bool(settings().push.email.host),
            Channel.SMS: bool(settings().push.gateway.url),
            Channel.WECHAT: bool(settings().push.gateway.url),
        },
    )


def _back() -> ResponseReturnValue:
    return redirect(url_for("channels.channels"), 303)
