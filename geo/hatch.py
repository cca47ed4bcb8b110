"""The boundary paths of a HATCH as rings."""

import math
from collections.abc import Iterator

import numpy as np

from geo import arcs
from geo.arcs import Points
from geo.dxf import Entity, Group, as_number, whole

_POLYLINE = 2
_LINE, _ARC, _ELLIPSE, _SPLINE = 1, 2, 3, 4
_MOST = 100_000


def hatch_rings(entity: Entity, tolerance: float) -> tuple[list[Points], bool]:
    """Return the rings of all paths and whether any of them is curved; what cannot be read makes no ring."""
    paths = _paths(entity.groups)
    rings, curved = [], False
    for path in paths:
        flags = whole(_first(path, 92))
        if flags & _POLYLINE:
            ring, bent = _polyline(path, tolerance)
        else:
            ring, bent = _edges(path, tolerance)
        curved = curved or bent
        if len(ring) >= 3:
            rings.append(ring)
    return rings, curved


def _paths(groups: list[Group]) -> Iterator[list[Group]]:
    """Yield the groups of each boundary path: from its 92 up to the 97 that ends it, pattern and seeds left aside."""
    path: list[Group] = []
    for code, value in groups:
        if code == 92:
            if path:
                yield path
            path = [(code, value)]
        elif code in (75, 76, 98):
            break
        elif path:
            path.append((code, value))
    if path:
        yield path


def _first(groups: list[Group], code: int, otherwise: float = 0.0) -> float:
    return next((as_number(value) for c, value in groups if c == code), otherwise)


def _polyline(path: list[Group], tolerance: float) -> tuple[Points, bool]:
    points: list[list[float]] = []
    for code, value in path:
        if code == 10:
            points.append([as_number(value), 0.0, 0.0])
        elif points and code == 20:
            points[-1][1] = as_number(value)
        elif points and code == 42:
            points[-1][2] = as_number(value)
    if len(points) < 2:
        return np.empty((0, 2)), False
    places = np.array(points)
    line = [
        arcs.bulged(places[i, :2], places[(i + 1) % len(places), :2], places[i, 2], tolerance)
        for i in range(len(places))
    ]
    return np.vstack(line), bool((np.abs(places[:, 2]) > 1e-9).any())


def _edges(path: list[Group], tolerance: float) -> tuple[Points, bool]:
    """Chain the edges of a path end to end, turning round those that were drawn the other way."""
    edges: list[list[Group]] = []
    for group in path:
        if group[0] == 72:
            edges.append([])
        if edges:
            edges[-1].append(group)
    ring, curved = np.empty((0, 2)), False
    for edge in edges[:_MOST]:
        points = _edge(edge, tolerance)
        if points is None:
            return np.empty((0, 2)), curved
        curved = curved or whole(_first(edge, 72)) != _LINE
        if len(ring) and math.dist(ring[-1], points[-1]) < math.dist(ring[-1], points[0]):
            points = points[::-1]
        ring = np.vstack([ring, points if not len(ring) else points[1:]])
    return ring, curved


def _edge(edge: list[Group], tolerance: float) -> Points | None:
    centre = (_first(edge, 10), _first(edge, 20))
    kind = whole(_first(edge, 72))
    if kind == _LINE:
        return np.array([centre, (_first(edge, 11), _first(edge, 21))])
    if kind == _SPLINE:
        control = np.array(
            list(
                zip(
                    (as_number(v) for c, v in edge if c == 10),
                    (as_number(v) for c, v in edge if c == 20),
                    strict=False,
                )
            )
        ).reshape(-1, 2)
        knots = [as_number(v) for c, v in edge if c == 40]
        weights = [as_number(v) for c, v in edge if c == 42]
        return arcs.spline(whole(_first(edge, 94)), knots, control, weights, tolerance)
    start, end = math.radians(_first(edge, 50)), math.radians(_first(edge, 51))
    sweep = (end - start) % (2 * math.pi) or 2 * math.pi
    if not _first(edge, 73, 1.0):  # clockwise: the angles are counted the other way
        start, sweep = -start, -sweep
    if kind == _ARC:
        return arcs.arc(centre, abs(_first(edge, 40)), start, sweep, tolerance)
    if kind == _ELLIPSE:
        axis = (_first(edge, 11), _first(edge, 21))
        return arcs.ellipse(centre, axis, _first(edge, 40, 1.0), start, sweep, tolerance)
    return None
