"""The coverage engine on files: GeoParquet in, Parquet out, no database.

In: `plots` and `facilities` (with a `kind`), and where there are any `service_areas`, `roads`, `zones`, `greens`; each with an integer
`id` and a geometry, all in one projected CRS in metres. Out: `near` (plot, kind, rank, fac, dist), `cross` (plot, kind, btype, bid:
what the straight connection to the nearest facility crosses) and `cover` (plot, area, share).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS

from geo import coverage, flat, grid
from geo.errors import Refused
from geo.flat import Flat, Ints
from geo.frame import CRSMismatch, MissingCRS
from geo.ground import Ground
from geo.network import Network
from geo.outlines import Outlines
from geo.threads import each
from landready.errors import Invalid

BARRIERS = ("roads", "zones", "greens")


@dataclass(frozen=True, slots=True)
class Layers:
    """What the files of a folder hold. `kinds` are the values of `facilities.kind`, ascending; `kind` indexes them."""

    crs: str
    plots: tuple[Ints, Flat]
    facilities: tuple[Ints, Flat]
    kinds: pa.Array
    kind: Ints
    areas: tuple[Ints, Flat]
    barriers: dict[str, tuple[Ints, Flat]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The same, ready to be searched: a network for each kind."""

    ground: Ground
    networks: list[Network]
    areas: Outlines
    barriers: dict[str, Outlines]


def read(folder: Path) -> Layers:
    """Read the files of a folder.

    Raises:
        Invalid: a file or a column is missing, an id comes twice, the CRS is missing, not in metres or not the same everywhere.
    """
    frames: dict[str, str] = {}
    plots, _ = _read(folder, "plots", frames)
    facilities, kind = _read(folder, "facilities", frames, "kind")
    areas, _ = _read(folder, "service_areas", frames)
    barriers = {name: _read(folder, name, frames)[0] for name in BARRIERS}
    if len(set(frames.values())) > 1:
        said = ", ".join(f"{name}: {CRS(text).name}" for name, text in frames.items())
        raise _bad(f"坐标系不一致 · not all in one CRS: {said}")
    encoded = pc.dictionary_encode(kind).combine_chunks()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Layers(
        crs=frames["plots"],
        plots=plots,
        facilities=facilities,
        kinds=encoded.dictionary.take(order),
        kind=place[encoded.indices.to_numpy()],
        areas=areas,
        barriers=barriers,
    )


def index(layers: Layers, threads: int) -> Indexed:
    """Build what the search needs.

    Raises:
        Invalid: the CRS is not in metres.
    """
    ids, shapes = layers.facilities
    networks: dict[int, Network] = {}

    def build(kind: int) -> None:
        chosen = np.flatnonzero(layers.kind == kind)
        made = grid.build(ids[chosen], shapes.take(chosen), layers.crs)
        networks[kind] = Network.of(made)

    try:
        each(build, range(len(layers.kinds)), threads)
        return Indexed(
            Ground.of(*layers.plots, layers.crs),
            [networks[kind] for kind in range(len(layers.kinds))],
            Outlines.of(*layers.areas, layers.crs),
            {name: Outlines.of(*given, layers.crs) for name, given in layers.barriers.items()},
        )
    except (MissingCRS, CRSMismatch, Refused) as error:
        raise _bad(f"坐标系不能用于量算 · not a projected CRS in metres: {error}") from error


