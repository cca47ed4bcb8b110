"""Quarters of a year in the reader's language."""

from flask_babel import gettext as _

from landready.quarters import named


def quarter(name: str) -> str:
    """Say a quarter of landready.board_lines.Line.quarter."""
    if name == "now":
        said = _("已经齐备")
    elif name == "unknown":
        said = _("无法预计")
    else:
        year, _found, number = name.partition("Q")
        said = _("%(year)s 年第 %(number)s 季度", year=year, number=number)
    return str(said)


def planned(text: str) -> str:
    """Say when a plot is to be supplied: a quarter in the reader's language, anything else as the planner wrote it."""
    name = named(text)
    return quarter(name) if name else text or "—"
