"""The nearest facilities of every plot: cells outward from the plot's box until nothing nearer can come.

Several indexes can be searched one after the other into the same result, which is how a changed layer is searched: the old
index without the facilities that are gone, then a small one of those that are new.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo import reach
from geo.flat import Ints, Numbers
from geo.grid import Index
from geo.ground import Ground, Plots, covers, first_corners, most_edges
from geo.kernel import kernel
from geo.threads import each

_AT_ONCE = 512  # plots a thread takes at a time

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """The `k` nearest facilities of `n` plots, by rank; what is missing has the id -1 and an infinite distance.

    Attributes:
        facility: shape (n, k), int64 ids.
        distance: shape (n, k), metres; 0 where plot and facility touch.
        link: shape (n, k, 4): x and y on the plot, x and y on the facility; one point twice where they touch.
    """

    facility: Ints
    distance: Numbers
    link: Numbers


class _Layer(NamedTuple):
    """An index as the kernel takes it."""

    ids: Ints
    frame: Numbers
    shape: Ints
    cell_start: Ints
    segments: Numbers
    owner: npt.NDArray[np.int32]
    sums: npt.NDArray[np.int32]
    gone: _Flags


class _Best(NamedTuple):
    facility: Ints
    distance: Numbers
    segment: Numbers


def nearest(
    ground: Ground,
    layers: Sequence[tuple[Index, _Flags | None]],
    radius: float,
    k: int,
    *,
    places: Ints | None = None,
    threads: int = 1,
) -> Found:
    """Find the `k` facilities nearest to each plot within `radius` metres; of equal distances the lower id is nearer.

    `layers`: indexes to search together, each with flags (by place in it) of the facilities to leave out, or None.
    `places`: which plots; the result is in their order, else in that of `ground`.
    """
    chosen = ground.order if places is None else places
    rows = chosen if places is None else np.arange(len(places))
    count = len(ground) if places is None else len(places)
    best = _Best(
        np.full((count, k), -1, np.int64), np.full((count, k), np.inf), np.zeros((count, k, 4))
    )
    plots = ground.arrays()
    for index, gone in layers:
        flags = np.zeros(0, np.bool_) if gone is None else gone
        layer = _Layer(
            index.ids,
            index.frame,
            index.shape,
            index.cell_start,
            index.segments,
            index.owner,
            index.sums,
            flags,
        )
        _stand_on(ground, index, flags, chosen, rows, best)

        def some(lo: int, layer: _Layer = layer) -> None:
            hi = min(lo + _AT_ONCE, len(chosen))
            _search(plots, layer, chosen, rows, lo, hi, radius, best)

        each(some, range(0, len(chosen), _AT_ONCE), threads)
    links = np.zeros((count, k, 4))

    def some_links(lo: int) -> None:
        hi = min(lo + _AT_ONCE, len(chosen))
        _link(plots, chosen, rows, lo, hi, best, links)

    each(some_links, range(0, len(chosen), _AT_ONCE), threads)
    return Found(best.facility, best.distance, links)


def _stand_on(
    ground: Ground, index: Index, gone: _Flags, chosen: Ints, rows: Ints, best: _Best
) -> None:
    """Enter the facilities that cover a corner of a plot: their outline may be far away."""
    if not len(index.body):
        return
    flat = ground.shapes
    ring, owner = first_corners(flat, chosen)
    x, y = flat.x[ring], flat.y[ring]
    corner, body = index.body_boxes.touching(np.column_stack((x, y, x, y)))
    for c, b in zip(corner, body, strict=True):
        place = index.body[b]
        if gone.size and gone[place]:
            continue
        if covers(index.shapes, int(place), x[c], y[c]):
            _enter(*best, rows[owner[c]], 0.0, index.ids[place], x[c], y[c], x[c], y[c])


@kernel
def _enter(
    ids: Ints,
    gaps: Numbers,
    ends: Numbers,
    row: int,
    metres: float,
    facility: int,
    px: float,
    py: float,
    qx: float,
    qy: float,
) -> None:
    """Put a facility into its rank, or improve it, or leave everything when others are nearer."""
    last = ids.shape[1] - 1
    at = last
    for j in range(last + 1):
        if ids[row, j] == facility:
            if metres >= gaps[row, j]:
                return
            at = j
            break
    else:
        if _before(gaps[row, last], ids[row, last], metres, facility):
            return
    while at > 0 and not _before(gaps[row, at - 1], ids[row, at - 1], metres, facility):
        gaps[row, at] = gaps[row, at - 1]
        ids[row, at] = ids[row, at - 1]
        for c in range(4):
            ends[row, at, c] = ends[row, at - 1, c]
        at -= 1
    gaps[row, at] = metres
    ids[row, at] = facility
    ends[row, at, 0], ends[row, at, 1] = px, py
    ends[row, at, 2], ends[row, at, 3] = qx, qy


@kernel
def _before(gap: float, facility: int, metres: float, other: int) -> bool:
    """Does a ranked facility stay ahead of another? An empty rank (infinite distance) does not."""
    return gap < metres or (gap == metres and gap < np.inf and facility < other)


@kernel
def _scan(
    segments: Numbers,
    owner: npt.NDArray[np.int32],
    known: Ints,
    gone: _Flags,
    first: int,
    last: int,
    edges: Numbers,
    blocks: Numbers,
    n: int,
    box: tuple[float, float, float, float],
    origin: tuple[float, float],
    radius: float,
    ids: Ints,
    gaps: Numbers,
    ends: Numbers,
    row: int,
) -> None:
    """Look at a run of segments."""
    rank = ids.shape[1] - 1
    west, south, east, north = box
    worst = min(radius, gaps[row, rank])
    for s in range(first, last):
        px, py, qx, qy = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        gap = reach.box_gap(west, south, east, north, px, py, qx, qy)
        if gap > max(worst * worst * (1 + 1e-12), reach.TOUCH_M * reach.TOUCH_M):
            continue
        place = owner[s]
        if gone.size and gone[place]:
            continue
        facility = known[place]
        if worst == 0.0 and facility >= ids[row, rank]:
            continue
        metres = reach.distance(
            edges,
            blocks,
            n,
            px - origin[0],
            py - origin[1],
            qx - origin[0],
            qy - origin[1],
            worst,
        )
        if metres <= worst:
            _enter(ids, gaps, ends, row, metres, facility, px, py, qx, qy)
            worst = min(radius, gaps[row, rank])


@kernel
def _copies(sums: npt.NDArray[np.int32], west: int, south: int, east: int, north: int) -> int:
    """Segments in the cells of columns west..east and rows south..north; 0 where there are none."""
    if west > east or south > north:
        return 0
    return int(
        sums[north + 1, east + 1]
        - sums[south, east + 1]
        - sums[north + 1, west]
        + sums[south, west]
    )


@kernel
def _search(
    plots: Plots,
    layer: _Layer,
    chosen: Ints,
    rows: Ints,
    lo: int,
    hi: int,
    radius: float,
    best: _Best,
) -> None:
    ids, gaps, ends = best.facility, best.distance, best.segment
    segments, owner, known, gone = layer.segments, layer.owner, layer.ids, layer.gone
    start, sums, bounds = layer.cell_start, layer.sums, plots.bounds
    most = most_edges(plots, chosen, lo, hi)
    edges = np.empty((reach.ROWS, most))
    blocks = np.empty((most // reach.BLOCK + 1, 4))
    west, south, cell = layer.frame[0], layer.frame[1], layer.frame[2]
    columns, lines = layer.shape[0], layer.shape[1]
    rank = ids.shape[1] - 1
    for o in range(lo, hi):
        i = chosen[o]
        row = rows[o]
        box = (bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3])
        if np.isnan(box[0]):
            continue
        origin = (np.floor((box[0] + box[2]) / 2), np.floor((box[1] + box[3]) / 2))
        n = reach.load_edges(
            plots.x,
            plots.y,
            plots.part_start,
            plots.part_kind,
            plots.start[i],
            plots.start[i + 1],
            origin,
            edges,
            blocks,
        )
        if n == 0:
            continue
        # Columns and rows of the plot's box; they may lie outside the grid.
        c0 = int(np.floor((box[0] - west) / cell))
        c1 = int(np.floor((box[2] - west) / cell))
        r0 = int(np.floor((box[1] - south) / cell))
        r1 = int(np.floor((box[3] - south) / cell))
        seen = 0
        # The first ring that can meet the grid.
        ring = max(max(c0 - columns + 1, -c1), max(max(r0 - lines + 1, -r1), 0))
        while True:
            e0, e1 = max(c0 - ring, 0), min(c1 + ring, columns - 1)
            s0, s1 = max(r0 - ring, 0), min(r1 + ring, lines - 1)
            copies = _copies(sums, e0, s0, e1, s1)
            if copies > seen:
                seen = copies
                for r in range(s0, s1 + 1):
                    whole = ring == 0 or r == r0 - ring or r == r1 + ring
                    # A row of the ring is one run; the sides are one cell left and one right.
                    for side in range(1 if whole else 2):
                        first = e0 if whole or side == 0 else c1 + ring
                        last = e1 if whole or side == 1 else c0 - ring
                        if first <= last:
                            _scan(
                                segments,
                                owner,
                                known,
                                gone,
                                start[r * columns + first],
                                start[r * columns + last + 1],
                                edges,
                                blocks,
                                n,
                                box,
                                origin,
                                radius,
                                ids,
                                gaps,
                                ends,
                                row,
                            )
            # Whatever was not looked at is at least this far from the plot's box.
            margin = min(
                min(box[0] - (west + (c0 - ring) * cell), west + (c1 + ring + 1) * cell - box[2]),
                min(box[1] - (south + (r0 - ring) * cell), south + (r1 + ring + 1) * cell - box[3]),
            )
            everything = (
                c0 - ring <= 0
                and r0 - ring <= 0
                and c1 + ring >= columns - 1
                and r1 + ring >= lines - 1
            )
            if everything or margin > min(radius, gaps[row, rank]) + reach.TOUCH_M:
                break
            ring += 1


@kernel
def _link(
    plots: Plots, chosen: Ints, rows: Ints, lo: int, hi: int, best: _Best, links: Numbers
) -> None:
    ids, gaps, ends = best.facility, best.distance, best.segment
    most = most_edges(plots, chosen, lo, hi)
    edges = np.empty((reach.ROWS, most))
    blocks = np.empty((most // reach.BLOCK + 1, 4))
    for o in range(lo, hi):
        i = chosen[o]
        row = rows[o]
        if ids[row, 0] < 0:
            continue
        ox, oy = np.floor(plots.bounds[i, 0]), np.floor(plots.bounds[i, 1])
        n = reach.load_edges(
            plots.x,
            plots.y,
            plots.part_start,
            plots.part_kind,
            plots.start[i],
            plots.start[i + 1],
            (ox, oy),
            edges,
            blocks,
        )
        for j in range(ids.shape[1]):
            if ids[row, j] < 0:
                break
            px, py = ends[row, j, 0] - ox, ends[row, j, 1] - oy
            qx, qy = ends[row, j, 2] - ox, ends[row, j, 3] - oy
            ax, ay, bx, by = reach.link(edges, n, px, py, qx, qy, gaps[row, j] > 0.0)
            links[row, j, 0], links[row, j, 1] = ax + ox, ay + oy
            links[row, j, 2], links[row, j, 3] = bx + ox, by + oy
