"""How values become words on a page."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request
from flask_babel import format_date, format_datetime, gettext
from jinja2 import pass_context
from jinja2.runtime import Context

from geo.problems import N_, numbered
from landready import answer_codes, cities
from landready.annex import STATE_NAMES
from landready.dispute_rules import grounds
from landready.road_classes import rules
from landready.rule_sets import OTHERS
from landready.standing import STANDINGS
from web.gantt import PROGRESS, PROMISES
from web.quarters import planned

UTILITIES = {
    "water": N_("供水"),
    "drainage": N_("排水"),
    "power": N_("供电"),
    "gas": N_("供气"),
    "telecom": N_("通信网络"),
    "cable_tv": N_("有线电视"),
}
CAPACITY_UNITS = {
    "water": "m³/d",
    "drainage": "m³/d",
    "power": "kW",
    "gas": "m³/h",
    "telecom": N_("芯"),
    "cable_tv": N_("户"),
}
ROLES = {
    "public": N_("公众"),
    "office": N_("自然资源和规划部门"),
    "enterprise": N_("市政公用服务企业"),
    "owner": N_("建设单位"),
    "department": N_("审批部门"),
    "supervisor": N_("监督单位"),
    "admin": N_("系统管理"),
    "exchange": N_("对接系统"),
}
PUSH_STATES = {
    "sent": N_("已推送"),
    "opened": N_("已查看"),
    "answered": N_("已答复"),
    "late": N_("已超期"),
}
VERDICTS = answer_codes.NAMES
PLAN_STATES = {"draft": N_("草稿"), "released": N_("已下发")}
LISTING_STATES = {
    "listed": N_("上架中"),
    "suspended": N_("已暂停"),
    "withdrawn": N_("已撤回"),
    "sold": N_("已成交"),
}
SAID = {"confirmed": N_("企业确认"), "committed": N_("企业承诺"), "computed": N_("系统测算")}
APPLICATION_STATES = {"draft": N_("待确认"), "submitted": N_("已提交")}
# Columns of an uploaded file, by our name for what they hold.
COLUMNS = {
    "code": N_("地块编号"),
    "name": N_("名称"),
    "use": N_("用途"),
    "use_shares": N_("混合比例"),
    "area": N_("面积"),
    "plot_ratio": N_("容积率"),
    "quarter": N_("计划供应时间"),
    "supply_mode": N_("供应方式"),
    "spare_capacity": N_("可供容量"),
    "stated_at": N_("容量申明日期"),
    "road_class": N_("道路等级"),
    "land_width": N_("用地宽度（米）"),
    "completed": N_("交付使用日期"),
    "overhauled": N_("大修竣工日期"),
}
LAYER_KINDS = {"facilities": N_("设施图层"), "service_areas": N_("服务边界")}
GEOMETRIES = {
    "Point": N_("点"),
    "MultiPoint": N_("多点"),
    "LineString": N_("线"),
    "MultiLineString": N_("多段线"),
    "Polygon": N_("面"),
    "MultiPolygon": N_("多部分面"),
    "GeometryCollection": N_("组合图形"),
}
ASKED_REASONS = {
    "serves": N_("服务边界覆盖地块"),
    "no_map": N_("没有发布服务边界，因此全部询问"),
    "beyond_all": N_("地块在所有服务边界之外，需要有企业答复"),
    "not_yet": N_("服务边界未批准或未到生效日期，已有其他企业负责"),
    "elsewhere": N_("服务边界不覆盖，已有其他企业负责"),
}
STAGES = {
    "listed": N_("已上架或成交"),
    "ready": N_("可以上架"),
    "waiting": N_("等待答复"),
    "blocked": N_("不具备条件"),
}
DELIVERY_STATES = {
    "owed": N_("正在送达"),
    "delivered": N_("已送达"),
    "dead": N_("送达失败，已停止重试"),
    "pulled": N_("企业已拉取并确认"),
}
# What an event tells; docs/integrators.md describes each.
EVENTS = {
    "plan.released": N_("供地计划下发"),
    "project.permitted": N_("项目取得规划许可"),
    "application.submitted": N_("联合报装申请提交"),
    "item.moved": N_("报装事项变动"),
    "dispute.opened": N_("对答复提出异议"),
    "dispute.decided": N_("异议裁定"),
    "listing.changed": N_("上架变动"),
    "listing.suspended": N_("地块暂停上架"),
    "endpoint.test": N_("测试事件"),
    "deadline.before": N_("到期提醒"),
    "deadline.late": N_("超期催办"),
    "deadline.escalated": N_("超期已转监督单位"),
}
# How an answer came in, or how an enterprise is told.
CHANNELS = {
    "portal": N_("门户"),
    "link": N_("答复链接"),
    "api": N_("系统接口"),
    "sheet": N_("表格"),
    "webhook": N_("系统接口推送"),
    "email": N_("电子邮件"),
    "sms": N_("短信"),
    "wechat": N_("微信"),
    "pull": N_("系统接口拉取"),
}
# On what a figure of demand rests: one word for each, the same on every page.
DEMAND_STANDINGS = {
    "stated": N_("规划填报"),
    "index": N_("按指标测算"),
    "unverified": N_("指标未经核实"),
    "none": N_("用量未知"),
}
CLAIM_KINDS = {
    "connected": N_("已接通"),
    "sold": N_("已预留（已成交）"),
    "held": N_("已预留"),
    "leaning": N_("未预留"),
}
FITS = {
    "fits": N_("放得下"),
    "alone": N_("单独就放不下"),
    "together": N_("单独放得下，合在一起放不下"),
    "not_stated": N_("企业没有申明余量"),
    "unknown": N_("有地块用量未知"),
}
# How a plot stands to a utility when all plots of a plan are weighed together.
SUPPLIES = {
    "reserved": N_("已预留"),
    "given": N_("可以接入"),
    "fits": N_("够用，但缺其他服务"),
    "short": N_("余量不够"),
    "unknown": N_("用量未知"),
    "not_stated": N_("企业没有申明余量"),
    "refused": N_("企业答复无法接入"),
    "none": N_("范围内没有设施"),
}
USE_SYSTEMS = {
    "2023": N_("用地用海分类指南（2023）"),
    "GB50137-2011": N_("城市用地分类 GB 50137-2011"),
    "GBT21010-2017": N_("土地利用现状分类 GB/T 21010-2017"),
    "draft": N_("旧稿编号（05 商业服务业用地）"),
}
BASE_KINDS = {
    "roads": N_("道路"),
    "greens": N_("绿地"),
    "waters": N_("水体"),
    "planning_areas": N_("规划区"),
}
BASE_MISSING = {
    "roads": N_("接入路线只能画直线，第 7、8、9 项无法判断。"),
    "greens": N_("第 11 项无法判断。"),
    "waters": N_("不知道外线是否穿越水体。"),
    "planning_areas": N_("第 10 项按全部在规划区内处理。"),
}
ROUTE_METHODS = {"roads": N_("沿道路"), "straight": N_("直线")}
ROUTE_WHYS = {
    "touches": N_("设施与地块相接"),
    "no_roads": N_("直线：没有道路数据"),
    "no_path": N_("直线：没有道路可通"),
    "direct": N_("直线：比沿路更省"),
}
MANNERS = {
    "crosses": N_("穿越"),
    "along": N_("沿线敷设"),
    "enters": N_("进入"),
    "zone": N_("在建筑控制区内"),
}
MET = {
    "green": N_("绿地"),
    "water": N_("水体"),
    "planning": N_("规划区"),
}
CLOCKS = {
    "acknowledge": N_("查收"),
    "answer": N_("答复"),
    "contact": N_("联系建设单位"),
    "first_design": N_("首次设计方案"),
    "dispute": N_("答复异议"),
    "commitment": N_("承诺完工"),
}
LINK_USES = {"seen": N_("查看"), "answered": N_("答复")}
FINDINGS = {
    "close": N_("近处有设施"),
    "works": N_("接入需要建设"),
    "nothing": N_("附近没有找到设施"),
    "unknown": N_("没有测算"),
}
NOTICES = {
    "before": N_("到期提醒"),
    "late": N_("超期催办"),
    "escalated": N_("转督办"),
}
DISPUTE_STATES = {
    "open": N_("待企业答复"),
    "answered": N_("待裁定"),
    "decided": N_("已裁定"),
}
DISPUTE_STEPS = {
    "upheld": N_("维持答复"),
    "corrected": N_("更正答复"),
    "sustained": N_("异议成立"),
    "rejected": N_("异议不成立"),
    "settled": N_("已了结"),
}
OUTCOMES = {
    "as_said": N_("如期接通"),
    "by_date": N_("在承诺日期前接通"),
    "slow": N_("答复已具备，接通超过时限"),
    "late": N_("超过承诺日期才接通"),
    "works": N_("答复已具备，实际需要外线工程"),
    "anyway": N_("答复无法接入或不涉及，实际已接通"),
    "sustained": N_("异议成立"),
}
LABELS: dict[str, Mapping[str, str]] = {
    "utility": UTILITIES,
    "unit": CAPACITY_UNITS,
    "role": ROLES,
    "push": PUSH_STATES,
    "verdict": VERDICTS,
    "plan": PLAN_STATES,
    "listing": LISTING_STATES,
    "said": SAID,
    "application": APPLICATION_STATES,
    "column": COLUMNS,
    "layer_kind": LAYER_KINDS,
    "geometry": GEOMETRIES,
    "base_kind": BASE_KINDS,
    "base_missing": BASE_MISSING,
    "road_class": {rule.road_class.value: rule.name for rule in rules().values()},
    "route_method": ROUTE_METHODS,
    "route_why": ROUTE_WHYS,
    "manner": MANNERS,
    "met": MET,
    "asked": ASKED_REASONS,
    "standing": STANDINGS,
    "stage": STAGES,
    "requirement": {**UTILITIES, **OTHERS},
    "delivery": DELIVERY_STATES,
    "demand": DEMAND_STANDINGS,
    "claim": CLAIM_KINDS,
    "fit": FITS,
    "supply": SUPPLIES,
    "use_system": USE_SYSTEMS,
    "channel": CHANNELS,
    "clock": CLOCKS,
    "notice": NOTICES,
    "finding": FINDINGS,
    "link_use": LINK_USES,
    "dispute": DISPUTE_STATES,
    "dispute_step": DISPUTE_STEPS,
    "ground": {ground.code: ground.name for ground in grounds().values()},
    "progress": PROGRESS,
    "promise": PROMISES,
    "outcome": OUTCOMES,
}


def sentence(text: str, params: Mapping[str, object] | None = None) -> str:
    """Translate a marked sentence, then fill its placeholders."""
    translated: str = gettext(text)
    filled = {name: _word(value) for name, value in (params or {}).items()}
    return translated.format(**filled) if filled else translated


def _word(value: object) -> object:
    """Translate a marked word, or a list of them; what people wrote is no marked word and stays."""
    if not isinstance(value, str) or not value:
        return value
    whole: str = gettext(value)
    if whole != value or "、" not in value:
        return whole
    return str(gettext("、")).join(str(_word(part)) for part in value.split("、"))


def place(where: str) -> str:
    """Return where a problem is, in the reader's language: geo names lines and shapes by number."""
    found = numbered(where)
    return sentence(found[0], {"n": found[1]}) if found else where


