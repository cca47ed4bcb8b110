"""The answers of a push as a workbook: given out with its plots, filled in by the engineer, taken back all or nothing (R20).

Row 1 is hidden and names the columns and the push, row 2 says them to the reader; an answer row is found by plot code and
utility. What people wrote, plot names of another office among it, is stored as text and never as a formula.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import nan
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready.answer_batches import AskedLine, Said, asked_lines
from landready.answer_codes import CODES
from landready.answer_rules import AnswerDraft, as_recorded, relevant
from landready.answers import Answer, AnswerVerdict
from landready.asked import proposals
from landready.errors import Invalid
from landready.pushes import Push
from landready.settings import Check

# column → heading; those from `code` on are filled in
COLUMNS: Mapping[str, str] = {
    "plot": N_("地块编号"),
    "name": N_("名称"),
    "use": N_("用途"),
    "area_m2": N_("面积（m²）"),
    "utility": N_("服务"),
    "measured": N_("系统测算"),
    "code": N_("答复结论"),
    "lon": N_("接入点经度"),
    "lat": N_("接入点纬度"),
    "spare_capacity": N_("可用余量"),
    "works": N_("需要建设的工程"),
    "ready_by": N_("承诺完成日期"),
    "reason": N_("原因或说明"),
    "valid_until": N_("有效期至"),
    "over": N_("余量不足仍可接入的理由"),
}
_FILLED = ("lon", "lat", "spare_capacity", "works", "ready_by", "reason", "valid_until", "over")
# What a person must have typed: a row with only the proposed point and capacity was not answered.
_TYPED = ("works", "ready_by", "reason", "valid_until", "over")
_WIDTHS = {"plot": 18, "name": 22, "use": 18, "utility": 16, "measured": 44, "code": 24, "works": 32, "reason": 32, "over": 32}  # fmt: skip
# The column a problem's field stands in.
_COLUMN_OF = {"verdict": "code", "point": "lon", "capacity": "spare_capacity"}
_HEADER_ROWS = 2
_MARK = "push:"
# Says a sentence and a coded value in the reader's language, as the pages do.
Say = Callable[[str, Mapping[str, object]], str]
Label = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Filled:
    """The answers of a filled-in sheet that are new or changed, and the sheet's row (from 1) of each."""

    answers: tuple[Said, ...]
    rows: tuple[int, ...]

    def located(self, problem: Problem) -> Problem:
        """Return a problem of the batch with the cell it is in."""
        if problem.row is None:
            return problem
        field = next((f for f in (*_COLUMN_OF, *_FILLED) if problem.code.startswith(f"{f}_")), "")
        row = self.rows[problem.row - 1]
        return replace(
            problem, row=row, where=cell_name(_COLUMN_OF.get(field, field or "plot"), row)
        )


def cell_name(column: str, row: int) -> str:
    """Return the name of a cell as a spreadsheet shows it, like G7."""
    return f"{get_column_letter(list(COLUMNS).index(column) + 1)}{row}"


