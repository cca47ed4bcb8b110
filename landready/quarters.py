"""Quarters of a year: `2027Q2`, from a day or as planners write them. Pure."""

import re
from datetime import date

_WRITTEN = re.compile(r"([0-9]{4}) ?(?:年 ?第? ?([1-4一二三四]) ?季度?|[年-]? ?Q([1-4]))")


def quarter_of(day: date) -> str:
    return f"{day.year}Q{(day.month + 2) // 3}"


def named(text: str) -> str:
    """Return the quarter that a plan's text names, as 2026年第四季度 does; empty: it names none."""
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        return ""
    number = found[2] or found[3]
    return f"{found[1]}Q{'一二三四'.find(number) + 1 or number}"
