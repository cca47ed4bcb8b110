"""Schutterwald in Baden: plots around gas sinks, gas pipes in an old German system, and low-voltage lines."""

import json

import numpy as np
import pytest
import shapely
from sqlalchemy import select

from geo.crs import to_stored, to_working
from landready.db import ENGINE, transaction
from landready.layers import Layer
from landready.plans import Upload
from tests.acceptance import measured

FOLDER = measured.DATA / "schutterwald"
UTM_32N = "EPSG:25832"
EXTENT = (7.7, 48.3, 8.1, 48.6)
RADIUS_M = 12.0

pytestmark = pytest.mark.acceptance


def plots():
    """Circles of 12 m around the gas sinks; a sink whose circle would overlap an earlier one is left out."""
    sinks = json.loads((FOLDER / "gas_sinks.geojson").read_bytes())["features"]
    lonlat = np.array([shapely.geometry.shape(f["geometry"]) for f in sinks], dtype=object)
    kept, grown = [], []
    for feature, place in zip(sinks, to_working(lonlat, UTM_32N), strict=True):
        if not grown or shapely.distance(place, np.array(grown)).min() > 2 * RADIUS_M:
            kept.append(feature["properties"]["name"])
            grown.append(place)
    circles = to_stored(shapely.buffer(np.array(grown), RADIUS_M), UTM_32N)
    return measured.collection(
        ({"code": code}, circle) for code, circle in zip(kept, circles, strict=True)
    )


@pytest.fixture
def receipt(database, settings):
    settings = measured.placed(settings, UTM_32N, EXTENT)
    gas = measured.enterprise(
        database, settings, ["gas"], "facilities", "gas_pipes.gpkg",
        (FOLDER / "gas_pipes_epsg31467.gpkg").read_bytes(), {"name": "name"},
    )  # fmt: skip
    area = measured.hull((FOLDER / "gas_sinks.geojson").read_bytes(), 7.885)
    measured.add_layer(database, settings, gas, ["gas"], "service_areas", "hull.geojson", area)
    measured.enterprise(
        database, settings, ["power"], "facilities", "lv_lines.geojson",
        (FOLDER / "lv_lines.geojson").read_bytes(), {"name": "name"},
    )  # fmt: skip
    return measured.released_plan(database, settings, "plots.geojson", plots(), {"code": "code"})


def test_plots_of_schutterwald_are_measured(database, receipt):
    assert receipt.plots == 933
    assert len(receipt.pushes) == 2
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
    third = {metres: measured.plots_within(database, metres, rank=3) for metres in (2000, 10, 0)}
    assert third == {
        2000: {"gas": 933, "power": 933},
        10: {"gas": 607, "power": 728},
        0: {"gas": 250, "power": 129},
    }
    # wholly, partly, not at all inside the hull of the sinks west of 7.885° E
    assert measured.plots_served(database, "gas") == (497, 42, 394)
    assert measured.plots_served(database, "power") == (0, 0, 933)
    distances = measured.against_postgis(database, 25832)
    assert len(distances) == 5598
    assert max(abs(ours - postgis) for ours, postgis in distances) < 1e-6
