"""Exact distance between a plot and a segment, vectorised over the plot's edges.

Everything is computed relative to a whole-metre origin near the plot: at 10⁶ m a float64 is 10⁻¹⁰ m wide, and subtracting a
whole number loses none of it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from geo.flat import Ints, Numbers
from geo.kernel import fast_kernel, kernel
from geo.wkb import SHELL

# Rows of an edge array.
AX, AY, BX, BY, DX, DY, INV = 0, 1, 2, 3, 4, 5, 6
ROWS = 7
# Edges are examined in blocks of this many, and a block too far away to matter is skipped.
BLOCK = 8
# Two shapes closer than coordinates can tell apart touch: metres.
TOUCH_M = 1e-9

_FAR = 1e300


@intrinsic  # type: ignore[untyped-decorator]
def _smaller(_context: object, _a: object, _b: object) -> object:
    """`min` of two numbers in the one form that LLVM takes for a reduction it can vectorise; Python's own costs three times."""
    return types.float64(types.float64, types.float64), lambda *given: _select(
        given[1], given[3], "<"
    )


@intrinsic  # type: ignore[untyped-decorator]
def _larger(_context: object, _a: object, _b: object) -> object:
    return types.float64(types.float64, types.float64), lambda *given: _select(
        given[1], given[3], ">"
    )


def _select(builder: Any, pair: Any, sign: str) -> Any:  # noqa: ANN401 - LLVM's objects
    a, b = pair
    flags = ("nnan", "nsz")
    return builder.select(builder.fcmp_ordered(sign, a, b, flags=flags), a, b, flags=flags)


@kernel
def load_edges(
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    kind: npt.NDArray[np.int8],
    first_part: int,
    last_part: int,
    origin: tuple[float, float],
    edges: Numbers,
    blocks: Numbers,
) -> int:
    """Fill the edges of the rings `first_part` up to `last_part`, and the box of every block; return how many."""
    n = 0
    for p in range(first_part, last_part):
        if kind[p] < SHELL:
            continue
        for i in range(part_start[p], part_start[p + 1] - 1):
            ax, ay = x[i] - origin[0], y[i] - origin[1]
            bx, by = x[i + 1] - origin[0], y[i + 1] - origin[1]
            dx, dy = bx - ax, by - ay
            square = dx * dx + dy * dy
            edges[AX, n] = ax
            edges[AY, n] = ay
            edges[BX, n] = bx
            edges[BY, n] = by
            edges[DX, n] = dx
            edges[DY, n] = dy
            edges[INV, n] = 1.0 / square if square > 0 else 0.0
            k = n // BLOCK
            if n % BLOCK == 0:
                blocks[k, 0] = blocks[k, 2] = ax
                blocks[k, 1] = blocks[k, 3] = ay
            blocks[k, 0] = min(blocks[k, 0], min(ax, bx))
            blocks[k, 1] = min(blocks[k, 1], min(ay, by))
            blocks[k, 2] = max(blocks[k, 2], max(ax, bx))
            blocks[k, 3] = max(blocks[k, 3], max(ay, by))
            n += 1
    return n


@fast_kernel
def _to_point(edges: Numbers, lo: int, hi: int, px: float, py: float) -> tuple[float, int]:
    """Least squared distance of a point to edges, and the parity of the edges east of it."""
    best = _FAR
    odd = 0
    ax, ay, by = edges[AX, lo:hi], edges[AY, lo:hi], edges[BY, lo:hi]
    ex, ey, inv = edges[DX, lo:hi], edges[DY, lo:hi], edges[INV, lo:hi]
    for e in range(ax.size):
        ux, uy = px - ax[e], py - ay[e]
        dx, dy = ex[e], ey[e]
        t = _smaller(_larger((ux * dx + uy * dy) * inv[e], 0.0), 1.0)
        gx, gy = ux - t * dx, uy - t * dy
        best = _smaller(best, gx * gx + gy * gy)
        side = dx * uy - dy * ux
        up = (ay[e] <= py) & (by[e] > py) & (side > 0)
        down = (ay[e] > py) & (by[e] <= py) & (side < 0)
        odd ^= int(up | down)
    return best, odd


@fast_kernel
def _to_segment(
    edges: Numbers, lo: int, hi: int, px: float, py: float, qx: float, qy: float
) -> tuple[float, int, int]:
    """Least squared distance between a segment's ends and the edges, either way; parity as above for the first end.

    The third value says whether some edge may cross the segment; noise on collinear lines can pretend it.
    """
    sx, sy = qx - px, qy - py
    square = sx * sx + sy * sy
    inverse = 1.0 / square if square > 0 else 0.0
    best = _FAR
    odd = 0
    crossed = 0
    ax, ay, by = edges[AX, lo:hi], edges[AY, lo:hi], edges[BY, lo:hi]
    ex, ey, inv = edges[DX, lo:hi], edges[DY, lo:hi], edges[INV, lo:hi]
    for e in range(ax.size):
        ux, uy = px - ax[e], py - ay[e]
        vx, vy = qx - ax[e], qy - ay[e]
        dx, dy = ex[e], ey[e]
        t = _smaller(_larger((ux * dx + uy * dy) * inv[e], 0.0), 1.0)
        gx, gy = ux - t * dx, uy - t * dy
        gap = gx * gx + gy * gy
        t = _smaller(_larger((vx * dx + vy * dy) * inv[e], 0.0), 1.0)
        gx, gy = vx - t * dx, vy - t * dy
        gap = _smaller(gap, gx * gx + gy * gy)
        # Every vertex begins exactly one edge of its ring, so the ends of edges need no look of their own.
        t = _smaller(_larger(-(ux * sx + uy * sy) * inverse, 0.0), 1.0)
        gx, gy = ux + t * sx, uy + t * sy
        best = _smaller(best, _smaller(gap, gx * gx + gy * gy))
        side_p = dx * uy - dy * ux
        side_q = dx * vy - dy * vx
        side_a = sy * ux - sx * uy
        side_b = side_a + sx * dy - sy * dx
        crossed |= int((side_p * side_q < 0) & (side_a * side_b < 0))
        up = (ay[e] <= py) & (by[e] > py) & (side_p > 0)
        down = (ay[e] > py) & (by[e] <= py) & (side_p < 0)
        odd ^= int(up | down)
    return best, odd, crossed


