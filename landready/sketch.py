"""A plot drawn to scale for paper: its outline as an SVG path in metres, with a bar and the coordinates of its corners."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, shape

from geo import crs
from landready.settings import Region
from landready.shapes import multi

# A corner table of more lines would push the rest off the paper.
_CORNERS = 12
# Strokes finer than this part of the drawing's width are not seen.
_FINEST = 1 / 1500
_MARGIN = 0.22
_LEAST_M = 10.0


@dataclass(frozen=True, slots=True)
class Corner:
    """A boundary point: `x`, `y` in the drawing, `lon`, `lat` in EPSG:4490."""

    number: int
    x: float
    y: float
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """A drawing of `width` by `height` metres, grid north up, y downwards. `bar_m` is a round length for a scale bar.

    `corners` is empty when the outline has too many to be listed.
    """

    path: str
    width: float
    height: float
    bar_m: float
    corners: tuple[Corner, ...]
    crs: str


def draw(geometry: Mapping[str, Any], region: Region) -> Sketch:
    """Draw a plot given as GeoJSON in EPSG:4490, in metres of its working CRS.

    Raises:
        ValueError: it is no polygon, or lies where there is no working CRS.
    """
    plot = multi(shape(dict(geometry)))
    if not isinstance(plot, MultiPolygon) or plot.is_empty:
        raise ValueError("a plot is a polygon")
    west, _, east, _ = plot.bounds
    system = crs.working_crs((west + east) / 2, region.working_crs)
    (ground,) = crs.to_working(np.array([plot], dtype=object), system)
    left, bottom, right, top = ground.bounds
    margin = max(right - left, top - bottom, _LEAST_M) * _MARGIN
    left, top = left - margin, top + margin
    width, height = right + margin - left, top - bottom + margin
    fine = shapely.simplify(ground, width * _FINEST)
    drawn = fine if len(shapely.get_coordinates(ground)) > _CORNERS * 4 else ground
    path = "".join(
        "M" + "L".join(f"{x - left:.2f} {top - y:.2f}" for x, y in ring.coords[:-1]) + "Z"
        for part in drawn.geoms
        for ring in (part.exterior, *part.interiors)
    )
    corners = _corners(plot, ground, left, top)
    return Sketch(path, width, height, _round_length(width / 4), corners, system)


def _corners(
    plot: MultiPolygon, ground: MultiPolygon, left: float, top: float
) -> tuple[Corner, ...]:
    there = [xy for part in plot.geoms for xy in _ring(part)]
    here = [xy for part in ground.geoms for xy in _ring(part)]
    if len(there) > _CORNERS:
        return ()
    return tuple(
        Corner(n, x - left, top - y, lon, lat)
        for n, ((lon, lat), (x, y)) in enumerate(zip(there, here, strict=True), 1)
    )


def _ring(part: Polygon) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y, *_ in part.exterior.coords[:-1]]


def _round_length(metres: float) -> float:
    """The largest of 1, 2, 5, 10 … that is not longer."""
    power = 10.0 ** math.floor(math.log10(metres))
    return next(step * power for step in (5, 2, 1) if step * power <= metres)
