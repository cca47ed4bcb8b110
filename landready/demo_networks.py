"""Networks and service areas of the demo's enterprises, published as if uploaded."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from geo.crs import geodesic_area_m2
from landready import files, layers, service_areas
from landready.clock import today
from landready.db import Actor, as_engine
from landready.demo_places import Quarter, network, service_area
from landready.demo_stage import Stage
from landready.demo_world import COMPANIES, QUARTERS, STATIONS
from landready.organisations import Organisation
from landready.plans import Upload
from landready.shapes import geojson_of
from landready.utilities import Utility

_SERVED_BEYOND_M = 400.0
# Layers are that old; every fourth capacity was stated half a year before.
_PUBLISHED_DAYS, _STATED_DAYS = 60, 240


def lay(stage: Stage, city: str, utility: Utility) -> None:
    """Publish the network and the service area of a city's enterprise for one utility."""
    quarters = QUARTERS[city]
    # A little different for each, so that six boundaries on one map are six lines.
    beyond = _SERVED_BEYOND_M + 100 * list(Utility).index(utility)
    area = service_area(quarters, utility, beyond)
    with stage.acting_as(stage.engineers(city)[utility]) as engineer:
        company = stage.session.get_one(Organisation, engineer.organisation_id).name
        dates = [str(today(stage.ago(days))) for days in (_PUBLISHED_DAYS, _STATED_DAYS)]
        mains = list(_mains(quarters, utility, *dates))
        boundary = [({"名称": f"{company}服务边界"}, part) for part in shapely.get_parts(area)]
        for kind, title, shapes in (
            ("facilities", "管网设施（演示）", mains),
            ("service_areas", "服务边界（演示）", boundary),
        ):
            upload = _layer_upload(stage, engineer, kind, title, utility, shapes)
            layer = layers.publish(stage.session, upload, utility=utility, now=upload.created_at)
            if kind == "service_areas":
                with as_engine(stage.session):
                    service_areas.accept(
                        stage.session, layer, account_id=None, now=upload.created_at
                    )


def _layer_upload(
    stage: Stage,
    engineer: Actor,
    kind: str,
    title: str,
    utility: Utility,
    shapes: Sequence[tuple[Mapping[str, Any], BaseGeometry]],
) -> Upload:
    """Keep a layer's file as an upload would. Its reading is skipped: 24 child processes take half a minute."""
    features = [
        {"type": "Feature", "properties": dict(cells), "geometry": geojson_of(shape)}
        for cells, shape in shapes
    ]
    kept = files.store(stage.settings, as_file(features), filename="demo.geojson")
    fields = list(shapes[0][0])
    columns = {"name": "名称", "spare_capacity": "可供容量", "stated_at": "容量申明日期"}
    upload = Upload(
        organisation_id=engineer.organisation_id,
        kind=kind,
        title=title,
        filename="demo.geojson",
        stored_as=kept.name,
        sha256=kept.sha256,
        source_crs="EPSG:4490",
        fields=fields,
        mapping={ours: field for ours, field in columns.items() if field in fields},
        features=[
            {**feature, "row": row, "area_m2": geodesic_area_m2(shape) or None}
            for row, (feature, (_, shape)) in enumerate(zip(features, shapes, strict=True), 1)
        ],
        purpose={"utility": utility.value},
        created_at=stage.ago(_PUBLISHED_DAYS),
        created_by=engineer.account_id,
    )
    stage.session.add(upload)
    stage.session.flush()
    return upload


def _mains(
    quarters: Iterable[Quarter], utility: Utility, lately: str, long_ago: str
) -> Iterator[tuple[dict[str, Any], BaseGeometry]]:
    """Rows of an enterprise's facility file; where nothing is stated the spare capacity stays empty."""
    _, _, _, (least, most), main_name = COMPANIES[utility]
    station, point = STATIONS[utility]
    names = {"main": main_name, "station": station, "point": point}
    for quarter in quarters:
        for main in network(quarter, utility):
            spare = least + (main.number * 37) % 100 * (most - least) // 100
            stated = main.kind != "main" or main.number % 3 != 0
            yield (
                {
                    "名称": f"演示 {quarter.name}{names[main.kind]}{main.number:02d}",
                    "可供容量": spare if stated else None,
                    "容量申明日期": long_ago if main.number % 4 == 1 else lately,
                },
                main.geometry,
            )


def as_file(features: list[dict[str, Any]]) -> BytesIO:
    crs = {"type": "name", "properties": {"name": "EPSG:4490"}}
    collection = {"type": "FeatureCollection", "crs": crs, "features": features}
    return BytesIO(json.dumps(collection, ensure_ascii=False).encode())
