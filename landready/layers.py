"""Facility layers and service areas of an enterprise, by version; an older version is kept."""

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation


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
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
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
