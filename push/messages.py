"""An event in words for people, one page at most, and the token of the answer link that goes with it.

Messages are Chinese: mail and SMS leave before anybody can say which language they read.
"""

import base64
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

from geo.problems import N_

# As many plots as a message names; the others are counted.
_PLOTS = 20
_TITLE_LENGTH = 120
UTILITIES = {
    "water": N_("供水"),
    "drainage": N_("排水"),
    "power": N_("供电"),
    "gas": N_("供气"),
    "telecom": N_("通信网络"),
    "cable_tv": N_("有线电视"),
}
_CLOCKS = {
    "acknowledge": N_("查收"),
    "answer": N_("答复"),
    "contact": N_("联系建设单位"),
    "first_design": N_("首次设计方案"),
    "dispute": N_("答复异议"),
    "commitment": N_("承诺完工"),
}
_DECISIONS = {
    "sustained": "异议成立",
    "rejected": "异议不成立",
    "settled": "已了结",
}
_NOTICES = {
    "deadline.before": "到期提醒",
    "deadline.late": "超期催办",
    "deadline.escalated": "超期已转监督单位",
}


_UNSAID = ("有新的通知", ["请登录门户查看。"])


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads: a line, and a text of one page that ends with the links."""

    title: str
    text: str


def token(secret: str, event_id: uuid.UUID) -> str:
    """Return the token of the answer link in this event's message to one address; the same on every attempt.

    Nobody who does not know the address's secret can tell it from noise, and the secret is sealed at rest.
    """
    made = hmac.new(secret.encode(), b"answer link " + event_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def message(body: bytes, *, portal: str, link: str) -> Message:
    """Say an event's body in words. `link` answers without an account; empty: there is none."""
    event = json.loads(body)
    try:
        title, lines = _said(event["type"], event["data"])
    except (KeyError, TypeError, ValueError, IndexError):
        # Told without its facts rather than never: the portal has them.
        title, lines = _UNSAID[0], list(_UNSAID[1])
    if link:
        lines += ["", "不登录即可答复（仅限本次推送，请勿转发）：", link]
    if portal:
        lines += ["", f"登录门户办理：{portal}"]
    return Message(" ".join(title.split())[:_TITLE_LENGTH], "\n".join(lines))


def _said(type_: str, data: dict[str, Any]) -> tuple[str, list[str]]:
    match type_:
        case "plan.released":
            return _plan(data)
        case "project.permitted":
            return _project(data)
        case "application.submitted":
            return f"联合报装申请已提交：{data.get('permit_no', '')}", [
                "建设单位已提交联合报装申请，请受理。"
            ]
        case "item.moved":
            return "报装事项有新进展", [str(data.get("note") or "事项状态已变化，请登录查看。")]
        case "dispute.opened":
            return _disputed(data)
        case "dispute.decided":
            return _decided(data)
        case "listing.suspended":
            return _suspended(data)
        case "endpoint.test":
            return "测试消息", ["这是一条测试消息，收到即表示渠道可用。"]
        case _ if type_ in _NOTICES:
            return _deadline(_NOTICES[type_], data)
        case _:
            return _UNSAID[0], list(_UNSAID[1])


def _plan(data: dict[str, Any]) -> tuple[str, list[str]]:
    plan, plots, office = data["plan"], data["plots"], data["office"]
    lines = [
        f"{office['name']} 推送了“{plan['title']}”，共 {len(plots)} 个地块。",
        f"请在 {data['due_on']} 前答复接入条件。{'（期限暂定）' if data['due_provisional'] else ''}",
        f"联系电话：{office['phone'] or '—'}",
        "",
    ]
    lines += [_plot(plot) for plot in plots[:_PLOTS]]
    if len(plots) > _PLOTS:
        lines.append(f"……另有 {len(plots) - _PLOTS} 个地块。")
    return f"请于 {data['due_on']} 前答复：{plan['title']}（{len(plots)} 个地块）", lines


def _plot(plot: dict[str, Any]) -> str:
    asked = "；".join(
        f"{UTILITIES.get(one['utility'], one['utility'])}{_near(one)}" for one in plot["asked"]
    )
    name = f"{plot['code']} {plot['name']}".strip()
    return f"· {name}，{plot['use'] or '—'}，{plot['area_m2'] / 10_000:.2f} 公顷：{asked}"


def _near(asked: dict[str, Any]) -> str:
    nearest = asked.get("nearest") or []
    return f"（系统测算：最近设施 {nearest[0]['distance_m']:,.0f} 米）" if nearest else ""


def _project(data: dict[str, Any]) -> tuple[str, list[str]]:
    project = data["project"]
    lines = [
        f"项目“{project['project_name']}”已取得建设工程规划许可（{project['permit_no']}）。",
        f"地址：{project['address'] or '—'}",
        f"请在 {data['due_on']} 前主动联系建设单位；对方不需要提交材料。",
    ]
    return f"请于 {data['due_on']} 前联系建设单位：{project['project_name']}", lines


def _disputed(data: dict[str, Any]) -> tuple[str, list[str]]:
    plot = f"{data['plot']['code']} {data['plot']['name']}".strip()
    utility = UTILITIES.get(data["utility"], data["utility"])
    lines = [
        f"{data['challenger']['name']} 对贵单位关于地块“{plot}”{utility}的答复（第 {data['answer']['version']} 版）提出异议：{data['ground_name']}。",
        str(data["reason"]),
        f"请在 {data['due_on']} 前答复异议：维持并说明理由，或者更正答复。{'（期限暂定）' if data['due_provisional'] else ''}",
    ]
    return f"请于 {data['due_on']} 前答复异议：{plot} {utility}", lines


def _decided(data: dict[str, Any]) -> tuple[str, list[str]]:
    plot = f"{data['plot']['code']} {data['plot']['name']}".strip()
    utility = UTILITIES.get(data["utility"], data["utility"])
    decision = _DECISIONS[data["decision"]]
    lines = [
        f"关于地块“{plot}”{utility}答复的异议：{decision}。",
        f"{data['decided_by']['name']}：{data['reason']}",
    ]
    return f"{decision}：{plot} {utility}", lines


def _suspended(data: dict[str, Any]) -> tuple[str, list[str]]:
    plot = f"{data['plot']['code']} {data['plot']['name']}".strip()
    lines = [f"地块“{plot}”已暂停上架：{data['reason']['message']}"]
    lines += [
        f"· {UTILITIES.get(one['utility'], one['utility'])} {one['enterprise']}：{one['message']}"
        for one in data["missing"]
    ]
    lines.append("条件恢复后，请重新答复或登记；由规划部门决定恢复上架。")
    lines.append(f"推送部门：{data['office']['name']} {data['office']['phone']}")
    return f"地块暂停上架：{plot}", lines


def _deadline(notice: str, data: dict[str, Any]) -> tuple[str, list[str]]:
    clock = _CLOCKS.get(data["clock"], data["clock"])
    lines = [f"“{data['title']}”的{clock}期限是 {data['due_on']}。"]
    if data["working_days_late"]:
        lines.append(f"已超期 {data['working_days_late']} 个工作日；超期情况对外公开。")
    if data["supervisor"]:
        lines.append(f"已转 {data['supervisor']['name']} 督办。")
    lines.append(f"推送部门：{data['office']['name']} {data['office']['phone']}")
    return f"{notice}：{data['title']}", lines
