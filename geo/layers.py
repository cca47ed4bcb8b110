"""Vector files through GDAL: GeoPackage, Shapefile, KML. Only the reading child may import this module."""

import codecs
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from geo.errors import Refused, refuse
from geo.problems import N_, Problem, at_line, at_shape
from geo.repair import RING_CLOSED, area_m2, repaired
from geo.shapes import BROKEN, closed_line_as_polygon, read_wkb
from geo.source import Record, Source
from geo.text import decode

DRIVERS = frozenset({"ESRI Shapefile", "GPKG", "LIBKML"})
_KML_CHROME = {
    "timestamp",
    "begin",
    "end",
    "altitudeMode",
    "tessellate",
    "extrude",
    "visibility",
    "drawOrder",
    "icon",
    "snippet",
    "id",
}
_UNDEFINED = re.compile(r"undefined|unknown", re.IGNORECASE)


def check_drivers() -> None:
    """Stop unless GDAL was started with the allow-list.

    Raises:
        RuntimeError: another driver is loaded; a VRT or a web service would be followed.
    """
    extra = set(pyogrio.list_drivers()) - DRIVERS
    if extra:
        raise RuntimeError(f"GDAL drivers outside the allow-list: {sorted(extra)}")


def read(path: Path, kind: str, *, features: int) -> Source:
    """Read the one layer of a vector file (all folders of a KML) with at most `features` features.

    Raises:
        Refused: damaged, several layers, no layer, or more features than allowed.
    """
    problems: list[Problem] = []
    if kind == "gpkg":
        _check_geopackage(path)
    encoding = _dbf_encoding(path) if kind == "shapefile" else None
    _prj_to_utf8(path)
    try:
        tables = [_table(path, layer, features, encoding) for layer in _layers(path, kind)]
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
    ) as error:
        raise _damaged(error) from error
    except (
        pyogrio.errors.GeometryError,
        shapely.errors.ShapelyError,
        ValueError,
        UnicodeError,
        UnboundLocalError,  # pyogrio's answer to the name of a CRS that is no UTF-8
    ) as error:
        raise _damaged(error) from error
    source = Source(kind, tables[0].crs, [], [], problems)
    for table in tables:
        source.fields += [name for name in table.fields if name not in source.fields]
        for number, (shape, properties) in enumerate(table.rows):
            row = len(source.records) + 1
            source.records.append(Record(row, shape, properties))
            if number in table.closed:
                area = area_m2(shape)
                problems.append(
                    repaired("ring_closed", RING_CLOSED, area, area, row, at_shape(row))
                )
            elif number in table.broken:
                problems.append(
                    Problem("geometry_broken", "error", BROKEN, row=row, where=at_shape(row))
                )
    if any(table.curved for table in tables):
        text = N_("图层里有圆弧，已转为折线（与圆弧相差不超过 0.01 米）。")
        problems.append(Problem("curves_linearised", "warning", text))
    if len(source.records) > features:
        raise too_many(features)
    _tidy(source)
    return source


def too_many(limit: int) -> Refused:
    """Refusal of a file with more features than allowed."""
    return refuse("too_many_features", N_("图形超过 {limit} 个，请拆分后再上传。"), limit=limit)


def _damaged(error: Exception) -> Refused:
    line = re.search(r"line (\d+)", str(error))
    return refuse(
        "damaged",
        N_("文件已损坏、没有传完，或不是有效的数据，无法读取。请重新导出后再上传。"),
        where=at_line(line[1]) if line else "",
    )


def _layers(path: Path, kind: str) -> list[int]:
    """Numbers of the layers to read: two folders of a KML may bear one name."""
    found = list(enumerate(pyogrio.list_layers(path)))
    spatial = [(number, str(name)) for number, (name, shape) in found if shape is not None]
    if not spatial:
        raise refuse("no_layer", N_("文件里没有带图形的图层，只有属性表。请上传带边界的数据。"))
    if len(spatial) > 1 and kind != "kml":
        systems = {_crs_of(path, number) for number, _ in spatial}
        text = (
            N_("文件里有 {count} 个图层（{names}），坐标系各不相同。请每次只上传一个图层。")
            if len(systems) > 1
            else N_("文件里有 {count} 个图层（{names}）。请每次只上传一个图层。")
        )
        names = "、".join(name for _, name in spatial[:5])
        raise refuse("several_layers", text, count=len(spatial), names=names)
    return [number for number, _ in spatial]


def _crs_of(path: Path, layer: int) -> str:
    return str(pyogrio.read_info(path, layer=layer)["crs"])


@dataclass(frozen=True, slots=True)
class _Table:
    """A layer as read; `closed` and `broken` are numbers of rows from 0, `curved`: it may hold arcs."""

    crs: str | None
    fields: list[str]
    rows: list[tuple[Any, dict[str, object]]]
    closed: frozenset[int]
    broken: frozenset[int]
    curved: bool


def _table(path: Path, layer: int, features: int, encoding: str | None) -> _Table:
    meta, _, shapes, columns = pyogrio.raw.read(
        path, layer=layer, max_features=features + 1, encoding="ISO-8859-1" if encoding else None
    )
    names = [_text(name, encoding) for name in meta["fields"]]
    values = [[_plain(cell, encoding) for cell in column] for column in columns]
    geometries, closed = read_wkb(shapes)
    broken = [i for i, shape in enumerate(geometries) if shape is None and shapes[i] is not None]
    rows = [
        (
            shapely.force_2d(shape) if shape is not None else None,
            dict(zip(names, cells, strict=True)),
        )
        for shape, cells in zip(
            geometries,
            zip(*values, strict=True) if values else ((),) * len(geometries),
            strict=True,
        )
    ]
    curved = re.search("Curve|Surface|Circular", str(meta["geometry_type"])) is not None
    return _Table(_crs(meta["crs"]), names, rows, frozenset(closed), frozenset(broken), curved)


