"""Base layers of a city (底图): its roads, greens, waters and planning areas, by version; an older version is kept.

The office uploads them; connection routes and the approvals of external lines are read off the current versions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from geo import attributes
from geo.problems import N_, Problem
from landready import uploads
from landready.bulk import insert_rows
from landready.db import Base, Id
from landready.errors import Conflict, Invalid
from landready.plans import Upload
from landready.road_classes import RoadClass, class_of
from landready.shapes import stored

KINDS: tuple[uploads.Kind, ...] = ("roads", "greens", "waters", "planning_areas")
# One name for the lock under which versions of an office's layers are counted.
_LOCK = 8
# As many values of a column that cannot be read as a person needs to see.
_LISTED = 20


class BaseLayer(Base):
    """One version of what a city has on its ground. Layers of one kind and different titles hold together."""

    __tablename__ = "base_layer"
    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    upload_id: Mapped[int | None] = mapped_column(ForeignKey("upload.id"))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    current: Mapped[bool] = mapped_column(default=True)
    # Drawn for demonstration: no authority has said so.
    illustrative: Mapped[bool] = mapped_column(default=False)
    feature_count: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("kind in ('roads','greens','waters','planning_areas')", name="kind"),
        UniqueConstraint("office_id", "kind", "title", "version"),
        Index(
            "uq_base_layer_current",
            "office_id",
            "kind",
            "title",
            unique=True,
            postgresql_where=text("current"),
        ),
    )


class BaseFeature(Base):
    """A road, green, water or planning area. `geom` in EPSG:4490; the columns of roads are empty for the others.

    A line is the centre line of a road, a polygon its land itself. `land_width_m` is the whole width of that land, edge to edge.
    """

    __tablename__ = "base_feature"
    id: Mapped[Id]
    layer_id: Mapped[int] = mapped_column(ForeignKey("base_layer.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    row: Mapped[int]
    name: Mapped[str] = mapped_column(String(200), default="")
    road_class: Mapped[str | None] = mapped_column(String(20))
    land_width_m: Mapped[float | None]
    # Opened (交付使用) and overhauled (大修竣工): a street may not be dug up for some years after either.
    completed: Mapped[date | None] = mapped_column(Date)
    overhauled: Mapped[date | None] = mapped_column(Date)
    geom: Mapped[WKBElement] = mapped_column(Geometry("GEOMETRY", srid=4490))
    layer: Mapped[BaseLayer] = relationship()


def publish(session: Session, upload: Upload, now: datetime) -> BaseLayer:
    """Make an upload the current version of the office's layer of that kind and title; older ones stay.

    Raises:
        Invalid: the file has an error or holds nothing, a class or date cannot be read; the whole version is refused.
        Conflict: this upload is a version already.
    """
    rows, found = rows_of(upload)
    if found:
        raise Invalid(tuple(found), N_("文件有错误，整个版本没有发布。"))
    office_id = upload.organisation_id
    session.execute(select(func.pg_advisory_xact_lock(_LOCK, office_id)))
    if session.scalar(select(BaseLayer.id).where(BaseLayer.upload_id == upload.id)):
        raise Conflict(N_("这个文件已经发布为一个版本。"))
    same = (
        BaseLayer.office_id == office_id,
        BaseLayer.kind == upload.kind,
        BaseLayer.title == upload.title,
    )
    last = session.scalar(select(func.max(BaseLayer.version)).where(*same)) or 0
    session.execute(update(BaseLayer).where(*same, BaseLayer.current).values(current=False))
    layer = BaseLayer(
        office_id=office_id,
        upload_id=upload.id,
        kind=upload.kind,
        title=upload.title,
        version=last + 1,
        current=True,
        illustrative=bool(upload.purpose.get("illustrative")),
        feature_count=len(rows),
        created_at=now,
        created_by=upload.created_by,
    )
    session.add(layer)
    session.flush()
    keys = {"layer_id": layer.id, "office_id": office_id}
    insert_rows(session, BaseFeature, [{**row, **keys} for row in rows])
    return layer


def withdraw(session: Session, layer: BaseLayer) -> None:
    """Take a layer out of use: routes from now on do not know it. Its versions stay."""
    layer.current = False
    session.flush()


def rows_of(upload: Upload) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return the features of an upload as rows to insert, and what forbids publishing them."""
    found = [p for p in uploads.problems_of(upload) if p.severity == "error"]
    if not upload.features and not found:
        found = [Problem("layer_empty", "error", N_("文件里没有可用的图形。"))]
    shapes = [shape(feature["geometry"]) for feature in upload.features]
    found += _wrong_shapes(upload, shapes)
    doubts = _Doubts()
    rows = []
    for feature, geom in zip(upload.features, stored(shapes), strict=True):
        cell = attributes.apply(upload.mapping, feature["properties"])
        words = {ours: attributes.text(value.raw) for ours, value in cell.items()}
        row: dict[str, Any] = {"row": feature["row"], "name": words.get("name", "")[:200]}
        row |= _road(upload, cell, words, feature["row"], doubts)
        rows.append({**row, "geom": geom})
    return rows, found + list(doubts.problems())


