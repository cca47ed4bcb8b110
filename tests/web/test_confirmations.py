"""What only the sender of a file can settle, asked for and kept on the pages of drafts and layers."""

import io
import json

import pytest
import shapely
from shapely import Polygon
from sqlalchemy import select

from geo import shift
from landready.db import ENGINE, transaction
from landready.plans import Upload
from tests.factories import square
from tests.readings import collection

HOLE = Polygon(square().exterior, [square(300).exterior])  # a part written as a hole
TURNED = shapely.transform(square(), lambda xy: xy[:, ::-1])


def draft_of(browser, *shapes):
    content = json.dumps(collection(*shapes, use="二类工业用地")).encode()
    data = {"title": "计划", "file": (io.BytesIO(content), "plots.geojson")}
    answer = browser.send("/plans/upload", data, content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    return answer.location, browser.get(answer.location).text


@pytest.mark.parametrize(
    ("shape", "what", "button", "kept"),
    [
        (TURNED, "axes", "确认写反了：对调后重新读取", "X、Y 已对调"),
        (HOLE, "repairs", "已逐条核对，同意这些修补", "同意修补"),
    ],
)
def test_a_question_is_asked_with_its_button_and_the_answer_lets_the_draft_pass(
    office, database, shape, what, button, kept
):
    address, page = draft_of(office, shape)
    assert button in page
    assert "现在不能下发" in page
    answer = office.send(f"{address}/confirm", {"what": what})
    assert answer.status_code == 303
    page = office.get(address).text
    assert button not in page
    assert kept in page
    assert "检查通过" in page
    with transaction(database, ENGINE) as session:
        (upload,) = session.scalars(select(Upload)).all()
        (answered,) = upload.purpose["confirmed"].items()
        assert (answered[0], set(answered[1])) == (what, {"at", "by"})
        assert answered[1]["by"] == upload.created_by


def test_turned_axes_can_be_turned_back(office):
    address, _page = draft_of(office, TURNED)
    office.send(f"{address}/confirm", {"what": "axes"})
    assert "撤销对调" in office.get(address).text
    office.send(f"{address}/confirm", {"what": "axes"})
    assert "确认写反了" in office.get(address).text


def test_a_suspected_shift_is_asked_about(office):
    known = [square(200 * n, side=100 + 5 * n) for n in range(3)]
    draft_of(office, *known)
    shifted = [shapely.transform(plot, shift.to_bd09) for plot in known]
    address, page = draft_of(office, *shifted)
    assert "坐标可能经过 BD-09 偏移" in page
    assert "现在不能下发" in page
    office.send(f"{address}/confirm", {"what": "shift"})
    assert "检查通过" in office.get(address).text


def test_nothing_else_can_be_confirmed(office):
    address, _page = draft_of(office, square())
    assert office.send(f"{address}/confirm", {"what": "all"}).status_code == 422
    assert "没有可以确认的内容" in office.send(f"{address}/confirm", {}).text


def test_overlaps_stand_in_the_table_and_on_the_map(office):
    draft_of(office, square(side=80))
    _address, page = draft_of(office, square(60))
    assert "重叠" in page
    assert "供地计划“计划”的地块“P1”" in page
    # Its own shape on the map, beside the plot.
    assert page.count('"type": "MultiPolygon"') == 2


def test_a_layers_axes_are_turned_on_the_engineers_word(client, people, sign_in):
    engineer = sign_in(client, people.water)
    content = json.dumps(collection(TURNED)).encode()
    data = {
        "title": "边界", "kind": "service_areas", "utility": "water",
        "file": (io.BytesIO(content), "a.geojson"),
    }  # fmt: skip
    answer = engineer.send("/layers/upload", data, content_type="multipart/form-data")
    address = answer.location
    assert "确认写反了：对调后重新读取" in engineer.get(address).text
    assert engineer.send(f"{address}/confirm", {"what": "axes"}).status_code == 303
    page = engineer.get(address).text
    assert "X、Y 已对调" in page
    assert "请核对地图上的位置" in page
    assert engineer.send(f"{address}/confirm", {"what": "x"}).status_code == 422


def test_a_base_layers_repairs_are_consented_to(office):
    content = json.dumps(collection(HOLE)).encode()
    data = {"title": "绿地", "kind": "greens", "file": (io.BytesIO(content), "a.geojson")}
    answer = office.send("/base-layers/upload", data, content_type="multipart/form-data")
    address = answer.location
    assert "已逐条核对，同意这些修补" in office.get(address).text
    assert office.send(f"{address}/confirm", {"what": "repairs"}).status_code == 303
    assert "同意修补" in office.get(address).text
    assert office.send(f"{address}/publish").status_code == 303
