"""Schutterwald in Baden, the whole way: plots around gas sinks, gas pipes in an old German system, low-voltage lines.

The installation names its own gate: where nobody registered brings water, gas and power block a listing and the others warn.
The engineers answer by what their own systems were told in the signed message: gas is ready where the plot lies wholly inside the
drawn area and not possible elsewhere; power is ready where three lines lie within 10 m, promised by a date up to 25 m, and not answered yet
beyond.
"""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from sqlalchemy import select

from geo.crs import to_stored, to_working
from landready import migrate
from landready.clock import today
from landready.db import ENGINE, transaction
from landready.layers import Layer
from landready.plans import Upload
from tests import factories as make
from tests.acceptance import measured, stories
from tests.push.receiver import Receiver

pytestmark = pytest.mark.acceptance

FOLDER = measured.DATA / "schutterwald"
UTM_32N = 25832
PLACE = "083170"  # the Ortenau district
RADIUS_M = 12.0


def rule(effect):
    return {"effect": effect, "source": "rule of this story", "since": "2024-05-01"}


INSTALLATION = {
    "region.name": "schutterwald",
    "region.extent": [7.7, 48.3, 8.1, 48.6],
    "region.land": [],
    "region.working_crs": f"EPSG:{UTM_32N}",
    "gate.version": "schutterwald-1",
    "gate.utilities.water": rule("warn"),
    "gate.utilities.gas": rule("block"),
    "push.sweep_s": 0.5,
}


def plots():
    """Circles of 12 m around the gas sinks; a sink whose circle would overlap an earlier one is left out."""
    sinks = json.loads((FOLDER / "gas_sinks.geojson").read_bytes())["features"]
    lonlat = np.array([shapely.geometry.shape(f["geometry"]) for f in sinks], dtype=object)
    kept, grown = [], []
    for feature, place in zip(sinks, to_working(lonlat, f"EPSG:{UTM_32N}"), strict=True):
        if not grown or shapely.distance(place, np.array(grown)).min() > 2 * RADIUS_M:
            kept.append(feature["properties"]["name"])
            grown.append(place)
    circles = to_stored(shapely.buffer(np.array(grown), RADIUS_M), f"EPSG:{UTM_32N}")
    return measured.collection(
        ({"code": code}, circle) for code, circle in zip(kept, circles, strict=True)
    )


@pytest.fixture
def product(run_product, database, settings):
    """The product under a gate of its own, which the database is told as at every start of an installation."""
    running = run_product(INSTALLATION)
    migrate.upgrade(running.settings)
    yield running
    migrate.upgrade(settings)


@pytest.fixture
def receivers():
    with Receiver() as gas, Receiver() as power:
        yield {"gas": gas, "power": power}


@pytest.fixture
def organisations(database):
    with transaction(database, ENGINE) as session:
        return {
            "office": make.make_office(session, name="Bauamt", city=PLACE),
            "gas": make.make_enterprise(session, "gas", name="Gaswerk", city=PLACE),
            "power": make.make_enterprise(session, "power", name="Stromwerk", city=PLACE),
            "admin": make.make_organisation(session, "admin", city=""),
        }


@pytest.fixture
def people(product, database, organisations):
    """Everybody signed in, the enterprises' layers published."""
    found = {n: stories.hire(product, database, one) for n, one in organisations.items()}
    pipes = ("gas_pipes.gpkg", (FOLDER / "gas_pipes_epsg31467.gpkg").read_bytes())
    stories.publish(found["gas"], "gas", "facilities", pipes)
    area = ("area.geojson", measured.hull((FOLDER / "gas_sinks.geojson").read_bytes(), 7.885))
    stories.publish(found["gas"], "gas", "service_areas", area)
    stories.approve_areas(found["office"])
    lines = ("lv_lines.geojson", (FOLDER / "lv_lines.geojson").read_bytes())
    stories.publish(found["power"], "power", "facilities", lines)
    return found


