"""The entries of the main navigation for each role."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, g, request, url_for
from flask_babel import gettext

from geo.problems import N_
from landready import disputes, service_areas
from landready.db import Role, Session
from web.language import in_english
from web.session import database, settings

_LAND = ("land.home", N_("土地超市"), "geo-alt")
_DISPUTES = ("disputes.disputes", N_("异议"), "chat-left-dots")
_CERTIFICATES = ("certificates.search", N_("核验凭证"), "patch-check")
_TIMELINE = ("works.timeline", N_("建设时序"), "bar-chart-steps")
_OVERVIEW = ("overview.overview", N_("进度总览"), "speedometer2")
_ITEMS = ("items.items", N_("待办事项"), "list-check")
_RULES = ("rules.rules", N_("准入规则"), "shield-check")
_AREAS = ("service_areas.areas", N_("服务边界审批"), "check2-square")
Line = tuple[str, str, str]
ENTRIES: dict[Role, tuple[Line, ...]] = {
    Role.PUBLIC: (
        _LAND,
        _CERTIFICATES,
        ("organisations.enterprises", N_("企业服务信息"), "info-circle"),
    ),
    Role.OFFICE: (
        ("plans.plans", N_("供地计划"), "map"),
        _TIMELINE,
        ("permits.permits", N_("规划许可"), "file-earmark-text"),
        _ITEMS,
        _DISPUTES,
        _OVERVIEW,
        _LAND,
    ),
    Role.ENTERPRISE: (
        ("answers.inbox", N_("收到的推送"), "inbox"),
        _TIMELINE,
        ("items.items", N_("报装事项"), "list-check"),
        _DISPUTES,
        ("layers.layers", N_("设施与服务边界"), "layers"),
        _LAND,
    ),
    Role.OWNER: (
        ("applications.projects", N_("我的项目"), "building"),
        _DISPUTES,
        _LAND,
        _CERTIFICATES,
    ),
    Role.DEPARTMENT: (_ITEMS, _LAND, _CERTIFICATES),
    Role.SUPERVISOR: (
        _OVERVIEW,
        _TIMELINE,
        ("clocks.escalations", N_("督办"), "exclamation-triangle"),
        _DISPUTES,
        _LAND,
    ),
    Role.ADMIN: (("organisations.organisations", N_("单位与账号"), "people"), _LAND),
}
# What is set up once or looked up now and then stands behind the daily work.
MORE: dict[Role, tuple[Line, ...]] = {
    Role.OFFICE: (
        ("endpoints.deliveries", N_("推送送达"), "send"),
        _AREAS,
        ("base_layers.layers", N_("底图"), "layers"),
        _RULES,
        _CERTIFICATES,
    ),
    Role.ENTERPRISE: (
        ("channels.channels", N_("通知渠道"), "bell"),
        ("endpoints.system", N_("系统对接"), "plug"),
        _CERTIFICATES,
    ),
    Role.SUPERVISOR: (_AREAS, _RULES, _CERTIFICATES),
}


# Where something may wait for the asker: how much.
_WAITING: dict[str, Callable[[Session], int]] = {
    "disputes.disputes": disputes.waiting,
    "service_areas.areas": lambda session: len(service_areas.waiting(session)),
}


@dataclass(frozen=True, slots=True)
class Entry:
    url: str
    label: str
    icon: str
    here: bool
    # How many wait for the asker; None where nothing is counted.
    count: int | None


def navigation() -> tuple[list[Entry], list[Entry]]:
    """Return what the asker's role can go to: every day, and now and then."""
    role = g.actor.role if "actor" in g else Role.PUBLIC
    return _entries(ENTRIES.get(role, ENTRIES[Role.PUBLIC])), _entries(MORE.get(role, ()))


def _entries(lines: tuple[Line, ...]) -> list[Entry]:
    return [
        Entry(
            url_for(endpoint), gettext(label), icon, request.endpoint == endpoint, _count(endpoint)
        )
        for endpoint, label, icon in lines
    ]


def _count(endpoint: str) -> int | None:
    """The page of an error asks the database nothing: it may be what failed."""
    if endpoint not in _WAITING or "failed" in g:
        return None
    return _WAITING[endpoint](database())


def init_app(app: Flask) -> None:
    app.jinja_env.globals["navigation"] = navigation
    app.context_processor(_site)


def _site() -> dict[str, str]:
    site = settings().site
    return {"site_name": site.name_en if in_english() else site.name}
