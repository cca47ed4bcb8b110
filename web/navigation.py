"""The entries of the main navigation for each role."""

from dataclasses import dataclass

from flask import Flask, g, request, url_for
from flask_babel import gettext

from geo.problems import N_
from landready.db import Role
from landready.disputes import waiting
from web.language import in_english
from web.session import database, settings

_LAND = ("land.home", N_("土地超市"), "geo-alt")
_DISPUTES = ("disputes.disputes", N_("异议"), "chat-left-dots")
_CERTIFICATES = ("certificates.search", N_("核验凭证"), "patch-check")
ENTRIES: dict[Role, tuple[tuple[str, str, str], ...]] = {
    Role.PUBLIC: (
        _LAND,
        _CERTIFICATES,
        ("organisations.enterprises", N_("企业服务信息"), "info-circle"),
    ),
    Role.OFFICE: (
        ("plans.plans", N_("供地计划"), "map"),
        ("works.timeline", N_("建设时序"), "bar-chart-steps"),
        ("permits.permits", N_("规划许可"), "file-earmark-text"),
        ("base_layers.layers", N_("底图"), "layers"),
        ("items.items", N_("待办事项"), "list-check"),
        ("endpoints.deliveries", N_("推送送达"), "send"),
        ("service_areas.areas", N_("服务边界审批"), "check2-square"),
        _DISPUTES,
        ("rules.rules", N_("准入规则"), "shield-check"),
        ("overview.overview", N_("进度总览"), "speedometer2"),
        _LAND,
    ),
    Role.ENTERPRISE: (
        ("answers.inbox", N_("收到的推送"), "inbox"),
        ("works.timeline", N_("建设时序"), "bar-chart-steps"),
        ("items.items", N_("报装事项"), "list-check"),
        _DISPUTES,
        ("layers.layers", N_("设施与服务边界"), "layers"),
        ("channels.channels", N_("通知渠道"), "bell"),
        ("endpoints.system", N_("系统对接"), "plug"),
        _LAND,
    ),
    Role.OWNER: (("applications.projects", N_("我的项目"), "building"), _DISPUTES, _LAND),
    Role.DEPARTMENT: (("items.items", N_("待办事项"), "list-check"), _LAND),
    Role.SUPERVISOR: (
        ("overview.overview", N_("进度总览"), "speedometer2"),
        ("works.timeline", N_("建设时序"), "bar-chart-steps"),
        ("clocks.escalations", N_("督办"), "exclamation-triangle"),
        ("rules.rules", N_("准入规则"), "shield-check"),
        _DISPUTES,
        ("service_areas.areas", N_("服务边界审批"), "check2-square"),
        _LAND,
    ),
    Role.ADMIN: (("organisations.organisations", N_("单位与账号"), "people"), _LAND),
}


@dataclass(frozen=True, slots=True)
class Entry:
    url: str
    label: str
    icon: str
    here: bool
    # How many wait for the asker; None where nothing is counted.
    count: int | None


def navigation() -> list[Entry]:
    """Return what the asker's role can go to."""
    role = g.actor.role if "actor" in g else Role.PUBLIC
    return [
        Entry(
            url_for(endpoint), gettext(label), icon, request.endpoint == endpoint, _count(endpoint)
        )
        for endpoint, label, icon in ENTRIES.get(role, ENTRIES[Role.PUBLIC])
    ]


def _count(endpoint: str) -> int | None:
    """The page of an error asks the database nothing: it may be what failed."""
    if endpoint != "disputes.disputes" or "failed" in g:
        return None
    return waiting(database())


def init_app(app: Flask) -> None:
    app.jinja_env.globals["navigation"] = navigation
    app.context_processor(_site)


def _site() -> dict[str, str]:
    site = settings().site
    return {"site_name": site.name_en if in_english() else site.name}