def test_schutterwald_from_its_plan_to_the_market(
    product, database, organisations, people, receivers
):
    planner = people["office"]
    secrets = {
        name: stories.register_receiver(people["admin"], organisations[name], receiver)
        for name, receiver in receivers.items()
    }
    plan = stories.draft(planner, "Plots around gas sinks", ("plots.geojson", plots()))
    assert "933 个地块同时推送给 2 家企业" in stories.release(planner, plan)
    assert_measured(database)

    told = {
        name: stories.awaited(receivers[name], secrets[name], "plan.released", 1)[0]
        for name in receivers
    }
    gas, power = assert_answered(people, told)
    assert_listed(product, database, planner, plan, gas, power)
    # Nobody needed a second message, and nobody got another's.
    assert {name: sum(r.ids.values()) for name, r in receivers.items()} == {"gas": 1, "power": 1}


def assert_measured(database):
    with transaction(database, ENGINE) as session:
        layers = session.execute(
            select(Layer.utility, Layer.kind, Layer.feature_count, Upload.source_crs)
            .join(Upload, Upload.id == Layer.upload_id)
            .order_by(Layer.id)
        ).all()
    assert [tuple(layer) for layer in layers] == [
        ("gas", "facilities", 2559, "EPSG:31467"),
        ("gas", "service_areas", 1, "EPSG:4326"),
        ("power", "facilities", 3000, "EPSG:4326"),
    ]
    # Pipes end at their sinks: without the shift of EPSG:31467's datum, over 100 m, many would miss the circles of 12 m.
    assert measured.plots_within(database, 0) == {"gas": 933, "power": 933}
    third = {m: measured.plots_within(database, m, rank=3) for m in (2000, 25, 10, 0)}
    assert third == {
        2000: {"gas": 933, "power": 933},
        25: {"gas": 889, "power": 906},
        10: {"gas": 607, "power": 728},
        0: {"gas": 250, "power": 129},
    }
    # wholly, partly, not at all inside the hull of the sinks west of 7.885° E
    assert measured.plots_served(database, "gas") == (497, 42, 394)
    assert measured.plots_served(database, "power") == (0, 0, 933)
    measured.assert_as_postgis(database, UTM_32N, distances=5598)


def assert_answered(people, told):
    """The engineers answer page by page what their own systems worked out of the messages; 490 plots have gas and power."""
    by = (today(datetime.now(UTC)) + timedelta(days=90)).isoformat()
    inside = {p["code"] for p in told["gas"]["plots"] if p["asked"][0]["served_share"] == 1}
    third = {p["code"]: p["asked"][0]["nearest"][2]["distance_m"] for p in told["power"]["plots"]}

    def gas(line):
        if line.plot in inside:
            return {"verdict": "ready"}
        return {"verdict": "not_possible", "reason": "outside our area"}

    def power(line):
        if third[line.plot] <= 10:
            return {"verdict": "ready"}
        if third[line.plot] <= 25:
            return {"verdict": "ready_by", "works": "one more cable", "ready_by": by}
        return None

    answered = stories.answer_each(people["gas"], "gas", gas)
    assert answered == {"ready": 497, "not_possible": 436}
    answered = stories.answer_each(people["power"], "power", power)
    assert answered == {"ready": 728, "ready_by": 178}
    return inside, {code for code, metres in third.items() if metres <= 25}


def assert_listed(product, database, planner, plan, gas, power):
    """490 of 933 plots are listed; of the others 416 lack gas, 7 power, which may still be answered, and 20 both."""
    everything = measured.paths(database)
    assert {
        "both": len(gas & power),
        "gas only": len(gas - power),
        "power only": len(power - gas),
        "neither": len(everything.keys() - gas - power),
    } == {"both": 490, "gas only": 7, "power only": 416, "neither": 20}
    stages = stories.stages(planner, plan)
    assert stages == {"ready": 490, "listed": 0, "waiting": 7, "blocked": 436}

    assert stories.list_ready(planner, plan) == 490
    offered = stories.feed(product)
    assert Counter(x["plot_code"] for x in offered) == Counter(gas & power)
    assert {x["state"] for x in offered} == {"listed"}

    no_gas, no_power = ("gas", "Gaswerk"), ("power", "Stromwerk")
    for codes, lacking in (
        (power - gas, {no_gas}),
        (gas - power, {no_power}),
        (everything.keys() - gas - power, {no_gas, no_power}),
    ):
        for code in sorted(codes)[:7]:
            assert stories.refusal(planner, everything[code]) == lacking
    assert len(stories.feed(product)) == 490
