"""Who takes part: the administrator's pages, each person's own password, and what is public of the enterprises (R22)."""

from collections import defaultdict
from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_user

from geo.problems import N_, Problem
from landready import accounts, administration, annex, cities
from landready.administration import KINDS, OrganisationForm, Wanted
from landready.db import Role
from landready.errors import Invalid
from landready.organisations import Organisation
from landready.overview import Public, public_enterprises
from landready.utilities import Utility
from push import endpoints, networks, status
from push.vault import Vault
from web import maps
from web.auth import SignedIn, only, public
from web.filters import label
from web.limits import limiter, signin_limit
from web.session import database, now, settings

pages = Blueprint("organisations", __name__)
_EVERYBODY = set(Role) - {Role.PUBLIC, Role.EXCHANGE, Role.ENGINE}


@pages.get("/organisations", endpoint="organisations")
@only(Role.ADMIN)
def every() -> ResponseReturnValue:
    wanted = Wanted(request.args.get("kind", ""), request.args.get("city", ""))
    return render_template(
        "organisations/list.html",
        rows=administration.organisations(database(), wanted),
        wanted=wanted,
        kinds=KINDS,
        cities=cities.names(),
    )


@pages.route("/organisations/new", methods=["GET", "POST"])
@only(Role.ADMIN)
def new() -> ResponseReturnValue:
    if request.method == "GET":
        return _organisation_form((), _sent())
    try:
        made = administration.create_organisation(database(), _sent())
    except Invalid as error:
        return _organisation_form(error.problems, _sent()), 422
    flash(_("已登记单位“%(name)s”。", name=made.name))
    return _to(made.id)


@pages.get("/organisations/<int:organisation_id>")
@only(Role.ADMIN)
def organisation(organisation_id: int) -> ResponseReturnValue:
    return _page(organisation_id)


@pages.route("/organisations/<int:organisation_id>/edit", methods=["GET", "POST"])
@only(Role.ADMIN)
def edit(organisation_id: int) -> ResponseReturnValue:
    kept = administration.organisation_page(database(), organisation_id).organisation
    if request.method == "GET":
        return _organisation_form((), kept, kept)
    try:
        administration.change_organisation(database(), organisation_id, _sent())
    except Invalid as error:
        return _organisation_form(error.problems, _sent(), kept), 422
    flash(_("已修改单位信息。"))
    return _to(organisation_id)


@pages.post("/organisations/<int:organisation_id>/accounts")
@only(Role.ADMIN)
def add_account(organisation_id: int) -> ResponseReturnValue:
    try:
        made = accounts.create_account(
            database(),
            organisation_id,
            username=request.form.get("username", ""),
            full_name=request.form.get("full_name", ""),
            password=request.form.get("password", ""),
            repeated=request.form.get("repeated", ""),
            now=now(),
        )
    except Invalid as error:
        return _page(organisation_id, error.problems, form="account"), 422
    flash(_("已建立账号 %(name)s。", name=made.username))
    return _to(organisation_id)


@pages.post("/accounts/<int:account_id>/state")
@only(Role.ADMIN)
def account_state(account_id: int) -> ResponseReturnValue:
    account = accounts.account_of(database(), account_id)
    wish = request.form.get("active")
    if wish not in ("yes", "no"):
        raise Invalid((Problem("active_unknown", "error", N_("请选择启用或停用账号。")),))
    active = wish == "yes"
    accounts.set_active(database(), account_id, active=active)
    flash(
        _("已启用账号 %(name)s。", name=account.username)
        if active
        else _("已停用账号 %(name)s，已登录的会话随即失效。", name=account.username)
    )
    return _to(account.organisation_id)


@pages.route("/accounts/<int:account_id>/password", methods=["GET", "POST"])
@only(Role.ADMIN)
def reset_password(account_id: int) -> ResponseReturnValue:
    account = accounts.account_of(database(), account_id)
    if request.method == "GET":
        return render_template("organisations/reset.html", account=account, faults={})
    try:
        accounts.reset_password(
            database(),
            account_id,
            password=request.form.get("password", ""),
            repeated=request.form.get("repeated", ""),
        )
    except Invalid as error:
        faults = _by_field(error.problems)
        return render_template("organisations/reset.html", account=account, faults=faults), 422
    flash(_("已重设 %(name)s 的密码，已登录的会话随即失效。", name=account.username))
    return _to(account.organisation_id)


@pages.post("/organisations/<int:organisation_id>/keys")
@only(Role.ADMIN)
def issue_key(organisation_id: int) -> ResponseReturnValue:
    name = request.form.get("key_name", "")
    try:
        key = administration.issue_api_key(database(), organisation_id, name, now())
    except Invalid as error:
        return _page(organisation_id, error.problems, form="key"), 422
    return _secret(organisation_id, _("接口密钥"), key)


@pages.post("/keys/<int:key_id>/revoke")
@only(Role.ADMIN)
def revoke_key(key_id: int) -> ResponseReturnValue:
    key = administration.revoke_key(database(), key_id, now())
    flash(_("已作废密钥“%(name)s”。", name=key.name))
    return _to(key.organisation_id)


@pages.post("/organisations/<int:organisation_id>/endpoints")
@only(Role.ADMIN)
def add_endpoint(organisation_id: int) -> ResponseReturnValue:
    receiver = administration.receiver_of(database(), organisation_id)
    url = request.form.get("url", "")
    try:
        _endpoint, secret = endpoints.add_endpoint(
            database(), Vault(settings().secret_key), receiver.id, url, now()
        )
    except Invalid as error:
        return _page(organisation_id, error.problems, form="endpoint"), 422
    return _secret(organisation_id, _("推送签名密钥"), secret)


