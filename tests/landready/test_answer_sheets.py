"""The workbook of a push: out, filled in, back in, all or nothing (R20)."""

import io
import re
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from uuid import uuid4

import openpyxl
import pytest
from sqlalchemy import Engine, select

from landready import answer_batches, answer_sheets, cells
from landready.answer_batches import Incoming
from landready.answers import Answer
from landready.db import ENGINE, Actor, transaction
from landready.errors import Invalid
from landready.measuring import measure
from landready.pushes import Push
from landready.settings import Settings
from tests.factories import (
    NOW,
    make_answer,
    make_enterprise,
    make_layer,
    make_plan,
    make_plot,
    make_push,
    metres,
    point,
    square,
)

HOSTILE = ["=HYPERLINK(1)", "+1+1", "-2", "@SUM(A1)", "\t=1", "plain", "'quoted", "0012"]


@dataclass(frozen=True)
class Desk:
    engine: Engine
    settings: Settings
    water: Actor
    push: int

    def sheet(self) -> openpyxl.Workbook:
        with transaction(self.engine, self.water) as session:
            data = answer_sheets.write(
                session,
                session.get_one(Push, self.push),
                self.settings.check,
                lambda text, params: text.format(**params) if params else text,
                lambda key, table: f"{table}-{key}",
            )
        return openpyxl.load_workbook(io.BytesIO(data))

    def upload(self, book: openpyxl.Workbook | bytes) -> list[tuple[str, str, int]]:
        """Take a filled-in sheet; what was recorded, as utility, verdict and version."""
        if isinstance(book, bytes):
            data = book
        else:
            file = io.BytesIO()
            book.save(file)
            data = file.getvalue()
        rows = cells.rows_of(io.BytesIO(data), self.settings.upload)
        with transaction(self.engine, self.water) as session:
            push = session.get_one(Push, self.push)
            filled = answer_sheets.read(session, push, rows)
            if not filled.answers:
                return []
            try:
                kept, _new = answer_batches.take(
                    session,
                    Incoming(push.id, "sheet", uuid4().hex, "x", filled.answers),
                    check=self.settings.check,
                    region=self.settings.region,
                    gate=self.settings.gate,
                    account_id=None,
                    now=NOW,
                )
            except Invalid as refused:
                raise Invalid(tuple(map(filled.located, refused.problems))) from refused
            return [(a["plot"], a["code"], a["version"]) for a in kept.result]

    def faults(self, book: openpyxl.Workbook | bytes) -> list[tuple[str, str]]:
        with pytest.raises(Invalid) as refused:
            self.upload(book)
        with transaction(self.engine, ENGINE) as session:
            assert session.scalars(select(Answer)).all() == []
        return [(p.where, p.code) for p in refused.value.problems]


def fill(book: openpyxl.Workbook, row: int, **values: object) -> openpyxl.Workbook:
    """Type into the row-th plot (from 1)."""
    names = list(answer_sheets.COLUMNS)
    for name, value in values.items():
        book.worksheets[0].cell(row + 2, names.index(name) + 1).value = value  # also with nothing
    return book


@pytest.fixture
def desk(database: Engine, settings: Settings) -> Desk:
    with transaction(database, ENGINE) as session:
        water = make_enterprise(session, "water")
        plan = make_plan(session, state="released")
        for number, code in enumerate(HOSTILE):
            make_plot(session, plan, code=code, name=f"={code}", geometry=square(200 * number), row=number + 1)  # fmt: skip
        session.refresh(plan, ["plots"])
        make_layer(session, water, point(50, -20), title="=cmd|' /C calc'!A0")
        push = make_push(session, plan, water)
        measure(session, settings, plan.plots, NOW)
        return Desk(database, settings, Actor(water.role, water.id, None, water.city), push.id)


def test_the_sheet_names_every_plot_and_proposes_the_point(desk: Desk) -> None:
    sheet = desk.sheet().worksheets[0]
    assert sheet.row_dimensions[1].hidden
    assert [sheet.cell(row, 1).value for row in range(3, 11)] == HOSTILE
    assert sheet.cell(3, 8).value == pytest.approx(metres(50, -20)[0], abs=1e-6)
    assert sheet.cell(3, 7).value is None


def test_no_cell_is_a_formula_and_text_comes_back_byte_for_byte(desk: Desk) -> None:
    book = desk.sheet()
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            assert [c.coordinate for c in row if c.data_type == "f"] == []
    risky = [c for c in book.worksheets[0]["A"] if str(c.value)[:1] in "=+-@"]
    assert len(risky) == 4
    assert all(c.quotePrefix for c in risky)
    for row in range(1, 9):
        fill(book, row, code="not_concerned")
    assert [plot for plot, _, _ in desk.upload(book)] == HOSTILE


def test_what_was_filled_in_is_recorded(desk: Desk) -> None:
    book = desk.sheet()
    fill(book, 1, code="ready verdict-ready", spare_capacity=1250.5)
    fill(book, 2, code="ready_by", works="DN300", ready_by=date(2026, 12, 31))
    fill(book, 3, code="NOT_POSSIBLE", reason="管网已满")
    assert desk.upload(book) == [
        (HOSTILE[0], "ready", 1),
        (HOSTILE[1], "ready_by", 1),
        (HOSTILE[2], "not_possible", 1),
    ]
    with transaction(desk.engine, ENGINE) as session:
        rows = session.scalars(select(Answer).order_by(Answer.id)).all()
        assert rows[0].spare_capacity == 1250.5
        assert rows[1].ready_by == date(2026, 12, 31)


