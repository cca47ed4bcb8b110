"""Boundary points (界址点) as lines of a survey file, and the closed rings they were meant to make."""

from collections.abc import Callable
from dataclasses import dataclass

from geo.problems import N_


@dataclass(frozen=True, slots=True)
class BoundaryPoint:
    """One line: 点号, 圈号, X (northing or latitude), Y (easting or longitude), in the order and units of the file."""

    line: int
    label: str
    ring: str
    x: float
    y: float

    def same(self, other: "BoundaryPoint") -> bool:
        """Is it the other point, to half a millimetre? Both values under 180 are degrees."""
        close = 5e-4 if max(abs(self.x), abs(self.y)) > 180 else 5e-9
        return abs(self.x - other.x) < close and abs(self.y - other.y) < close


Ring = list[BoundaryPoint]
# Takes the point, a code, a sentence, and the ring as it was written and as it is read.
Note = Callable[[BoundaryPoint, str, str, Ring, Ring], None]
_WRONG_NUMBER = N_(
    "第 {line} 行闭合点（点 {label}）的圈号写错，已按上一圈的闭合点读取；面积由 {before} 变为 {after} 平方米。"
)
_HALF = N_(
    "第 {line} 行的闭合点（点 {label}）与起点只有一个坐标相同，已改为起点坐标；面积由 {before} 变为 {after} 平方米。"
)
_OPEN = N_(
    "第 {line} 行（点 {label}）之后缺少闭合点，已自动闭合；面积 {before} 平方米，闭合后 {after} 平方米。"
)


def xy(ring: Ring, *, turned: bool) -> list[tuple[float, float]]:
    """East and north (or longitude and latitude) of the points; `turned`: X holds the longitude."""
    return [(p.x, p.y) if turned else (p.y, p.x) for p in ring]


def closed_rings(points: list[BoundaryPoint], note: Note) -> list[Ring]:
    """The rings of one plot, each ending with its first point; every repair is told to `note`.

    A change of 圈号, or a ring that closes, starts the next (domain facts §1.1, quirks 8, 9 and 14).
    """
    rings: list[Ring] = []
    ring: Ring = []
    for point in points:
        changed = bool(ring) and point.ring != ring[-1].ring
        if changed and point.same(ring[0]):
            note(point, "survey_ring_number", _WRONG_NUMBER, ring, [*ring, point])
            rings.append([*ring, point])
            ring = []
            continue
        if changed:
            rings.append(_closed(ring, note))
            ring = []
        if not ring and rings and point.same(rings[-1][0]) and _alone(point, points):
            note(point, "survey_ring_number", _WRONG_NUMBER, rings[-1], rings[-1])
            continue
        ring.append(point)
        if len(ring) > 3 and point.same(ring[0]):
            rings.append(ring)
            ring = []
    return [*rings, _closed(ring, note)] if ring else rings


def _alone(point: BoundaryPoint, points: list[BoundaryPoint]) -> bool:
    """A ring of one point is no ring."""
    return not any(p.line > point.line and p.ring == point.ring for p in points)


def _closed(ring: Ring, note: Note) -> Ring:
    first, last = ring[0], ring[-1]
    half = (abs(last.x - first.x) < 5e-4) != (abs(last.y - first.y) < 5e-4)
    end = BoundaryPoint(last.line, first.label, first.ring, first.x, first.y)
    # A name that every point bears, or none does, says nothing: a corner of a rectangle shares one coordinate too.
    again = last.label == first.label and all(p.label != first.label for p in ring[1:-1])
    if len(ring) > 3 and again and (half or last.x == last.y):
        closed = [*ring[:-1], end]
        note(last, "survey_half_closed", _HALF, ring, closed)
    else:
        closed = [*ring, end]
        note(last, "survey_closed", _OPEN, ring, closed)
    return closed
