"""The public land supermarket: what is found, what a listing tells with standing and age, and the open data."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from landready.db import ENGINE, Actor, Role, transaction
from landready.gate import list_plot, move_listing
from tests.factories import (
    make_answer,
    make_enterprise,
    make_office,
    make_plan,
    make_plot,
    make_push,
    square,
)

NOW = datetime.now(UTC)


class Land:
    """Two plots on offer: one planned for a quarter and with a name that a spreadsheet would take for a formula."""

    def __init__(self, database, settings):
        self.database, self.settings = database, settings
        with transaction(database, ENGINE) as session:
            office = make_office(session, name="海口市资规局")
            plan = make_plan(session, office, state="released")
            plots = [
                make_plot(session, plan, name='=HYPERLINK("http://x")', quarter="2026年第三季度"),
                make_plot(session, plan, name="乙地块", quarter="2026Q4", geometry=square(0, 300)),
            ]
            for utility in ("water", "power"):
                push = make_push(
                    session,
                    plan,
                    make_enterprise(session, utility, name=f"{utility} 公司"),
                    pushed_at=NOW - timedelta(days=12),
                )
                for plot in plots:
                    make_answer(session, push, plot=plot, answered_at=NOW - timedelta(days=12))
            # Asked, silent and late: the public sees that it is.
            make_push(session, plan, make_enterprise(session, "gas", name="沉默燃气"))
            self.office = Actor(Role.OFFICE, office.id, None, office.city)
            self.plots = [plot.id for plot in plots]
        with transaction(database, self.office) as session:
            self.listings = [
                list_plot(session, plot, settings.gate, account_id=None, now=NOW).id
                for plot in self.plots
            ]


@pytest.fixture
def land(database, settings):
    return Land(database, settings)


@pytest.mark.parametrize("written", ["2026Q4", "2026年第四季度"])
def test_plots_are_found_by_the_quarter_in_which_they_are_planned(land, client, written):
    page = client.get(f"/?quarter={written}").text
    assert "上架和暂停上架的地块（1）" in page
    assert "乙地块" in page
    assert re.findall(r'<option value="(2026Q\d)"( selected)?', page) == [
        ("2026Q3", ""),
        ("2026Q4", " selected"),
    ]


def test_nothing_found_says_which_condition_to_drop(land, client):
    page = client.get("/?quarter=2026Q4&city=460200").text
    assert "没有符合条件的上架地块" in page
    assert 'href="/?quarter=2026Q4"' in page
    assert 'href="/?city=460200"' in page


def test_empty_supermarket_says_what_it_waits_for(client, database):
    assert "目前没有上架的地块" in client.get("/").text


def test_listing_tells_each_answer_with_standing_and_age_and_who_is_late(land, client):
    page = client.get(f"/land/{land.listings[1]}").text
    assert "供水企业的接入点" in page
    assert page.count("企业确认</td>") == 2
    assert page.count("12 天前") == 2
    assert "沉默燃气" in page
    assert "超期未答复" in page
    assert "系统测算</td>" in page
    assert "应于 2026-03-09 前答复" in page


def test_history_shows_every_listing_of_the_plot(land, client, database, settings):
    with transaction(database, land.office) as session:
        move_listing(session, land.listings[1], "withdrawn", "调整宗地", settings.gate, NOW)
        again = list_plot(session, land.plots[1], settings.gate, account_id=None, now=NOW).id
    page = client.get(f"/land/{again}").text
    assert page.count("准入核验通过") == 2
    assert "调整宗地" in page


def test_open_table_holds_no_formula(land, client):
    got = client.get("/land/offers.csv")
    assert got.content_type == "text/csv; charset=utf-8"
    assert got.data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(got.data.decode("utf-8-sig"))))
    assert [row["plot_name"] for row in rows] == ['\'=HYPERLINK("http://x")', "乙地块"]
    assert rows[0]["said_water"].startswith("water 公司 confirmed ready")
    assert rows[0]["said_gas"].startswith("沉默燃气 computed ")
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_open_map_data_follows_the_filters_and_names_its_system(land, client):
    got = client.get("/land/offers.geojson?quarter=2026Q3")
    assert "attachment" in got.headers["Content-Disposition"]
    (feature,) = got.get_json(force=True)["features"]
    assert got.get_json(force=True)["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::4490"
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert [one["utility"] for one in feature["properties"]["said"]] == ["water", "power", "gas"]


def test_suspended_offer_stays_in_the_open_data_and_a_sold_one_leaves(
    land, client, database, settings
):
    with transaction(database, land.office) as session:
        move_listing(session, land.listings[0], "suspended", "复核", settings.gate, NOW)
        move_listing(session, land.listings[1], "sold", "成交", settings.gate, NOW)
    (feature,) = client.get("/land/offers.geojson").get_json(force=True)["features"]
    assert (feature["id"], feature["properties"]["state"]) == (land.listings[0], "suspended")


def test_a_page_beyond_the_last_shows_the_last(client, land):
    page = client.get("/?page=99").text
    assert "乙地块" in page
    assert "目前没有上架的地块" not in page
