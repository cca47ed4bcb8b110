"""The pages of answering in a spreadsheet."""

import io

import openpyxl
import pytest
from flask import Flask
from sqlalchemy import Engine, select

from landready.answer_batches import AnswerBatch
from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from tests.factories import make_plan, make_push
from tests.web.conftest import Browser, People, SignIn


@pytest.fixture
def push(app: Flask, database: Engine, people: People) -> int:
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, office, plots=2, state="released", title="=计划")
        return make_push(session, plan, water).id


def sheet(browser: Browser, push: int) -> openpyxl.Workbook:
    answer = browser.get(f"/pushes/{push}/sheet.xlsx")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return openpyxl.load_workbook(io.BytesIO(answer.data))


def send(browser: Browser, push: int, book: openpyxl.Workbook):
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return browser.send(f"/pushes/{push}/sheet", {"sheet": (file, "a.xlsx")})


def test_a_sheet_goes_out_and_comes_back(
    database: Engine, people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.water)
    book = sheet(client, push)
    for row in (3, 4):
        book.worksheets[0].cell(row, 7).value = "not_concerned"
    answer = send(client, push, book)
    assert (answer.status_code, answer.location) == (303, f"/pushes/{push}")
    with transaction(database, ENGINE) as session:
        assert len(session.scalars(select(Answer)).all()) == 2
        batch = session.scalars(select(AnswerBatch)).one()
        assert (batch.channel, batch.received_by) == ("sheet", people.water.id)
    assert "没有新的答复" in client.get(send(client, push, book).location).text
    assert "表格" in client.get(f"/pushes/{push}/sheet").text


def test_faults_are_shown_by_cell_and_nothing_is_kept(
    database: Engine, people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.water)
    book = sheet(client, push)
    book.worksheets[0].cell(3, 7).value = "not_concerned"
    book.worksheets[0].cell(4, 7).value = "not_possible"
    answer = send(client, push, book)
    assert answer.status_code == 422
    assert "M4" in answer.text
    assert "请写明原因" in answer.text
    with transaction(database, ENGINE) as session:
        assert session.scalars(select(Answer)).all() == []


def test_a_form_without_a_file_and_a_file_that_is_no_sheet_are_told(
    people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.water)
    assert "请选择填写好的" in client.send(f"/pushes/{push}/sheet").text
    answer = client.send(f"/pushes/{push}/sheet", {"sheet": (io.BytesIO(b"x"), "a.xlsx")})
    assert answer.status_code == 422


def test_the_sheet_speaks_the_readers_language(
    people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.water)
    client.send("/language/en")
    assert sheet(client, push).worksheets[0].cell(2, 1).value == "Plot code"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.geojson", b'{"type":"FeatureCollection"}'),
        ("a.xlsx", b""),
    ],
)
def test_what_is_no_workbook_is_told_so_and_where_to_get_one(
    people: People, client: Browser, sign_in: SignIn, push: int, name: str, content: bytes
) -> None:
    sign_in(client, people.water)
    answer = client.send(f"/pushes/{push}/sheet", {"sheet": (io.BytesIO(content), name)})
    assert answer.status_code == 422
    assert "不是可读的 XLSX 表格" in answer.text
    assert "压缩" not in answer.text
