"""The planner's day in the browser: upload, mend, release, see the answers, list. On a real PostGIS."""

import io
import re
import zipfile
from datetime import UTC, date, datetime

import geopandas
import pytest
import shapely
from sqlalchemy import select

from landready.db import ENGINE, transaction
from landready.listings import Listing
from landready.plans import Plot, SupplyPlan, Upload
from landready.pushes import Push
from tests import factories as make
from tests.web.files import SURVEY_TXT, columns_of_no_name, plots_geojson


def upload(browser, content, name="plots.geojson", title="二季度供地计划", **more):
    data = {"title": title, "file": (io.BytesIO(content), name), **more}
    return browser.send("/plans/upload", data, content_type="multipart/form-data")


def draft_of(browser, content, name="plots.geojson", **more):
    """Upload and return the draft's address and page."""
    answer = upload(browser, content, name, **more)
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.location)
    assert page.status_code == 200
    return answer.location, page.text


def released(browser, content=None):
    address, _page = draft_of(browser, content or plots_geojson("A-1", "A-2"))
    answer = browser.send(f"{address}/release")
    assert answer.status_code == 303, answer.text
    title = {"document": "净地证明〔2026〕1号", "document_date": "2026-01-05"}
    assert browser.send(f"{address}/title", title).status_code == 303
    return address


def plot_ids(database, code=None):
    with transaction(database, ENGINE) as s:
        found = s.scalars(select(Plot).order_by(Plot.row)).all()
        return [p.id for p in found if code in (None, p.code)]


def answer_all(database, *, utility, **given):
    """What the enterprises of a utility say of every plot they were asked about."""
    with transaction(database, ENGINE) as s:
        for push in s.scalars(select(Push)).all():
            for asked in push.plots:
                if asked.utility == utility:
                    plot = s.get_one(Plot, asked.plot_id)
                    values = {"plot": plot, "utility": utility, "answered_at": datetime.now(UTC)}
                    make.make_answer(s, push, **{**values, **given})


def select_all_ready(database):
    for utility in ("water", "power"):
        answer_all(database, utility=utility)


def test_an_empty_list_says_what_to_do(office):
    page = office.get("/plans").text
    assert "还没有供地计划" in page
    assert 'href="/plans/upload"' in page


def test_a_good_file_becomes_a_draft_with_its_plots_in_table_and_map(office):
    _address, page = draft_of(office, plots_geojson("HK-1", "HK-2"))
    assert "HK-1" in page
    assert "HK-2" in page
    assert "2 个地块" in page
    assert page.count('"type": "MultiPolygon"') == 2
    assert "disabled" not in page.split("下发并推送")[0].rsplit("<button", 1)[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", SURVEY_TXT), ("a.gpkg", None), ("a.zip", None)],
    ids=["survey", "geopackage", "shapefile"],
)
def test_the_other_formats_are_read_too(office, tmp_path, name, content):
    if content is None:
        content = as_layer(tmp_path, name)
    _address, page = draft_of(office, content, name)
    assert "HK-T01" in page
    assert "检查通过" in page


def as_layer(folder, name):
    frame = geopandas.GeoDataFrame(
        {"DKBH": ["HK-T01"], "TDYT": ["100102"]}, geometry=[make.square()], crs="EPSG:4490"
    )
    if name.endswith("gpkg"):
        frame.to_file(folder / name, driver="GPKG")
        return (folder / name).read_bytes()
    frame.to_file(folder / "plots.shp")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part in folder.glob("plots.*"):
            archive.write(part, part.name)
    return packed.getvalue()


def test_a_file_that_cannot_be_read_says_why_and_keeps_the_draft(office):
    _address, page = draft_of(office, b"not a map at all", "plan.geojson")
    assert "处错误" in page
    assert "换一个文件" in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"title": " "}, "请填写名称"),
        ({"file": (io.BytesIO(b""), "")}, "请选择要上传的文件"),
        ({"file": (io.BytesIO(b""), "empty.geojson")}, "是空的"),
    ],
)
def test_what_is_missing_is_said_beside_the_form_and_what_was_typed_stays(office, given, said):
    data = {"title": "我的计划", "file": (io.BytesIO(plots_geojson("A")), "a.geojson"), **given}
    answer = office.send("/plans/upload", data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{data["title"]}"' in answer.text


def test_the_upload_form_needs_its_token(office, database):
    data = {"title": "x", "file": (io.BytesIO(plots_geojson("A")), "a.geojson")}
    assert office.post("/plans/upload", data=data).status_code == 400
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Upload)).all()


