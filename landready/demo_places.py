"""The ground of the demo province: quarters with a grid of streets, plots in its blocks and mains under its streets. Pure.

All of it is made up and the same on every load; only the areas of the real plots are facts. Metres are those of the plot's own
Gauss-Krüger zone, results are lon/lat in EPSG:4490.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import cos, radians, sin, sqrt

import numpy as np
import shapely
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from geo.crs import geodesic_area_m2, to_stored, to_working, working_crs
from landready.shapes import multi
from landready.utilities import Utility

# A street every so many blocks carries the mains of a utility, beside its centre line by so many metres.
_MAINS: Mapping[Utility, tuple[int, float]] = {
    Utility.WATER: (1, 3.0),
    Utility.DRAINAGE: (1, -4.0),
    Utility.POWER: (1, -8.0),
    Utility.GAS: (2, 6.0),
    Utility.TELECOM: (1, 9.0),
    Utility.CABLE_TV: (2, 10.5),
}
_STREET_M = 30.0
# Micrometres: what is written to a file measures like what was drawn.
_DIGITS = 11


@dataclass(frozen=True, slots=True)
class Quarter:
    """A grid of `blocks` × `blocks` square blocks of `block_m` metres, turned by `angle` degrees about its middle."""

    name: str
    lon: float
    lat: float
    block_m: float
    blocks: int
    angle: float
    utilities: tuple[Utility, ...] = tuple(Utility)

    @property
    def crs(self) -> str:
        return working_crs(self.lon)


@dataclass(frozen=True, slots=True)
class Main:
    """One line or point of a network: `kind` is main, station or point; `number` counts within the quarter."""

    geometry: BaseGeometry
    kind: str
    number: int
    quarter: str


def boundary(quarter: Quarter, column: int, row: int, area_m2: float, aspect: float) -> Polygon:
    """Draw a plot of exactly `area_m2` (geodesic, to a thousandth) in the middle of a block, corners cut at the crossings.

    Raises:
        ValueError: it does not fit between the streets of its block.
    """
    width, depth = sqrt(area_m2 * aspect), sqrt(area_m2 / aspect)
    if max(width, depth) > quarter.block_m - _STREET_M:
        raise ValueError(f"{area_m2} m² does not fit a block of {quarter.block_m} m")
    cut = min(width, depth) * 0.08
    w, d = width / 2, depth / 2
    ring = [(-w, -d), (w - cut, -d), (w, -d + cut), (w, d), (-w + cut, d), (-w, d - cut)]
    middle = (np.array([column, row]) + 0.5 - quarter.blocks / 2) * quarter.block_m
    scale = 1.0
    for _ in range(6):
        drawn = placed(quarter, Polygon(np.array(ring) * scale + middle))
        scale *= sqrt(area_m2 / geodesic_area_m2(drawn))
    assert isinstance(drawn, Polygon)  # noqa: S101 - a polygon stays one
    return drawn


def network(quarter: Quarter, utility: Utility) -> Iterator[Main]:
    """Lay the mains of a utility under the streets from crossing to crossing, with a station and connection points."""
    if utility not in quarter.utilities:
        return
    every, beside = _MAINS[utility]
    size = quarter.blocks
    half = size / 2
    number = 0
    for street in range(0, size + 1, every):
        offset = (street - half) * quarter.block_m + beside
        for block in range(size):
            start, end = ((block + step - half) * quarter.block_m for step in (0, 1))
            for line in (
                LineString([(start, offset), (end, offset)]),
                LineString([(offset, start), (offset, end)]),
            ):
                number += 1
                yield Main(placed(quarter, line), "main", number, quarter.name)
    for street in range(0, size + 1, every):
        number += 1
        at = (street - half) * quarter.block_m + beside
        yield Main(placed(quarter, Point(at, at)), "point", number, quarter.name)
    edge = -half * quarter.block_m - 60
    yield Main(placed(quarter, Point(edge, beside * 4)), "station", number + 1, quarter.name)


def service_area(quarters: tuple[Quarter, ...], utility: Utility, margin_m: float) -> BaseGeometry:
    """Draw where a utility is served: around its quarters, `margin_m` beyond the outermost street."""
    parts = []
    for quarter in quarters:
        if utility in quarter.utilities:
            reach = quarter.blocks / 2 * quarter.block_m + margin_m
            parts.append(placed(quarter, Point(0, 0).buffer(reach * 1.1, quad_segs=6)))
    return multi(shapely.union_all(parts))


def placed(quarter: Quarter, local: BaseGeometry) -> BaseGeometry:
    """Bring metres about the quarter's middle to lon/lat, turned with the quarter."""
    middle = to_working(np.array([Point(quarter.lon, quarter.lat)], dtype=object), quarter.crs)[0]
    turn = radians(quarter.angle)

    def move(xy: np.ndarray) -> np.ndarray:
        x, y = xy.T
        return np.column_stack(
            [middle.x + x * cos(turn) - y * sin(turn), middle.y + x * sin(turn) + y * cos(turn)]
        )

    placed = np.array([shapely.transform(local, move)], dtype=object)
    found: BaseGeometry = shapely.transform(
        to_stored(placed, quarter.crs)[0], lambda xy: np.round(xy, _DIGITS)
    )
    return found
