"""The index of one layer: its segments copied in the order of grid cells, and sums to skip empty ground.

A segment lies in every cell it passes through, so a query reads runs of memory instead of following pointers; a main of
10 km is in the cells along its way, not in its whole box. A point is a segment without length. Built once per layer version
and working CRS, kept as a folder of .npy files that worker processes share by memory map.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from geo import wkb
from geo.boxes import Boxes
from geo.flat import Flat, Ints, Numbers
from geo.frame import metric
from geo.kernel import kernel

# Cells are made so large that the cell of an average segment holds about this many; measured on towns at three sizes.
_IN_A_CELL = 6.0
_PROBE_M = 600.0
_SMALLEST_M, _LARGEST_M = 60.0, 2000.0
# Cells beside a segment's way that it may touch by rounding belong to it too: metres.
_SLACK_M = 1e-6
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Index:
    """Facilities of one kind in one planar CRS in metres, ready to be searched.

    Attributes:
        ids: shape (n,), int64, ascending: the facilities by their place in the index.
        frame: west, south and cell size in metres, shape (3,).
        shape: columns and rows of the grid, shape (2,).
        cell_start: shape (cells + 1,), where each cell's segments start; cells run west to east, then northwards.
        segments: shape (copies, 4), x and y of both ends.
        owner: shape (copies,), int32, place of the segment's facility in `ids`.
        sums: shape (rows + 1, columns + 1), copies south-west of each grid corner.
        shapes: `n` geometries, in the order of `ids`.
        body, body_boxes: places in `ids` of the facilities that cover ground (polygons), and their boxes.
        crs: as geo.frame.metric takes it.
    """

    ids: Ints
    frame: Numbers
    shape: Ints
    cell_start: Ints
    segments: npt.NDArray[np.float64]
    owner: npt.NDArray[np.int32]
    sums: npt.NDArray[np.int32]
    shapes: Flat
    body: Ints
    body_boxes: Boxes
    crs: str

    def __len__(self) -> int:
        return len(self.ids)


def build(ids: Ints, shapes: Flat, crs: str) -> Index:
    """Build the index of facilities; ids must differ and not be negative, their order does not matter.

    Raises:
        ValueError: an id is negative: -1 stands for no facility.
        MissingCRS: the CRS is missing or not in metres.
    """
    if len(ids) and ids.min() < 0:
        raise ValueError("ids of facilities must not be negative")
    order = np.argsort(ids, kind="stable")
    if not np.array_equal(order, np.arange(len(ids))):
        ids, shapes = ids[order], shapes.take(order)
    segments, owner = _segments(shapes)
    west, south, cell, columns, rows = _frame(segments)
    counts = np.zeros(columns * rows + 1, np.int64)
    _count(segments, west, south, cell, columns, rows, counts)
    cell_start = np.cumsum(counts)
    placed = np.empty((cell_start[-1], 4))
    by = np.empty(cell_start[-1], np.int32)
    _place(segments, owner, west, south, cell, columns, rows, cell_start.copy(), placed, by)
    sums = np.zeros((rows + 1, columns + 1), np.int32)
    _sum_up(cell_start, sums)
    body = _with_ground(shapes)
    return Index(
        ids=np.ascontiguousarray(ids, np.int64),
        frame=np.array([west, south, cell]),
        shape=np.array([columns, rows], np.int64),
        cell_start=cell_start,
        segments=placed,
        owner=by,
        sums=sums,
        shapes=shapes,
        body=body,
        body_boxes=Boxes.build(shapes.take(body).bounds()),
        crs=metric(crs),
    )


def save(index: Index, folder: Path) -> None:
    """Keep an index as a folder; whoever comes second finds it there and leaves it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, array in _arrays(index, ""):
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        (draft / "crs").write_text(index.crs, encoding="utf-8")
        for path in draft.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        load(draft)  # a disk that filled up may have cut an array off
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load(folder: Path) -> Index:
    """Open a kept index without reading it: its arrays are memory-mapped and shared by all who open it.

    Raises:
        FileNotFoundError: there is none, or it is not whole.
    """
    try:
        return _read(folder)
    except (OSError, ValueError, EOFError) as error:
        raise FileNotFoundError(folder) from error


