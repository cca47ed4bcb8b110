"""Where areas lie on one another, in lon/lat of EPSG:4490.

Two harmless shapes of 2,000 vertices can intersect in a million parts and take minutes: `effort` bounds it beforehand, and
what is too much is measured in the guarded child.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo.crs import Geometries, geodesic_area_m2

Pairs = npt.NDArray[np.int64]
# More pairs than plots that lie side by side ever make.
MOST = 100_000
_PIECE = 64
# What a map needs of an overlap.
_DRAWN = 500


@dataclass(frozen=True, slots=True)
class Overlap:
    """Number `first` of ours and `second` of the others share `area_m2` (geodesic); `shape` is where, simplified."""

    first: int
    second: int
    area_m2: float
    shape: BaseGeometry


def among(shapes: Geometries) -> Pairs:
    """Pairs (later, earlier) of one set that touch or overlap, at most `MOST`."""
    return _pairs(shapes, shapes, earlier=True)


def between(ours: Geometries, theirs: Geometries) -> Pairs:
    """Pairs (ours, theirs) that touch or overlap, at most `MOST`."""
    return _pairs(ours, theirs, earlier=False)


def _pairs(ours: Geometries, theirs: Geometries, *, earlier: bool) -> Pairs:
    """Look piece by piece: twenty thousand plots that all lie on one place make two hundred million pairs."""
    tree = shapely.STRtree(theirs)
    found, count = [np.empty((0, 2), dtype=np.int64)], 0
    for start in range(0, len(ours), _PIECE):
        pairs = tree.query(ours[start : start + _PIECE], predicate="intersects").T.astype(np.int64)
        pairs[:, 0] += start
        if earlier:
            pairs = pairs[pairs[:, 0] > pairs[:, 1]]
        found.append(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])
        count += len(pairs)
        if count >= MOST:
            break
    return np.concatenate(found)[:MOST]


def effort(ours: Geometries, theirs: Geometries, pairs: Pairs) -> float:
    """How many crossings of edges the pairs may have at most."""
    counts, others = (shapely.get_num_coordinates(g).astype(float) for g in (ours, theirs))
    return float(np.sum(counts[pairs[:, 0]] * others[pairs[:, 1]]))


def measured(ours: Geometries, theirs: Geometries, pairs: Pairs, least_m2: float) -> list[Overlap]:
    """Measure pairs; those that share `least_m2` or less are neighbours and left out."""
    found = []
    for i, j in pairs:
        common = shapely.intersection(ours[i], theirs[j])
        areas = [p for p in shapely.get_parts(common, return_index=False) if p.area > 0]
        area = sum(geodesic_area_m2(part) for part in areas)
        if area > least_m2:
            found.append(Overlap(int(i), int(j), area, _drawable(areas)))
    return found


def _drawable(areas: list[BaseGeometry]) -> BaseGeometry:
    """The parts, or where they are too many to draw their hull."""
    whole = MultiPolygon([p for p in areas if isinstance(p, Polygon)])
    return whole if shapely.get_num_coordinates(whole) <= _DRAWN else whole.convex_hull


def answer(request: dict[str, Any]) -> None:
    """Measure in the guarded child: shapes as hexadecimal WKB in, overlaps as JSON out."""
    ours, theirs = (
        shapely.from_wkb(np.array(request[k], dtype=object)) for k in ("ours", "theirs")
    )
    pairs = np.array(request["pairs"], dtype=np.int64).reshape(-1, 2)
    found = [
        [o.first, o.second, o.area_m2, shapely.to_wkb(o.shape, hex=True)]
        for o in measured(ours, theirs, pairs, request["least_m2"])
    ]
    Path(request["answer"]).write_text(json.dumps(found), encoding="utf-8")
