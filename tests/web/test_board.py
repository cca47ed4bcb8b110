"""The readiness board in the browser: one table, filters, the map's data and the files to take along. On a real PostGIS."""

import io
import json
import re
import zlib

import geopandas
import openpyxl
import pytest
from sqlalchemy import select

from landready import board
from landready.board_lines import Line, Words
from landready.db import ENGINE, transaction
from landready.plans import Plot
from tests.web.files import plots_geojson
from tests.web.test_plans import answer_all, draft_of, released
from web import board_print

FORMULA = '=HYPERLINK("http://x","y")'


@pytest.fixture
def address(office, database):
    """A released plan of two plots, named like a formula, whose water is there and whose power is not possible."""
    made = released(office, plots_geojson("A-1", "A-2", 名称=FORMULA, 计划供应时间="2026年第3季度"))
    answer_all(database, utility="water")
    answer_all(
        database, utility="power", verdict="not_possible", reason="变电站余量 300 kW，需要 450 kW"
    )
    return made


def test_cell_tells_its_state_in_a_symbol_and_a_word_and_the_blocker_with_its_numbers(
    office, address
):
    page = office.get(address).text
    assert page.count('class="cell cell-not_possible"') == 2
    assert "bi-x-octagon-fill" in page
    assert "海口供电局：答复为无法接入：变电站余量 300 kW，需要 450 kW" in page
    assert "2026 年第 3 季度" in page
    assert "缺：供电" in page


def test_what_is_lacking_stands_on_a_line_each(office, database):
    made, _page = draft_of(office, plots_geojson("A-1"))
    assert (
        office.send(f"{made}/release").status_code == 303
    )  # and nobody says that the land is clear
    answer_all(database, utility="water")
    page = office.get(made).text
    assert re.search(
        r'<br><span class="source">缺：供电</span><br><span class="source">[^<]*净地[^<]*。</span>',
        page,
    )


def test_filters_narrow_the_rows_and_the_address_can_be_sent_to_a_colleague(office, address):
    rows = office.get(f"{address}/board/rows?utility=power&state=not_possible&sort=area")
    assert rows.headers["HX-Push-Url"].startswith(address + "?")
    assert "选中 2 个地块" in rows.text
    assert "<html" not in rows.text
    same = office.get(rows.headers["HX-Push-Url"]).text
    assert "选中 2 个地块" in same
    assert "没有这样的地块" in office.get(f"{address}/board/rows?utility=water&state=late").text


def test_large_plan_opens_before_it_is_judged_and_fetches_its_board(office, address, monkeypatch):
    monkeypatch.setattr(board, "AT_ONCE", 0)
    page = office.get(f"{address}?blocked=1").text
    assert f'hx-get="{address}/board?blocked=1"' in page
    assert "cell-not_possible" not in page
    part = office.get(f"{address}/board?blocked=1").text
    assert 'hx-swap-oob="true"' in part
    assert part.count('class="cell cell-not_possible"') == 2


def test_map_colours_every_plot_by_its_verdict(office, address):
    found = json.loads(office.get(f"{address}/board/map").text)
    assert [f["properties"]["title"] for f in found["features"]] == ["A-1", "A-2"]
    assert {f["properties"]["colour"] for f in found["features"]} == {"#d55e00"}
    assert found["features"][0]["geometry"]["type"] == "MultiPolygon"


def test_workbook_has_no_formula_and_filters_under_a_head_that_stays(office, address):
    sheet = openpyxl.load_workbook(io.BytesIO(office.get(f"{address}/board.xlsx").data)).active
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:O3")
    assert sheet["B2"].value == FORMULA
    assert {c.data_type for row in sheet.iter_rows() for c in row} <= {"s", "n", "d"}
    assert "需要 450 kW" in sheet["I2"].value


def test_geopackage_holds_the_plots_with_their_readiness_in_cgcs2000(
    office, address, database, tmp_path
):
    path = tmp_path / "plots.gpkg"
    path.write_bytes(office.get(f"{address}/board.gpkg").data)
    found = geopandas.read_file(path)
    assert found.crs == "EPSG:4490"
    assert list(found["verdict"]) == ["blocked", "blocked"]
    assert list(found["power"]) == ["not_possible", "not_possible"]
    with transaction(database, ENGINE) as session:
        areas = session.scalars(select(Plot.area_m2).order_by(Plot.row)).all()
    assert list(found["area_m2"]) == pytest.approx(areas)


def test_pdf_is_chinese_with_its_fonts_embedded(office, address):
    data = office.get(f"{address}/board.pdf").data
    assert data.startswith(b"%PDF-")
    streams = re.findall(rb"FlateDecode[^>]*>>\nstream\n(.*?)\nendstream", data, re.DOTALL)
    inside = b"".join(zlib.decompress(one) for one in streams)
    assert re.search(rb"/FontName ?/\w+\+Noto-Sans-Mono-CJK", inside)
    assert b"/FontFile3" in inside


def test_paper_says_all_that_is_missing_and_its_rows_begin_below_the_sums(app):
    own = tuple(Words(f"缺少第 {n} 项净地证明文件", {}) for n in range(9))
    lines = [
        Line(n, f"A-{n}", "", "", 10_000, "", False, "blocked", "", (), own) for n in range(30)
    ]
    with app.test_request_context():
        first, *more = board_print.pages(lines, sums=9)
    assert first.startswith("A-0 ")
    assert first.count("\n") < more[0].count("\n") < 52
    printed = "\n".join([first, *more])
    assert re.findall(r"A-(\d+) ", printed) == [str(n) for n in range(30)]
    assert re.sub(r"\s", "", printed).count("缺少第8项净地证明文件") == 30
    assert "…" not in printed


def test_files_hold_what_the_filters_left(office, address):
    data = office.get(f"{address}/board.xlsx?utility=water&state=late").data
    assert openpyxl.load_workbook(io.BytesIO(data)).active.max_row == 1


def test_what_to_extend_is_computed_when_asked_for(office, address):
    assert f'hx-get="{address}/board/extensions"' in office.get(address).text
    part = office.get(f"{address}/board/extensions").text
    assert "没有地块因为余量不够而不能接入" in part
    assert "<html" not in part
