"""What a planning permit must say to be received, under the names of the national exchange tables where they have one.

Names in capitals are those of SPGL_XMSPSXBLXXB and its neighbours (domain facts §7); the others are plain English.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import shapely
from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeFloat, StringConstraints
from shapely import MultiPolygon

from geo import crs, shapes
from geo.problems import N_, Problem
from landready import identifiers
from landready.clock import today
from landready.errors import Invalid
from landready.problems import errors
from landready.settings import Region, Settings

EXAMPLE = Path(__file__).parent / "data" / "permit_example.json"
# One line of text: PostgreSQL has no room for NUL, and a name has no use for other control signs.
_LINE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=_LINE)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40, pattern=_LINE)]
Position = Annotated[list[FiniteFloat], Len(2, 3)]
# 办理状态: told early when the permit is accepted (3, 8), again when it is issued (11, 12).
RECEIVED_STATES = (3, 8, 11, 12)
# What only says how far the handling is; the permit stays the same permit.
PROGRESS = ("BLZT", "BLSJ")


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Owner(_Fields):
    """The project's owner (建设单位), matched by its credit code."""

    name: Name
    credit_code: Code = Field(description="统一社会信用代码 GB 32100-2015")
    contact: Words = ""
    phone: Code = ""


class Boundary(_Fields):
    """Polygon or MultiPolygon of GeoJSON, longitude before latitude in CGCS2000 (EPSG:4490); heights are dropped."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[list[Position]] | list[list[list[Position]]]


class PermitFields(_Fields):
    """One planning permit (建设工程规划许可证)."""

    permit_no: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_LINE)
    ] = Field(description="许可证编号，按原样作为主键")
    project_code: Code = Field(default="", alias="XMDM", description="项目代码")
    works_code: Code = Field(default="", alias="GCDM", description="工程代码")
    adcode: Annotated[str, StringConstraints(pattern=r"^\d{6}$")] = Field(
        alias="XZQHDM", description="行政区划代码"
    )
    instance_code: Code = Field(default="", alias="SPSXSLBM", description="审批事项实例编码")
    state: int | None = Field(default=None, alias="BLZT", description="办理状态：3、8、11 或 12")
    state_at: datetime | None = Field(default=None, alias="BLSJ", description="办理时间")
    project_name: Name
    address: Words = ""
    issued_on: date | None = None
    owner: Owner
    plot_code: Annotated[str, StringConstraints(max_length=80, pattern=_LINE)] = ""
    floor_area_m2: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)] | None = None
    uses: Annotated[list[Name], Len(0, 20)] = Field(default_factory=list)
    boundary: Boundary

    def payload(self) -> dict[str, Any]:
        """Return the permit as plain JSON under the names of the document, the owner's code as it is compared."""
        plain = self.model_dump(mode="json", by_alias=True)
        plain["owner"]["credit_code"] = identifiers.tidy(self.owner.credit_code)
        return plain


def boundary_of(
    boundary: Boundary, region: Region, limit: int
) -> tuple[MultiPolygon | None, tuple[Problem, ...]]:
    """Return the boundary as lon/lat polygons, or None with what is wrong; every point must lie in the region."""
    try:
        shape = shapely.force_2d(shapely.geometry.shape(boundary.model_dump()))
    except (ValueError, TypeError, IndexError, shapely.errors.ShapelyError):
        return None, (
            _fault("boundary_broken", N_("边界的坐标写法有误：每个环至少四个点，首尾相同。")),
        )
    polygons = shapes.polygonal(shape)
    if polygons is None or polygons.is_empty:
        return None, (_fault("boundary_empty", N_("边界是空的，没有多边形。")),)
    if shapely.get_num_coordinates(polygons) > limit:
        text = N_("边界超过 {limit} 个点，请简化后再报送。")
        return None, (_fault("boundary_vertices", text, limit=limit),)
    if not shapes.is_finite(polygons):
        return None, (_fault("boundary_not_finite", N_("边界中有的坐标不是有限的数。")),)
    if outside := _outside(polygons, region):
        text = N_(
            "边界有一点（{lon}, {lat}）不在辖区内。请核对坐标系（应为 2000 国家大地坐标系经纬度）和坐标顺序。"
        )
        lon, lat = (f"{v:.6f}" for v in outside)
        return None, (_fault("boundary_outside", text, place=outside, lon=lon, lat=lat),)
    if not polygons.is_valid:
        reason, place = shapes.fault(polygons)
        text = N_("边界无效（{reason}）。请在源数据中修正。")
        return None, (_fault("boundary_invalid", text, place=place, reason=reason),)
    return MultiPolygon(list(shapely.get_parts(polygons))), ()


