"""One GeoParquet file (1.1, well-known binary) as ids and flat shapes, without a geometry object in between."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS
from pyproj.exceptions import CRSError

from geo import flat
from geo.flat import Flat, Ints
from landready.errors import Invalid


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file holds.

    Attributes:
        crs: `EPSG:n` or WKT.
        ids: shape (n,), not negative, each once.
        shapes: `n` geometries.
        column: the further column that was asked for, whole numbers or text without a gap; else None.
    """

    crs: str
    ids: Ints
    shapes: Flat
    column: pa.Array | None


def read(path: Path, column: str | None = None) -> Layer:
    """Read `id`, the primary geometry and one further column.

    Raises:
        Invalid: the file cannot be read, is no GeoParquet in well-known binary with a CRS, lacks a column, or an id is no whole
            number, negative, missing or there twice; the message names the file.
    """
    try:
        file = pq.ParquetFile(path)
        geometry, crs = _geometry(path, file.schema_arrow.metadata or {})
        columns = ["id", geometry, *([column] if column else [])]
        if missing := [c for c in columns if c not in file.schema_arrow.names]:
            raise _bad(path, f"缺少列 · column missing: {', '.join(missing)}")
        table = file.read(columns=columns)
        further = _plain(path, table[column]) if column else None
        return Layer(crs, _ids(path, table["id"]), _shapes(table[geometry]), further)
    except flat.BadGeometry as error:
        raise _bad(path, f"图形有误 · bad geometry: {error}") from error
    except (OSError, pa.ArrowException, CRSError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise _bad(path, f"不能读取 · cannot be read: {reason}") from error


def nothing(crs: str) -> Layer:
    """Return a layer without anything in it."""
    return Layer(crs, np.zeros(0, np.int64), flat.from_pieces([]), None)


def _bad(path: Path, text: str) -> Invalid:
    return Invalid((), f"{path}: {text}".replace("{", "(").replace("}", ")"))


def _geometry(path: Path, metadata: dict[bytes, bytes]) -> tuple[str, str]:
    """Name and CRS of the primary geometry column."""
    if b"geo" not in metadata:
        raise _bad(path, "不是 GeoParquet · not GeoParquet")
    try:
        about = json.loads(metadata[b"geo"])
    except ValueError as error:
        raise _bad(path, "GeoParquet 说明有误 · its metadata are no JSON") from error
    name = about["primary_column"]
    column = about["columns"][name]
    if column.get("encoding") != "WKB":
        raise _bad(path, f"图形不是 WKB · the geometry is not WKB: {column.get('encoding')}")
    if not column.get("crs"):
        raise _bad(path, "没有坐标系 · without a projected CRS")
    crs = CRS.from_json_dict(column["crs"])
    code = crs.to_epsg()
    return name, f"EPSG:{code}" if code else crs.to_wkt()


def _ids(path: Path, column: pa.ChunkedArray) -> Ints:
    if not pa.types.is_integer(column.type) or column.null_count:
        raise _bad(path, "id 不是整数 · id is not an integer")
    ids = np.ascontiguousarray(pc.cast(column, pa.int64()).to_numpy())
    if len(ids) and ids.min() < 0:
        raise _bad(path, "id 为负 · an id is negative")
    if len(np.unique(ids)) < len(ids):
        raise _bad(path, "id 重复 · an id comes twice")
    return ids


def _plain(path: Path, column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    fit = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
    if column.null_count or not (fit or pa.types.is_large_string(column.type)):
        raise _bad(path, "kind 应为整数或文字，且不能为空 · kind must be whole numbers or text")
    return _whole(column)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _shapes(column: pa.ChunkedArray) -> Flat:
    whole = _whole(pc.fill_null(pc.cast(column, pa.large_binary()), b""))
    _, starts, content = whole.buffers()
    if starts is None:
        return flat.from_pieces([])
    begin = np.frombuffer(starts, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    return flat.from_wkb(np.frombuffer(content or b"", np.uint8), begin)
