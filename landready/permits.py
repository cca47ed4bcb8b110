"""Planning permits (建设工程规划许可证) from the construction approval system (R7)."""

from datetime import date, datetime
from typing import Any

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import Date, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation
from landready.plans import Plot


class Permit(Base):
    """One permit, keyed by its number as written. `payload` is what came, field for field."""

    __tablename__ = "permit"
    id: Mapped[Id]
    permit_no: Mapped[str] = mapped_column(String(80), unique=True)
    # Who sent it: the approval system, or the office that uploaded a file.
    source_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    plot_id: Mapped[int | None] = mapped_column(ForeignKey("plot.id"), index=True)
    city: Mapped[str] = mapped_column(String(6), index=True)
    # XMDM / GCDM of the national exchange tables.
    project_code: Mapped[str] = mapped_column(String(40), default="")
    works_code: Mapped[str] = mapped_column(String(40), default="")
    project_name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(300), default="")
    issued_on: Mapped[date | None] = mapped_column(Date)
    payload: Mapped[dict[str, Any]]
    payload_sha256: Mapped[str] = mapped_column(String(64))
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    received_at: Mapped[datetime]
    geom: Mapped[WKBElement] = mapped_column(Geometry("MULTIPOLYGON", srid=4490))
    office: Mapped[Organisation] = relationship(foreign_keys=[office_id], lazy="joined")
    owner: Mapped[Organisation] = relationship(foreign_keys=[owner_id], lazy="joined")
    plot: Mapped[Plot | None] = relationship()