def _outside(shape: shapely.Geometry, region: Region) -> tuple[float, float] | None:
    boxes = region.land or (region.extent,)
    for lon, lat in shapely.get_coordinates(shape):
        if not any(crs.inside(lon, lat, box) for box in boxes):
            return float(lon), float(lat)
    return None


def _fault(
    code: str, text: str, place: tuple[float, float] | None = None, **params: object
) -> Problem:
    return Problem(code, "error", text, params, where="boundary", place=place)


def problems_of(fields: PermitFields, now: datetime) -> tuple[Problem, ...]:
    """Return what is wrong (errors) or odd (warnings) with a permit, its boundary aside."""
    return tuple(_codes(fields, now.year)) + tuple(_facts(fields, today(now)))


def _codes(fields: PermitFields, year: int) -> Iterator[Problem]:
    yield from identifiers.permit_number_problems(fields.permit_no, year, "permit_no")
    code = identifiers.tidy(fields.owner.credit_code)
    yield from identifiers.credit_code_problems(code, "owner.credit_code")
    if fields.project_code:
        yield from identifiers.project_code_problems(fields.project_code, "XMDM")
    if not identifiers.is_adcode(fields.adcode):
        text = N_("行政区划代码 {code} 不在代码表中，请核对。")
        yield Problem("adcode_unknown", "warning", text, {"code": fields.adcode}, where="XZQHDM")


def _facts(fields: PermitFields, day: date) -> Iterator[Problem]:
    if fields.state is not None and fields.state not in RECEIVED_STATES:
        text = N_("办理状态 {state} 的许可不能推送：只接收窗口受理、部门受理和办结（通过）的许可。")
        yield Problem("state_refused", "error", text, {"state": fields.state}, where="BLZT")
    if fields.issued_on and fields.issued_on > day:
        text = N_("发证日期 {day} 在今天之后，请核对。")
        params = {"day": fields.issued_on.isoformat()}
        yield Problem("issued_later", "warning", text, params, where="issued_on")
    if not fields.owner.phone:
        text = N_("没有建设单位联系电话，市政公用服务企业无法主动对接。")
        yield Problem("phone_missing", "warning", text, where="owner.phone")
    elif not identifiers.telephone(fields.owner.phone):
        text = N_("联系电话“{phone}”不像电话号码，请核对。")
        params = {"phone": fields.owner.phone}
        yield Problem("phone_odd", "warning", text, params, where="owner.phone")


def examined(
    fields: PermitFields, settings: Settings, now: datetime
) -> tuple[MultiPolygon, tuple[Problem, ...]]:
    """Return the boundary and the warnings of a permit that can be received.

    Raises:
        Invalid: with every error and warning found.
    """
    shape, found = boundary_of(
        fields.boundary, settings.region, settings.upload.vertices_per_feature
    )
    problems = (*problems_of(fields, now), *found)
    if shape is None or errors(problems):
        raise Invalid(problems)
    return shape, problems


def differing(old: dict[str, Any], new: dict[str, Any]) -> Sequence[str]:
    """Return the names of the fields in which two payloads differ, those of progress aside."""
    names = dict.fromkeys((*new, *old))
    return [n for n in names if n not in PROGRESS and old.get(n) != new.get(n)]


def example() -> dict[str, Any]:
    """Return a permit as the documents show it."""
    found: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return found
