"""A listing as the outside sees it: in the trading platform's feed, in the webhook that tells of its change, as open data.

One schema for all of them. Everything in it is public; each figure of a utility says on what it stands and from when it is.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.orm import Session

from landready import outbox
from landready.answers import Answer
from landready.asked import answered
from landready.certificates import Certificate
from landready.checks import Check
from landready.db import as_engine
from landready.disputes import disputed
from landready.listings import Listing, ListingMove
from landready.organisations import Organisation
from landready.plans import Plot
from landready.pushes import Push, PushPlot
from landready.utilities import Utility

EVENT = "listing.changed"
# GeoJSON decimals: 1e-9 degrees are a tenth of a millimetre.
_DIGITS = 9
State = Literal["listed", "suspended", "withdrawn", "sold"]
Standing = Literal["confirmed", "committed", "computed"]
_COMPUTED: Standing = "computed"
_EXAMPLE = Path(__file__).parent / "data" / "listing_example.json"


class Said(BaseModel):
    """What one enterprise said of the plot for one utility, or, while it is silent, what was measured in its stead."""

    utility: str = Field(description="water, drainage, power, gas, telecom or cable_tv")
    enterprise_id: int
    enterprise: str
    standing: Standing = Field(
        description="confirmed by the enterprise; committed by it to a date; computed, and no answer at all"
    )
    verdict: Literal["ready", "ready_by", "not_possible", "not_concerned"] | None = Field(
        description="null while it has not answered"
    )
    ready_by: date | None = None
    spare_capacity: float | None = Field(
        None, description="m³/d for water and drainage, kW for power, m³/h for gas, else pieces"
    )
    connection_point: dict[str, object] | None = Field(None, description="GeoJSON Point")
    works: str = ""
    reason: str = ""
    valid_until: date | None = None
    disputed: bool = Field(
        default=False, description="somebody challenges it, and nobody has decided yet"
    )
    as_of: datetime | None = Field(description="when it was said or measured; null: never measured")
    served_share: float | None = Field(
        None, description="computed only: share of the plot inside service areas, 0 to 1"
    )
    due_on: date | None = Field(
        None, description="computed only: the answer was due that day; past: it is late"
    )


class Exempted(BaseModel):
    """A supervisor's change of the rules for a time, which lets a condition warn that else blocks."""

    document: str
    reason: str
    issuer: str
    lifts: list[str]
    start: date
    end: date = Field(description="its last day")


class Offer(BaseModel):
    """One listing. `state`: listed, suspended, withdrawn, sold; only `listed` may be traded."""

    id: int
    state: State
    state_reason: str
    state_cause: str | None = Field(
        None,
        description="what changed, where the system itself suspended it: the codes of `listing.suspended`; null: a person moved it",
    )
    plot_id: int
    plot_code: str
    plot_name: str
    plot_revision: int
    city: str = Field(description="adcode, GB/T 2260")
    office: str
    use: str
    use_code: str | None = Field(description="code of the national land-use classification of 2023")
    area_m2: float = Field(description="geodesic area on the ellipsoid of EPSG:4490")
    declared_area_m2: float | None
    plot_ratio: str
    supply_mode: str
    quarter: str
    illustrative_boundary: bool
    boundary: dict[str, object] = Field(description="GeoJSON MultiPolygon, EPSG:4490 lon/lat")
    certificate: str | None = Field(
        None,
        description="number of the certificate of readiness; null: ended before there were any",
    )
    verdict_at: datetime | None = Field(description="when the certificate was issued")
    verdict_valid_until: datetime | None
    rule_version: str | None = Field(description="rules in force, with the documents of exceptions")
    exemptions: list[Exempted] = Field(
        default=[], description="legal exceptions that the listing rests on"
    )
    said: list[Said]
    listed_at: datetime
    changed_at: datetime = Field(
        description="rises with every change of any listing: what has an older one may be dropped"
    )


_OFFERS = TypeAdapter(list[Offer])


def example() -> dict[str, Any]:
    """Return the listing that the documentation shows."""
    found: dict[str, Any] = json.loads(_EXAMPLE.read_text(encoding="utf-8"))
    return found


def offers(session: Session, listing_ids: Sequence[int]) -> list[Offer]:
    """Return what is public of listings, in the order of `listing_ids`; the answers are those of this moment."""
    with as_engine(session):
        found = {row.id: dict(row._mapping) for row in session.execute(_listings(listing_ids))}
        said = _said(session, [facts["plot_id"] for facts in found.values()])
    for facts in found.values():
        facts["boundary"] = json.loads(facts["boundary"])
        facts["said"] = said[facts["plot_id"]]
        facts["exemptions"] = facts["exemptions"] or []
    return _OFFERS.validate_python([found[number] for number in listing_ids if number in found])


def tell(session: Session, listings: Sequence[Listing], now: datetime) -> None:
    """Write for every trading platform what became of these listings, in the transaction that changed them.

    What the product suspended stays to be told to enterprises (landready.suspending).
    """
    with as_engine(session):
        session.execute(
            update(ListingMove)
            .where(
                ListingMove.listing_id.in_([listing.id for listing in listings]),
                ListingMove.told_at.is_(None),
                ListingMove.cause.is_(None),
            )
            .values(told_at=now)
            .execution_options(synchronize_session=False)
        )
        platforms = session.scalars(
            select(Organisation.id).where(Organisation.told_of_listings).order_by(Organisation.id)
        ).all()
        if not (platforms and listings):
            return
        offices = {listing.id: listing.office_id for listing in listings}
        for offer in offers(session, sorted(offices)):
            data = offer.model_dump(mode="json")
            for platform in platforms:
                outbox.record(
                    session,
                    enterprise_id=platform,
                    office_id=offices[offer.id],
                    push_id=None,
                    type_=EVENT,
                    data=data,
                    now=now,
                )