_WRONG = {
    "roads": N_("道路必须是线（中心线）或面（道路用地），第 {row} 个图形不是。"),
    "waters": N_("水体必须是面或线，第 {row} 个图形不是。"),
}
_NO_AREA = N_("这类图层必须是面，第 {row} 个图形不是。")


def _wrong_shapes(upload: Upload, shapes: Sequence[BaseGeometry]) -> Iterator[Problem]:
    allowed: tuple[str, ...] = ("Polygon", "MultiPolygon")
    if upload.kind in _WRONG:
        allowed += ("LineString", "MultiLineString")
    for feature, geometry in zip(upload.features, shapes, strict=True):
        if geometry.geom_type not in allowed:
            row = feature["row"]
            text = _WRONG.get(upload.kind, _NO_AREA)
            yield Problem("geometry_kind", "error", text, {"row": row}, row)


class _Doubts:
    """Cells that cannot be read: said once for each text, with the first row and how many there are."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, str], int] = {}
        self.count: Counter[tuple[str, str]] = Counter()

    def add(self, code: str, value: str, row: int) -> None:
        self.first.setdefault((code, value), row)
        self.count[code, value] += 1

    def problems(self) -> Iterator[Problem]:
        for (code, value), row in list(self.first.items())[:_LISTED]:
            params = {"value": value[:40], "count": self.count[code, value]}
            yield Problem(code, "error", _UNREADABLE[code], params, row)


_UNREADABLE = {
    "road_class_missing": N_(
        "{count} 条道路没有写道路等级。请补上，或在上传时说明整个文件是同一等级。"
    ),
    "road_class": N_("道路等级“{value}”无法识别（共 {count} 条）。"),
    "land_width": N_("用地宽度“{value}”不是一个正数（共 {count} 条）。"),
    "road_date": N_("日期“{value}”无法识别（共 {count} 条），请写成 2023、2023-05 或 2023-05-31。"),
}


def _road(
    upload: Upload,
    cell: dict[str, attributes.Value],
    words: dict[str, str],
    row: int,
    doubts: _Doubts,
) -> dict[str, Any]:
    nothing = {"road_class": None, "land_width_m": None, "completed": None, "overhauled": None}
    if upload.kind != "roads":
        return nothing
    said = upload.purpose.get("road_class") or words.get("road_class", "")
    found = class_of(said)
    if found is None:
        doubts.add("road_class" if said else "road_class_missing", said, row)
    width = cell["land_width"].number if words.get("land_width") else None
    if words.get("land_width") and (width is None or width <= 0):
        doubts.add("land_width", words["land_width"], row)
    days = {}
    for ours in ("completed", "overhauled"):
        written = words.get(ours, "")
        days[ours] = last_day(written)
        if written and days[ours] is None:
            doubts.add("road_date", written, row)
    return {
        **nothing,
        "road_class": found and RoadClass(found).value,
        "land_width_m": width,
        **days,
    }


_DATE = re.compile(r"(\d{4})(?:\D(\d{1,2}))?(?:\D(\d{1,2}))?\D*(?:[T ].*)?$")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})$")


def last_day(written: str) -> date | None:
    """Return the day that a cell names; of a year or month alone its last day, so that a ban never ends too early."""
    written = written.strip().removesuffix(".0")  # a year that a spreadsheet took for a number
    match = _COMPACT.match(written) or _DATE.match(written)
    if not match:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        if month and day:
            return date(year or 0, month, day)
        following = (
            date(year or 0, month + 1, 1) if month and month < 12 else date((year or 0) + 1, 1, 1)
        )
    except ValueError:
        return None
    return date.fromordinal(following.toordinal() - 1) if month is None or 0 < month <= 12 else None


def current_layers(session: Session, office_id: int) -> list[BaseLayer]:
    """Return the versions of an office that routes are computed with, in the order of kind and title."""
    order = (BaseLayer.kind, BaseLayer.title)
    return list(
        session.scalars(
            select(BaseLayer)
            .where(BaseLayer.office_id == office_id, BaseLayer.current)
            .order_by(*order)
        )
    )


def versions(session: Session, office_id: int) -> list[BaseLayer]:
    """Return every version of an office's layers, newest first within each title."""
    order = (BaseLayer.kind, BaseLayer.title, BaseLayer.version.desc())
    return list(
        session.scalars(select(BaseLayer).where(BaseLayer.office_id == office_id).order_by(*order))
    )


def as_stored(layers: Iterable[BaseLayer]) -> list[dict[str, Any]]:
    """Return which versions a route was computed with, as it is kept beside the route."""
    return [
        {
            "layer": x.id,
            "kind": x.kind,
            "title": x.title,
            "version": x.version,
            "illustrative": x.illustrative,
        }
        for x in layers
    ]
