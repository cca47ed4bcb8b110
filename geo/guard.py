"""The frame of survey coordinates: do axes, zone number, prefix of the eastings and the user's word agree?

Works on boundary points as survey files and point lists have them: X the northing, Y the easting, in metres.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from geo import crs
from geo.boundary import BoundaryPoint
from geo.problems import N_, Problem, at_line

_PREFIXED = 10_000_000
_FIRST_EASTING = 1_000_000
Placed = tuple[int, BoundaryPoint]
_SWAPPED = N_(
    "第 {line} 行（点 {label}）：X 坐标应为纵坐标（北），文件里像是横坐标，X、Y 可能写反。请更正后再上传，或确认对调。"
)
_ZONE = N_("第 {line} 行（点 {label}）：横坐标以 {prefix} 开头，与带号 {zone} 不一致。请核对带号。")
_MIXED = N_(
    "第 {line} 行（点 {label}）：横坐标没有带号，前面的点却有（{prefix}）。请统一后再上传。"
)
_CONFLICT = N_(
    "您指定的坐标系中央子午线是 {meant}°，文件写明的带号 {zone} 是 {stated}°（第一个点：第 {line} 行，点 {label}）。请核对后改正其中之一。"
)
_OTHER_DATUM = N_(
    "您指定的坐标系是 {declared}，文件写明的是 2000 国家大地坐标系。请核对后改正其中之一。"
)
_LON_FIRST = N_("坐标是经纬度，按数值判断为经度在前、纬度在后，已照此读取。请核对地图上的位置。")
_NO_ZONE = N_("{width} 度分带没有第 {zone} 带。请核对“几度分带”和“带号”。")


class Note(Protocol):
    """Takes an error: code, sentence, line of the file, row of the plot, and what fills the sentence."""

    def __call__(
        self, code: str, text: str, line: int, row: int | None, /, **params: object
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says of its frame: is its datum CGCS2000, number and width (degrees) of its zone."""

    cgcs2000: bool = False
    zone: int | None = None
    width: int | None = None

    @property
    def degrees(self) -> int | None:
        """Width of the zones, told by the number where the file does not: 3° zones of China begin at 25."""
        if self.width is not None or self.zone is None:
            return self.width
        return 3 if self.zone >= crs.FIRST_ZONE_3 else 6

    @property
    def meridian(self) -> float | None:
        """Longitude of the central meridian."""
        if self.zone is None:
            return None
        return self.zone * 3.0 if self.degrees == 3 else self.zone * 6.0 - 3.0


def in_degrees(points: Iterable[BoundaryPoint]) -> bool:
    """Can the coordinates be longitudes and latitudes?"""
    return all(abs(p.x) <= 180 and abs(p.y) <= 180 for p in points)


def longitude_first(
    points: list[Placed], boxes: tuple[crs.Box, ...], problems: list[Problem]
) -> bool:
    """Files in degrees follow no rule of order: the values must tell (quirk 4), and it is said how they were read."""
    if boxes:
        as_written = sum(any(crs.inside(p.y, p.x, box) for box in boxes) for _, p in points)
        turned = sum(any(crs.inside(p.x, p.y, box) for box in boxes) for _, p in points)
        first = turned > as_written
    else:
        first = any(abs(p.x) > 90 for _, p in points)
    if first:
        line = points[0][1].line
        problems.append(
            Problem("longitude_first", "warning", _LON_FIRST, {"line": line}, where=at_line(line))
        )
    return first


def decide(points: list[Placed], stated: Stated, declared: str | None, note: Note) -> str | None:
    """EPSG code or the declared CRS, with every disagreement told to `note`; None: ask. `points` come with their row."""
    _check_axes(points, note)
    if not _check_prefixes(points, stated, note):
        return declared
    prefixes = {int(p.y // _FIRST_EASTING) for _, p in points if p.y >= _PREFIXED}
    zone = stated.zone if stated.zone is not None else min(prefixes, default=None)
    stated = Stated(stated.cgcs2000, zone, stated.width)
    if declared:
        if points:
            _check_declared(points[0], stated, declared, note)
        return declared
    if not stated.cgcs2000 or zone is None:
        return None
    width = stated.degrees or 3
    code = crs.gauss_kruger(width, zone, prefixed=bool(prefixes))
    if code is None:
        note("survey_zone", _NO_ZONE, 1, None, width=width, zone=zone)
    return code


def _check_axes(points: list[Placed], note: Note) -> None:
    """X is the northing: under 10 000 000 m everywhere; an easting there means the columns are swapped (quirk 10)."""
    for row, p in points:
        if p.x >= _PREFIXED or (p.x < _FIRST_EASTING <= p.y < _PREFIXED):
            note("axes_swapped", _SWAPPED, p.line, row, label=p.label)
            return


def _check_prefixes(points: list[Placed], stated: Stated, note: Note) -> bool:
    """带号 and the first two digits of every easting must agree (quirks 11 and 12)."""
    zone = stated.zone
    seen: int | None = None
    for row, p in points:
        if p.y < _PREFIXED:
            if seen is not None:
                note("prefix_mixed", _MIXED, p.line, row, label=p.label, prefix=seen)
                return False
            continue
        prefix = int(p.y // _FIRST_EASTING)
        zone = prefix if zone is None else zone
        if prefix != zone:
            note("zone_mismatch", _ZONE, p.line, row, label=p.label, prefix=prefix, zone=zone)
            return False
        seen = prefix
    return True


def _check_declared(first: Placed, stated: Stated, declared: str, note: Note) -> None:
    """The user's word may fill what the file leaves open, not contradict what it says."""
    meant = crs.transverse_mercator(declared)
    row, point = first
    if meant is None:
        return
    if stated.cgcs2000 and not meant.cgcs2000:
        note("crs_conflict", _OTHER_DATUM, point.line, row, declared=crs.epsg_name(declared))
    elif stated.meridian is not None and abs(stated.meridian - meant.meridian) > 1e-6:
        note(
            "crs_conflict",
            _CONFLICT,
            point.line,
            row,
            label=point.label,
            zone=stated.zone,
            stated=f"{stated.meridian:g}",
            meant=f"{meant.meridian:g}",
        )