def discard(folder: Path) -> None:
    """Take a kept index away; whoever has it open keeps it."""
    if folder.exists():
        grave = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        with suppress(OSError):  # another process was quicker
            folder.rename(grave / folder.name)
        shutil.rmtree(grave, ignore_errors=True)


def _read(folder: Path) -> Index:
    return _opened(Index, folder, "")


def _arrays(thing: object, prefix: str) -> list[tuple[str, npt.NDArray[np.generic]]]:
    found = []
    for field in fields(thing):  # type: ignore[arg-type]
        value = getattr(thing, field.name)
        if isinstance(value, np.ndarray):
            found.append((prefix + field.name, value))
        elif not isinstance(value, str):
            found += _arrays(value, f"{prefix}{field.name}.")
    return found


def _opened(kind: type[_T], folder: Path, prefix: str) -> _T:
    parts: dict[str, object] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        nested = {"shapes": Flat, "body_boxes": Boxes}.get(field.name)
        if field.name == "crs":
            parts["crs"] = (folder / "crs").read_text(encoding="utf-8")
        elif nested and kind is Index:
            parts[field.name] = _opened(nested, folder, f"{prefix}{field.name}.")
        else:
            path = folder / f"{prefix}{field.name}.npy"
            # "c": nothing is ever written, but kernels are compiled anew for arrays that forbid it.
            parts[field.name] = np.load(path, mmap_mode="c", allow_pickle=False)
    return kind(**parts)


def _with_ground(shapes: Flat) -> Ints:
    """Places of the geometries that have a shell."""
    shells = np.concatenate((np.zeros(1, np.int64), np.cumsum(shapes.part_kind == wkb.SHELL)))
    return np.flatnonzero(shells[shapes.start[1:]] > shells[shapes.start[:-1]])


def _segments(shapes: Flat) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """All segments with the place of their geometry; a part of one vertex is a segment without length."""
    parts = np.diff(shapes.part_start)
    size = np.where(parts == 1, 1, np.maximum(parts - 1, 0))
    segments = np.empty((size.sum(), 4))
    owner = np.empty(size.sum(), np.int32)
    of_part = np.repeat(np.arange(len(shapes), dtype=np.int32), np.diff(shapes.start))
    _cut(shapes.x, shapes.y, shapes.part_start, size, of_part, segments, owner)
    return segments, owner


def _frame(segments: npt.NDArray[np.float64]) -> tuple[float, float, float, int, int]:
    """West, south, cell size, columns and rows for these segments."""
    if not len(segments):
        return 0.0, 0.0, _LARGEST_M, 1, 1
    west = float(min(segments[:, 0].min(), segments[:, 2].min())) - _SLACK_M * 2
    south = float(min(segments[:, 1].min(), segments[:, 3].min())) - _SLACK_M * 2
    east = float(max(segments[:, 0].max(), segments[:, 2].max())) + _SLACK_M * 2
    north = float(max(segments[:, 1].max(), segments[:, 3].max())) + _SLACK_M * 2
    width, height = east - west, north - south
    probe = max(_PROBE_M, (width * height / 4e6) ** 0.5, max(width, height) / 1e5)
    columns = int(width / probe) + 1
    places = ((segments[:, 1] - south) / probe).astype(np.int64) * columns
    places += ((segments[:, 0] - west) / probe).astype(np.int64)
    crowd = np.bincount(places)
    mean = float((crowd.astype(float) ** 2).sum() / len(segments))
    cell = min(max(probe * (_IN_A_CELL / max(mean, 1e-9)) ** 0.5, _SMALLEST_M), _LARGEST_M)
    # Not more cells than a few for every segment, however far apart they lie.
    cell = max(cell, (width * height / (8.0 * len(segments) + 65_536)) ** 0.5)
    cell = max(cell, (width + height) / (4.0 * len(segments) + 65_536))
    cell = max(cell, max(width, height) / 1e5)
    return west, south, cell, int(width / cell) + 1, int(height / cell) + 1


