"""Supply plans (供地计划) and their plots, from upload to release."""

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation


class Upload(Base):
    """A file as it was sent, what the reader made of it, and how its columns were understood."""

    __tablename__ = "upload"
    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    # plots, facilities, service_areas or permits
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    filename: Mapped[str] = mapped_column(String(255))
    stored_as: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    source_crs: Mapped[str] = mapped_column(String(200), default="")
    fields: Mapped[list[Any]] = mapped_column(default=list)
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)
    features: Mapped[list[Any]] = mapped_column(default=list, deferred=True)
    problems: Mapped[list[Any]] = mapped_column(default=list)
    # What the upload is for besides its kind: utility of a layer, year of a plan.
    purpose: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))


class SupplyPlan(Base):
    """One office's list of plots to be supplied. Draft until released; released never goes back."""

    __tablename__ = "supply_plan"
    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"))
    city: Mapped[str] = mapped_column(String(6), index=True)
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), default="draft")
    # The land-use classification of the plan's bare numbers (landready.landuse.System); empty: nobody was asked.
    use_system: Mapped[str] = mapped_column(String(20), default="", server_default="")
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    released_at: Mapped[datetime | None]
    released_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    # Who was asked at the release and who was not, with the reason: landready.concerned.Asked with the number of its plots.
    asked: Mapped[list[Any]] = mapped_column(default=list)
    office: Mapped[Organisation] = relationship(lazy="joined")
    upload: Mapped[Upload] = relationship()
    plots: Mapped[list["Plot"]] = relationship(
        back_populates="plan", order_by="Plot.row", cascade="all, delete-orphan"
    )
    __table_args__ = (
        CheckConstraint("state in ('draft','released')", name="state"),
        CheckConstraint("(state = 'released') = (released_at is not null)", name="released"),
    )


class Plot(Base):
    """A plot of a plan. `geom` is a MultiPolygon in EPSG:4490; areas are square metres."""

    __tablename__ = "plot"
    id: Mapped[Id]
    plan_id: Mapped[int] = mapped_column(ForeignKey("supply_plan.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    city: Mapped[str] = mapped_column(String(6), index=True)
    row: Mapped[int]
    code: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(200), default="")
    # The use as written, and its code in the 2023 classification where it was recognised.
    use: Mapped[str] = mapped_column(String(200), default="")
    # Shares of several uses (混合比例), where they stand in a column of their own.
    use_shares: Mapped[str] = mapped_column(String(80), default="", server_default="")
    use_code: Mapped[str | None] = mapped_column(String(6), index=True)
    declared_area_m2: Mapped[float | None]
    # Geodesic on the ellipsoid of EPSG:4490.
    area_m2: Mapped[float]
    # As written ("≤1.00"), and its number where there is one.
    plot_ratio: Mapped[str] = mapped_column(String(40), default="")
    plot_ratio_value: Mapped[float | None] = mapped_column(Numeric(8, 3, asdecimal=False))
    quarter: Mapped[str] = mapped_column(String(40), default="")
    supply_mode: Mapped[str] = mapped_column(String(40), default="")
    source_crs: Mapped[str] = mapped_column(String(200), default="")
    # The boundary was drawn for demonstration: no official one was published.
    illustrative: Mapped[bool] = mapped_column(default=False)
    # Raised when boundary, use or ratio change: answers and verdicts hold for one revision.
    revision: Mapped[int] = mapped_column(default=1)
    geom: Mapped[WKBElement] = mapped_column(Geometry("MULTIPOLYGON", srid=4490))
    plan: Mapped[SupplyPlan] = relationship(back_populates="plots")
    office: Mapped[Organisation] = relationship()
    __table_args__ = (
        UniqueConstraint("plan_id", "code"),
        CheckConstraint("area_m2 > 0", name="area"),
    )