def query(
    indexed: Indexed, kinds: pa.Array, radius_m: float, nearest: int, threads: int
) -> dict[str, pa.Table]:
    """Measure everything; tables by name, rows ordered by their columns from left to right.

    `kinds`: the names of the kinds, in the order of the networks.
    """
    ground, near, cross = indexed.ground, [], []
    for place, network in enumerate(indexed.networks):
        reached = coverage.reach(
            ground, network, indexed.barriers, radius_m, nearest, threads=threads
        )
        plot, rank = np.nonzero(reached.near.facility >= 0)
        found = reached.near.facility[plot, rank], reached.near.distance[plot, rank]
        near.append((plot, np.full(len(plot), place), rank + 1, *found))
        for code, (name, outlines) in enumerate(indexed.barriers.items()):
            plot, shape = reached.crossed[name]
            where = np.full(len(plot), place), np.full(len(plot), code)
            cross.append((plot, *where, outlines.ids[shape]))
    plot, area, share = coverage.served(ground, indexed.areas, threads=threads)
    names = pa.array(list(indexed.barriers), pa.string())
    rows, kind, rank, facility, distance = _sorted(near, 3)
    crossing, of, barrier, met = _sorted(cross, 4)
    return {
        "near": pa.table(
            {
                "plot": ground.ids[rows],
                "kind": kinds.take(kind),
                "rank": rank.astype(np.int16),
                "fac": facility,
                "dist": distance,
            }
        ),
        "cross": pa.table(
            {
                "plot": ground.ids[crossing],
                "kind": kinds.take(of),
                "btype": names.take(barrier),
                "bid": met,
            }
        ),
        "cover": pa.table(
            {"plot": ground.ids[plot], "area": indexed.areas.ids[area], "share": share}
        ),
    }


def write(tables: dict[str, pa.Table], folder: Path) -> None:
    """Write each table as a Parquet file; one that was there is replaced whole or not at all.

    Raises:
        Invalid: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            draft = folder / f".{name}.parquet"
            pq.write_table(table, draft)
            draft.replace(folder / f"{name}.parquet")
    except OSError as error:
        raise _bad(f"无法写入 · cannot write to {folder}: {error.strerror}") from error


def _bad(text: str) -> Invalid:
    return Invalid((), text)


def _sorted(parts: Sequence[tuple[Any, ...]], keys: int) -> list[Any]:
    """Columns of all parts together, ordered by the first `keys` of them."""
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort(columns[:keys][::-1])
    return [column[order] for column in columns]


def _read(
    folder: Path, name: str, frames: dict[str, str], *more: str
) -> tuple[tuple[Ints, Flat], Any]:
    """Ids and shapes of one file, and its further column; only plots and facilities must be there."""
    path = folder / f"{name}.parquet"
    if not path.is_file() and name not in ("plots", "facilities"):
        return (np.zeros(0, np.int64), flat.from_pieces([])), None
    try:
        file = pq.ParquetFile(path)
        geometry, frames[name] = _geometry(path, file.schema_arrow.metadata or {})
        columns = ["id", *more, geometry]
        if missing := [c for c in columns if c not in file.schema_arrow.names]:
            raise _bad(f"{path}: 缺少列 · column missing: {', '.join(missing)}")
        table = file.read(columns=columns)
        ids = np.ascontiguousarray(table["id"].to_numpy().astype(np.int64, casting="safe"))
        shapes = _shapes(table[geometry])
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise _bad(f"{path}: 不能读取 · cannot be read: {reason}") from error
    except TypeError as error:
        raise _bad(f"{path}: id 不是整数 · id is not an integer") from error
    except flat.BadGeometry as error:
        raise _bad(f"{path}: 图形有误 · bad geometry: {error}") from error
    if len(np.unique(ids)) < len(ids):
        raise _bad(f"{path}: id 重复 · an id comes twice")
    return (ids, shapes), table[more[0]] if more else None


def _geometry(path: Path, metadata: dict[bytes, bytes]) -> tuple[str, str]:
    """Name and CRS of the geometry column, from GeoParquet's metadata (version 1.1)."""
    if b"geo" not in metadata:
        raise _bad(f"{path}: 不是 GeoParquet · not GeoParquet")
    about = json.loads(metadata[b"geo"])
    name = about["primary_column"]
    column = about["columns"][name]
    if column.get("encoding") != "WKB":
        raise _bad(f"{path}: 图形不是 WKB · the geometry is not WKB: {column.get('encoding')}")
    if not column.get("crs"):
        raise _bad(f"{path}: 没有坐标系 · without a projected CRS")
    crs = CRS.from_json_dict(column["crs"])
    code = crs.to_epsg()
    return name, f"EPSG:{code}" if code else crs.to_wkt()


def _shapes(column: pa.ChunkedArray) -> Flat:
    """The geometries of a column of well-known binary."""
    whole = pc.fill_null(pc.cast(column, pa.large_binary()), b"").combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    _, starts, content = whole.buffers()
    begin = np.frombuffer(starts, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    return flat.from_wkb(np.frombuffer(content or b"", np.uint8), begin)
