"""The numbers of what is missing, one sentence each: what is nearest, what it gives, what is needed, who closes it by when. Pure."""

import math
from collections.abc import Iterable
from datetime import date

from geo.problems import N_
from landready.answers import AnswerVerdict
from landready.blockers import Sentence
from landready.facts import Asked, Measured, Near

UNNAMED = N_("未命名设施")


def sound(value: float | None) -> bool:
    """Is it a number of something measured: finite and not negative?"""
    return value is not None and math.isfinite(value) and value >= 0


def number(value: float | None) -> str:
    """Return a quantity for a sentence."""
    return f"{round(value or 0.0, 1):,.12g}"


def measured(check: Measured | None, today: date) -> Iterable[Sentence]:
    """Say what the newest check found: the nearest facility with its distance, its stated spare with its age, the need."""
    if check is None:
        return
    near = check.nearest
    if near is None and sound(check.radius_m):
        text = N_("{radius} m 以内没有设施（{day} 测算）。")
        params = {"radius": number(check.radius_m), "day": check.measured_on.isoformat()}
        yield Sentence(text, params)
    if near is not None and sound(near.distance_m):
        yield _nearest(near, check, today)
        yield _spare(near, check.unit, today)
    yield from _needed(check)


def committed(asked: Iterable[Asked], revision: int, today: date) -> Iterable[Sentence]:
    """Say who closes the gap with works, and by when."""
    for one in asked:
        said = one.answer
        if (
            said
            and said.verdict is AnswerVerdict.READY_BY
            and said.plot_revision == revision
            and said.ready_by
            and said.ready_by >= today
        ):
            params = {
                "enterprise": one.enterprise,
                "date": said.ready_by.isoformat(),
                "works": said.works,
            }
            yield Sentence(N_("{enterprise}承诺 {date} 前完工可解决：{works}。"), params)


def _nearest(near: Near, check: Measured, today: date) -> Sentence:
    params = {
        "name": near.name or UNNAMED,
        "distance": number(near.distance_m),
        "attributes": "，".join(v for _, v in sorted(near.attributes.items()) if v),
        "day": check.measured_on.isoformat(),
        "age": str((today - check.measured_on).days),
    }
    if params["attributes"]:
        text = N_("最近“{name}” {distance} m，{attributes}（{day} 测算，{age} 天前）。")
        return Sentence(text, params)
    return Sentence(N_("最近“{name}” {distance} m（{day} 测算，{age} 天前）。"), params)


def _spare(near: Near, unit: str, today: date) -> Sentence:
    if near.spare is None or not sound(near.spare):
        return Sentence(N_("企业没有登记余量。"))
    params = {"spare": number(near.spare), "unit": unit}
    if near.spare_on is None:
        return Sentence(N_("登记余量 {spare} {unit}。"), params)
    params |= {"day": near.spare_on.isoformat(), "age": str((today - near.spare_on).days)}
    return Sentence(N_("登记余量 {spare} {unit}（{day}，{age} 天前）。"), params)


def _needed(check: Measured) -> Iterable[Sentence]:
    low, high = check.need_low, check.need_high
    if low is None or high is None or not (sound(low) and sound(high)):
        return
    params = {"low": number(low), "high": number(high), "unit": check.unit}
    if params["low"] == params["high"]:
        yield Sentence(N_("需要 {high} {unit}。"), params)
    else:
        yield Sentence(N_("需要 {low}–{high} {unit}。"), params)
