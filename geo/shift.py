"""Are coordinates shifted by the encryption of Chinese web maps (GCJ-02, BD-09)? A suspicion, never a correction.

No official formula is public. The algorithm is the well-known one, whose inverse is right to about a metre (domain facts §2.2):
enough to see that plots shifted back fall on known ones, not enough for any decision about land.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from geo.crs import Geometries

Coords = npt.NDArray[np.float64]
_EARTH_M = 6_378_137.0
_ECCENTRICITY = 0.00669342162296594323
# Two readings of the algorithm are about, up to 70 m apart: the domain facts' and the more common one.
_BD = (np.pi, np.pi * 3000 / 180)
# How near a plot shifted back must come to a known one to be it: bounds in metres, and its area.
_NEAR_M = 5.0
_SAME_AREA = 0.03
_METRES = 111_000.0
# With roads a suspicion rests on numbers: this many plots, so many on roads as sent, so few shifted back.
_LEAST, _CROSSED, _CLEAR = 5, 0.3, 0.05
# A shift is one for the whole file: so many of its plots tell it.
_ENOUGH = 500


def _offsets(lonlat: Coords) -> Coords:
    """Degrees by which GCJ-02 moves a point: longitude, latitude."""
    x, y = lonlat[:, 0] - 105.0, lonlat[:, 1] - 35.0
    wave = 20 * np.sin(6 * x * np.pi) + 20 * np.sin(2 * x * np.pi)
    lat = wave + 20 * np.sin(y * np.pi) + 40 * np.sin(y * np.pi / 3)
    lat += 160 * np.sin(y * np.pi / 12) + 320 * np.sin(y * np.pi / 30)
    lon = wave + 20 * np.sin(x * np.pi) + 40 * np.sin(x * np.pi / 3)
    lon += 150 * np.sin(x * np.pi / 12) + 300 * np.sin(x * np.pi / 30)
    root = np.sqrt(np.abs(x))
    lat = lat * 2 / 3 - 100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    lon = lon * 2 / 3 + 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    phi = np.radians(lonlat[:, 1])
    magic = 1 - _ECCENTRICITY * np.sin(phi) ** 2
    lat = np.degrees(lat / (_EARTH_M * (1 - _ECCENTRICITY) / (magic * np.sqrt(magic))))
    lon = np.degrees(lon / (_EARTH_M / np.sqrt(magic) * np.cos(phi)))
    return np.column_stack([lon, lat])


def to_gcj02(lonlat: Coords) -> Coords:
    """Move true lon/lat to GCJ-02."""
    return lonlat + _offsets(lonlat)


def from_gcj02(lonlat: Coords) -> Coords:
    """Move GCJ-02 back to true lon/lat, to about 0.1 m."""
    found = lonlat - _offsets(lonlat)
    for _ in range(3):
        found = found - (to_gcj02(found) - lonlat)
    return found


def to_bd09(lonlat: Coords, turn: float = _BD[0]) -> Coords:
    """Move true lon/lat to BD-09, in one of its two readings."""
    x, y = to_gcj02(lonlat).T
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * turn)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * turn)
    return np.column_stack([radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006])


def from_bd09(lonlat: Coords, turn: float = _BD[0]) -> Coords:
    """Move BD-09 back to true lon/lat, to about a metre."""
    x, y = lonlat[:, 0] - 0.0065, lonlat[:, 1] - 0.006
    radius = np.hypot(x, y) - 0.00002 * np.sin(y * turn)
    angle = np.arctan2(y, x) - 0.000003 * np.cos(x * turn)
    return from_gcj02(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))


_BACK: tuple[tuple[str, Callable[[Coords], Coords]], ...] = (
    ("GCJ-02", from_gcj02),
    *(("BD-09", partial(from_bd09, turn=turn)) for turn in _BD),
)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Plots look shifted by `frame`, about `metres` from their place. `plots` are indexes of those that show it."""

    frame: str
    metres: float
    plots: tuple[int, ...]
    by: str


def suspected(plots: Geometries, known: Geometries, roads: Geometries) -> Suspicion | None:
    """Do plots (lon/lat) shifted back fall on known plots, or clear of the roads they lie on, and unshifted not?

    `known` are areas and `roads` lines of the same place, in lon/lat; either may be empty.
    """
    if not len(plots):
        return None
    plots = plots[:_ENOUGH]
    for frame, back in _BACK:
        moved = shapely.transform(plots, back)
        found = _on_known(plots, moved, known)
        by = "plots"
        if not found:
            found, by = _off_roads(plots, moved, roads), "roads"
        if found:
            return Suspicion(frame, _metres(plots[found[0]], moved[found[0]]), found, by)
    return None


def _metres(one: BaseGeometry, other: BaseGeometry) -> float:
    dx, dy = np.subtract(one.bounds[:2], other.bounds[:2])
    return float(np.hypot(dx * _METRES * np.cos(np.radians(one.bounds[1])), dy * _METRES))


def _on_known(plots: Geometries, moved: Geometries, known: Geometries) -> tuple[int, ...]:
    """Indexes of plots that coincide with a known one only when shifted back; none where any does as it was sent."""
    if not len(known):
        return ()
    if _coinciding(plots, known):
        return ()
    return _coinciding(moved, known)


def _coinciding(plots: Geometries, known: Geometries) -> tuple[int, ...]:
    """By bounds and area, which costs nothing whatever the shapes are: an overlay could take minutes."""
    reach = _NEAR_M / _METRES
    theirs, areas = shapely.bounds(known), shapely.area(known)
    tree = shapely.STRtree(known)
    grown = np.array([-reach, -reach, reach, reach])
    found = []
    for i, (box, area) in enumerate(zip(shapely.bounds(plots), shapely.area(plots), strict=True)):
        near = tree.query(shapely.box(*(box + grown)))
        same = np.abs(theirs[near] - box).max(axis=1, initial=0.0) <= reach
        if (same & (np.abs(areas[near] - area) <= _SAME_AREA * area)).any():
            found.append(i)
    return tuple(found)


def _off_roads(plots: Geometries, moved: Geometries, roads: Geometries) -> tuple[int, ...]:
    """Indexes of the plots that lie on roads as sent, where shifting back clears nearly all of them."""
    if len(plots) < _LEAST or not len(roads):
        return ()
    tree = shapely.STRtree(roads)
    crossed = np.unique(tree.query(plots, predicate="intersects")[0])
    after = np.unique(tree.query(moved, predicate="intersects")[0])
    # Shifted back they must still lie among the roads: out in the fields anything is clear of them.
    among = len(np.unique(tree.query(moved, predicate="dwithin", distance=200 / _METRES)[0]))
    if (
        len(crossed) >= _CROSSED * len(plots)
        and len(after) <= _CLEAR * len(plots)
        and among >= 0.8 * len(plots)
    ):
        return tuple(int(i) for i in crossed)
    return ()
