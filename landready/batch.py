"""The coverage engine on files: GeoParquet in, Parquet out, no database.

In: `plots` and `facilities` (with a `kind`), and where there are any `service_areas`, `roads`, `zones`, `greens`; each with an integer
`id` and a geometry, all in one projected CRS in metres. Out: `near` (plot, kind, rank, fac, dist), `cross` (plot, kind, btype, bid:
what the straight connection to the nearest facility crosses) and `cover` (plot, area, share).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS

from geo import coverage, grid
from geo.errors import Refused
from geo.flat import Flat, Ints
from geo.frame import CRSMismatch, MissingCRS
from geo.ground import Ground
from geo.network import Network
from geo.outlines import Outlines
from geo.threads import each
from landready import geoparquet
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


def read(folder: Path, threads: int) -> Layers:
    """Read the files of a folder, side by side.

    Raises:
        Invalid: a file or a column is missing, an id comes twice, the CRS is missing, not in metres or not the same everywhere, a plot or
            service area is a point or a line.
    """
    names = ("facilities", "plots", "service_areas", *BARRIERS)
    found: dict[str, geoparquet.Layer] = {}

    def one(place: int) -> None:
        path = folder / f"{names[place]}.parquet"
        if place < 2 or path.exists():
            found[names[place]] = geoparquet.read(path, "kind" if place == 0 else None)

    each(one, range(len(names)), threads)
    plots, facilities = found.pop("plots"), found.pop("facilities")
    nothing = geoparquet.nothing(plots.crs)
    others = {name: found.get(name, nothing) for name in names[2:]}
    frames = {"plots": plots.crs, "facilities": facilities.crs}
    frames |= {name: layer.crs for name, layer in others.items()}
    for name, layer in (("plots", plots), ("service_areas", others["service_areas"])):
        if len(other := layer.ids[~layer.shapes.areal()]):
            raise _bad(f"{name}.parquet: 图形应为面 · not a polygon: id {other[0]}")
    if len(set(frames.values())) > 1:
        said = ", ".join(f"{name}: {CRS(text).name}" for name, text in frames.items())
        raise _bad(f"坐标系不一致 · not all in one CRS: {said}")
    encoded = pc.dictionary_encode(facilities.column)
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Layers(
        crs=plots.crs,
        plots=(plots.ids, plots.shapes),
        facilities=(facilities.ids, facilities.shapes),
        kinds=encoded.dictionary.take(order),
        kind=place[encoded.indices.to_numpy()],
        areas=(others["service_areas"].ids, others["service_areas"].shapes),
        barriers={name: (others[name].ids, others[name].shapes) for name in BARRIERS},
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
        near.append((ground.ids[plot], np.full(len(plot), place), rank + 1, *found))
        for code, (name, outlines) in enumerate(indexed.barriers.items()):
            plot, shape = reached.crossed[name]
            where = np.full(len(plot), place), np.full(len(plot), code)
            cross.append((ground.ids[plot], *where, outlines.ids[shape]))
    plot, area, share = coverage.served(ground, indexed.areas, threads=threads)
    names = pa.array(list(indexed.barriers), pa.string())
    rows, kind, rank, facility, distance = _sorted(near, 3)
    crossing, of, barrier, met = _sorted(cross, 4)[:4]
    order = np.lexsort((indexed.areas.ids[area], ground.ids[plot]))
    plot, area, share = plot[order], area[order], share[order]
    return {
        "near": pa.table(
            {
                "plot": rows,
                "kind": kinds.take(kind),
                "rank": rank.astype(np.int16),
                "fac": facility,
                "dist": distance.astype(np.float64),
            }
        ),
        "cross": pa.table(
            {
                "plot": crossing,
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
        with tempfile.TemporaryDirectory(prefix=".coverage-", dir=folder) as draft:
            for name, table in tables.items():
                pq.write_table(table, Path(draft) / name)
                (Path(draft) / name).replace(folder / f"{name}.parquet")
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise _bad(f"无法写入 · cannot write to {folder}: {reason}") from error


def _bad(text: str) -> Invalid:
    return Invalid((), text)


def _sorted(parts: Sequence[tuple[Any, ...]], keys: int) -> list[Any]:
    """Columns of all parts together, ordered by the first `keys` of them; no parts make five empty columns."""
    if not parts:
        return [np.zeros(0, np.int64)] * 5
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort(columns[:keys][::-1])
    return [column[order] for column in columns]
