"""Cambridge, Massachusetts: 157 tax parcels as a supply plan among the city's hydrants, drains and poles."""

import pytest
from sqlalchemy import select

from landready.checks import Check
from landready.db import ENGINE, transaction
from landready.plans import Plot
from tests.acceptance import measured

FOLDER = measured.DATA / "cambridge"
UTM_19N = "EPSG:32619"
EXTENT = (-71.2, 42.3, -71.0, 42.45)

pytestmark = pytest.mark.acceptance


def content(name):
    return (FOLDER / f"{name}.geojson").read_bytes()


@pytest.fixture
def receipt(database, settings):
    settings = measured.placed(settings, UTM_19N, EXTENT)
    hydrants = content("INFRA_Hydrants")
    water = measured.enterprise(
        database, settings, ["water"], "facilities", "hydrants.geojson", hydrants,
        {"name": "HYDRANT_ID"},
    )  # fmt: skip
    measured.add_layer(
        database,
        settings,
        water,
        ["water"],
        "service_areas",
        "hull.geojson",
        measured.hull(hydrants, -71.11),
    )
    measured.enterprise(
        database, settings, ["drainage"], "facilities", "drains.geojson", content("INFRA_Drainage")
    )
    measured.enterprise(
        database, settings, ["power", "telecom"], "facilities", "poles.geojson",
        content("INFRA_UtilityPoles"), {"name": "TYPE"},
    )  # fmt: skip
    return measured.released_plan(
        database, settings, "parcels.geojson", content("FEMA_FloodPlainParcels100Year"),
        {"code": "LOC_ID", "name": "ML"},
    )  # fmt: skip


def test_parcels_of_cambridge_are_measured(database, receipt):
    assert receipt.plots == 157
    assert len(receipt.pushes) == 3
    assert [u.value for u in receipt.nobody] == ["gas", "cable_tv"]
    with transaction(database, ENGINE) as session:
        assert set(session.scalars(select(Check.working_crs))) == {UTM_19N}
        assert session.scalars(select(Plot.use_code).distinct()).all() == [None]
    near = {metres: measured.plots_within(database, metres) for metres in (2000, 50, 0)}
    assert near == {
        2000: {"drainage": 157, "power": 157, "telecom": 157, "water": 157},
        50: {"drainage": 28, "power": 103, "telecom": 103, "water": 129},
        0: {"drainage": 11, "power": 23, "telecom": 23, "water": 30},
    }
    # wholly, partly, not at all inside the hull of the hydrants west of 71.11° W
    assert measured.plots_served(database, "water") == (113, 11, 33)
    assert measured.plots_served(database, "gas") == (0, 0, 157)
    distances = measured.against_postgis(database, 32619)
    assert len(distances) == 1876
    assert max(abs(ours - postgis) for ours, postgis in distances) < 1e-6
