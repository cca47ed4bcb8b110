"""Cambridge, Massachusetts, the whole way: 157 tax parcels as a plan among the city's hydrants, drains and poles.

What was measured and decided stands in the tests as numbers. The engineers' rule here: ready up to 50 m from an own facility,
not possible beyond. The hydrants' company has drawn its area no farther east than 71.11° W; the gas and cable of the city have no
company at all. Nothing in the data says who owns what, so the people and companies are made up.
"""

import json
import re
from collections import Counter

import pytest

from landready.db import ENGINE, transaction
from tests import factories as make
from tests.acceptance import measured, stories
from tests.push.receiver import Receiver

pytestmark = pytest.mark.acceptance

FOLDER = measured.DATA / "cambridge"
UTM_19N = 32619
# Middlesex County of Massachusetts by its American code; no list of China's knows it, which is told as a doubt, not refused.
PLACE = "025017"
INSTALLATION = {
    "region.name": "cambridge",
    "region.extent": [-71.2, 42.3, -71.0, 42.45],
    "region.land": [],
    "region.working_crs": f"EPSG:{UTM_19N}",
    "push.sweep_s": 0.5,
}
REACH_M = 50.0
OWNER_CODE = "91460000MA5RC0000N"
# How far the city's planning board is with a case, in the states of the national exchange tables (domain facts §7).
STATES = {
    "Built": 11,
    "Under construction": 11,
    "Permitted": 11,
    "Reviewed": 11,
    "Permitting": 8,
    "Reviewing": 8,
    "Withdrawn": 2,
    "Denied": 13,
    "Expired": 15,
}


def content(name):
    return (FOLDER / f"{name}.geojson").read_bytes()


def within_reach(line):
    if line.nearest_m <= REACH_M:
        return {"verdict": "ready"}
    return {"verdict": "not_possible", "reason": f"farther than {REACH_M:g} m"}


@pytest.fixture
def product(run_product, database):
    return run_product(INSTALLATION)


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def organisations(database):
    with transaction(database, ENGINE) as session:
        return {
            "office": make.make_office(session, name="Cambridge planners", city=PLACE),
            "water": make.make_enterprise(session, "water", name="Hydrants Co", city=PLACE),
            "drainage": make.make_enterprise(session, "drainage", name="Drains Co", city=PLACE),
            "poles": make.make_enterprise(session, "power", "telecom", name="Poles", city=PLACE),
            "owner": make.make_owner(session, name="Owners", credit_code=OWNER_CODE),
            "admin": make.make_organisation(session, "admin", city=""),
            "exchange": make.make_organisation(session, "exchange", city=PLACE),
        }


@pytest.fixture
def people(product, database, organisations):
    """Everybody signed in, the enterprises' layers published."""
    found = {
        name: stories.hire(product, database, one)
        for name, one in organisations.items()
        if name != "exchange"
    }
    hydrants, poles = content("INFRA_Hydrants"), content("INFRA_UtilityPoles")
    stories.publish(
        found["water"],
        "water",
        "facilities",
        ("hydrants.geojson", hydrants),
        {"name": "HYDRANT_ID"},
    )
    area = measured.hull(hydrants, -71.11)
    stories.publish(found["water"], "water", "service_areas", ("area.geojson", area))
    stories.approve_areas(found["office"])
    drains = ("drains.geojson", content("INFRA_Drainage"))
    stories.publish(found["drainage"], "drainage", "facilities", drains)
    for utility in ("power", "telecom"):
        file = ("poles.geojson", poles)
        stories.publish(found["poles"], utility, "facilities", file, {"name": "TYPE"})
    return found


@pytest.fixture
def plan(people):
    """The plan in draft. The column that looked like the code repeats itself, so the planner names another."""
    planner = people["office"]
    file = ("parcels.geojson", content("FEMA_FloodPlainParcels100Year"))
    path = stories.draft(planner, "Parcels in the flood plain", file)
    refused = planner.send(f"{path}/release")
    assert refused.status == 422
    stories.name_columns(planner, path, {"code": "LOC_ID", "name": "ML"})
    return path


