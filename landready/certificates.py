"""Certificates of readiness (准入凭证): what was judged, on which facts, under which rules, chained by hash in each city.

The text of a body is kept as it was hashed; landready.frozen reads and writes it. Nobody changes or deletes one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import shapely
from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from landready.db import Base, Id, as_engine
from landready.facts import PlotFacts
from landready.frozen import FIRST, Calendar, FrozenPlot, Place, canonical, digest, freeze
from landready.plans import Plot
from landready.readiness import Readiness
from landready.shapes import geojson_of

# The first key of the lock under which one writer at a time continues the chain of a city (its adcode is the second).
CHAIN = 4600003


class Certificate(Base):
    """One link of a city's chain. `body` is the canonical JSON of landready.frozen; `sha256` its link's hash."""

    __tablename__ = "certificate"
    id: Mapped[Id]
    city: Mapped[str] = mapped_column(String(6))
    sequence: Mapped[int] = mapped_column(Integer)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    plot_revision: Mapped[int]
    ready: Mapped[bool]
    issued_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    rule_version: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        UniqueConstraint("city", "sequence"),
        # What a listing names is a certificate of its own plot, office and city.
        UniqueConstraint("id", "plot_id", "office_id", "city"),
    )

    @cached_property
    def frozen(self) -> Mapping[str, Any]:
        """The body as plain values."""
        found: Mapping[str, Any] = json.loads(self.body)
        return found

    @property
    def warnings(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.frozen["verdict"]["warnings"]
        return found

    @property
    def exemptions(self) -> Sequence[Mapping[str, Any]]:
        """Legal exceptions in the rules that it was judged by: document, reason, issuer, days."""
        found: Sequence[Mapping[str, Any]] = self.frozen["rules"]["exemptions"]
        return found


def issue(
    session: Session,
    judged: Sequence[tuple[Plot, PlotFacts, Readiness]],
    calendar: Calendar,
    day: date,
    now: datetime,
) -> list[Certificate]:
    """Continue the chains of the plots' cities with one certificate each, in the order given.

    Raises:
        ValueError: a verdict without rules, or facts that cannot be written down.
    """
    cities = sorted({plot.city for plot, _, _ in judged})
    heads = {city: _head(session, city) for city in cities}
    made = []
    for plot, facts, found in judged:
        if found.rules is None:
            raise ValueError("a verdict without rules is not certified")
        sequence, previous = heads[plot.city]
        until = now + timedelta(days=found.rules.verdict_days)
        place = Place(plot.city, sequence + 1, previous, now, until)
        body = canonical(freeze(place, day, frozen_plot(plot), facts, found, calendar))
        row = Certificate(
            city=plot.city,
            sequence=place.sequence,
            number=place.number,
            plot_id=plot.id,
            office_id=plot.office_id,
            plot_revision=plot.revision,
            ready=found.may_list,
            issued_at=now,
            valid_until=until,
            rule_version=found.rules.cited,
            body=body.decode(),
            sha256=digest(previous, body),
            previous=previous,
        )
        heads[plot.city] = (row.sequence, row.sha256)
        made.append(row)
    session.add_all(made)
    session.flush()
    return made


def frozen_plot(plot: Plot) -> FrozenPlot:
    """Return a plot as a certificate keeps it."""
    shape = shapely.from_wkb(plot.geom.desc)
    plain = shapely.to_wkb(shape, byte_order=1, include_srid=False)
    return FrozenPlot(
        code=plot.code,
        name=plot.name,
        revision=plot.revision,
        use=plot.use,
        area_m2=plot.area_m2,
        plot_ratio=plot.plot_ratio,
        geometry=geojson_of(shape),
        sha256=hashlib.sha256(plain).hexdigest(),
    )


def _head(session: Session, city: str) -> tuple[int, str]:
    """Number and hash of the newest certificate of a city; nobody else continues the chain before the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(CHAIN, int(city))))
    with as_engine(session):
        row = session.execute(
            select(Certificate.sequence, Certificate.sha256)
            .where(Certificate.city == city)
            .order_by(Certificate.sequence.desc())
            .limit(1)
        ).first()
    return (row.sequence, row.sha256) if row else (0, FIRST)