def city(code: str) -> str:
    """Return the name of a city or county."""
    return str(gettext(cities.name(code)))


def label(key: object, table: str) -> str:
    """Return the word of a coded value, by its table in LABELS."""
    return str(gettext(LABELS[table][str(key)]))


def event(type_: str) -> str:
    """Return what an event tells, in words; its type itself where there are none."""
    return str(gettext(EVENTS.get(type_, type_)))


def area(square_metres: float | None) -> str:
    """Return m² with the same in hectares, as the notices write it."""
    if square_metres is None:
        return "—"
    return sentence(
        N_("{m2} m²（{ha} hm²）"),
        {"m2": f"{square_metres:,.2f}", "ha": f"{square_metres / 10_000:,.4f}"},
    )


def metres(distance: float | None) -> str:
    if distance is None:
        return "—"
    return f"{distance:,.1f} m" if distance < 1000 else f"{distance / 1000:,.2f} km"


def quantity(value: float | None) -> str:
    """Return an amount without its unit, to a tenth."""
    return "—" if value is None else f"{round(value, 1):,.12g}"


def percent(share: float | None) -> str:
    return "—" if share is None else f"{share * 100:.0f} %"


def day(value: date | None) -> str:
    return format_date(value, "yyyy-MM-dd") if value else "—"