def test_cambridge_from_its_plan_to_its_permits(
    product, database, organisations, people, plan, receiver
):
    planner = people["office"]
    secret = stories.register_receiver(people["admin"], organisations["poles"], receiver)

    assert "157 个地块同时推送给 3 家企业" in stories.release(planner, plan)
    assert_measured(database)
    (told,) = stories.awaited(receiver, secret, "plan.released", 1)
    assert len(told["plots"]) == 157
    assert {a["utility"] for p in told["plots"] for a in p["asked"]} == {"power", "telecom"}

    assert_answered(people)
    listed = assert_listed(product, database, planner, plan)
    assert_permits_arrive(product, database, organisations, people, listed)
    projects = stories.awaited(receiver, secret, "project.permitted", 328)
    assert len({p["project"]["permit_no"] for p in projects}) == 328


def assert_measured(database):
    """157 parcels; metres to the nearest facility, and the share inside the hull of the hydrants west of 71.11° W."""
    near = {metres: measured.plots_within(database, metres) for metres in (2000, 50, 0)}
    assert near == {
        2000: {"drainage": 157, "power": 157, "telecom": 157, "water": 157},
        50: {"drainage": 28, "power": 103, "telecom": 103, "water": 129},
        0: {"drainage": 11, "power": 23, "telecom": 23, "water": 30},
    }
    # wholly, partly, not at all
    assert measured.plots_served(database, "water") == (113, 11, 33)
    assert measured.plots_served(database, "gas") == (0, 0, 157)
    measured.assert_as_postgis(database, UTM_19N, distances=1876)


def assert_answered(people):
    given = {
        utility: stories.answer_each(people[who], utility, within_reach)
        for who, utility in (("water", "water"), ("poles", "power"), ("drainage", "drainage"))
    }
    assert given == {
        "water": {"ready": 129, "not_possible": 28},
        "power": {"ready": 103, "not_possible": 54},
        "drainage": {"ready": 28, "not_possible": 129},
    }


def assert_listed(product, database, planner, plan):
    """93 of 157 plots are listed; 64 are refused, 28 of them for water and 54 for power. The other utilities only warn."""
    rows = stories.rows(planner, plan)
    assert Counter(row.standings[:2] for row in rows) == {  # water, power
        ("ready", "ready"): 93,
        ("ready", "not_possible"): 36,
        ("not_possible", "ready"): 10,
        ("not_possible", "not_possible"): 18,
    }
    # gas, telecom (asked, not answered), cable TV
    assert {row.standings[3:] for row in rows} == {("nobody", "waiting", "nobody")}
    ready = {row.code for row in rows if row.standings[:2] == ("ready", "ready")}
    assert ready == measured.codes_within(database, UTM_19N, REACH_M, ("water", "power"))

    assert stories.list_ready(planner, plan) == len(ready)
    offered = stories.feed(product)
    assert Counter(x["plot_code"] for x in offered) == Counter(ready)
    assert {x["state"] for x in offered} == {"listed"}

    no_water, no_power = ("water", "Hydrants Co"), ("power", "Poles")
    for standings, lacking in (
        (("not_possible", "ready"), {no_water}),
        (("ready", "not_possible"), {no_power}),
        (("not_possible", "not_possible"), {no_water, no_power}),
    ):
        for row in [row for row in rows if row.standings[:2] == standings][:7]:
            assert stories.refusal(planner, row.path) == lacking
    assert len(stories.feed(product)) == len(ready)
    return {row.path for row in rows if row.code in ready}