def test_a_plan_with_errors_cannot_be_released(office, database):
    address, page = draft_of(office, plots_geojson("A", "A"))
    assert "重复" in page
    assert "disabled" in page.split("下发并推送")[0].rsplit("<button", 1)[1]
    assert "coordinates" in page
    answer = office.send(f"{address}/release")
    assert answer.status_code == 422
    assert "重复" in answer.text
    with transaction(database, ENGINE) as s:
        assert s.scalars(select(SupplyPlan.state)).all() == ["draft"]
        assert not s.scalars(select(Push)).all()


def test_columns_that_were_not_recognised_are_named_on_the_page(office):
    address, page = draft_of(office, columns_of_no_name())
    assert "请指定列" in page
    assert "HK-9" in page, "cells of the first rows stand beside the columns"
    answer = office.send(f"{address}/columns", {"column_code": "f1", "column_use": "f2"})
    assert answer.status_code == 303
    mended = office.get(address).text
    assert "检查通过" in mended
    assert "二类工业用地" in mended


def test_a_column_cannot_be_two_things(office):
    address, _page = draft_of(office, columns_of_no_name())
    answer = office.send(f"{address}/columns", {"column_code": "f1", "column_name": "f1"})
    assert answer.status_code == 422
    assert "被选了两次" in answer.text


def test_a_missing_coordinate_system_is_asked_for(office, tmp_path):
    frame = geopandas.GeoDataFrame({"DKBH": ["G-1"]}, geometry=[make.square()], crs="EPSG:4490")
    frame.to_crs("EPSG:4546").to_file(tmp_path / "plots.shp")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part in ("shp", "shx", "dbf"):
            archive.write(tmp_path / f"plots.{part}", f"plots.{part}")
    address, page = draft_of(office, packed.getvalue(), "plots.zip")
    assert "请指定坐标系" in page
    wrong = office.send(f"{address}/crs", {"crs_typed": "EPSG:1"})
    assert wrong.status_code == 303
    assert "无法识别坐标系" in office.get(address).text
    assert office.send(f"{address}/crs", {"crs": "EPSG:4546"}).status_code == 303
    assert "检查通过" in office.get(address).text


def test_the_meridian_of_109_degrees_can_be_chosen(office, database):
    x, y = 641184.387, 2214861.600  # Haikou in that system, domain facts §2.1
    ring = [[x, y], [x + 100, y], [x + 100, y + 100], [x, y + 100], [x, y]]
    rows = [
        "编号,geometry",
        'K-1,"POLYGON((' + ",".join(f"{a} {b}" for a, b in ring) + '))"',
    ]
    address, _page = draft_of(office, "\n".join(rows).encode(), "plots.csv", crs="CM109")
    page = office.get(address).text
    assert "中央子午线 109°" in page
    with transaction(database, ENGINE) as s:
        (plot,) = s.scalars(select(Plot)).all()
        lon, lat = shapely.from_wkb(plot.geom.desc).bounds[:2]
    assert (lon, lat) == pytest.approx((110.349, 20.017), abs=2e-3)


def test_another_file_takes_the_place_of_a_draft(office, database):
    address, _page = draft_of(office, plots_geojson("A", "A"))
    data = {"file": (io.BytesIO(plots_geojson("B-1")), "b.geojson")}
    answer = office.send(f"{address}/file", data, content_type="multipart/form-data")
    assert answer.status_code == 303
    page = office.get(address).text
    assert "B-1" in page
    assert "检查通过" in page
    with transaction(database, ENGINE) as s:
        assert len(s.scalars(select(Upload)).all()) == 2, "the old file is kept"
    nothing = office.send(f"{address}/file", content_type="multipart/form-data")
    assert nothing.status_code == 422
    assert "B-1" in office.get(address).text


def test_a_draft_can_be_deleted_and_a_released_plan_cannot(office):
    address, _page = draft_of(office, plots_geojson("A"))
    assert office.send(f"{address}/delete").status_code == 303
    assert office.get(address).status_code == 404
    gone = released(office)
    assert office.send(f"{gone}/delete").status_code == 409
    assert office.get(gone).status_code == 200


def test_release_tells_who_was_asked_and_who_was_not(office, people, database):
    with transaction(database, ENGINE) as s:
        far = make.square(-50_000, 0, 100)
        near = make.square(-1000, -1000, 5000)
        elsewhere = make.make_enterprise(s, "water", name="远郊水务")
        make.make_layer(s, elsewhere, far, kind="service_areas")
        make.make_layer(s, people.water.organisation, near, kind="service_areas")
    address, _page = draft_of(office, plots_geojson("A-1"))
    answer = office.send(f"{address}/release")
    assert answer.location == f"{address}#receipt"
    page = office.get(address).text
    assert "同时推送给 2 家企业" in page
    receipt = page.split('id="receipt"')[1]
    assert row_of(receipt, "海口水务")[2:] == ["已询问 1 个地块", "服务边界覆盖地块"]
    assert row_of(receipt, "海口供电局")[2:] == [
        "已询问 1 个地块",
        "没有发布服务边界，因此全部询问",
    ]
    assert row_of(receipt, "远郊水务")[2:] == ["未询问", "服务边界不覆盖，已有其他企业负责"]
    assert "三亚水务" not in receipt
    assert "没有企业可问" in receipt, "there is no drainage enterprise"


