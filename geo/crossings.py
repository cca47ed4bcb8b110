"""Which barriers (roads, control zones, green space) a straight connection crosses."""

import numpy as np
import numpy.typing as npt

from geo import wkb
from geo.boxes import Boxes
from geo.flat import Flat, Ints, Numbers
from geo.kernel import kernel
from geo.threads import each

# Half the unit in the last place of a float64, and Shewchuk's bound for the first stage of orient2d.
_EPSILON = 2.0**-53
_SURE = (3.0 + 16.0 * _EPSILON) * _EPSILON
_SPLIT = 134_217_729.0
_AT_ONCE = 8192


def crossings(links: Numbers, shapes: Flat, boxes: Boxes, threads: int = 1) -> tuple[Ints, Ints]:
    """Return all pairs (place in `links`, place in `shapes`) where a connection meets a barrier; ordered by both.

    `links`, shape (m, 4): x and y of both ends; one without length crosses nothing. A polygon is met inside as on its outline.
    Lines are compared with exact orientation tests, so a connection that ends on a barrier meets it.
    """
    met: dict[int, tuple[Ints, Ints]] = {}

    def some(lo: int) -> None:
        part = links[lo : lo + _AT_ONCE]
        link, shape = boxes.touching(_around(part))
        hit = np.zeros(len(link), np.bool_)
        _meet(
            part,
            shapes.x,
            shapes.y,
            shapes.part_start,
            shapes.part_kind,
            shapes.start,
            link,
            shape,
            hit,
        )
        met[lo] = link[hit] + lo, shape[hit]

    each(some, range(0, len(links), _AT_ONCE), threads)
    nothing = (np.zeros(0, np.int64),) * 2
    link, shape = (
        np.concatenate(c) for c in zip(nothing, *(met[lo] for lo in sorted(met)), strict=True)
    )
    order = np.lexsort((shape, link))
    return link[order], shape[order]


def _around(links: Numbers) -> Numbers:
    west, east = np.minimum(links[:, 0], links[:, 2]), np.maximum(links[:, 0], links[:, 2])
    south, north = np.minimum(links[:, 1], links[:, 3]), np.maximum(links[:, 1], links[:, 3])
    around = np.column_stack((west, south, east, north))
    around[(west == east) & (south == north)] = np.nan
    return around


@kernel
def _meet(
    links: Numbers,
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    kind: npt.NDArray[np.int8],
    start: Ints,
    link: Ints,
    shape: Ints,
    met: npt.NDArray[np.bool_],
) -> None:
    for i in range(link.size):
        ax, ay, bx, by = links[link[i], 0], links[link[i], 1], links[link[i], 2], links[link[i], 3]
        odd = False
        for p in range(start[shape[i]], start[shape[i] + 1]):
            lo, hi = part_start[p], part_start[p + 1]
            for v in range(lo, max(hi - 1, lo + 1)):
                w = min(v + 1, hi - 1)
                if touch(ax, ay, bx, by, x[v], y[v], x[w], y[w]):
                    met[i] = True
                    break
                east = (y[v] <= ay) != (y[w] <= ay) and kind[p] >= wkb.SHELL
                if east and (turn(x[v], y[v], x[w], y[w], ax, ay) > 0) == (y[w] > y[v]):
                    odd = not odd
            if met[i]:
                break
        met[i] = met[i] or odd


@kernel
def touch(
    ax: float, ay: float, bx: float, by: float, px: float, py: float, qx: float, qy: float
) -> bool:
    """Do two segments share a point? Exact for float64 coordinates."""
    if (
        max(ax, bx) < min(px, qx)
        or max(px, qx) < min(ax, bx)
        or max(ay, by) < min(py, qy)
        or max(py, qy) < min(ay, by)
    ):
        return False
    p, q = turn(ax, ay, bx, by, px, py), turn(ax, ay, bx, by, qx, qy)
    if p * q > 0:
        return False
    return turn(px, py, qx, qy, ax, ay) * turn(px, py, qx, qy, bx, by) <= 0


@kernel
def turn(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """On which side of a→b lies c: 1 left, -1 right, 0 on the line.

    Exact (Shewchuk 1997: a filter, then expansions) as long as no product underflows: for metres that are 0 or at least 1e-60.
    """
    left = (ax - cx) * (by - cy)
    right = (ay - cy) * (bx - cx)
    twice = left - right
    if abs(twice) > _SURE * (abs(left) + abs(right)):
        return 1 if twice > 0 else -1
    # The differences exactly as sums of two numbers each, then the sign of the sum of all products.
    head_a, tail_a = _difference(ax, cx)
    head_b, tail_b = _difference(by, cy)
    head_c, tail_c = _difference(ay, cy)
    head_d, tail_d = _difference(bx, cx)
    parts = np.empty(16)
    _products(head_a, tail_a, head_b, tail_b, 1.0, parts, 0)
    _products(head_c, tail_c, head_d, tail_d, -1.0, parts, 8)
    return _sign(parts)


@kernel
def _difference(a: float, b: float) -> tuple[float, float]:
    """Return a - b as a rounded number and what rounding took."""
    head = a - b
    back = a - head
    return head, (a - (head + back)) + (back - b)


@kernel
def _product(a: float, b: float) -> tuple[float, float]:
    """Return a * b as a rounded number and what rounding took (Dekker 1971)."""
    head = a * b
    c = _SPLIT * a
    a1 = c - (c - a)
    c = _SPLIT * b
    b1 = c - (c - b)
    a2, b2 = a - a1, b - b1
    return head, a2 * b2 - (((head - a1 * b1) - a2 * b1) - a1 * b2)


@kernel
def _products(
    a1: float, a2: float, b1: float, b2: float, sign: float, parts: Numbers, at: int
) -> None:
    for a in (a1, a2):
        for b in (b1, b2):
            head, tail = _product(a, b)
            parts[at], parts[at + 1] = sign * head, sign * tail
            at += 2


@kernel
def _sign(parts: Numbers) -> int:
    """Sign of the exact sum of some numbers: distilled until the largest part decides."""
    n = parts.size
    for _ in range(n):
        for i in range(n - 1):
            a, b = parts[i], parts[i + 1]
            head = a + b
            back = head - a
            parts[i], parts[i + 1] = (a - (head - back)) + (b - back), head
    for i in range(n - 1, -1, -1):
        if parts[i] != 0.0:
            return 1 if parts[i] > 0 else -1
    return 0
