"""GeoJSON without GDAL: its driver downloads whatever a `crs` member of type link or URL points to."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from geo.errors import Refused, refuse
from geo.problems import N_, Problem, at_line, at_shape
from geo.repair import RING_CLOSED, area_m2, repaired
from geo.shapes import BROKEN, NOT_FINITE, judged
from geo.source import Record, Source
from geo.text import decode

_DEGREES = "OGC:CRS84"  # what RFC 7946 says where no CRS is stated
_SHAPES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}


def read(path: Path, *, features: int) -> Source:
    """Read a FeatureCollection, a Feature or a bare geometry.

    `crs` of the result is None where the file states none and its numbers cannot be degrees.

    Raises:
        Refused: not GeoJSON, cut short, nested too deeply, too many features, or a `crs` that is not a plain name.
    """
    root = _load(path)
    features_in = _features(root)
    if len(features_in) > features:
        raise refuse(
            "too_many_features", N_("图形超过 {limit} 个，请拆分后再上传。"), limit=features
        )
    source = Source("geojson", None, [], [])
    names: dict[str, None] = {}
    for row, feature in enumerate(features_in, 1):
        properties = _properties(feature)
        names.update(dict.fromkeys(properties))
        shape = _shape(feature, row, source.problems)
        source.records.append(Record(row, shape, properties))
    source.fields = list(names)
    source.crs = _stated_crs(root) or (_DEGREES if _could_be_degrees(source.records) else None)
    return source


def _whole(digits: str) -> float:
    """A whole number; one of hundreds of digits is infinite, as it is with a point, and refused where a number is wanted."""
    return int(digits) if len(digits) < 300 else float(digits)


def _load(path: Path) -> dict[str, Any]:
    try:
        root = json.loads(decode(path.read_bytes()), parse_int=_whole)
    except RecursionError as error:
        raise refuse(
            "too_deep", N_("图形嵌套超过 {limit} 层，不是正常的地块数据。"), limit=100
        ) from error
    except json.JSONDecodeError as error:
        raise refuse(
            "json_broken",
            N_(
                "GeoJSON 在第 {line} 行第 {column} 列中断或有语法错误，文件可能没有传完。请重新导出后再上传。"
            ),
            where=at_line(error.lineno),
            line=error.lineno,
            column=error.colno,
        ) from error
    if not isinstance(root, dict):
        raise _not_geojson()
    return root


def _not_geojson() -> Refused:
    return refuse(
        "json_other", N_("这个 JSON 不是 GeoJSON：没有 FeatureCollection、Feature 或图形。")
    )


def _features(root: dict[str, Any]) -> list[Any]:
    kind = root.get("type")
    if kind == "FeatureCollection" and isinstance(root.get("features"), list):
        return list(root["features"])
    if kind == "Feature":
        return [root]
    if kind in _SHAPES:
        return [{"type": "Feature", "geometry": root, "properties": {}}]
    raise _not_geojson()


def _properties(feature: object) -> dict[str, object]:
    raw = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(raw, dict):
        return {}
    return {
        str(key): json.dumps(value, ensure_ascii=False)
        if isinstance(value, (dict, list))
        else value
        for key, value in raw.items()
    }


def _shape(feature: object, row: int, problems: list[Problem]) -> BaseGeometry | None:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if geometry is None:
        return None
    try:
        opened: list[bool] = []
        shape = _polygons(geometry, opened)
        if opened:
            area = area_m2(shape) if shape is not None else 0.0
            problems.append(repaired("ring_closed", RING_CLOSED, area, area, row, at_shape(row)))
        found = judged(shape or shapely.force_2d(shapely.geometry.shape(geometry)))
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        shapely.errors.ShapelyError,
        IndexError,
    ):
        found = None
    if found is None:
        odd = any(word in json.dumps(geometry) for word in ("NaN", "Infinity"))
        code, text = ("not_finite", NOT_FINITE) if odd else ("geometry_broken", BROKEN)
        problems.append(Problem(code, "error", text, row=row, where=at_shape(row)))
        return shapely.Point()
    return found


def _polygons(geometry: dict[str, Any], opened: list[bool]) -> BaseGeometry | None:
    """Areas ring by ring as arrays, three times as fast as point by point; None for other shapes.

    `opened` gets an entry for every ring whose last point is not its first: shapely closes them without a word.
    """
    if geometry["type"] == "Polygon":
        return _polygon(geometry["coordinates"], opened)
    if geometry["type"] == "MultiPolygon":
        return shapely.MultiPolygon([_polygon(rings, opened) for rings in geometry["coordinates"]])
    return None


def _polygon(rings: list[Any], opened: list[bool]) -> shapely.Polygon:
    shell, *holes = (_ring(ring, opened) for ring in rings)
    return shapely.Polygon(shell, holes)


def _ring(points: list[Any], opened: list[bool]) -> npt.NDArray[np.float64]:
    try:
        ring = np.asarray(points, dtype=np.float64)[:, :2]
    except ValueError:  # some points with a height, some without
        ring = np.asarray([point[:2] for point in points], dtype=np.float64)
    if np.isfinite(ring).all() and len(ring) and (ring[0] != ring[-1]).any():
        opened.append(True)
    return ring


def _stated_crs(root: dict[str, Any]) -> str | None:
    crs = root.get("crs")
    if crs is None:
        return None
    name = (
        crs.get("properties", {}).get("name")
        if isinstance(crs, dict) and isinstance(crs.get("properties"), dict)
        else None
    )
    if (
        not isinstance(crs, dict)
        or str(crs.get("type")).lower() != "name"
        or not isinstance(name, str)
    ):
        raise refuse(
            "crs_link", N_("GeoJSON 的 crs 成员只能写坐标系名称，不能是链接。请改正后再上传。")
        )
    return name


def _could_be_degrees(records: list[Record]) -> bool:
    boxes = shapely.bounds([r.geometry for r in records if r.geometry is not None])
    return bool(
        (
            (boxes[..., 0] >= -180)
            & (boxes[..., 2] <= 360)
            & (boxes[..., 1] >= -180)
            & (boxes[..., 3] <= 180)
            | ~(boxes[..., 0] > -1e300)
        ).all()
    )
