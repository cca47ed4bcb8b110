"""Geometries as flat arrays: what the coverage engine computes on.

A geometry is a run of parts (points, lines, shells, holes), a part a run of vertices. Nothing is looked up in objects, so a
file of half a million facilities is read in a fraction of a second and can lie on disk as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from geo import wkb
from geo.crs import Geometries

Numbers = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WRONG = {
    wkb.BAD_TYPE: "a geometry is neither point, line nor polygon",
    wkb.BAD_BYTES: "a geometry ends too early",
    wkb.NOT_CLOSED: "a ring is not closed",
    wkb.NOT_FINITE: "a coordinate is not a number that lies on Earth",
}


class BadGeometry(ValueError):
    """Bytes that are no geometry of straight segments with finite coordinates."""


@dataclass(frozen=True, slots=True)
class Flat:
    """`n` geometries. Shells run counter-clockwise, holes clockwise; Z and M are left out.

    Attributes:
        x, y: shape (vertices,), float64, in the CRS of whoever holds them.
        part_start: shape (parts + 1,), first vertex of each part.
        part_kind: shape (parts,), int8: POINT, LINE, SHELL or HOLE of geo.wkb.
        start: shape (n + 1,), first part of each geometry; parts without vertices are left out, so an empty or missing geometry has none.
    """

    x: Numbers
    y: Numbers
    part_start: Ints
    part_kind: npt.NDArray[np.int8]
    start: Ints

    def __len__(self) -> int:
        return len(self.start) - 1

    def bounds(self) -> Numbers:
        """Return west, south, east, north of each geometry, shape (n, 4); NaN for one without vertices."""
        first = self.part_start[self.start]
        if not len(self.x):
            return np.full((len(self), 4), np.nan)
        some = first[1:] > first[:-1]
        at = first[:-1][some]
        found = np.full((len(self), 4), np.nan)
        for column, of, values in (
            (0, np.minimum, self.x),
            (1, np.minimum, self.y),
            (2, np.maximum, self.x),
            (3, np.maximum, self.y),
        ):
            found[some, column] = of.reduceat(values, at)
        return found

    def areas(self) -> Numbers:
        """Return planar areas, holes taken off, shape (n,)."""
        found = np.zeros(len(self))
        wkb.areas(self.x, self.y, self.part_start, self.part_kind, self.start, found)
        return found

    def areal(self) -> npt.NDArray[np.bool_]:
        """Return which geometries have a polygon or nothing at all, shape (n,)."""
        size = np.diff(self.start)
        found = size == 0
        found[np.repeat(np.arange(len(self)), size)[self.part_kind >= wkb.SHELL]] = True
        return np.asarray(found)

    def take(self, chosen: Ints) -> "Flat":
        """Return the geometries at the given positions, in that order."""
        part, start = _runs(self.start, chosen)
        vertex, part_start = _runs(self.part_start, part)
        return Flat(self.x[vertex], self.y[vertex], part_start, self.part_kind[part], start)

    def polygons(self, chosen: Ints) -> Geometries:
        """Return the polygons at the given places as shapely's, each with all its shells and holes."""
        made = np.empty(len(chosen), dtype=object)
        for i, place in enumerate(chosen):
            rings: list[list[Numbers]] = []
            for part in range(self.start[place], self.start[place + 1]):
                ring = slice(self.part_start[part], self.part_start[part + 1])
                if self.part_kind[part] == wkb.SHELL:
                    rings.append([])
                if self.part_kind[part] >= wkb.SHELL:
                    rings[-1].append(np.column_stack((self.x[ring], self.y[ring])))
            made[i] = shapely.multipolygons([shapely.Polygon(r[0], r[1:]) for r in rings])
        return made

    def followed_by(self, other: "Flat") -> "Flat":
        """Return these geometries and the other's after them."""
        return Flat(
            np.concatenate((self.x, other.x)),
            np.concatenate((self.y, other.y)),
            np.concatenate((self.part_start, other.part_start[1:] + self.part_start[-1])),
            np.concatenate((self.part_kind, other.part_kind)),
            np.concatenate((self.start, other.start[1:] + self.start[-1])),
        )


def _runs(start: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    """The members of the chosen runs, one after the other, and where each run starts among them."""
    size = start[chosen + 1] - start[chosen]
    begin = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    member = np.arange(begin[-1]) + np.repeat(start[chosen] - begin[:-1], size)
    return member, begin


def from_wkb(buffer: npt.NDArray[np.uint8], starts: Ints) -> Flat:
    """Read geometries of well-known binary (ISO or with an SRID) that lie one after the other in a buffer.

    `starts`, shape (n + 1,): where each begins; one of no length is missing.

    Raises:
        BadGeometry: a curve, a truncated geometry, an open ring or a coordinate that lies nowhere on Earth.
    """
    starts = np.ascontiguousarray(starts, np.int64)
    counts = np.zeros((len(starts) - 1, 2), np.int64)
    wrong = wkb.measure(buffer, starts, counts)
    if wrong == wkb.BIG_ENDIAN:
        try:
            return from_shapely(shapely.from_wkb(_each(buffer, starts)))
        except shapely.errors.ShapelyError as error:
            raise BadGeometry(_WRONG[wkb.BAD_BYTES]) from error
    if wrong != wkb.OK:
        raise BadGeometry(_WRONG[wrong])
    parts, vertices = counts.sum(axis=0)
    x, y = np.empty(vertices), np.empty(vertices)
    part_start = np.empty(parts + 1, np.int64)
    kind = np.empty(parts, np.int8)
    wkb.read(buffer, starts, x.view(np.uint64), y.view(np.uint64), part_start, kind)
    wrong = wkb.orient(x, y, part_start, kind)
    if wrong != wkb.OK:
        raise BadGeometry(_WRONG[wrong])
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[:, 0])))
    return Flat(x, y, part_start, kind, start)


def from_shapely(geometries: Geometries) -> Flat:
    """Flatten shapely geometries; empty and missing ones have no part.

    Raises:
        BadGeometry: a coordinate is not finite.
    """
    made = [b"" if g is None else g for g in shapely.to_wkb(geometries, output_dimension=2)]
    return from_pieces(made)


def from_pieces(pieces: Sequence[bytes]) -> Flat:
    """Flatten geometries given as one piece of well-known binary each; an empty piece is a missing one.

    Raises:
        BadGeometry: as from_wkb.
    """
    sizes = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return from_wkb(np.frombuffer(b"".join(pieces), np.uint8), starts)


def _each(buffer: npt.NDArray[np.uint8], starts: Ints) -> list[bytes | None]:
    return [buffer[lo:hi].tobytes() or None for lo, hi in pairwise(starts)]