def write(session: Session, push: Push, check: Check, say: Say, label: Label) -> bytes:
    """Return the workbook of a push: one row per plot and utility, the newest answer filled in, else the proposed point."""
    lines = asked_lines(session, push)
    proposed = proposals(session, push, [(x.plot.id, x.utility) for x in lines], check)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(say(N_("答复"), {}))
    for number, name in enumerate(COLUMNS, 1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(name, 14)
    sheet.row_dimensions[1].hidden = True
    sheet.freeze_panes = f"B{_HEADER_ROWS + 1}"
    sheet.data_validations.append(_choices(label, len(lines)))
    sheet.append([*COLUMNS, f"{_MARK}{push.uid}"])
    sheet.append([_heading(sheet, say(text, {})) for text in COLUMNS.values()])
    for line in lines:
        proposal = proposed[line.plot.id, line.utility]
        values = {
            **_facts(line, label),
            "measured": say(proposal.basis, proposal.params),
            **(_said(line.answer, label) if line.answer else _point(proposal.draft)),
        }
        sheet.append([_cell(sheet, values.get(name)) for name in COLUMNS])
    _explain(book, say, label)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(session: Session, push: Push, rows: Sequence[Sequence[str]]) -> Filled:
    """Return the answers of a filled-in sheet; rows without one, and those that say what is recorded already, are left out.

    Raises:
        Invalid: it is no sheet of answers, belongs to another push, or holds what cannot be read, named by cell.
    """
    names = [name.strip() for name in rows[0]] if rows else []
    if not {"plot", "utility", "code"} <= set(names):
        text = N_("这不是本系统下载的答复表：缺少隐藏的第 1 行。请重新下载后填写。")
        raise Invalid((Problem("sheet_unknown", "error", text),))
    if f"{_MARK}{push.uid}" not in names:
        text = N_("这张表属于另一次推送，不能在这里上传。请从本次推送下载答复表。")
        raise Invalid((Problem("sheet_foreign", "error", text),))
    known = {
        (_plain(x.plot.code).strip(), x.utility): (x.plot.code, x.answer if not x.open else None)
        for x in asked_lines(session, push)
    }
    answers, places, found = [], [], []
    for number, cells in enumerate(rows[_HEADER_ROWS:], _HEADER_ROWS + 1):
        cell = {name: value for name, value in zip(names, cells, strict=False) if name in COLUMNS}
        if not cell.get("code") and not any(cell.get(name) for name in _TYPED):
            continue
        utility = cell.get("utility", "").partition(" ")[0]
        draft, faults = _draft(cell, utility, number)
        found += faults
        code, before = known.get((cell.get("plot", ""), utility), (cell.get("plot", ""), None))
        if before is None or not _same(draft, before):
            answers.append(Said(code, draft))
            places.append(number)
    if found:
        raise Invalid(tuple(found), N_("表格有错误，没有保存任何答复。请按单元格改正后再上传。"))
    return Filled(tuple(answers), tuple(places))


def _draft(cell: Mapping[str, str], utility: str, row: int) -> tuple[AnswerDraft, list[Problem]]:
    """What a row says; what cannot be read is told here, what is missing by the rules of answers."""
    found = []
    verdict = _verdict(cell.get("code", ""))
    if cell.get("code") and verdict is None:
        text = N_("“{value}”不是答复结论，请从下拉列表中选择。")
        found.append(_fault("verdict_unknown", "code", row, text, cell["code"]))
    numbers = {}
    for name in ("lon", "lat", "spare_capacity"):
        numbers[name], fault = _number(cell.get(name, ""))
        if fault:
            text = N_("“{value}”不是数字。")
            found.append(_fault("number_unreadable", name, row, text, cell[name]))
    days = {}
    for name in ("ready_by", "valid_until"):
        days[name], fault = _day(cell.get(name, ""))
        if fault:
            text = N_("“{value}”不是日期，请写作 2026-12-31 的样子。")
            found.append(_fault("day_unreadable", name, row, text, cell[name]))
    lon, lat = numbers["lon"], numbers["lat"]
    point = None if lon is None and lat is None else (nan if lon is None else lon, nan if lat is None else lat)  # fmt: skip
    draft = AnswerDraft(
        0,
        utility,
        verdict,
        connection_point=point,
        spare_capacity=numbers["spare_capacity"],
        works=cell.get("works", ""),
        ready_by=days["ready_by"],
        reason=cell.get("reason", ""),
        valid_until=days["valid_until"],
        over=cell.get("over", ""),
    )
    return draft, found


def _fault(code: str, column: str, row: int, text: str, value: str) -> Problem:
    return Problem(code, "error", text, {"value": value[:40]}, row, cell_name(column, row))


def _verdict(text: str) -> AnswerVerdict | None:
    """The code, or the code before its word as the list of the sheet has it."""
    word = text.partition(" ")[0].strip().lower()
    return AnswerVerdict(word) if word in set(AnswerVerdict) else None


def _number(text: str) -> tuple[float | None, bool]:
    try:
        return (float(re.sub(r"[,，\s]", "", text)) if text else None), False
    except ValueError:
        return None, True


def _day(text: str) -> tuple[date | None, bool]:
    """A day as Excel's own date, or typed with dashes, slashes or dots."""
    try:
        return (date(*map(int, re.split(r"[-/.]", text))) if text else None), False
    except (ValueError, TypeError):
        return None, True


def _same(draft: AnswerDraft, answer: Answer) -> bool:
    """Does the row say what is recorded? Coordinates are written with seven places."""
    kept, said = relevant(replace(draft, over="")), as_recorded(answer)
    at, there = kept.connection_point, said.connection_point
    near = at == there or (
        at is not None
        and there is not None
        and all(abs(a - b) < 1e-7 for a, b in zip(at, there, strict=True))
    )
    return near and replace(kept, connection_point=there) == replace(said, plot_id=kept.plot_id)


def _facts(line: AskedLine, label: Label) -> dict[str, Any]:
    plot = line.plot
    return {
        "plot": plot.code,
        "name": plot.name,
        "use": plot.use,
        "area_m2": round(plot.area_m2, 2),
        "utility": f"{line.utility} {label(line.utility, 'utility')} ({label(line.utility, 'unit')})",
    }


def _said(answer: Answer, label: Label) -> dict[str, Any]:
    recorded = as_recorded(answer)
    return {
        **_point(recorded),
        "code": _word(answer.verdict, label),
        "works": answer.works,
        "ready_by": answer.ready_by,
        "reason": answer.reason,
        "valid_until": answer.valid_until,
    }


def _point(draft: AnswerDraft) -> dict[str, Any]:
    lon, lat = draft.connection_point or (None, None)
    return {
        "lon": round(lon, 7) if lon is not None else None,
        "lat": round(lat, 7) if lat is not None else None,
        "spare_capacity": draft.spare_capacity,
    }


def _word(verdict: str, label: Label) -> str:
    return f"{verdict} {label(verdict, 'verdict')}"


def _choices(label: Label, rows: int) -> DataValidation:
    words = ",".join(_word(x.code.value, label) for x in CODES)
    column = get_column_letter(list(COLUMNS).index("code") + 1)
    first = _HEADER_ROWS + 1
    choices = DataValidation(type="list", formula1=f'"{words}"', allow_blank=True)
    choices.add(f"{column}{first}:{column}{max(first, first + rows - 1)}")
    return choices


def _heading(sheet: Any, text: str) -> WriteOnlyCell:  # noqa: ANN401 - openpyxl is untyped
    cell = WriteOnlyCell(sheet, value=text)
    cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DCE6F1")
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _cell(sheet: Any, value: Any) -> WriteOnlyCell:  # noqa: ANN401
    """A cell; a text that looks like a formula stays a text, and Excel shows it as one when it is edited too."""
    if not isinstance(value, str):
        cell = WriteOnlyCell(sheet, value=value)
        if isinstance(value, date):
            cell.number_format = "yyyy-mm-dd"
        return cell
    cell = WriteOnlyCell(sheet, value=_plain(value))
    if cell.value is not None:
        cell.data_type = "s"
        cell.quotePrefix = value[:1] in {"=", "+", "-", "@", "\t", "\r"}
    return cell


def _plain(text: str) -> str:
    """The text without signs that a workbook has no room for."""
    return str(ILLEGAL_CHARACTERS_RE.sub("", text))


def _explain(book: Any, say: Say, label: Label) -> None:  # noqa: ANN401
    sheet = book.create_sheet(say(N_("说明"), {}))
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 28, 90
    texts = (
        N_("在“答复结论”列选择；空着的行不会提交，与已保存的答复相同的行也不会重复提交。"),
        N_(
            "接入点是经纬度（CGCS2000），经度在前；没有答复的行已填好系统测算的最近设施处，请核对。"
        ),
        N_("日期写作 2026-12-31 的样子。第 1 行已隐藏，请不要删除。"),
        N_("上传时全部通过才保存；有错误时按单元格列出，一项也不保存。"),
    )
    for text in texts:
        sheet.append(["", say(text, {})])
    for code in CODES:
        sheet.append([_word(code.code.value, label), say(code.meaning, {})])