@pages.post("/organisations/<int:organisation_id>/endpoints/<int:endpoint_id>/disable")
@only(Role.ADMIN)
def disable_endpoint(organisation_id: int, endpoint_id: int) -> ResponseReturnValue:
    endpoints.disable_endpoint(database(), endpoint_id, N_("系统管理员停用"), now())
    flash(_("已停用接收地址。"))
    return _to(organisation_id)


@pages.post("/organisations/<int:organisation_id>/endpoints/<int:endpoint_id>/test")
@only(Role.ADMIN)
def test_endpoint(organisation_id: int, endpoint_id: int) -> ResponseReturnValue:
    endpoints.send_test_event(database(), endpoint_id, now())
    flash(_("已发送测试事件，结果稍后显示在“最近一次发送”中。"))
    return _to(organisation_id)


@pages.post("/organisations/<int:organisation_id>/endpoints/<int:endpoint_id>/networks")
@only(Role.ADMIN)
def approve_network(organisation_id: int, endpoint_id: int) -> ResponseReturnValue:
    try:
        networks.approve(database(), endpoint_id, request.form.get("network", ""), now())
    except Invalid as error:
        return _page(organisation_id, error.problems, form=f"network-{endpoint_id}"), 422
    flash(_("已批准网段。"))
    return _to(organisation_id)


@pages.post("/organisations/<int:organisation_id>/networks/<int:network_id>/revoke")
@only(Role.ADMIN)
def revoke_network(organisation_id: int, network_id: int) -> ResponseReturnValue:
    networks.revoke(database(), network_id, now())
    flash(_("已撤销网段，下一次发送起不再连接。"))
    return _to(organisation_id)


@pages.route("/account/password", methods=["GET", "POST"])
@limiter.limit(signin_limit, methods=["POST"])
@only(*_EVERYBODY)
def own_password() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("organisations/password.html", faults={})
    try:
        account = accounts.change_own_password(
            database(),
            old=request.form.get("old", ""),
            new=request.form.get("password", ""),
            repeated=request.form.get("repeated", ""),
        )
    except Invalid as error:
        faults = _by_field(error.problems)
        return render_template("organisations/password.html", faults=faults), 422
    login_user(SignedIn(account))
    flash(_("密码已修改，其他设备上的登录随即失效。"))
    return redirect(url_for("organisations.own_password"), 303)


@pages.get("/enterprises")
@public
def enterprises() -> ResponseReturnValue:
    city = request.args.get("city", "")
    found = public_enterprises(database(), now(), city=city)
    shapes = [shape for one in found for shape in _areas(one)]
    return render_template(
        "organisations/enterprises.html",
        found=found,
        city=city,
        cities=cities.names(),
        map=maps.draw(settings(), [shapes], label=_("各企业的服务边界地图")),
    )


def _areas(one: Public) -> list[maps.Shape]:
    names = tuple(label(u, "utility") for u in one.enterprise.utility_list)
    utilities = one.enterprise.utilities
    return [
        maps.Shape(area, utilities[0] if utilities else "plot", one.enterprise.name, names)
        for area in one.areas
    ]


def _sent() -> OrganisationForm:
    form = request.form
    return OrganisationForm(
        kind=form.get("kind", ""),
        name=form.get("name", ""),
        name_en=form.get("name_en", ""),
        city=form.get("city", ""),
        credit_code=form.get("credit_code", ""),
        phone=form.get("phone", ""),
        utilities=form.getlist("utilities"),
        annex_items=form.getlist("annex_items", type=int),
    )


def _organisation_form(
    found: Sequence[Problem],
    typed: OrganisationForm | Organisation,
    kept: Organisation | None = None,
) -> str:
    return render_template(
        "organisations/form.html",
        faults=_by_field(found),
        typed=typed,
        kept=kept,
        kinds=KINDS,
        cities=cities.names(),
        utilities_of=[u.value for u in Utility],
        permits=[item for item in annex.items().values() if item.kind == "permit"],
    )


def _page(organisation_id: int, found: Sequence[Problem] = (), *, form: str = "") -> str:
    page = administration.organisation_page(database(), organisation_id)
    systems = endpoints.systems_of(database(), organisation_id)
    return render_template(
        "organisations/organisation.html",
        page=page,
        endpoints=systems,
        last=status.last_attempts(database(), [one.id for one in systems]),
        networks=networks.networks_of(database(), [one.id for one in systems]),
        item_names={number: item.name for number, item in annex.items().items()},
        form=form,
        faults=_by_field(found),
        typed=request.form,
    )


def _secret(organisation_id: int, what: str, secret: str) -> str:
    """Show a secret in the answer itself: kept for a redirect it would lie readable in the session cookie."""
    page = administration.organisation_page(database(), organisation_id)
    return render_template(
        "organisations/secret.html", organisation=page.organisation, what=what, secret=secret
    )


def _by_field(found: Sequence[Problem]) -> dict[str, list[Problem]]:
    sorted_: dict[str, list[Problem]] = defaultdict(list)
    for problem in found:
        sorted_[problem.where or "url"].append(problem)
    return sorted_


def _to(organisation_id: int) -> ResponseReturnValue:
    return redirect(url_for("organisations.organisation", organisation_id=organisation_id), 303)
