"""Bounding boxes in a grid: which of many things may touch a place."""

from dataclasses import dataclass

import numpy as np

from geo.flat import Ints, Numbers
from geo.kernel import kernel


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of `n` things, each listed in every grid cell it touches; one without vertices (NaN) in none.

    Attributes:
        bounds: shape (n, 4): west, south, east, north.
        frame: west, south and cell size, shape (3,).
        shape: columns and rows, shape (2,).
        cell_start: shape (cells + 1,).
        item: shape (entries,), places of the things in `bounds`, cell by cell.
    """

    bounds: Numbers
    frame: Numbers
    shape: Ints
    cell_start: Ints
    item: Ints

    @classmethod
    def build(cls, bounds: Numbers) -> "Boxes":
        """Grid `bounds` by cells about twice as large as an average box."""
        some = bounds[~np.isnan(bounds[:, 0])]
        if not len(some):
            empty = np.zeros(0, np.int64)
            frame, shape = np.array([0.0, 0.0, 1.0]), np.ones(2, np.int64)
            return cls(bounds, frame, shape, np.zeros(2, np.int64), empty)
        west, south = some[:, :2].min(axis=0)
        east, north = some[:, 2:].max(axis=0)
        side = np.maximum(some[:, 2] - some[:, 0], some[:, 3] - some[:, 1]).mean()
        most = max(64.0, 4.0 * len(some))
        cell = max(2 * side, ((east - west) * (north - south) / most) ** 0.5)
        cell = max(cell, (east - west + north - south) / most, 1e-6)
        columns, rows = int((east - west) / cell) + 1, int((north - south) / cell) + 1
        frame, shape = np.array([west, south, cell]), np.array([columns, rows], np.int64)
        counts = np.zeros(columns * rows + 1, np.int64)
        _count(bounds, frame, shape, counts)
        start = np.cumsum(counts)
        item = np.empty(start[-1], np.int64)
        _place(bounds, frame, shape, start.copy(), item)
        return cls(bounds, frame, shape, start, item)

    def touching(self, others: Numbers) -> tuple[Ints, Ints]:
        """Return all pairs (place in `others`, place here) whose boxes touch; ordered by the first only.

        `others`: shape (m, 4). A box of NaN touches nothing.
        """
        # Most boxes touch a few; where there is more, the number is known and the work done again.
        room = 4 * len(others) + 1024
        while True:
            first, second = np.empty(room, np.int64), np.empty(room, np.int64)
            found = _pair(
                others,
                self.bounds,
                self.frame,
                self.shape,
                self.cell_start,
                self.item,
                first,
                second,
            )
            if found <= room:
                return first[:found], second[:found]
            room = found


@kernel
def cells_of(box: Numbers, frame: Numbers, shape: Ints) -> tuple[int, int, int, int]:
    """Columns and rows (first, last) that a box touches, within the grid; last < first when it lies outside or is NaN."""
    west, south, cell = frame
    if not box[0] <= box[2]:
        return 0, -1, 0, -1
    first = max(np.floor((box[0] - west) / cell), 0.0)
    last = min(np.floor((box[2] - west) / cell), shape[0] - 1.0)
    low = max(np.floor((box[1] - south) / cell), 0.0)
    high = min(np.floor((box[3] - south) / cell), shape[1] - 1.0)
    if last < first or high < low:
        return 0, -1, 0, -1
    return int(first), int(last), int(low), int(high)


@kernel
def _count(bounds: Numbers, frame: Numbers, shape: Ints, counts: Ints) -> None:
    for i in range(len(bounds)):
        first, last, low, high = cells_of(bounds[i], frame, shape)
        for row in range(low, high + 1):
            for column in range(first, last + 1):
                counts[row * shape[0] + column + 1] += 1


@kernel
def _place(bounds: Numbers, frame: Numbers, shape: Ints, at: Ints, item: Ints) -> None:
    for i in range(len(bounds)):
        first, last, low, high = cells_of(bounds[i], frame, shape)
        for row in range(low, high + 1):
            for column in range(first, last + 1):
                place = row * shape[0] + column
                item[at[place]] = i
                at[place] += 1


@kernel
def is_first_meeting(a: Numbers, b: Numbers, frame: Numbers, row: int, column: int) -> bool:
    """Is this the cell in which two touching boxes are counted: that of the south-west corner of what they share?"""
    x = max(max(a[0], b[0]), frame[0])
    y = max(max(a[1], b[1]), frame[1])
    return int((x - frame[0]) / frame[2]) == column and int((y - frame[1]) / frame[2]) == row


@kernel
def _pair(
    others: Numbers,
    bounds: Numbers,
    frame: Numbers,
    shape: Ints,
    cell_start: Ints,
    item: Ints,
    first: Ints,
    second: Ints,
) -> int:
    """Fill as many pairs as there is room for; return how many there are."""
    k = 0
    for i in range(len(others)):
        box = others[i]
        west, east, low, high = cells_of(box, frame, shape)
        for row in range(low, high + 1):
            for column in range(west, east + 1):
                place = row * shape[0] + column
                for e in range(cell_start[place], cell_start[place + 1]):
                    other = bounds[item[e]]
                    if (
                        other[0] > box[2]
                        or other[2] < box[0]
                        or other[1] > box[3]
                        or other[3] < box[1]
                        or not is_first_meeting(box, other, frame, row, column)
                    ):
                        continue
                    if k < first.size:
                        first[k], second[k] = i, item[e]
                    k += 1
    return k
