"""The board's rows for paper, set like a printed list in letters of one width: tables of 2,000 rows take WeasyPrint a minute."""

from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

from flask_babel import gettext as _

from landready.board_lines import Line
from landready.utilities import Utility
from web.board_words import lacking, verdict
from web.filters import label, sentence
from web.quarters import planned, quarter

# Half-width letters a column takes; a line of A4 across holds 218 at 7 pt.
_CODE, _USE, _AREA, _PLANNED, _CELL, _VERDICT, _WHEN = 17, 17, 8, 16, 19, 14, 30
_PAGE = 52


def head(utilities: Sequence[Utility]) -> str:
    parts = [
        _fit(_("地块编号"), _CODE), _fit(_("用途"), _USE), _fit("hm²", _AREA, right=True), " ",
        _fit(_("计划供应时间"), _PLANNED),
        *(_fit(label(u, "utility"), _CELL) for u in utilities),
        _fit(_("结论"), _VERDICT), _("接入条件齐备"),
    ]  # fmt: skip
    return "".join(parts)


def pages(lines: Sequence[Line]) -> Iterator[str]:
    for start in range(0, len(lines), _PAGE):
        yield "\n".join(_printed(line) for line in lines[start : start + _PAGE])


def _printed(line: Line) -> str:
    before = [
        _fit(line.code, _CODE), _fit(sentence(line.use) if line.use else "", _USE),
        _fit(f"{line.hectares:,.2f}", _AREA, right=True), " ", _fit(planned(line.planned) if line.planned else "", _PLANNED),
    ]  # fmt: skip
    for cell in line.cells:
        by = f" {cell.by:%Y-%m}" if cell.by else ""
        before.append(_fit(label(cell.standing, "standing") + by, _CELL))
    after = quarter(line.quarter)
    if what := lacking(line):
        after = _("%(when)s，缺：%(what)s", when=after, what=" ".join(what))
    return "".join([*before, _fit(verdict(line), _VERDICT), _fit(after, _WHEN)])


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or fill a text to so many half-width letters; the last stays empty."""
    kept, used = "", 0
    for letter in text.replace("\n", " "):
        wide = 2 if east_asian_width(letter) in "WF" else 1
        if used + wide > width - 1:
            kept = kept[:-1] + "…" if kept else ""
            used = sum(2 if east_asian_width(one) in "WF" else 1 for one in kept)
            break
        kept, used = kept + letter, used + wide
    gap = " " * (width - 1 - used)
    return gap + kept + " " if right else kept + gap + " "