@kernel
def _cut(
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    size: Ints,
    of_part: npt.NDArray[np.int32],
    segments: npt.NDArray[np.float64],
    owner: npt.NDArray[np.int32],
) -> None:
    s = 0
    for p in range(size.size):
        lo = part_start[p]
        last = part_start[p + 1] - 1
        for i in range(size[p]):
            j = min(lo + i + 1, last)
            segments[s, 0] = x[lo + i]
            segments[s, 1] = y[lo + i]
            segments[s, 2] = x[j]
            segments[s, 3] = y[j]
            owner[s] = of_part[p]
            s += 1


@kernel
def _sum_up(cell_start: Ints, sums: npt.NDArray[np.int32]) -> None:
    """Fill the summed-area table of the number of segments in each cell."""
    rows, columns = sums.shape[0] - 1, sums.shape[1] - 1
    for row in range(rows):
        run = 0
        for column in range(columns):
            place = row * columns + column
            run += cell_start[place + 1] - cell_start[place]
            sums[row + 1, column + 1] = sums[row, column + 1] + run


@kernel
def _columns_in_row(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    west: float,
    south: float,
    cell: float,
    columns: int,
    row: int,
) -> tuple[int, int]:
    """First and last column whose cell of this row a segment passes through."""
    left, right = min(x1, x2), max(x1, x2)
    if y1 != y2:
        low = (south + row * cell - _SLACK_M - y1) / (y2 - y1)
        high = (south + (row + 1) * cell + _SLACK_M - y1) / (y2 - y1)
        if low > high:
            low, high = high, low
        xa = x1 + max(low, 0.0) * (x2 - x1)
        xb = x1 + min(high, 1.0) * (x2 - x1)
        left, right = max(left, min(xa, xb)), min(right, max(xa, xb))
    first = int((left - _SLACK_M - west) / cell)
    last = int((right + _SLACK_M - west) / cell)
    return max(first, 0), min(last, columns - 1)


@kernel
def _rows(y1: float, y2: float, south: float, cell: float, rows: int) -> tuple[int, int]:
    """First and last row that a segment touches."""
    first = int((min(y1, y2) - _SLACK_M - south) / cell)
    return max(first, 0), min(int((max(y1, y2) + _SLACK_M - south) / cell), rows - 1)


@kernel
def _count(
    segments: npt.NDArray[np.float64],
    west: float,
    south: float,
    cell: float,
    columns: int,
    rows: int,
    counts: Ints,
) -> None:
    """Count into `counts[cell + 1]`."""
    for s in range(len(segments)):
        x1, y1, x2, y2 = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        first, last = _rows(y1, y2, south, cell, rows)
        for row in range(first, last + 1):
            left, right = _columns_in_row(x1, y1, x2, y2, west, south, cell, columns, row)
            for column in range(left, right + 1):
                counts[row * columns + column + 1] += 1


@kernel
def _place(
    segments: npt.NDArray[np.float64],
    owner: npt.NDArray[np.int32],
    west: float,
    south: float,
    cell: float,
    columns: int,
    rows: int,
    at: Ints,
    placed: npt.NDArray[np.float64],
    by: npt.NDArray[np.int32],
) -> None:
    """Copy every segment into each of its cells; `at` starts as `cell_start`."""
    for s in range(len(segments)):
        x1, y1, x2, y2 = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        first, last = _rows(y1, y2, south, cell, rows)
        for row in range(first, last + 1):
            left, right = _columns_in_row(x1, y1, x2, y2, west, south, cell, columns, row)
            for column in range(left, right + 1):
                k = at[row * columns + column]
                placed[k, 0], placed[k, 1] = x1, y1
                placed[k, 2], placed[k, 3] = x2, y2
                by[k] = owner[s]
                at[row * columns + column] = k + 1
