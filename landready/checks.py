"""Coverage checks: what surrounds a plot for one utility, dated and stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import ForeignKey, Select, String, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from landready.db import Base, Id
from landready.organisations import Organisation


class Check(Base):
    """One measurement of one plot for one utility. Demand is what the indices gave then (landready.demand)."""

    __tablename__ = "coverage_check"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id", ondelete="CASCADE"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    plot_revision: Mapped[int]
    measured_at: Mapped[datetime]
    working_crs: Mapped[str] = mapped_column(String(40))
    radius_m: Mapped[float]
    # Share of the plot inside any service area of this utility, 0 to 1.
    served_share: Mapped[float]
    # Which layer versions were measured: [{"layer": id, "enterprise": id, "version": n}].
    layers: Mapped[list[Any]] = mapped_column(default=list)
    demand_min: Mapped[float | None]
    demand_max: Mapped[float | None]
    demand_unit: Mapped[str] = mapped_column(String(20), default="")
    facilities: Mapped[list["NearFacility"]] = relationship(
        order_by="NearFacility.rank", cascade="all, delete-orphan", passive_deletes=True
    )
    areas: Mapped[list["ServedShare"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )
    __table_args__ = (UniqueConstraint("plot_id", "utility", "plot_revision", "measured_at"),)


class NearFacility(Base):
    """One of the nearest facilities of a check, with the shortest line from the plot's boundary to it."""

    __tablename__ = "check_facility"
    id: Mapped[Id]
    check_id: Mapped[int] = mapped_column(
        ForeignKey("coverage_check.id", ondelete="CASCADE"), index=True
    )
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id"), index=True)
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(200), default="")
    # Metres in the check's working CRS from the plot's polygon; 0 when it touches.
    distance_m: Mapped[float]
    spare_capacity: Mapped[float | None]
    # Shortest line plot → facility in EPSG:4490; a zero-length line where they touch.
    link: Mapped[WKBElement] = mapped_column(Geometry("LINESTRING", srid=4490, spatial_index=False))
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id])


class ServedShare(Base):
    """Which share of a plot lies inside the service areas of one enterprise."""

    __tablename__ = "check_area"
    id: Mapped[Id]
    check_id: Mapped[int] = mapped_column(
        ForeignKey("coverage_check.id", ondelete="CASCADE"), index=True
    )
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    share: Mapped[float]
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id])


def newest(plot_ids: Sequence[int]) -> Select[int]:
    """Select the id of the newest check of each plot and utility."""
    return (
        select(Check.id)
        .where(Check.plot_id.in_(plot_ids))
        .ext(distinct_on(Check.plot_id, Check.utility))
        .order_by(Check.plot_id, Check.utility, Check.measured_at.desc(), Check.id.desc())
    )


def latest(session: Session, plot_ids: Sequence[int]) -> list[Check]:
    """Return the newest check of each plot and utility, with what the asker may see of facilities and shares."""
    found = select(Check).where(Check.id.in_(newest(plot_ids))).order_by(Check.plot_id, Check.id)
    loads = (
        selectinload(Check.facilities).joinedload(NearFacility.enterprise),
        selectinload(Check.areas).joinedload(ServedShare.enterprise),
    )
    return list(session.scalars(found.options(*loads)))
