"""Which part of a plot lies inside a service area: area of the intersection by summing trapezoids.

A polygon is the signed sum of the trapezoids under its edges, so the area of an intersection is the signed sum over all pairs of
edges of what their trapezoids share. Nothing is classified as in or out, so shared edges and touching corners need no care, and
holes and parts are only more edges.
"""

import numpy as np
import numpy.typing as npt

from geo import wkb
from geo.flat import Ints, Numbers
from geo.ground import Ground
from geo.kernel import kernel
from geo.outlines import Outlines
from geo.threads import each

# A square millimetre: below it two shapes only touch.
_TOUCH_M2 = 1e-6
_AT_ONCE = 4096


def shares(ground: Ground, served: Outlines, threads: int = 1) -> tuple[Ints, Ints, Numbers]:
    """Return place of the plot, place of the area and the share of the plot inside it, more than 0 up to 1.

    Planar, in one CRS in metres; polygons must be valid. Ordered by plot, then area.
    """
    plots, areas, bounds = ground.shapes, served.shapes, ground.bounds
    plot, area = served.boxes.touching(bounds)
    sizes = plots.areas()
    usable = sizes[plot] > 0
    plot, area = plot[usable], area[usable]
    found = np.zeros(len(plot))

    def some(lo: int) -> None:
        hi = min(lo + _AT_ONCE, len(plot))
        _common(
            plots.x,
            plots.y,
            plots.part_start,
            plots.part_kind,
            plots.start,
            bounds,
            areas.x,
            areas.y,
            areas.part_start,
            areas.part_kind,
            areas.start,
            plot[lo:hi],
            area[lo:hi],
            found[lo:hi],
        )

    each(some, range(0, len(plot), _AT_ONCE), threads)
    inside = found > _TOUCH_M2
    plot, area, found = plot[inside], area[inside], found[inside]
    order = np.lexsort((area, plot))
    plot, area = plot[order], area[order]
    return plot, area, np.minimum(found[order] / sizes[plot], 1.0)


@kernel
def _common(
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    kind: npt.NDArray[np.int8],
    start: Ints,
    bounds: Numbers,
    x2: Numbers,
    y2: Numbers,
    part_start2: Ints,
    kind2: npt.NDArray[np.int8],
    start2: Ints,
    plot: Ints,
    area: Ints,
    found: Numbers,
) -> None:
    """Fill the common area, square metres, of each pair."""
    most = 1
    for i in plot:
        most = max(most, part_start[start[i + 1]] - part_start[start[i]])
    edges = np.empty((most, 4))
    held, n = -1, 0
    for pair in range(plot.size):
        i = plot[pair]
        west, base, east = bounds[i, 0], bounds[i, 1], bounds[i, 2]
        if i != held:
            held = i
            n = _load(x, y, part_start, kind, start[i], start[i + 1], west, base, edges)
        total = 0.0
        for p in range(start2[area[pair]], start2[area[pair] + 1]):
            if kind2[p] < wkb.SHELL:
                continue
            for v in range(part_start2[p], part_start2[p + 1] - 1):
                beside = max(x2[v], x2[v + 1]) <= west or min(x2[v], x2[v + 1]) >= east
                if beside or x2[v] == x2[v + 1] or max(y2[v], y2[v + 1]) <= base:
                    continue
                px, py = x2[v] - west, y2[v] - base
                total += _under(edges, n, px, py, x2[v + 1] - west, y2[v + 1] - base)
        found[pair] = total


@kernel
def _load(
    x: Numbers,
    y: Numbers,
    part_start: Ints,
    kind: npt.NDArray[np.int8],
    first: int,
    last: int,
    west: float,
    base: float,
    edges: Numbers,
) -> int:
    """Fill the edges of a plot that are not upright, from the corner of its box; return how many."""
    n = 0
    for p in range(first, last):
        if kind[p] < wkb.SHELL:
            continue
        for v in range(part_start[p], part_start[p + 1] - 1):
            edges[n, 0], edges[n, 1] = x[v] - west, y[v] - base
            edges[n, 2], edges[n, 3] = x[v + 1] - west, y[v + 1] - base
            n += edges[n, 0] != edges[n, 2]
    return n


@kernel
def _under(edges: Numbers, n: int, px: float, py: float, qx: float, qy: float) -> float:
    """Signed area that the trapezoid under one edge of the area shares with the plot."""
    sign = 1.0
    if px == qx:
        return 0.0
    if px < qx:
        sign = -1.0
    else:
        px, py, qx, qy = qx, qy, px, py
    slope = (qy - py) / (qx - px)
    total = 0.0
    for e in range(n):
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        own = 1.0
        if ax < bx:
            own = -1.0
        else:
            ax, ay, bx, by = bx, by, ax, ay
        left, right = max(ax, px), min(bx, qx)
        if left >= right:
            continue
        rise = (by - ay) / (bx - ax)
        total += own * _strip(
            ay + (left - ax) * rise,
            ay + (right - ax) * rise,
            py + (left - px) * slope,
            py + (right - px) * slope,
            right - left,
        )
    return sign * total


@kernel
def _strip(a: float, b: float, c: float, d: float, width: float) -> float:
    """Area above 0 and below both lines, from a to b and from c to d, over a width; the first is never below 0."""
    if c >= a and d >= b:
        return (a + b) / 2 * width
    if c <= a and d <= b:
        return _above(c, d, width)
    t = (a - c) / ((a - c) - (b - d))
    middle = a + t * (b - a)
    if c < a:
        return _above(c, middle, t * width) + (middle + b) / 2 * (1 - t) * width
    return (a + middle) / 2 * t * width + _above(middle, d, (1 - t) * width)


@kernel
def _above(c: float, d: float, width: float) -> float:
    """Area above 0 and below a line from c to d."""
    if c >= 0 and d >= 0:
        return (c + d) / 2 * width
    if c <= 0 and d <= 0:
        return 0.0
    if c > 0:
        return c * c / (c - d) / 2 * width
    return d * d / (d - c) / 2 * width
