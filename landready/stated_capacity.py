"""What a column of an enterprise's file says of spare capacity: the number in the utility's unit, and when it was stated. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from geo import attributes
from geo.problems import N_, Problem
from landready import clock
from landready.utilities import MOST, UNITS, Utility

_CUBIC = r"(?:m3|立方米|方|吨|t)"
# Units that a column may name besides the utility's own: (pattern, factor); no factor: it cannot be compared.
_OTHERS: Mapping[Utility, tuple[tuple[str, float | None], ...]] = {
    Utility.WATER: ((rf"{_CUBIC}/?(?:h|小时|时)|l/s", None), (rf"万{_CUBIC}", 10_000.0)),
    Utility.DRAINAGE: ((rf"{_CUBIC}/?(?:h|小时|时)|l/s", None), (rf"万{_CUBIC}", 10_000.0)),
    Utility.POWER: (
        (r"kva|mva|千伏安|兆伏安|伏安|安培", None),
        (r"mw|兆瓦", 1000.0),
        (r"万kw|万千瓦", 10_000.0),
    ),
    Utility.GAS: ((rf"{_CUBIC}/?(?:d|日|天|年|a)\b", None), (rf"万{_CUBIC}", 10_000.0)),
}


def factor(column: str, utility: Utility) -> float | Problem:
    """Return by what the numbers of a column are multiplied to be in the utility's unit; a name without a unit is in it."""
    flat = unicodedata.normalize("NFKC", column).lower()
    for pattern, times in _OTHERS.get(utility, ()):
        if re.search(pattern, flat):
            if times is not None:
                return times
            text = N_("“{column}”的单位不是 {unit}，不能与用量比较。请换算成 {unit} 后再上传。")
            return Problem(
                "capacity_unit", "error", text, {"column": column, "unit": UNITS[utility]}
            )
    return 1.0


def amount(cell: attributes.Value | None, times: float, row: int) -> float | Problem | None:
    """Return the stated number; nothing written is not stated, and what is no number is a problem, never a zero."""
    if cell is None or not cell.raw.strip():
        return None
    if cell.number is None or cell.number < 0:
        text = N_("可供容量“{value}”不是一个非负数。")
        return Problem("capacity_unreadable", "error", text, {"value": cell.raw[:40]}, row)
    if cell.number * times > MOST:
        text = N_("可供容量“{value}”太大，请核对数字和单位。")
        return Problem("capacity_unreadable", "error", text, {"value": cell.raw[:40]}, row)
    return cell.number * times


def moment(cell: attributes.Value | None, row: int, now: datetime) -> datetime | Problem | None:
    """Return the day on which a capacity was stated, as the beginning of the day; nothing written: the version says it."""
    if cell is None or not cell.raw.strip():
        return None
    numbers = re.fullmatch(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?(?:[T\s].*)?", cell.raw.strip())
    try:
        day = date(*map(int, numbers.groups())) if numbers else None
    except ValueError:
        day = None
    if day is None or day > clock.today(now):
        text = N_("容量申明日期“{value}”不是今天或以前的日期，请写成 2026-01-31。")
        return Problem("capacity_date", "error", text, {"value": cell.raw[:40]}, row)
    return datetime.combine(day, time(), clock.SHANGHAI)


def same_facilities(
    rows: list[dict[str, Any]], before: Mapping[str, int], shapes: Mapping[str, int]
) -> list[int | None]:
    """Return for each new row the lasting id of the facility it was in the version before; None: it is new.

    `before` is by name, `shapes` by geometry: each holds only what occurs once in the old version. A name counts once in the new
    one too: two mains of one name are told apart by where they lie.
    """
    times: dict[str, int] = {}
    for row in rows:
        times[row["name"]] = times.get(row["name"], 0) + 1
    found: list[int | None] = []
    taken: set[int] = set()
    for row in rows:
        known = before.get(row["name"]) if row["name"] and times[row["name"]] == 1 else None
        known = known or shapes.get(row["geom"].desc.lower())
        found.append(known if known not in taken else None)
        if known:
            taken.add(known)
    return found
