"""The office's base layers in the browser: uploaded, columns named, published; and the routes they make on the plot's page."""

import io

import pytest
from sqlalchemy import select

from landready.base_layers import BaseFeature, BaseLayer
from landready.db import ENGINE, transaction
from tests import factories as make
from tests.web.files import collection


def street(*ends, **cells):
    from shapely import LineString

    return make.feature(LineString([make.metres(*end) for end in ends]), **cells)


def roads(*classes, column="道路等级"):
    return collection(
        *(
            street((0, 50 * i), (500, 50 * i), 名称=f"路{i}", **{column: name})
            for i, name in enumerate(classes)
        )
    )


def upload(browser, content, **given):
    data = {"kind": "roads", "title": "道路", "file": (io.BytesIO(content), "a.geojson"), **given}
    return browser.send("/base-layers/upload", data, content_type="multipart/form-data")


def published(browser, content, **given):
    waiting = upload(browser, content, **given)
    assert waiting.status_code == 303, waiting.text
    answer = browser.send(f"{waiting.location}/publish")
    assert answer.status_code == 303, answer.text
    return answer.location


def test_an_empty_list_says_what_is_missing_for_what(office):
    page = office.get("/base-layers").text
    assert "还没有底图" in page
    assert "第 7、8、9 项无法判断" in page


def test_classes_widths_and_dates_are_read_from_recognised_columns(office, database):
    content = collection(
        street((0, 0), (9, 0), 路名="海榆路", 公路等级="国道", 用地宽度="45", 建成年份="2023"),
        street((0, 9), (9, 9), 路名="小路", 公路等级="residential", 用地宽度="", 建成年份=""),
    )
    page = office.get(published(office, content)).text
    assert "国道" in page
    with transaction(database, ENGINE) as s:
        found = s.scalars(select(BaseFeature).order_by(BaseFeature.row)).all()
        assert [(f.name, f.road_class, f.land_width_m, f.completed) for f in found] == [
            ("海榆路", "national", 45.0, found[0].completed),
            ("小路", "street", None, None),
        ]
        assert found[0].completed.isoformat() == "2023-12-31", "a ban never ends too early"


def test_a_class_nobody_knows_refuses_the_version_and_names_the_row(office, database):
    waiting = upload(office, roads("国道", "河流", "河流"))
    page = office.get(waiting.location).text
    assert "道路等级“河流”无法识别（共 2 条）" in page
    answer = office.send(f"{waiting.location}/publish")
    assert answer.status_code == 422
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(BaseLayer)).all()


def test_the_planner_names_the_column_of_the_class(office, database):
    waiting = upload(office, roads("省道", "县道", column="f7"))
    assert "没有写道路等级" in office.get(waiting.location).text
    named = {"column_name": "名称", "column_road_class": "f7"}
    assert office.send(f"{waiting.location}/columns", named).status_code == 303
    assert office.send(f"{waiting.location}/publish").status_code == 303
    with transaction(database, ENGINE) as s:
        classes = s.scalars(select(BaseFeature.road_class).order_by(BaseFeature.row)).all()
        assert classes == ["provincial", "county"]


def test_a_whole_file_may_be_of_one_class(office, database):
    published(office, collection(street((0, 0), (9, 0))), road_class="street")
    with transaction(database, ENGINE) as s:
        assert s.scalars(select(BaseFeature.road_class)).all() == ["street"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"用地宽度": "很宽"}, "用地宽度“很宽”不是一个正数"),
        ({"用地宽度": "-3"}, "用地宽度“-3”不是一个正数"),
        ({"竣工日期": "去年"}, "日期“去年”无法识别"),
        ({"竣工日期": "2023-13"}, "日期“2023-13”无法识别"),
    ],
)
def test_cells_that_cannot_be_read_are_errors_not_zeros(office, cells, said):
    content = collection(street((0, 0), (9, 0), 道路等级="国道", **cells))
    waiting = upload(office, content)
    assert said in office.get(waiting.location).text
    assert office.send(f"{waiting.location}/publish").status_code == 422


def test_points_are_no_roads_and_lines_no_greens(office):
    point = collection(make.feature(make.point(0, 0), 道路等级="国道"))
    assert "道路必须是线" in office.get(upload(office, point).location).text
    line = collection(street((0, 0), (9, 0)))
    assert "必须是面" in office.get(upload(office, line, kind="greens").location).text


def test_a_new_version_keeps_the_old_and_a_layer_can_be_taken_out_of_use(office, database):
    first = published(office, roads("国道"))
    second = published(office, roads("国道", "省道"))
    assert "旧版本" in office.get(first).text
    assert office.send(f"{first}/withdraw").status_code == 409
    assert office.send(f"{second}/withdraw").status_code == 303
    with transaction(database, ENGINE) as s:
        assert [x.current for x in s.scalars(select(BaseLayer))] == [False, False]
    assert "已停用" in office.get("/base-layers").text


def test_a_year_that_a_spreadsheet_took_for_a_number_is_a_year(office, database):
    content = collection(street((0, 0), (9, 0), 道路等级="国道", 建成年份=2023.0))
    published(office, content)
    with transaction(database, ENGINE) as s:
        assert s.scalars(select(BaseFeature.completed)).one().isoformat() == "2023-12-31"


@pytest.mark.parametrize(
    "given", [{"kind": "plots"}, {"kind": ""}, {"title": ""}, {"road_class": "lane"}]
)
def test_unknown_kinds_and_classes_are_refused_and_nothing_is_kept(office, given):
    answer = upload(office, roads("国道"), **given)
    assert answer.status_code == 422
    assert "没有完成" in answer.text


def test_an_upload_can_be_given_up(office):
    waiting = upload(office, roads("国道"))
    assert office.send(f"{waiting.location}/discard").status_code == 303
    assert office.get(waiting.location).status_code == 404


def test_another_offices_base_layers_look_like_none(office, people, sign_in, app):
    layer = published(office, roads("国道"))
    waiting = upload(office, roads("国道"), title="另一层").location
    other = sign_in(app.test_client(), people.other_office)
    assert other.get(layer).status_code == other.get(waiting).status_code == 404
    for step in ("columns", "crs", "publish", "discard"):
        assert other.send(f"{waiting}/{step}").status_code == 404
    assert other.send(f"{layer}/withdraw").status_code == 404
