"""Connection routes on the pages of planner, engineer and owner, from the uploaded roads to the clause."""

import io

import pytest
from sqlalchemy import select

from landready.db import ENGINE, transaction
from landready.plans import Plot
from landready.pushes import Push
from landready.routes import ConnectionRoute
from tests import factories as make
from tests.web.files import collection, plots_geojson
from tests.web.test_base_layers import published, street


def roads():
    """A street past the plots, just opened, and a national road across it."""
    return collection(
        street((-200, -30), (900, -30), 名称="海秀路", 道路等级="城市道路", 用地宽度="20", 竣工日期="2025-06-30"),
        street((450, -400), (450, 400), 名称="G223", 道路等级="国道", 用地宽度="30"),
    )  # fmt: skip


@pytest.fixture
def released(client, people, sign_in, database):
    """A plan of one plot, released, with the only hydrant beyond the national road; the office is signed in."""
    with transaction(database, ENGINE) as s:
        make.make_layer(s, people.water.organisation, make.point(700, -10))
    office = sign_in(client, people.office)
    published(office, roads())
    file = {"file": (io.BytesIO(plots_geojson("P-1")), "plots.geojson"), "title": "计划"}
    draft = office.send("/plans/upload", file, content_type="multipart/form-data").location
    assert office.send(f"{draft}/release").status_code == 303
    return office


def test_the_planner_sees_the_route_its_items_and_their_clauses(released, database):
    with transaction(database, ENGINE) as s:
        plot = s.scalars(select(Plot.id)).one()
    page = released.get(f"/plots/{plot}").text
    assert "接入路线" in page
    assert "沿道路" in page
    for item in ("市政设施建设类审批", "涉路施工安全影响审查", "公路控制区铺设管线审批"):
        assert item in page
    assert "公路安全保护条例 第二十七条第（二）项" in page
    assert "G223" in page
    assert "海秀路在 2030-06-30 以前（含当日）不得挖掘" in page
    assert "市县还没有上传：绿地、水体、规划区" in page
    with transaction(database, ENGINE) as s:
        (route,) = s.scalars(select(ConnectionRoute)).all()
        assert route.method == "roads"


def test_the_page_speaks_english_but_quotes_the_law_as_it_is(released, database):
    with transaction(database, ENGINE) as s:
        plot = s.scalars(select(Plot.id)).one()
    released.send("/language/en")
    page = released.get(f"/plots/{plot}").text
    assert "This line will need" in page
    assert "Regulations on Highway Safety, art. 27 (2)" in page
    assert "Crosses G223." in page
    assert 'lang="zh-CN">跨越、穿越公路修建桥梁' in page


def test_the_engineer_sees_the_route_of_the_own_facility_only(
    released, people, sign_in, app, database
):
    with transaction(database, ENGINE) as s:
        plot = s.scalars(select(Plot.id)).one()
        pushes = {p.enterprise_id: p.id for p in s.scalars(select(Push))}
    water = sign_in(app.test_client(), people.water)
    page = water.get(f"/pushes/{pushes[people.water.organisation_id]}/plots/{plot}/water").text
    assert "接入路线和外线事项" in page
    assert "公路控制区铺设管线审批" in page
    assert "实际走向以本单位设计为准" in page
    power = sign_in(app.test_client(), people.power)
    page = power.get(f"/pushes/{pushes[people.power.organisation_id]}/plots/{plot}/power").text
    assert "接入路线和外线事项" not in page
    assert "G223" not in page


def test_a_city_without_roads_is_told_so_and_nothing_is_claimed(client, people, sign_in, database):
    with transaction(database, ENGINE) as s:
        make.make_layer(s, people.water.organisation, make.point(300, 50))
    office = sign_in(client, people.office)
    file = {"file": (io.BytesIO(plots_geojson("P-1")), "plots.geojson"), "title": "计划"}
    draft = office.send("/plans/upload", file, content_type="multipart/form-data").location
    office.send(f"{draft}/release")
    with transaction(database, ENGINE) as s:
        plot = s.scalars(select(Plot.id)).one()
    page = office.get(f"/plots/{plot}").text
    assert "直线：没有道路数据" in page
    assert "市县还没有上传：道路、绿地、水体、规划区" in page
    assert "不涉及第 7 至 11 项" not in page