def _listings(listing_ids: Sequence[int]) -> Any:  # noqa: ANN401 - a select of these columns
    """Rows, not entities: a page of 500 is told in a fraction of a second."""
    return (
        select(
            Listing.id,
            Listing.state,
            Listing.state_reason,
            Listing.cause["code"].astext.label("state_cause"),
            Listing.plot_id,
            Plot.code.label("plot_code"),
            Plot.name.label("plot_name"),
            Plot.revision.label("plot_revision"),
            Listing.city,
            Organisation.name.label("office"),
            Plot.use,
            Plot.use_code,
            Plot.area_m2,
            Plot.declared_area_m2,
            Plot.plot_ratio,
            Plot.supply_mode,
            Plot.quarter,
            Plot.illustrative.label("illustrative_boundary"),
            func.ST_AsGeoJSON(Plot.geom, _DIGITS).label("boundary"),
            Certificate.issued_at.label("verdict_at"),
            Certificate.valid_until.label("verdict_valid_until"),
            Certificate.rule_version,
            Certificate.number.label("certificate"),
            cast(Certificate.body, JSONB)["rules"]["exemptions"].label("exemptions"),
            Listing.listed_at,
            Listing.changed_at,
        )
        .join(Plot, Plot.id == Listing.plot_id)
        .join(Organisation, Organisation.id == Listing.office_id)
        .outerjoin(Certificate, Certificate.id == Listing.certificate_id)
        .where(Listing.id.in_(listing_ids))
    )


def _said(session: Session, plot_ids: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
    """Everything the enterprises said of plots as they are now, and what was measured for those that are silent."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    challenged = disputed(session, plot_ids)
    for row in session.execute(_answers(plot_ids)):
        one = dict(row._mapping)
        one["disputed"] = (row.plot_id, row.utility, row.enterprise_id) in challenged
        lon, lat = one.pop("lon"), one.pop("lat")
        one["connection_point"] = (
            None
            if lon is None
            else {"type": "Point", "coordinates": [round(lon, _DIGITS), round(lat, _DIGITS)]}
        )
        one["standing"] = "committed" if row.verdict == "ready_by" else "confirmed"
        found[row.plot_id].append(one)
    for row in session.execute(_silent(plot_ids)):
        found[row.plot_id].append({**row._mapping, "standing": _COMPUTED, "verdict": None})
    order = {utility.value: number for number, utility in enumerate(Utility)}
    for all_ in found.values():
        all_.sort(
            key=lambda one: (order[one["utility"]], one["verdict"] is None, one["enterprise"])
        )
    return found


def _answers(plot_ids: Sequence[int]) -> Any:  # noqa: ANN401 - a select of these columns
    return (
        select(
            Answer.plot_id,
            Answer.utility,
            Answer.enterprise_id,
            Organisation.name.label("enterprise"),
            Answer.verdict,
            Answer.ready_by,
            Answer.spare_capacity,
            func.ST_X(Answer.connection_point).label("lon"),
            func.ST_Y(Answer.connection_point).label("lat"),
            Answer.works,
            Answer.reason,
            Answer.valid_until,
            Answer.answered_at.label("as_of"),
        )
        .ext(distinct_on(Answer.plot_id, Answer.utility, Answer.enterprise_id))
        .join(Organisation, Organisation.id == Answer.enterprise_id)
        .join(Plot, Plot.id == Answer.plot_id)
        .where(Answer.plot_id.in_(plot_ids), Answer.plot_revision == Plot.revision)
        .order_by(Answer.plot_id, Answer.utility, Answer.enterprise_id, Answer.version.desc())
    )


def _silent(plot_ids: Sequence[int]) -> Any:  # noqa: ANN401 - a select of these columns
    newest = (
        select(Check.plot_id, Check.utility, Check.measured_at, Check.served_share)
        .ext(distinct_on(Check.plot_id, Check.utility))
        .where(Check.plot_id.in_(plot_ids))
        .order_by(Check.plot_id, Check.utility, Check.measured_at.desc(), Check.id.desc())
        .subquery()
    )
    return (
        select(
            PushPlot.plot_id,
            PushPlot.utility,
            PushPlot.enterprise_id,
            Organisation.name.label("enterprise"),
            Push.due_on,
            newest.c.measured_at.label("as_of"),
            newest.c.served_share,
        )
        .ext(distinct_on(PushPlot.plot_id, PushPlot.utility, PushPlot.enterprise_id))
        .join(PushPlot.push)
        .join(PushPlot.plot)
        .join(Organisation, Organisation.id == PushPlot.enterprise_id)
        .outerjoin(
            newest,
            and_(newest.c.plot_id == PushPlot.plot_id, newest.c.utility == PushPlot.utility),
        )
        .where(PushPlot.plot_id.in_(plot_ids), ~answered())
        .order_by(PushPlot.plot_id, PushPlot.utility, PushPlot.enterprise_id, PushPlot.id.desc())
    )