def month(value: date) -> str:
    return str(format_date(value, "MMM"))


def moment(value: datetime | None) -> str:
    return format_datetime(value, "yyyy-MM-dd HH:mm") if value else "—"


def turned(address: str, page: int) -> str:
    """Return `address` at another page of its list, with the filters that were asked for."""
    return f"{address}?{urlencode({**request.args.to_dict(), 'page': page})}"


def _at_each_render(word: Callable[..., Any]) -> Callable[..., Any]:
    """Keep Jinja from filling in the word of a constant once for all, in the language of the first reader."""

    @pass_context
    def told(_context: Context, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - any filter
        return word(*given, **named)

    return told


def init_app(app: Flask) -> None:
    filters: dict[str, Any] = {
        "sentence": sentence,
        "label": label,
        "area": area,
        "metres": metres,
        "percent": percent,
        "quantity": quantity,
        "day": day,
        "month": month,
        "moment": moment,
        "planned": planned,
        "city": city,
        "place": place,
        "event": event,
    }
    app.jinja_env.filters.update({name: _at_each_render(f) for name, f in filters.items()})
    app.jinja_env.globals["utilities"] = UTILITIES
    app.jinja_env.globals["turned"] = turned
    app.jinja_env.globals["state_names"] = STATE_NAMES
