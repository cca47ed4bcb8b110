"""Arcs, ellipses and splines of drawings as chords that stay within a tolerance of the curve. Angles in radians."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
TOLERANCE = 0.01
# And this share of the radius, which keeps the area of a small circle, or of a drawing in degrees, to 0.01 %.
_SHARE = 5e-5
# A circle of 2,500 km radius needs this many chords of 0.01 m; more is no drawing of plots.
_MOST = 35_000
_MOST_CONTROL = 2000


def arc(
    centre: tuple[float, float], radius: float, start: float, sweep: float, tolerance: float
) -> Points:
    """Points from angle `start` over `sweep` (positive: anticlockwise), both ends included."""
    return ellipse(centre, (radius, 0.0), 1.0, start, sweep, tolerance)


def ellipse(
    centre: tuple[float, float],
    major: tuple[float, float],
    ratio: float,
    start: float,
    sweep: float,
    tolerance: float,
) -> Points:
    """Points of an ellipse with half axis `major` and `ratio` of the other to it, by its parameter angle."""
    radius = math.hypot(*major)
    at = start + np.linspace(0.0, sweep, _chords(radius * max(1.0, ratio), sweep, tolerance) + 1)
    along = np.array(major)
    across = np.array((-major[1], major[0])) * ratio
    found: Points = np.array(centre) + np.cos(at)[:, None] * along + np.sin(at)[:, None] * across
    return found


def _chords(radius: float, sweep: float, tolerance: float) -> int:
    if not (math.isfinite(radius) and math.isfinite(sweep) and radius > 0):
        return 1
    step = 2 * math.acos(1 - min(tolerance / radius, _SHARE))
    return min(max(math.ceil(abs(sweep) / max(step, 1e-9)), 1), _MOST)


def bulged(start: Points, end: Points, bulge: float, tolerance: float) -> Points:
    """Points after `start` up to `end` along the arc whose quarter angle has the tangent `bulge`."""
    chord = end - start
    length = math.hypot(*chord)
    if not (math.isfinite(bulge) and math.isfinite(length)) or abs(bulge) < 1e-9 or length == 0:
        return end[None, :]
    sweep = 4 * math.atan(bulge)
    radius = length / (2 * math.sin(abs(sweep) / 2))
    middle = (start + end) / 2
    lift = length / 2 * (1 - bulge * bulge) / (2 * bulge)
    centre = middle + np.array((-chord[1], chord[0])) / length * lift
    first = math.atan2(*(start - centre)[::-1])
    points = arc((centre[0], centre[1]), radius, first, sweep, tolerance)
    points[-1] = end
    return points[1:]


def spline(
    degree: int,
    knots: Sequence[float],
    control: Points,
    weights: Sequence[float],
    tolerance: float,
) -> Points | None:
    """Points of a (rational) B-spline; None where the numbers make none."""
    count = len(control)
    if not (
        0 < degree <= 10 and degree < count <= _MOST_CONTROL and len(knots) == count + degree + 1
    ):
        return None
    t = np.asarray(knots, dtype=np.float64)
    scale = np.asarray(weights if len(weights) == count else np.ones(count), dtype=np.float64)
    if not (np.isfinite(t).all() and (np.diff(t) >= 0).all() and (scale > 0).all()):
        return None
    places = np.column_stack([control * scale[:, None], scale])
    spans = np.unique(t[degree : count + 1])
    tolerance = min(tolerance, float(np.ptp(control, axis=0).max()) * _SHARE / 2)
    per_span = 8
    while True:
        at = np.unique(
            np.concatenate([np.linspace(a, b, per_span + 1) for a, b in pairwise(spans)] or [spans])
        )
        found = _de_boor(degree, t, places, at)
        chords = (found[2:] + found[:-2]) / 2 - found[1:-1]
        # Four times finer than a span of two chords: the sagitta of one is a quarter of what is seen here.
        worst = float(np.max(np.hypot(*chords.T))) / 4 if len(chords) else 0.0
        if worst <= tolerance or per_span >= 256 or len(at) * 2 > _MOST:
            return found
        per_span *= 2


def _de_boor(degree: int, t: Points, places: Points, at: Points) -> Points:
    """Points at parameters `at`; `places` are homogeneous (x·w, y·w, w)."""
    span = np.clip(np.searchsorted(t, at, side="right") - 1, degree, len(places) - 1)
    d = [places[span - degree + j] for j in range(degree + 1)]
    for r in range(1, degree + 1):
        for j in range(degree, r - 1, -1):
            low, high = t[span - degree + j], t[span + 1 + j - r]
            share = np.divide(at - low, high - low, out=np.zeros_like(at), where=high > low)
            d[j] = (1 - share)[:, None] * d[j - 1] + share[:, None] * d[j]
    found: Points = d[degree][:, :2] / d[degree][:, 2:]
    return found