def row_of(page, name):
    """The cells of the table row that names `name`, as text."""
    row = next(r for r in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if name in r)
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]


def test_a_plan_is_released_once(office, database):
    address = released(office)
    again = office.send(f"{address}/release")
    assert again.status_code == 409
    with transaction(database, ENGINE) as s:
        assert len(s.scalars(select(Push)).all()) == 2


def test_the_state_of_each_push_shows(office, database):
    address = released(office)
    assert row_of(pushes(office, address), "海口水务")[1] == "已推送"
    with transaction(database, ENGINE) as s:
        push = s.scalars(select(Push).where(Push.enterprise_id.is_not(None))).first()
        push.opened_at = datetime.now(UTC)
    assert row_of(pushes(office, address), push.enterprise.name)[1].startswith("已查看")


def pushes(office, address):
    return office.get(address).text.split('id="pushes"')[1]


def test_anothers_plan_looks_like_none_at_all(office, people, sign_in, app):
    address = released(office)
    other = sign_in(app.test_client(), people.other_office)
    for path in ("", "/release", "/delete", "/columns", "/crs", "/list"):
        for browser, where in ((other, address), (other, "/plans/987654")):
            answer = browser.send(where + path) if path else browser.get(where)
            assert answer.status_code == 404
    theirs, nobodys = other.get(address), other.get("/plans/987654")
    assert re.sub(r"/plans/\d+", "", without_tokens(theirs.text)) == re.sub(
        r"/plans/\d+", "", without_tokens(nobodys.text)
    )
    assert "二季度供地计划" not in other.get("/plans").text


def without_tokens(page):
    return re.sub(r'nonce="[^"]+"|value="[^"]*"', "", page)


def test_anothers_plot_cannot_be_seen_nor_listed(office, people, sign_in, app, database):
    released(office)
    plot = plot_ids(database)[0]
    other = sign_in(app.test_client(), people.other_office)
    assert other.get(f"/plots/{plot}").status_code == 404
    assert other.send(f"/plots/{plot}/list").status_code == 404
    assert office.get("/plots/987654").status_code == 404


def test_plot_without_water_cannot_be_listed(office, database):
    address = released(office)
    answer_all(database, utility="power")
    plot = plot_ids(database, "A-1")[0]
    for path, form in ((f"{address}/list", {"plot": plot}), (f"/plots/{plot}/list", {})):
        refused = office.send(path, form)
        assert refused.status_code == 409
        said = refused.text.split('<section class="alert alert-danger"')[1].split("</section>")[0]
        assert "供水" in said
        assert "海口水务" in said
        assert "尚未答复" in said
        assert "实施方案 五(八)：供水" in said
        assert "供电" not in said, "power is not missing"
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Listing)).all()


def test_a_refusal_names_everything_that_is_missing_at_once(office, database):
    address = released(office)
    answer_all(database, utility="water", verdict="not_possible", reason="水厂满负荷")
    refused = office.send(f"{address}/list", {"plot": plot_ids(database)[0]}).text
    said = refused.split('<section class="alert alert-danger"')[1].split("</section>")[0]
    assert "水厂满负荷" in said
    assert "海口供电局" in said


def test_a_plot_that_is_ready_can_be_listed_and_the_public_sees_it(office, database, app):
    address = released(office)
    select_all_ready(database)
    assert "可以上架" in office.get(address).text
    plot = plot_ids(database, "A-1")[0]
    assert office.send(f"{address}/list", {"plot": plot}).status_code == 303
    assert "上架中" in office.get(f"/plots/{plot}").text
    assert "A-1" in app.test_client().get("/").text
    assert office.send(f"{address}/list", {"plot": plot}).status_code == 409


def test_all_ready_plots_are_listed_with_one_button(office, database):
    address = released(office)
    select_all_ready(database)
    with transaction(database, ENGINE) as s:
        push = next(p for p in s.scalars(select(Push)) if p.plots[0].utility == "water")
        last = s.get_one(Plot, plot_ids(database, "A-2")[0])
        values = {"verdict": "not_possible", "reason": "无管线", "connection_point": None}
        make.make_answer(s, push, plot=last, utility="water", version=2, **values)
    assert office.send(f"{address}/list").status_code == 303
    with transaction(database, ENGINE) as s:
        assert s.scalars(select(Listing.plot_id)).all() == plot_ids(database, "A-1")


