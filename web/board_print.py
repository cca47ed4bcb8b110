"""The board's rows for paper, set like a printed list in letters of one width: tables of 2,000 rows take WeasyPrint a minute."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import ceil
from unicodedata import east_asian_width

from flask_babel import gettext as _

from landready.board_lines import Line
from landready.utilities import Utility
from web.board_words import lacking, verdict
from web.filters import label, sentence
from web.quarters import planned, quarter

# Half-width letters a column takes; a line of A4 across holds 218 at 7 pt.
_CODE, _USE, _AREA, _PLANNED, _CELL, _VERDICT, _WHEN = 18, 17, 8, 17, 18, 14, 34
# Lines on a page; what the title and each row of the sums take of the first.
_PAGE, _TITLE, _SUM = 52, 6, 1.6
# A text breaks after a blank and after every letter that is not ASCII.
_PIECE = re.compile(r"[!-~]+ ?|.")


def head(utilities: Sequence[Utility]) -> str:
    return "\n".join(
        _set([
            (_("地块编号"), _CODE), (_("用途"), _USE), (f"{'hm²':>{_AREA - 1}}", _AREA), ("", 1),
            (_("计划供应时间"), _PLANNED),
            *((label(u, "utility"), _CELL) for u in utilities),
            (_("结论"), _VERDICT), (_("接入条件齐备"), _WHEN),
        ])
    )  # fmt: skip


def pages(lines: Sequence[Line], sums: int) -> Iterator[str]:
    """Fill page after page with whole plots; the first stands below so many rows of sums."""
    room, page = _PAGE - _TITLE - ceil(_SUM * sums), list[str]()
    for line in lines:
        printed = _set(_row(line))
        if page and len(page) + len(printed) > room:
            yield "\n".join(page)
            room, page = _PAGE, []
        page += printed
    yield "\n".join(page)


def _row(line: Line) -> list[tuple[str, int]]:
    when = quarter(line.quarter)
    if what := lacking(line):
        when = _("%(when)s，缺：%(what)s", when=when, what=" ".join(what))
    return [
        (line.code, _CODE), (sentence(line.use) if line.use else "", _USE),
        (f"{line.hectares:>{_AREA - 1},.2f}", _AREA), ("", 1), (planned(line.planned) if line.planned else "", _PLANNED),
        *(
            (label(c.standing, "standing") + (f" {c.by:%Y-%m}" if c.by else ""), _CELL)
            for c in line.cells
        ),
        (verdict(line), _VERDICT), (when, _WHEN),
    ]  # fmt: skip


def _set(row: list[tuple[str, int]]) -> list[str]:
    """Set the texts of a row side by side, each in as many lines as its column takes."""
    columns = [_broken(text, width - 1) for text, width in row]
    return [
        "".join(part + " " * (width - _wide(part)) for part, (_text, width) in zip(parts, row, strict=True)).rstrip()
        for parts in zip_longest(*columns, fillvalue="")
    ]  # fmt: skip


def _broken(text: str, width: int) -> list[str]:
    """Break a text into lines of so many half-width letters, between words where it can."""
    lines, line = [], ""
    for piece in _PIECE.findall(text.replace("\n", " ")):
        if line and _wide(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        while len(piece) > width:
            lines.append(piece[:width])
            piece = piece[width:]
        line += piece
    return [*lines, line]


def _wide(text: str) -> int:
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)
