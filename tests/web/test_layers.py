"""An enterprise's layers in the browser: read first, published by a decision, older versions kept. On a real PostGIS."""

import io

import pytest
from sqlalchemy import select

from landready.db import ENGINE, transaction
from landready.layers import Facility, Layer, ServiceArea
from landready.plans import Upload
from tests import factories as make
from tests.web.files import collection


@pytest.fixture
def water(client, people, sign_in):
    return sign_in(client, people.water)


def hydrants(*capacities, column="可供容量", **more):
    return collection(
        *(
            make.feature(make.point(10 * i, 0), 名称=f"消火栓{i}", **{column: value}, **more)
            for i, value in enumerate(capacities)
        )
    )


def upload(browser, content, name="a.geojson", **given):
    data = {"kind": "facilities", "utility": "water", "title": "消火栓", **given}
    file = {"file": (io.BytesIO(content), name)}
    return browser.send("/layers/upload", {**data, **file}, content_type="multipart/form-data")


def published(browser, content, columns=None, **given):
    """Upload and publish; return the address of the version."""
    waiting = upload(browser, content, **given)
    assert waiting.status_code == 303, waiting.text
    if columns:
        assert browser.send(f"{waiting.location}/columns", columns).status_code == 303
    answer = browser.send(f"{waiting.location}/publish")
    assert answer.status_code == 303, answer.text
    return answer.location


def test_an_empty_list_says_what_to_do(water):
    page = water.get("/layers").text
    assert "还没有图层" in page
    assert "上传第一个图层" in page


def test_an_upload_is_no_version_before_it_is_published(water, database):
    answer = upload(water, hydrants(5, 6))
    page = water.get(answer.location).text
    assert "尚未发布" in page
    assert "2 个要素" in page
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Layer)).all()
    assert "已上传，尚未发布" in water.get("/layers").text


def test_names_and_capacities_come_from_the_columns_the_engineer_names(water, database):
    named = {"column_name": "名称", "column_spare_capacity": "余量"}
    address = published(water, hydrants(500, 0, None, column="余量"), named)
    with transaction(database, ENGINE) as s:
        found = s.scalars(select(Facility).order_by(Facility.row)).all()
        assert [(f.name, f.spare_capacity) for f in found] == [
            ("消火栓0", 500), ("消火栓1", 0), ("消火栓2", None),
        ]  # fmt: skip
    page = water.get(address).text
    assert "500 m³/d" in page
    assert page.count('"type": "Point"') == 3


@pytest.mark.parametrize("said", ["很多", "9" * 30, 10**30])
def test_a_capacity_that_is_no_number_refuses_the_whole_version(water, database, said):
    """Digits of any length would be published as an infinite capacity."""
    waiting = upload(water, hydrants(5, said))
    water.send(f"{waiting.location}/columns", {"column_spare_capacity": "可供容量"})
    answer = water.send(f"{waiting.location}/publish")
    assert answer.status_code == 422
    assert f"“{said}”不是一个非负数" in answer.text
    assert "第 2 行" in answer.text
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Layer)).all()
    assert "尚未发布" in water.get(waiting.location).text, "the upload is still there to mend"


def test_a_new_version_keeps_the_old_one(water, database):
    first = published(water, hydrants(1, 2))
    second = published(water, hydrants(1, 2, 3))
    with transaction(database, ENGINE) as s:
        found = s.scalars(select(Layer).order_by(Layer.version)).all()
        assert [(x.version, x.current, x.feature_count) for x in found] == [
            (1, False, 2), (2, True, 3),
        ]  # fmt: skip
        assert len(s.scalars(select(Facility)).all()) == 5
    assert "旧版本" in water.get(first).text
    assert "当前版本" in water.get(second).text
    page = water.get("/layers").text
    assert f'href="{first}"' in page
    assert f'href="{second}"' in page


def test_service_areas_are_a_layer_of_their_own(water, database):
    area = collection(make.feature(make.square(side=5000), 名称="主城区"))
    published(water, area, {"column_name": "名称"}, kind="service_areas", title="服务范围")
    with transaction(database, ENGINE) as s:
        (found,) = s.scalars(select(ServiceArea)).all()
        assert found.name == "主城区"


def test_an_upload_is_published_once(water):
    waiting = upload(water, hydrants(1))
    assert water.send(f"{waiting.location}/publish").status_code == 303
    assert water.send(f"{waiting.location}/publish").status_code == 409
    assert water.get(waiting.location).status_code == 409


def test_a_file_with_problems_shows_row_and_place_and_is_not_published(water, database):
    bad = collection(
        make.feature(make.point(0, 0)),
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Point", "coordinates": [2, 48]},
        },
    )
    waiting = upload(water, bad)
    page = water.get(waiting.location).text
    assert "处错误" in page
    assert "coordinates" in page
    assert water.send(f"{waiting.location}/publish").status_code == 422
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Layer)).all()


@pytest.mark.parametrize(
    "given", [{"utility": "gas"}, {"kind": "plots"}, {"title": ""}, {"utility": ""}]
)
def test_only_own_utilities_and_known_kinds_are_taken(water, database, given):
    answer = upload(water, hydrants(1), **given)
    assert answer.status_code == 422
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Upload)).all()


def test_an_upload_can_be_given_up(water, database):
    waiting = upload(water, hydrants(1))
    assert water.send(f"{waiting.location}/discard").status_code == 303
    assert water.get(waiting.location).status_code == 404
    with transaction(database, ENGINE) as s:
        assert not s.scalars(select(Upload)).all()


def test_another_enterprises_layers_look_like_none(water, people, sign_in, app):
    layer = published(water, hydrants(1))
    waiting = upload(water, hydrants(1), title="另一层").location
    other = sign_in(app.test_client(), people.other_water)
    assert other.get(layer).status_code == 404
    assert other.get(waiting).status_code == 404
    for step in ("columns", "crs", "publish", "discard"):
        assert other.send(f"{waiting}/{step}").status_code == 404
    assert "消火栓" not in other.get("/layers").text


def test_a_large_layer_is_drawn_in_part_and_says_so(water, people, database):
    with transaction(database, ENGINE) as s:
        points = [make.point(i % 50, i // 50) for i in range(2001)]
        layer = make.make_layer(s, people.water.organisation, *points)
    page = water.get(f"/layers/{layer.id}").text
    assert "只画前 2000 个要素，共 2001 个" in page
    assert page.count('"type": "Point"') == 2000


def test_a_planners_upload_is_not_a_layer(water, people, sign_in, app, database):
    office = sign_in(app.test_client(), people.office)
    assert office.get("/layers").status_code == 403
    with transaction(database, ENGINE) as s:
        plan = make.make_upload(s, people.water.organisation, kind="plots")
    assert water.get(f"/layers/uploads/{plan.id}").status_code == 404