def test_a_plot_that_is_no_number_lists_nothing(office, database):
    address = released(office)
    select_all_ready(database)
    for odd in ("", "x", "-1", "9" * 30):
        assert office.send(f"{address}/list", {"plot": odd}).status_code == 404, odd
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Listing)).all()


def test_a_number_too_large_for_the_database_is_simply_not_there(office):
    for path in ("/plans/", "/plots/"):
        assert office.get(path + "9" * 30).status_code == 404


def test_a_listing_is_suspended_resumed_withdrawn_and_sold(office, database):
    address = released(office)
    select_all_ready(database)
    office.send(f"{address}/list")
    first, second = plot_ids(database)
    with transaction(database, ENGINE) as s:
        of_plot = {x.plot_id: x.id for x in s.scalars(select(Listing))}

    def move(plot, state, reason=""):
        form = {"state": state, "reason": reason}
        return office.send(f"/plots/{plot}/listing/{of_plot[plot]}", form)

    silent = move(first, "suspended")
    assert silent.status_code == 422
    assert "请写明原因" in silent.text
    assert move(first, "suspended", "管线改迁").status_code == 303
    assert "管线改迁" in office.get(f"/plots/{first}").text
    assert move(first, "sold", "x").status_code == 409
    assert move(second, "sold", "成交公告 7 号").status_code == 303
    answer_all(
        database, utility="power", version=2, verdict="not_possible", reason="无容量",
        connection_point=None,
    )  # fmt: skip
    kept_out = move(first, "listed")
    assert kept_out.status_code == 409
    assert "无容量" in kept_out.text
    assert move(first, "withdrawn", "不再供应").status_code == 303
    assert "已成交" in office.get(f"/plots/{second}").text
    assert office.send(f"/plots/{second}/list").status_code == 409, "sold land is not offered again"


def test_the_plot_page_tells_measured_from_answered(office, people, database):
    with transaction(database, ENGINE) as s:
        make.make_layer(s, people.water.organisation, make.point(150, 50), spare_capacity=500)
    released(office)
    answer_all(
        database,
        utility="water",
        verdict="ready_by",
        ready_by=date(2027, 3, 1),
        works="新建 DN300 管",
    )
    page = office.get(f"/plots/{plot_ids(database, 'A-1')[0]}").text
    assert "系统测算" in page
    assert "50." in page, "metres from the plot's edge to the hydrant"
    assert "企业承诺" in page
    assert "新建 DN300 管" in page
    assert "LineString" in page, "the way to the facility is drawn"
    assert '"type": "Point"' in page, "and the connection point"


def test_a_supervisor_reads_and_changes_nothing(office, people, sign_in, app, database):
    address = released(office)
    plot = plot_ids(database)[0]
    watcher = sign_in(app.test_client(), people.supervisor)
    for path in (address, f"/plots/{plot}"):
        page = watcher.get(path)
        assert page.status_code == 200
        assert "/list" not in re.sub(r'href="[^"]*"', "", page.text)
    for path in (f"{address}/release", f"{address}/list", f"/plots/{plot}/list"):
        assert watcher.send(path).status_code == 403
    draft, _page = draft_of(office, plots_geojson("B"))
    assert watcher.get(draft).status_code == 404


def test_the_list_counts_what_matters(office, database):
    released(office)
    answer_all(database, utility="power")
    draft_of(office, plots_geojson("B", "B"), title="有错的草稿")
    page = office.get("/plans").text
    cells = row_of(page, "二季度供地计划")
    assert cells[1:7] == ["已下发", "2", "0 / 2 家", "0", "2", "0"]
    assert "处错误待修改" in row_of(page, "有错的草稿")[3]


def test_what_a_file_says_never_becomes_a_tag(office):
    evil = "</script><img src=x onerror=alert(1)>"
    address, page = draft_of(office, plots_geojson(evil, name=evil), title=evil)
    assert evil not in page
    office.send(f"{address}/release")
    assert evil not in office.get(address).text


def test_a_page_number_out_of_range_is_no_fault(office):
    for page in ("0", "-1", "99999999999", "x"):
        assert office.get(f"/plans?page={page}").status_code == 200
    address = released(office)
    assert office.get(f"{address}?page=99").status_code == 200


def test_large_capacities_are_written_with_their_digits(office, database):
    released(office)
    answer_all(database, utility="power", spare_capacity=1_234_567.0)
    page = office.get(f"/plots/{plot_ids(database)[0]}").text
    assert "1,234,567 kW" in page
    assert "e+06" not in page