@pytest.mark.parametrize("written", ["2026-12-31", "2026/12/31", "2026.12.31", date(2026, 12, 31)])
def test_a_date_may_be_typed_in_several_ways(desk: Desk, written: object) -> None:
    book = fill(desk.sheet(), 1, code="ready_by", works="x", ready_by=written)
    assert len(desk.upload(book)) == 1


def test_an_untouched_sheet_says_nothing(desk: Desk) -> None:
    assert desk.upload(desk.sheet()) == []


def test_a_sheet_with_recorded_answers_repeats_none(desk: Desk) -> None:
    desk.upload(fill(desk.sheet(), 1, code="ready"))
    again = desk.sheet()
    assert again.worksheets[0].cell(3, 7).value == "ready verdict-ready"
    assert desk.upload(again) == []
    assert desk.upload(fill(again, 1, spare_capacity=7)) == [(HOSTILE[0], "ready", 2)]


def test_faults_are_named_by_cell_and_nothing_is_recorded(desk: Desk) -> None:
    book = desk.sheet()
    fill(book, 1, code="not_concerned")
    fill(book, 2, code="ready", lon=None, lat=None)
    fill(book, 3, code="ready_by", ready_by=date(2020, 1, 1))
    fill(book, 4, reason="没有选择结论")
    assert desk.faults(book) == [
        ("H4", "point_missing"),
        ("K5", "works_missing"),
        ("L5", "ready_by_past"),
        ("G6", "verdict_missing"),
    ]


def test_what_cannot_be_read_is_named_by_cell(desk: Desk) -> None:
    book = desk.sheet()
    fill(book, 1, code="也许")
    fill(book, 2, code="ready", lon="东经", spare_capacity="很多")
    fill(book, 3, code="ready_by", works="x", ready_by="明年", valid_until="2026-02-30")
    assert desk.faults(book) == [
        ("G3", "verdict_unknown"),
        ("H4", "number_unreadable"),
        ("J4", "number_unreadable"),
        ("L5", "day_unreadable"),
        ("N5", "day_unreadable"),
    ]


def test_a_changed_plot_or_a_repeated_row_is_named(desk: Desk) -> None:
    book = fill(desk.sheet(), 1, plot="不存在", code="not_concerned")
    fill(book, 2, code="not_concerned")
    fill(book, 3, plot=HOSTILE[1], code="not_concerned")
    assert desk.faults(book) == [
        ("A3", "plot_not_asked"),
        ("A4", "plot_twice"),
        ("A5", "plot_twice"),
    ]


def test_rows_may_be_sorted_and_columns_moved(desk: Desk) -> None:
    book = fill(desk.sheet(), 8, code="not_concerned")
    sheet = book.worksheets[0]
    sheet.move_range("A10:N10", rows=20)
    sheet.insert_cols(1)
    assert desk.upload(book) == [(HOSTILE[7], "not_concerned", 1)]


def test_a_sheet_of_another_push_is_refused(desk: Desk) -> None:
    with transaction(desk.engine, ENGINE) as session:
        pushed = session.get_one(Push, desk.push)
        plan = make_plan(session, plots=1, state="released")
        other = make_push(session, plan, pushed.enterprise)
    book = fill(replace(desk, push=other.id).sheet(), 1, code="not_concerned")
    assert desk.faults(book) == [("", "sheet_foreign")]


def test_a_workbook_that_is_no_sheet_of_ours_is_refused(desk: Desk) -> None:
    assert desk.faults(openpyxl.Workbook()) == [("", "sheet_unknown")]


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\x00" * 1000])
def test_what_is_no_workbook_is_refused(desk: Desk, data: bytes) -> None:
    assert len(desk.faults(data)) == 1


def test_a_bomb_is_refused_before_it_is_parsed(desk: Desk) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (80 << 20))
    assert len(desk.faults(file.getvalue())) == 1


def test_an_entity_bomb_is_refused(desk: Desk) -> None:
    file = io.BytesIO()
    desk.sheet().save(file)
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("sheet1.xml"):
                data = b'<!DOCTYPE x [<!ENTITY a "b">]>' + data
            new.writestr(name, data)
    assert desk.faults(out.getvalue()) == [("", "doctype")]


def test_a_plot_answered_for_its_old_revision_is_open_again(desk: Desk) -> None:
    with transaction(desk.engine, ENGINE) as session:
        push = session.get_one(Push, desk.push)
        make_answer(session, push, verdict="not_concerned", connection_point=None, plot_revision=0)
    assert desk.upload(desk.sheet())[0][1:] == ("not_concerned", 2)


def test_every_problem_of_a_sheet_speaks_of_a_column_that_is_there() -> None:
    assert re.fullmatch(r"[A-N]\d+", answer_sheets.cell_name("valid_until", 3))