def permits():
    """The 355 areas of the planning board as a file of permits under the names of the API.

    A case with several areas becomes several permits, numbered on. Who applied is not in the data.
    """
    seen = Counter()
    written = json.loads(content("CDD_SpecialPermitAreas"))
    for feature in written["features"]:
        said = feature["properties"]
        seen[said["CaseID"]] += 1
        number = f"{said['CaseID']}/{seen[said['CaseID']]}"
        feature["properties"] = {
            "permit_no": number.removesuffix("/1"),
            "XZQHDM": PLACE,
            "BLZT": STATES[said["CaseStatus"]],
            "project_name": said.get("ProjectName") or said["CaseID"],
            "address": f"lot {said['MapLots']}",
            "owner_name": "Owners",
            "owner_credit_code": OWNER_CODE,
        }
    return written


def assert_permits_arrive(product, database, organisations, people, listed):
    """355 areas are sent: 27 in a state that is not pushed, 328 received. 22 of these lie on a plot of the plan, 16 on a listed one."""
    planner, owner = people["office"], people["owner"]
    file = permits()
    assert len(file["features"]) == 355
    refused = send_file(planner, file)
    assert refused.status == 422
    states = Counter(re.findall(r"办理状态 (\d+) 的许可不能推送", refused.text))
    assert states == {"2": 13, "13": 2, "15": 12}
    assert "还没有项目" in owner.get("/projects").text  # the file as a whole

    file["features"] = [f for f in file["features"] if f["properties"]["BLZT"] in (8, 11)]
    assert_connected_system(product, database, organisations, file["features"][0])
    assert "收到 327 个新许可并已推送给各企业，1 个此前已收到" in send_file(planner, file).text
    assert "收到 0 个新许可并已推送给各企业，328 个此前已收到" in send_file(planner, file).text

    page = planner.get("/permits").text
    on_plots = dict(
        re.findall(
            r'<td[^>]*>([^<]+)</td><td[^>]*>Owners</td>\s*<td[^>]*><a href="(/plots/\d+)"', page
        )
    )
    assert len(on_plots) == 22
    assert set(on_plots) == measured.permits_on_plots(database)
    assert sum(path in listed for path in on_plots.values()) == 16
    assert owner.get("/projects").text.count("<article") == 328
    assert on_plots["AHO-007"] in listed
    assert_seeded(owner, "AHO-007")


def assert_seeded(owner, permit_no):
    """The owner finds the application filled in with permit, plot and what each enterprise answered for the plot."""
    projects = owner.get("/projects").text.split("<article")
    (project,) = (p for p in projects if f">{permit_no} ·" in p)
    page = owner.get(re.search(r"/applications/\d+", project)[0]).text
    told = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert f"来自建设工程规划许可证 {permit_no}" in told
    assert "来自供地计划中的地块 F_748721_2968928" in told
    assert "供水 Hydrants Co 企业已确认具备条件 提出异议 -71.156230, 42.394253" in told
    assert "排水 Drains Co 企业答复无法接入" in told
    assert "供电 Poles 企业已确认具备条件 提出异议 -71.157030, 42.393970" in told
    assert "通信网络 Poles 尚未答复" in told


def assert_connected_system(product, database, organisations, feature):
    """The approval system reports one of the permits before the office sends its file."""
    with transaction(database, ENGINE) as session:
        key = make.make_key(session, organisations["exchange"])
    said = dict(feature["properties"])
    owner = {"name": said.pop("owner_name"), "credit_code": said.pop("owner_credit_code")}
    permit = {**said, "owner": owner, "boundary": feature["geometry"]}
    made = product.person().call("/api/v1/permits", permit, key)
    assert (made.status, made.json["outcome"]) == (201, "created")
    assert made.json["pushed_to"] == ["Hydrants Co", "Drains Co", "Poles"]
    doubts = {warning["code"] for warning in made.json["warnings"]}
    assert doubts == {
        "permit_no_shape",
        "adcode_unknown",
        "organisation_code_check",
        "phone_missing",
    }


def send_file(planner, file):
    return planner.send("/permits", files={"file": ("permits.geojson", json.dumps(file).encode())})