def _crs(text: str | None) -> str | None:
    if not text or _UNDEFINED.search(text[:60]):
        return None
    return text


def _text(value: str, encoding: str | None) -> str:
    """DBF text was read byte for byte; a character cut off at the width of the field is dropped, not mangled."""
    if encoding is None:
        return value
    return value.encode("latin-1", "ignore").decode(encoding, "ignore").strip("\x00 ")


def _plain(cell: object, encoding: str | None) -> object:
    if isinstance(cell, str):
        return _text(cell, encoding)
    if cell is None or isinstance(cell, bytes):
        return None
    if isinstance(cell, (np.datetime64, np.ndarray)):
        return None if isinstance(cell, np.datetime64) and np.isnat(cell) else str(cell)
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, float) and not np.isfinite(cell):
        return None
    return cell if isinstance(cell, (bool, int, float)) else str(cell)


def _tidy(source: Source) -> None:
    """Drop the columns that KML itself adds, and make its closed lines polygons."""
    if source.format == "kml":
        source.fields = [name for name in source.fields if name not in _KML_CHROME]
        for record in source.records:
            record.properties = {k: v for k, v in record.properties.items() if k not in _KML_CHROME}
            if record.geometry is not None:
                record.geometry = closed_line_as_polygon(record.geometry)


def _check_geopackage(path: Path) -> None:
    """Only plain tables: a view can compute anything when it is read."""
    try:
        with sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True) as db:
            layers = {name for (name,) in db.execute("select table_name from gpkg_contents")}
            views = {
                name for (name,) in db.execute("select name from sqlite_master where type = 'view'")
            }
            virtual = [
                name
                for name, sql in db.execute(
                    "select name, sql from sqlite_master where type = 'table'"
                )
                if re.match(r"\s*create\s+virtual\s+table", sql or "", re.IGNORECASE)
                and not re.search(r"using\s+[\"']?rtree", sql, re.IGNORECASE)
            ]
    except (sqlite3.Error, ValueError, TypeError) as error:  # names that are no text, among others
        raise _damaged(error) from error
    if virtual or layers & views:
        raise refuse(
            "gpkg_view",
            N_("GeoPackage 的图层是视图或虚拟表，不是数据本身。请导出为普通图层后再上传。"),
        )


def _dbf_encoding(path: Path) -> str:
    """Encoding of the attribute table: .cpg where it is true, else strict UTF-8, else GB18030."""
    data = path.with_suffix(".dbf").read_bytes()
    cpg = path.with_suffix(".cpg")
    stated = cpg.read_bytes()[:40].decode("ascii", "ignore").strip() if cpg.exists() else ""
    stated = {"936": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030"}.get(
        stated.lower(), stated
    )
    cpg.unlink(missing_ok=True)
    for name in (stated, "utf-8", "gb18030"):
        try:
            codecs.lookup(name)
            _decode_cells(data, name)
        except (LookupError, UnicodeDecodeError):
            continue
        return name
    return "latin-1"


def _prj_to_utf8(path: Path) -> None:
    """Write a .prj anew in the one encoding in which GDAL hands on names; domestic software writes them in GBK."""
    prj = path.with_suffix(".prj")
    if not prj.exists():
        return
    data = prj.read_bytes()
    try:
        text = decode(data)
    except Refused:
        text = data.decode("utf-8", "replace")
    prj.write_text(text, encoding="utf-8")


def _decode_cells(data: bytes, encoding: str) -> None:
    """Decode all text of a DBF; a character cut off at the end of its field is no proof against the encoding.

    Raises:
        UnicodeDecodeError: the bytes are not in this encoding.
    """
    header = int.from_bytes(data[8:10], "little")
    record = int.from_bytes(data[10:12], "little")
    if record <= 1:
        return
    widths = [data[at + 16] for at in range(32, max(header - 1, 32), 32) if len(data) > at + 16]
    for start in range(header, len(data) - record + 1, record):
        at = start + 1
        for width in widths:
            codecs.getincrementaldecoder(encoding)().decode(data[at : at + width], final=False)
            at += width


def ring_areas(path: Path) -> list[float]:
    """Signed area of each record of a Shapefile of polygons, clockwise rings positive as the format wants them.

    Where it differs from the area of the polygon GDAL makes, rings were written with the wrong role. Empty for other types.
    """
    data = path.read_bytes()
    if len(data) < 104 or int.from_bytes(data[32:36], "little") not in (5, 15, 25):
        return []
    areas: list[float] = []
    at = 100
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big") * 2
        areas.append(_record_area(data[at + 8 : at + 8 + length]))
        at += 8 + max(length, 4)
    return areas


def _record_area(record: bytes) -> float:
    if len(record) < 44 or int.from_bytes(record[:4], "little") not in (5, 15, 25):
        return 0.0
    parts, points = (int.from_bytes(record[i : i + 4], "little") for i in (36, 40))
    end = 44 + 4 * parts + 16 * points
    if len(record) < end or points == 0:
        return 0.0
    starts = np.frombuffer(record, "<i4", parts, 44)
    xy = np.frombuffer(record, "<f8", 2 * points, 44 + 4 * parts).reshape(-1, 2)
    total = 0.0
    for ring in np.split(xy - xy[0], starts[1:]):
        x, y = ring[:, 0], ring[:, 1]
        total += float(np.sum((np.roll(x, -1) - x) * (np.roll(y, -1) + y)) / 2)
    return total
