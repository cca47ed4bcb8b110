"""Plots as the engine takes them: flat, boxed, and in an order in which neighbours follow each other."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo import wkb
from geo.flat import Flat, Ints, Numbers
from geo.frame import metric
from geo.kernel import kernel


class Plots(NamedTuple):
    """The arrays of a ground as kernels take them."""

    x: Numbers
    y: Numbers
    part_start: Ints
    part_kind: npt.NDArray[np.int8]
    start: Ints
    bounds: Numbers


@dataclass(frozen=True, slots=True)
class Ground:
    """Plots in one planar CRS in metres, in an order in which neighbours follow each other.

    Attributes:
        ids: shape (n,), int64.
        shapes: `n` geometries; only their polygons count, one without any is never near anything.
        bounds: shape (n, 4).
        order: shape (n,), places in the order of a Z curve.
        crs: as geo.frame.metric takes it.
    """

    ids: Ints
    shapes: Flat
    bounds: Numbers
    order: Ints
    crs: str

    @classmethod
    def of(cls, ids: Ints, shapes: Flat, crs: str) -> "Ground":
        """Box and order the plots.

        Raises:
            MissingCRS: the CRS is missing or not in metres.
        """
        bounds = shapes.bounds()
        return cls(
            np.ascontiguousarray(ids, np.int64), shapes, bounds, _z_order(bounds), metric(crs)
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: Ints) -> "Ground":
        """Return the plots at the given places, in that order."""
        return Ground.of(self.ids[places], self.shapes.take(places), self.crs)

    def arrays(self) -> Plots:
        flat = self.shapes
        return Plots(flat.x, flat.y, flat.part_start, flat.part_kind, flat.start, self.bounds)


def _z_order(bounds: Numbers) -> Ints:
    """Places in the order of a Z curve over the middles of the boxes; those without a box last."""
    if not len(bounds):
        return np.zeros(0, np.int64)
    with np.errstate(invalid="ignore"):
        middle = (bounds[:, :2] + bounds[:, 2:]) / 2
        low = np.fmin.reduce(middle, axis=0)
        span = np.fmax(np.fmax.reduce(middle - low, axis=0), 1e-9)
        steps = np.nan_to_num((middle - low) / span * 65_535, nan=65_535).astype(np.int64)
    code = np.zeros(len(bounds), np.int64)
    for bit in range(16):
        code |= ((steps[:, 0] >> bit) & 1) << (2 * bit)
        code |= ((steps[:, 1] >> bit) & 1) << (2 * bit + 1)
    return np.argsort(code, kind="stable")


def first_corners(flat: Flat, chosen: Ints) -> tuple[Ints, Ints]:
    """The first vertex of every shell of the chosen plots, and which of them it belongs to."""
    size = flat.start[chosen + 1] - flat.start[chosen]
    owner = np.repeat(np.arange(len(chosen)), size)
    part = (
        np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size) + flat.start[chosen][owner]
    )
    shell = flat.part_kind[part] == wkb.SHELL
    return flat.part_start[part[shell]], owner[shell]


@kernel
def _inside(
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    kind: npt.NDArray[np.int8],
    lo: int,
    hi: int,
    px: float,
    py: float,
) -> bool:
    odd = False
    for p in range(lo, hi):
        if kind[p] < wkb.SHELL:
            continue
        for i in range(part_start[p], part_start[p + 1] - 1):
            if (y[i] <= py) != (y[i + 1] <= py):
                side = (x[i + 1] - x[i]) * (py - y[i]) - (y[i + 1] - y[i]) * (px - x[i])
                if (side > 0) == (y[i + 1] > y[i]):
                    odd = not odd
    return odd


def covers(shapes: Flat, place: int, px: float, py: float) -> bool:
    """Does a polygon hold a point? On its outline either answer may come."""
    lo, hi = shapes.start[place], shapes.start[place + 1]
    return bool(_inside(shapes.x, shapes.y, shapes.part_start, shapes.part_kind, lo, hi, px, py))


@kernel
def most_edges(plots: Plots, chosen: Ints, lo: int, hi: int) -> int:
    most = 1
    for o in range(lo, hi):
        i = chosen[o]
        most = max(most, plots.part_start[plots.start[i + 1]] - plots.part_start[plots.start[i]])
    return most
