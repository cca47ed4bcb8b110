"""The readiness board to take along, with the filters it was looked at with: XLSX, PDF, GeoPackage."""

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready import board, board_choice, board_sheet, geopackage
from landready.board_lines import Line
from landready.board_sheet import Value
from landready.db import Role
from landready.plans import SupplyPlan
from web import board_print, paper
from web.auth import only
from web.board import judged_board, released, wished
from web.board_words import told, verdict
from web.filters import day, label, sentence
from web.quarters import planned, quarter
from web.session import database, now, settings

pages = Blueprint("board_files", __name__)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pages.get("/plans/<int:plan_id>/board.xlsx")
@only(Role.OFFICE, Role.SUPERVISOR)
def workbook(plan_id: int) -> ResponseReturnValue:
    _found, lines = _lines(plan_id)
    utilities = list(settings().gate.utilities)
    heads = [
        (_("地块编号"), 16), (_("名称"), 22), (_("用途"), 18), (_("面积（hm²）"), 12), (_("计划供应时间"), 16),
        (_("结论"), 14), (_("接入条件齐备"), 18), (_("齐备日期"), 12), (_("还缺什么"), 60),
    ]  # fmt: skip
    heads += [(label(u, "utility"), 18) for u in utilities]
    return _file(board_sheet.write(_("接入条件"), heads, _rows(lines)), _XLSX, plan_id, "xlsx")


@pages.get("/plans/<int:plan_id>/board.pdf")
@only(Role.OFFICE, Role.SUPERVISOR)
def document(plan_id: int) -> ResponseReturnValue:
    found, lines = _lines(plan_id)
    sums = board_choice.sums(lines)
    rows = max(len(sums.stages), len(sums.quarters), len(sums.missing) + 1)
    html = render_template(
        "plans/board_pdf.html",
        plan=found,
        head=board_print.head(list(settings().gate.utilities)),
        pages=board_print.pages(lines, rows),
        sums=sums,
        wish=wished(),
        quarter_word=quarter,
        moment_now=now(),
    )
    return _file(paper.pdf(html), "application/pdf", plan_id, "pdf")


@pages.get("/plans/<int:plan_id>/board.gpkg")
@only(Role.OFFICE, Role.SUPERVISOR)
def package(plan_id: int) -> ResponseReturnValue:
    found, lines = _lines(plan_id)
    shapes = board.outlines(database(), found.id)
    data = geopackage.geopackage(
        "readiness", [shapes[line.plot_id] for line in lines], _columns(lines), settings().upload
    )
    return _file(data, "application/geopackage+sqlite3", plan_id, "gpkg")


def _rows(lines: list[Line]) -> Iterator[list[Value]]:
    for line in lines:
        yield [
            line.code, line.name, sentence(line.use) if line.use else "", round(line.hectares, 4),
            planned(line.planned) if line.planned else "",
            verdict(line), quarter(line.quarter), line.ready_on, _missing(line),
            *(
                label(c.standing, "standing") + (f" {day(c.by)}" if c.by else "")
                for c in line.cells
            ),
        ]  # fmt: skip


def _columns(lines: list[Line]) -> dict[str, dict[str, object]]:
    """Columns in plain letters for other programs: states and quarters by their codes, only `missing` in words."""
    texts: dict[str, Callable[[Line], str | None]] = {
        "code": lambda x: x.code,
        "name": lambda x: x.name,
        "use": lambda x: x.use,
        "planned": lambda x: x.planned,
        "verdict": lambda x: x.stage,
        "listing": lambda x: x.listing or None,
        "ready_in": lambda x: x.quarter,
        "ready_on": lambda x: x.ready_on.isoformat() if x.ready_on else None,
        "missing": _missing,
    }
    found: dict[str, dict[str, object]] = {
        name: {"kind": "text", "values": [say(line) for line in lines]}
        for name, say in texts.items()
    }
    found["area_m2"] = {"kind": "number", "values": [line.area_m2 for line in lines]}
    for place, utility in enumerate(settings().gate.utilities):
        cells = [line.cells[place] for line in lines]
        found[utility.value] = {"kind": "text", "values": [c.standing.value for c in cells]}
        days = [c.by.isoformat() if c.by else None for c in cells]
        found[f"{utility.value}_by"] = {"kind": "text", "values": days}
    return found


def _missing(line: Line) -> str:
    """Say everything that keeps a plot from being listed, with its numbers."""
    said = [
        f"{label(c.utility, 'utility')}{_('：')}{' '.join(told(w) for w in c.words)}"
        for c in line.missing
    ]
    return "\n".join([*said, *(told(words) for words in line.own)])


def _lines(plan_id: int) -> tuple[SupplyPlan, list[Line]]:
    found = released(plan_id)
    return found, board_choice.choose(judged_board(found).lines, wished())


def _file(data: bytes, kind: str, plan_id: int, suffix: str) -> Response:
    answer = Response(data, content_type=kind)
    answer.headers["Content-Disposition"] = (
        f'attachment; filename="landready-plan-{plan_id}.{suffix}"'
    )
    return answer
