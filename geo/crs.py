"""Coordinate reference systems: the only module that touches pyproj.

Stored coordinates are EPSG:4490 (CGCS2000, longitude first). WGS 84 is taken as equal to it: the null shift is what EPSG
publishes and is right to centimetres or decimetres. Xian 1980 and Beijing 1954 are tens to more than a hundred
metres away and are refused by name: the seven parameters of a survey file state neither unit nor sign rule, so even a
file that fills them cannot be converted safely.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from geo.errors import Refused, refuse
from geo.problems import N_

STORED = "EPSG:4490"
Box = tuple[float, float, float, float]
Geometries = npt.NDArray[np.object_]

_GRS80 = Geod(ellps="GRS80")
_CGCS2000 = re.compile(
    r"china[ _]?2000|china[ _]geodetic[ _]coordinate[ _]system[ _]2000|cgcs[ _]?2000|国家2000|2000国家",
    re.IGNORECASE,
)
_WGS84 = re.compile(r"world geodetic system 1984|wgs[ _]?(19)?84", re.IGNORECASE)
_XIAN80 = re.compile(r"xian[ _]?(19)?80|西安", re.IGNORECASE)
_BEIJING54 = re.compile(r"beijing[ _]?(19)?54|北京", re.IGNORECASE)
_CHINA_DISPLAY = re.compile(r"gcj[ _-]?02|bd[ _-]?09|火星", re.IGNORECASE)
# 109°E is in use in Hainan and has no EPSG code (domain facts §2.1); everything but the meridian is EPSG:4546's.
CM_109 = "CM109"
_LOCAL = (
    'PROJCS["CGCS2000 / 3-degree Gauss-Kruger CM {meridian:g}E",GEOGCS["China Geodetic Coordinate System 2000",'
    'DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",{meridian!r}],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",{easting!r}],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
# The one kind of PROJ string that is read: a frame of CGCS2000 by its meridian. Others can name grid files.
_PROJ = {
    "proj": {"tmerc"},
    "lat_0": {"0"},
    "k": {"1"},
    "k_0": {"1"},
    "y_0": {"0"},
    "ellps": {"GRS80", "CGCS2000"},
    "units": {"m"},
    "no_defs": {""},
    "type": {"crs"},
}
_SAFE = re.compile(
    r"(EPSG|OGC|ESRI):\w+$|urn:ogc:def:crs:[\w.:-]+$|[A-Za-z]+(CRS|CS|CRS_?\w*)?\s*\[",
    re.IGNORECASE,
)
FIRST_ZONE_3, _LAST_ZONE_3 = 25, 45
_FIRST_ZONE_6, _LAST_ZONE_6 = 13, 23


@lru_cache(maxsize=64)
def parse(text: str) -> CRS:
    """Read `EPSG:n` or WKT into a two-dimensional CRS.

    Raises:
        Refused: unknown code, broken WKT, a datum that cannot be brought to CGCS2000, or an encrypted display system.
    """
    if _CHINA_DISPLAY.search(text):
        raise refuse(
            "crs_encrypted",
            N_(
                "坐标系 {crs} 经过加密偏移（GCJ-02/BD-09），不能用于业务判断。请使用 2000 国家大地坐标系。"
            ),
            crs=text[:80],
        )
    text = _spelled_out(text.strip())
    if not _SAFE.match(text):
        raise _unknown(text)
    try:
        crs = CRS.from_user_input(text)
        crs = (crs.sub_crs_list[0] if crs.is_compound else crs).to_2d()
    except (CRSError, ProjError) as error:
        raise _unknown(text) from error
    _check_datum(crs)
    return crs


def _spelled_out(text: str) -> str:
    """WKT of a frame by its meridian (`CM109`, `+proj=tmerc +lon_0=109 …` on CGCS2000's ellipsoid); other text unchanged."""
    if text.upper() == CM_109:
        return _LOCAL.format(meridian=109.0, easting=500_000.0)
    if not text.startswith("+proj="):
        return text
    terms = [term.removeprefix("+").partition("=")[::2] for term in text.split()]
    given = dict(terms)
    free = {key: given.pop(key, "") for key in ("lon_0", "x_0")}
    plain = all(re.fullmatch(r"\d{1,8}(\.\d{1,9})?", value) for value in free.values())
    known = all(_number_as_word(value) in _PROJ.get(key, ()) for key, value in given.items())
    if len(given) + 2 != len(terms) or not (plain and known and "ellps" in given):
        return text
    return _LOCAL.format(meridian=float(free["lon_0"]), easting=float(free["x_0"]))


def _number_as_word(value: str) -> str:
    """`1.0` and `1` are one value."""
    return value.rstrip("0").rstrip(".") or "0" if re.fullmatch(r"\d+\.\d+", value) else value


def _unknown(text: str) -> Refused:
    return refuse(
        "crs_unknown",
        N_("无法识别坐标系“{crs}”。请填写 EPSG 代码，例如 EPSG:4490。"),
        crs=text[:80],
    )


def _check_datum(crs: CRS) -> None:
    names = _datum_names(crs)
    for code, pattern, label in (
        ("crs_xian80", _XIAN80, N_("1980 西安坐标系")),
        ("crs_beijing54", _BEIJING54, N_("1954 北京坐标系")),
    ):
        if pattern.search(names):
            raise old_datum(code, label)
    if not (crs.is_geographic or crs.is_projected):
        raise _unknown(crs.name)


def old_datum(code: str, label: str) -> Refused:
    """Refusal of `label` (Xian 1980 or Beijing 1954) by name."""
    return refuse(
        code,
        N_(
            "文件使用{datum}。没有经核准的七参数不能转换到 2000 国家大地坐标系，请由测绘单位转换后再上传。"
        ),
        datum=label,
    )


def _datum_names(crs: CRS) -> str:
    geodetic = crs.geodetic_crs
    datum = crs.datum
    return f"{geodetic.name if geodetic else ''} | {datum.name if datum else ''}"


@dataclass(frozen=True, slots=True)
class TransverseMercator:
    """A projected frame by its central meridian (degrees) and whether its datum is CGCS2000."""

    meridian: float
    cgcs2000: bool


def transverse_mercator(text: str) -> TransverseMercator | None:
    """The meridian of a projected CRS; None for geographic ones and other projections.

    Raises:
        Refused: as `parse`.
    """
    crs = parse(text)
    if not crs.is_projected or crs.coordinate_operation is None:
        return None
    origin = [
        p.value
        for p in crs.coordinate_operation.params
        if p.name == "Longitude of natural origin" and "degree" in str(p.unit_name)
    ]
    return TransverseMercator(float(origin[0]), is_cgcs2000(crs)) if origin else None


def is_cgcs2000(crs: CRS) -> bool:
    """Is the datum CGCS2000, by whatever name the writer of a .prj gave it?"""
    return bool(_CGCS2000.search(_datum_names(crs)))


@lru_cache(maxsize=64)
def _transformer(text: str, *, backwards: bool) -> Transformer:
    crs = parse(text)
    if is_cgcs2000(crs) or _WGS84.search(_datum_names(crs)):
        other = crs.geodetic_crs or CRS(STORED)
        ballpark = True  # same datum on both sides: nothing is shifted
    else:
        other = CRS("EPSG:4326")
        ballpark = False
    pair = (other, crs) if backwards else (crs, other)
    try:
        return Transformer.from_crs(*pair, always_xy=True, allow_ballpark=ballpark)
    except ProjError as error:
        raise refuse(
            "crs_no_shift",
            N_("坐标系“{crs}”没有可靠的方法转换到 2000 国家大地坐标系。请转换后再上传。"),
            crs=crs.name[:80],
        ) from error


def _moved(geometries: Geometries, transformer: Transformer) -> Geometries:
    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    moved: Geometries = shapely.transform(geometries, move)
    return moved


def to_stored(geometries: Geometries, source_crs: str) -> Geometries:
    """Bring geometries (x = east or longitude) from `source_crs` to lon/lat in EPSG:4490; heights are dropped.

    A point outside the domain of the projection becomes infinite: callers test `isfinite`.

    Raises:
        Refused: the CRS is unknown, refused by name, or has no published shift (never a ballpark one).
    """
    if source_crs == STORED:
        return shapely.force_2d(geometries)
    return _moved(geometries, _transformer(source_crs, backwards=False))


def to_working(geometries: Geometries, crs: str) -> Geometries:
    """Bring lon/lat geometries of EPSG:4490 to the projected `crs`, for distances and areas in its metres.

    Raises:
        Refused: the CRS cannot be used.
    """
    return _moved(geometries, _transformer(crs, backwards=True))


def gauss_kruger(width: int, zone: int, *, prefixed: bool) -> str | None:
    """EPSG code of a CGCS2000 Gauss-Krüger zone of 3 or 6 degrees; None when there is no such zone in China.

    `prefixed`: eastings start with the zone number (37 432 000). Codes: domain facts §2.1.
    """
    if width == 3 and FIRST_ZONE_3 <= zone <= _LAST_ZONE_3:
        return f"EPSG:{(4513 if prefixed else 4534) + zone - FIRST_ZONE_3}"
    if width == 6 and _FIRST_ZONE_6 <= zone <= _LAST_ZONE_6:
        return f"EPSG:{(4491 if prefixed else 4502) + zone - _FIRST_ZONE_6}"
    return None


def working_crs(lon: float, configured: str = "") -> str:
    """The CRS in which things at longitude `lon` are measured: `configured`, else the own 3° zone without prefix.

    EPSG:4545 (108°E) west of 109.5°E and EPSG:4546 (111°E) east of it, on to 4547 and 4548 in Sansha's waters.

    Raises:
        ValueError: no CRS is configured and the longitude is outside China's zones.
    """
    if configured:
        return configured
    code = gauss_kruger(3, int(np.floor(lon / 3 + 0.5)), prefixed=False)
    if code is None:
        raise ValueError(
            f"longitude {lon:.3f} is outside the CGCS2000 zones: configure region.working_crs"
        )
    return code


def geodesic_area_m2(geometry: BaseGeometry) -> float:
    """Area on the GRS80 ellipsoid in m² of a lon/lat polygon or multipolygon; holes count off, 0.0 for lines and points."""
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return 0.0
    return sum(
        _ring_area(polygon.exterior.coords)
        - sum(_ring_area(hole.coords) for hole in polygon.interiors)
        for polygon in shapely.get_parts(geometry)
        if not polygon.is_empty
    )


def _ring_area(coords: Iterable[tuple[float, ...]]) -> float:
    lonlat = np.asarray(coords, dtype=np.float64)
    area, _ = _GRS80.polygon_area_perimeter(lonlat[:, 0], lonlat[:, 1])
    return abs(float(area))


def prepare() -> None:
    """Look up what nearly every file needs before processes are forked; PROJ's database takes tens of milliseconds."""
    for code in (
        STORED,
        "OGC:CRS84",
        "EPSG:4326",
        "EPSG:4524",
        "EPSG:4525",
        "EPSG:4545",
        "EPSG:4546",
    ):
        _transformer(code, backwards=False)
        epsg_name(code)


@lru_cache(maxsize=64)
def epsg_name(text: str) -> str:
    """`EPSG:n` where the CRS is known to EPSG, else its name: what is shown and stored as the source CRS."""
    crs = parse(text)
    if crs.name == parse(CM_109).name:
        return CM_109
    code = 4326 if crs.name.startswith("WGS 84 (CRS84)") else crs.to_epsg()
    return f"EPSG:{code}" if code else crs.name[:200]


def inside(lon: float, lat: float, box: Box) -> bool:
    """Is the point in the box (west, south, east, north)?"""
    return box[0] <= lon <= box[2] and box[1] <= lat <= box[3]


def candidates(x: float, y: float, boxes: Iterable[Box]) -> list[str]:
    """CGCS2000 systems in which the point (x east, y north) would lie in one of the boxes: a hint, never applied."""
    boxes = list(boxes)
    codes = [STORED]
    prefix = int(x // 1_000_000)
    if 10 < prefix < 50:
        width = 3 if prefix >= FIRST_ZONE_3 else 6
        codes.append(gauss_kruger(width, prefix, prefixed=True) or STORED)
    elif 100_000 <= x < 1_000_000:
        zones = range(int(min(b[0] for b in boxes) // 3), int(max(b[2] for b in boxes) // 3) + 2)
        codes += [code for z in zones if (code := gauss_kruger(3, z, prefixed=False))]
        codes.append(CM_109)
    found = []
    for code in dict.fromkeys(codes):
        lon, lat = (x, y) if code == STORED else _transformer(code, backwards=False).transform(x, y)
        if np.isfinite(lon) and any(inside(lon, lat, box) for box in boxes):
            found.append(code)
    return found
