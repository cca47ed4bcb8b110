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
Note = Callable[[BoundaryPoint, str, str], None]
_WRONG_NUMBER = N_("第 {line} 行闭合点的圈号写错，已按上一圈的闭合点读取。")


def closed_rings(points: list[BoundaryPoint], note: Note) -> list[Ring]:
    """The rings of one plot, each ending with its first point; every repair is told to `note` (point, code, sentence).

    A change of 圈号, or a ring that closes, starts the next (domain facts §1.1, quirks 8, 9 and 14).
    """
    rings: list[Ring] = []
    ring: Ring = []
    for point in points:
        changed = bool(ring) and point.ring != ring[-1].ring
        if changed and point.same(ring[0]):
            note(point, "survey_ring_number", _WRONG_NUMBER)
            rings.append([*ring, point])
            ring = []
            continue
        if changed:
            rings.append(_closed(ring, note))
            ring = []
        if not ring and rings and point.same(rings[-1][0]) and _alone(point, points):
            note(point, "survey_ring_number", _WRONG_NUMBER)
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
    if len(ring) > 3 and last.label == first.label and (half or last.x == last.y):
        text = N_("第 {line} 行的闭合点与起点只有一个坐标相同，已改为起点坐标。")
        note(last, "survey_half_closed", text)
        ring = ring[:-1]
    else:
        note(last, "survey_closed", N_("第 {line} 行之后缺少闭合点，已自动闭合。"))
    return [*ring, BoundaryPoint(last.line, first.label, first.ring, first.x, first.y)]
