"""The cells of a workbook's first sheet as plain texts. Only the guarded child (geo.child) may run this."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl.reader.excel

from geo import archive
from geo.errors import Refused, refuse
from geo.problems import N_
from geo.tables import DAMAGED

# A sheet of answers is far below these; what is above is no sheet of ours.
_COLUMNS = 40
_LENGTH = 5_000


def answer(request: dict[str, Any]) -> None:
    """Write `{"rows": [[text]], "problem": null or its code, text and params}` of the workbook at `request["path"]`."""
    rows: list[list[str]] = []
    problem = None
    try:
        rows = _rows(Path(request["path"]), request["limits"])
    except Refused as refused:
        found = refused.problem
        problem = {"code": found.code, "text": found.text, "params": dict(found.params)}
    with Path(request["answer"]).open("w", encoding="utf-8", errors="replace") as file:
        json.dump({"rows": rows, "problem": problem}, file, ensure_ascii=False)


def _rows(path: Path, limits: dict[str, int]) -> list[list[str]]:
    bounds = archive.Bounds(limits["unpacked_mb"] << 20, limits["ratio"], limits["members"])
    try:
        archive.check_workbook(path, path.parent, bounds)
    except Refused as refused:
        # No archive at all: a picture, GeoJSON, a workbook of before 2007.
        raise _no_workbook() if refused.problem.code == "zip_damaged" else refused from refused
    try:
        book = openpyxl.reader.excel.load_workbook(
            path, read_only=True, data_only=True, keep_links=False
        )
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        return list(_bounded(sheet.iter_rows(values_only=True), limits["features"]))
    except Refused:
        raise
    except DAMAGED as error:
        raise _no_workbook() from error


def _no_workbook() -> Refused:
    text = N_("文件不是可读的 XLSX 表格。请在“用表格答复”页下载表格，填写后原样保存，再上传。")
    return refuse("not_xlsx", text)


def _bounded(rows: Iterable[tuple[object, ...]], most: int) -> Iterator[list[str]]:
    for number, cells in enumerate(rows, 1):
        if number > most:
            raise refuse("too_many_rows", N_("表格超过 {limit} 行，请拆分后再上传。"), limit=most)
        yield [text(cell)[:_LENGTH] for cell in cells[:_COLUMNS]]


def text(cell: object) -> str:
    """Return a cell as a person would write it: dates as 2026-12-31, whole numbers without a point."""
    match cell:
        case None:
            return ""
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
        case date():
            return cell.isoformat()
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case _:
            return str(cell).strip()
