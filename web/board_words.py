"""What the board says in words: what is missing with its numbers, and where a plot stands."""

from flask_babel import gettext as _

from landready.board_lines import Cell, Line, Words
from web.filters import day, label, metres, sentence


def told(words: Words) -> str:
    """Say one thing that is missing: who, why, and the numbers."""
    who = f"{words.enterprise}{_('：')}" if words.enterprise else ""
    said = who + sentence(words.text, words.params)
    numbers = [sentence(text, params) for text, params in words.details]
    if not numbers and words.nearest_m is not None:
        numbers = [_("系统测得最近设施 %(m)s。", m=metres(words.nearest_m))]
    return " ".join([said, *numbers])


def of_cell(cell: Cell) -> list[str]:
    """Say everything about one utility of a plot, a sentence each."""
    said = [told(words) for words in cell.words]
    if cell.by:
        said.append(_("承诺 %(day)s 前具备。", day=day(cell.by)))
    if cell.finding:
        said.append(_("暂定（系统测算）：%(finding)s", finding=label(cell.finding, "finding")))
    if cell.asked:
        said.append(_("询问了：%(who)s", who=_("、").join(dict.fromkeys(cell.asked))))
    return said


def lacking(line: Line) -> list[str]:
    """Name what a plot lacks, a line each: its utilities in one, then what is wrong with the plot itself in a sentence each."""
    utilities = _("、").join(label(cell.utility, "utility") for cell in line.unforeseen)
    return [*filter(None, [utilities]), *(told(words) for words in line.own)]


def verdict(line: Line) -> str:
    """Say where a plot stands: its listing if it has one."""
    if line.stage == "listed":
        return label(line.listing, "listing")
    return label(line.stage, "stage")