@kernel
def crosses(
    ax: float, ay: float, bx: float, by: float, px: float, py: float, qx: float, qy: float
) -> bool:
    """Do two segments cross properly, judged in plain floating point and only where their boxes meet?"""
    if (
        max(ax, bx) < min(px, qx)
        or max(px, qx) < min(ax, bx)
        or max(ay, by) < min(py, qy)
        or max(py, qy) < min(ay, by)
    ):
        return False
    side_p = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    side_q = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax)
    side_a = (qx - px) * (ay - py) - (qy - py) * (ax - px)
    side_b = (qx - px) * (by - py) - (qy - py) * (bx - px)
    return side_p * side_q < 0 and side_a * side_b < 0


@kernel
def _confirmed(
    edges: Numbers, lo: int, hi: int, px: float, py: float, qx: float, qy: float
) -> bool:
    for e in range(lo, hi):
        if crosses(edges[AX, e], edges[AY, e], edges[BX, e], edges[BY, e], px, py, qx, qy):
            return True
    return False


@kernel
def box_gap(
    west: float, south: float, east: float, north: float, px: float, py: float, qx: float, qy: float
) -> float:
    """Squared distance between a box and the box of a segment."""
    gx = max(max(min(px, qx) - east, west - max(px, qx)), 0.0)
    gy = max(max(min(py, qy) - north, south - max(py, qy)), 0.0)
    return gx * gx + gy * gy


@kernel
def distance(
    edges: Numbers,
    blocks: Numbers,
    n: int,
    px: float,
    py: float,
    qx: float,
    qy: float,
    enough: float,
) -> float:
    """Return metres between the polygon of `n` edges and a segment, 0 where they touch or one is inside the other.

    A distance above `enough` may come out larger than it is.
    """
    best = max(enough * enough * (1 + 1e-12), TOUCH_M * TOUCH_M)
    bound = best
    odd = 0
    lone = px == qx and py == qy
    for k in range((n + BLOCK - 1) // BLOCK):
        lo, hi = k * BLOCK, min((k + 1) * BLOCK, n)
        if n > BLOCK:
            beside = blocks[k, 1] > py or blocks[k, 3] < py or blocks[k, 2] < px
            if beside and box_gap(
                blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3], px, py, qx, qy
            ) > min(best, bound):
                continue
        crossed = 0
        if lone:
            gap, parity = _to_point(edges, lo, hi, px, py)
        else:
            gap, parity, crossed = _to_segment(edges, lo, hi, px, py, qx, qy)
        if crossed and _confirmed(edges, lo, hi, px, py, qx, qy):
            return 0.0
        best = min(best, gap)
        odd ^= parity
    if odd:
        return 0.0
    if best == bound:
        return np.inf
    metres = np.sqrt(best)
    return 0.0 if metres < TOUCH_M else metres


@kernel
def _foot(
    ax: float, ay: float, dx: float, dy: float, inverse: float, px: float, py: float
) -> tuple[float, float, float]:
    """The point of a segment nearest to p, and the squared distance."""
    t = min(max(((px - ax) * dx + (py - ay) * dy) * inverse, 0.0), 1.0)
    fx, fy = ax + t * dx, ay + t * dy
    return fx, fy, (px - fx) ** 2 + (py - fy) ** 2


@kernel
def link(
    edges: Numbers,
    n: int,
    px: float,
    py: float,
    qx: float,
    qy: float,
    apart: bool,  # noqa: FBT001 - kernels take no keywords
) -> tuple[float, float, float, float]:
    """Return the shortest connection: x, y on the plot and x, y on the segment; one point twice where they touch."""
    sx, sy = qx - px, qy - py
    square = sx * sx + sy * sy
    inverse = 1.0 / square if square > 0 else 0.0
    best = np.inf
    found = (px, py, px, py)
    for e in range(n):
        ax, ay, dx, dy = edges[AX, e], edges[AY, e], edges[DX, e], edges[DY, e]
        if not apart and crosses(ax, ay, edges[BX, e], edges[BY, e], px, py, qx, qy):
            t = ((px - ax) * sy - (py - ay) * sx) / (dx * sy - dy * sx)
            return ax + t * dx, ay + t * dy, ax + t * dx, ay + t * dy
        fx, fy, gap = _foot(ax, ay, dx, dy, edges[INV, e], px, py)
        if gap < best:
            best, found = gap, (fx, fy, px, py)
        fx, fy, gap = _foot(ax, ay, dx, dy, edges[INV, e], qx, qy)
        if gap < best:
            best, found = gap, (fx, fy, qx, qy)
        fx, fy, gap = _foot(px, py, sx, sy, inverse, ax, ay)
        if gap < best:
            best, found = gap, (ax, ay, fx, fy)
    if apart:
        return found
    # Touching, or the segment lies inside the plot.
    if best > TOUCH_M * TOUCH_M:
        return px, py, px, py
    return found[0], found[1], found[0], found[1]
