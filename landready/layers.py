"""Facility layers and service areas of an enterprise, by version; an older version is kept."""

from collections import Counter
from datetime import date, datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from shapely.geometry import shape
from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Select,
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
from landready import stated_capacity, uploads
from landready.bulk import insert_rows
from landready.db import Base, Id
from landready.errors import Conflict, Invalid, NotAllowed
from landready.organisations import Organisation
from landready.plans import Upload
from landready.shapes import multi, stored
from landready.utilities import Utility

# One name for the lock under which versions of an enterprise's layers are counted.
_LOCK = 7

# The same sentence stands in migration 0004, for the layers of before.
_SEAL = text("""
update layer set
  content = (select coalesce(encode(sha256(convert_to(string_agg(
      f.id || ':' || encode(sha256(st_asbinary(f.geom)), 'hex'), ',' order by f.id), 'UTF8')), 'hex'), '')
    from facility f where f.layer_id = :layer),
  extent = (select case when e is null then '[]'
      else jsonb_build_array(st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)) end
    from (select st_extent(f.geom) e from facility f where f.layer_id = :layer) x)
where id = :layer
""")


class Layer(Base):
    """One version of what an enterprise has (facilities) or serves (service areas) for one utility."""

    __tablename__ = "layer"
    id: Mapped[Id]
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    upload_id: Mapped[int | None] = mapped_column(ForeignKey("upload.id"))
    kind: Mapped[str] = mapped_column(String(20))
    utility: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    # The newest version measures; the others are kept for what was measured with them.
    current: Mapped[bool] = mapped_column(default=True)
    feature_count: Mapped[int]
    # Of service areas alone (landready.service_areas): from which day on they are to count, and who let them.
    valid_from: Mapped[date | None] = mapped_column(Date)
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    refused_reason: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    # Of facilities: a digest of ids and geometry, and west, south, east, north in EPSG:4490 (nothing: it is empty).
    content: Mapped[str] = mapped_column(String(64), default="")
    extent: Mapped[list[Any]] = mapped_column(default=list)
    # When the plots that this version touches were measured again; empty: that is still to come.
    remeasured_at: Mapped[datetime | None]
    enterprise: Mapped[Organisation] = relationship(lazy="joined")
    __table_args__ = (
        CheckConstraint("kind in ('facilities','service_areas')", name="kind"),
        UniqueConstraint("enterprise_id", "kind", "utility", "title", "version"),
        # One current version of each title, whatever two uploads at once may try.
        Index(
            "uq_layer_current",
            "enterprise_id",
            "kind",
            "utility",
            "title",
            unique=True,
            postgresql_where=text("current"),
        ),
    )


