"""The demo cities' base layers, drawn for illustration: streets of the quarters, a few highways, greens, a river, planning areas.

None of it is real: the names say 演示 and the layers are marked illustrative, which every route computed with them repeats.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from shapely import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry

from geo.crs import geodesic_area_m2
from landready import base_layers, base_uploads, files, uploads
from landready.clock import today
from landready.demo_networks import as_file
from landready.demo_places import Quarter, placed
from landready.demo_stage import Stage
from landready.demo_world import CITIES, QUARTERS
from landready.organisations import Organisation
from landready.plans import Upload
from landready.shapes import geojson_of

Row = tuple[Mapping[str, Any], BaseGeometry]
# How far the roads around a quarter lead out of it, metres.
_OUT_M = 700.0
_TITLES: Mapping[uploads.Kind, str] = {
    "roads": "道路（演示，示意）",
    "greens": "绿地（演示，示意）",
    "waters": "水体（演示，示意）",
    "planning_areas": "规划区（演示，示意）",
}


def lay_ground(stage: Stage, city: str) -> None:
    """Publish a city's base layers as its planner."""
    quarters = QUARTERS[city]
    rows: Mapping[uploads.Kind, list[Row]] = {
        "roads": [row for quarter in quarters for row in _roads(stage, quarter)],
        "greens": [row for quarter in quarters for row in _greens(quarter)],
        "waters": [_river(quarters[0])],
        "planning_areas": [_planned(quarter) for quarter in quarters],
    }
    with stage.acting_as(f"{CITIES[city][1]}-planner") as planner:
        office = stage.session.get_one(Organisation, planner.organisation_id)
        for kind, shapes in rows.items():
            upload = _upload(stage, office, kind, shapes)
            base_layers.publish(stage.session, upload, upload.created_at)


def _upload(
    stage: Stage, office: Organisation, kind: uploads.Kind, shapes: Sequence[Row]
) -> Upload:
    """Keep a layer's file as an upload would, without starting the reader."""
    features = [
        {"type": "Feature", "properties": dict(cells), "geometry": geojson_of(shape)}
        for cells, shape in shapes
    ]
    kept = files.store(stage.settings, as_file(features), filename="demo.geojson")
    fields = list(shapes[0][0])
    upload = Upload(
        organisation_id=office.id,
        kind=kind,
        title=_TITLES[kind],
        filename="demo.geojson",
        stored_as=kept.name,
        sha256=kept.sha256,
        source_crs="EPSG:4490",
        fields=fields,
        mapping=base_uploads.guess(fields, uploads.COLUMNS[kind]),
        features=[
            {**feature, "row": row, "area_m2": geodesic_area_m2(shape) or None}
            for row, (feature, (_, shape)) in enumerate(zip(features, shapes, strict=True), 1)
        ],
        purpose={"illustrative": True},
        created_at=stage.ago(60),
    )
    stage.session.add(upload)
    stage.session.flush()
    return upload


def _roads(stage: Stage, quarter: Quarter) -> Iterator[Row]:
    """The grid's streets; the westernmost is a provincial road, the southernmost a national one that leads on."""
    half = quarter.blocks / 2 * quarter.block_m
    day = today(stage.now)
    new, overhauled = day - timedelta(days=700), day - timedelta(days=400)
    for i in range(quarter.blocks + 1):
        at = (i - quarter.blocks / 2) * quarter.block_m
        outer = i == 0
        out = half + (_OUT_M if outer else 0)
        for axis, line in (
            ("经", LineString([(at, -out), (at, out)])),
            ("纬", LineString([(-out, at), (out, at)])),
        ):
            highway = ("省道" if axis == "经" else "国道") if outer else "城市道路"
            yield (
                {
                    "名称": f"演示 {quarter.name}{highway if outer else f'{axis}{i}路'}",
                    "道路等级": highway,
                    # Some widths and dates are unknown, as in every register.
                    "用地宽度": None if i % 3 == 2 else (36 if outer else 30),
                    "交付使用日期": new.isoformat() if (axis, i) == ("经", 2) else "",
                    "大修竣工日期": overhauled.isoformat() if (axis, i) == ("纬", 1) else "",
                },
                placed(quarter, line),
            )


def _greens(quarter: Quarter) -> Iterator[Row]:
    """A park in the last block of the first row, and a belt beside the second street."""
    half, size = quarter.blocks / 2 * quarter.block_m, quarter.block_m
    park = box(half - size + 30, -half + 30, half - 30, -half + size - 30)
    yield {"名称": f"演示 {quarter.name}公园"}, placed(quarter, park)
    for i in range(quarter.blocks):
        start = i * size - half + 18
        west = size - half + 15.5
        belt = box(west, start, west + 6, start + size - 36)
        yield {"名称": f"演示 {quarter.name}经1路绿带"}, placed(quarter, belt)


def _river(quarter: Quarter) -> Row:
    half, size = quarter.blocks / 2 * quarter.block_m, quarter.block_m
    middle = half - size / 2
    bank: Polygon = box(middle - 12, -half - _OUT_M, middle + 12, half + _OUT_M)
    return {"名称": f"演示 {quarter.name}河"}, placed(quarter, bank)


def _planned(quarter: Quarter) -> Row:
    reach = quarter.blocks / 2 * quarter.block_m + _OUT_M + 300
    return {"名称": f"演示 {quarter.name}规划区"}, placed(
        quarter, box(-reach, -reach, reach, reach)
    )