class Facility(Base):
    """A main, cable, station or connection point (市政公用设施). `geom` in EPSG:4490, any simple type."""

    __tablename__ = "facility"
    id: Mapped[Id]
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    row: Mapped[int]
    name: Mapped[str] = mapped_column(String(200), default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Stated by the enterprise in the unit of its utility; empty: not stated.
    spare_capacity: Mapped[float | None]
    # When the enterprise stated it; empty: with the layer version.
    stated_at: Mapped[datetime | None]
    # The same facility's first row, in an older version of the layer; empty: this is the first.
    same_as: Mapped[int | None] = mapped_column(ForeignKey("facility.id"), index=True)
    geom: Mapped[WKBElement] = mapped_column(Geometry("GEOMETRY", srid=4490))
    layer: Mapped[Layer] = relationship()


class ServiceArea(Base):
    """Where an enterprise serves (服务边界). Public: plan section 五(六)."""

    __tablename__ = "service_area"
    id: Mapped[Id]
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    row: Mapped[int]
    name: Mapped[str] = mapped_column(String(200), default="")
    geom: Mapped[WKBElement] = mapped_column(Geometry("MULTIPOLYGON", srid=4490))
    layer: Mapped[Layer] = relationship()


def publish(
    session: Session,
    upload: Upload,
    *,
    utility: Utility,
    now: datetime,
    valid_from: date | None = None,
) -> Layer:
    """Make an upload the current version of the enterprise's layer of that kind, utility and title; older ones stay.

    Service areas become current once they are approved and `valid_from` has come (landready.service_areas).

    The upload's mapping names the column of the name and, for facilities, of the spare capacity (`spare_capacity`) and of the
    day on which it was stated (`stated_at`).

    Raises:
        Invalid: the file has an error, or holds nothing; the whole version is refused.
        NotAllowed: the enterprise is not registered for the utility.
        Conflict: this upload is a version already.
    """
    enterprise = session.get_one(Organisation, upload.organisation_id)
    if utility not in enterprise.utilities:
        raise NotAllowed(N_("您的单位没有登记这项公用服务。"))
    rows, found = _rows(upload, utility, now)
    if found:
        raise Invalid(tuple(found), N_("文件有错误，整个版本没有发布。"))
    # Two uploads at once would both count themselves the next version.
    session.execute(select(func.pg_advisory_xact_lock(_LOCK, enterprise.id)))
    if session.scalar(select(Layer.id).where(Layer.upload_id == upload.id)):
        raise Conflict(N_("这个文件已经发布为一个版本。"))
    same = (
        Layer.enterprise_id == enterprise.id,
        Layer.kind == upload.kind,
        Layer.utility == utility.value,
        Layer.title == upload.title,
    )
    last = session.scalar(select(func.max(Layer.version)).where(*same)) or 0
    if upload.kind == "facilities":
        _follow(session, rows, select(Layer.id).where(*same, Layer.current))
    at_once = upload.kind == "facilities"
    if at_once:
        session.execute(update(Layer).where(*same, Layer.current).values(current=False))
    layer = Layer(
        enterprise_id=enterprise.id,
        upload_id=upload.id,
        kind=upload.kind,
        utility=utility.value,
        title=upload.title,
        version=last + 1,
        current=at_once,
        valid_from=None if at_once else valid_from,
        feature_count=len(rows),
        created_at=now,
        created_by=upload.created_by,
    )
    session.add(layer)
    session.flush()
    model = Facility if upload.kind == "facilities" else ServiceArea
    keys = {"layer_id": layer.id, "enterprise_id": enterprise.id}
    insert_rows(session, model, [{**row, **keys} for row in rows])
    seal(session, layer)
    return layer


def seal(session: Session, layer: Layer) -> None:
    """Note the content and the extent of a layer whose facilities are all there; both never change again."""
    session.execute(_SEAL, {"layer": layer.id})
    session.refresh(layer, ["content", "extent"])


def layers_of(session: Session, enterprise_id: int) -> list[Layer]:
    """Return all versions of an enterprise's layers that the asker may see, newest first within each title."""
    order = (Layer.utility, Layer.kind, Layer.title, Layer.version.desc())
    return list(
        session.scalars(select(Layer).where(Layer.enterprise_id == enterprise_id).order_by(*order))
    )


def _rows(
    upload: Upload, utility: Utility, now: datetime
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The facilities or areas of an upload as rows to insert, and what forbids publishing them."""
    found = [p for p in uploads.problems_of(upload) if p.severity == "error"]
    if not upload.features and not found:
        found = [Problem("layer_empty", "error", N_("文件里没有可用的图形。"))]
    areas = upload.kind == "service_areas"
    shapes = [shape(feature["geometry"]) for feature in upload.features]
    if areas:
        shapes = [multi(s) for s in shapes]
    times = stated_capacity.factor(upload.mapping.get("spare_capacity", ""), utility)
    if isinstance(times, Problem):
        found.append(times)
        times = 1.0
    rows = []
    for feature, geom in zip(upload.features, stored(shapes), strict=True):
        cell = attributes.apply(upload.mapping, feature["properties"])
        name = attributes.text(cell["name"].raw)[:200] if "name" in cell else ""
        row: dict[str, Any] = {"row": feature["row"], "name": name, "geom": geom}
        if not areas:
            row["attributes"] = feature["properties"]
            number = row["row"]
            said = {
                "spare_capacity": stated_capacity.amount(cell.get("spare_capacity"), times, number),
                "stated_at": stated_capacity.moment(cell.get("stated_at"), number, now),
            }
            found += [value for value in said.values() if isinstance(value, Problem)]
            row |= said
        rows.append(row)
    return rows, found


def _follow(session: Session, rows: list[dict[str, Any]], layer: Select[int]) -> None:
    """Let each row know which facility of the version before it is: what is reserved of it stays reserved."""
    old = session.execute(
        select(func.coalesce(Facility.same_as, Facility.id).label("root"), Facility.name, Facility.geom)
        .where(Facility.layer_id.in_(layer))
        .order_by(Facility.id)
    ).all()  # fmt: skip
    names = Counter(row.name for row in old)
    shapes = Counter(row.geom.desc.lower() for row in old)
    known = stated_capacity.same_facilities(
        rows,
        {row.name: row.root for row in old if names[row.name] == 1},
        {row.geom.desc.lower(): row.root for row in old if shapes[row.geom.desc.lower()] == 1},
    )
    for row, lasting in zip(rows, known, strict=True):
        row["same_as"] = lasting
