"""What stands suspended, for the people who can do something about it: since when, why, and what is still missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from landready.blockers import Blocker
from landready.gate import readiness_of
from landready.listings import Listing
from landready.plans import Plot, SupplyPlan
from landready.settings import Gate


@dataclass(frozen=True, slots=True)
class Suspended:
    """A suspended listing and what is missing now; none: its office may resume it, and nobody else will."""

    listing: Listing
    missing: tuple[Blocker, ...]

    @property
    def may_resume(self) -> bool:
        return not self.missing


def suspended(
    session: Session, gate: Gate, now: datetime, *, plan_id: int | None = None, city: str = ""
) -> Sequence[Suspended]:
    """Return what is suspended of the asker's own plans, or of those it supervises; what may be resumed first, then the oldest."""
    # By plan: everybody may see suspended listings, but only of their own can they do something.
    query = (
        select(Listing)
        .join(Listing.plot)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(Listing.state == "suspended")
        .options(joinedload(Listing.plot).joinedload(Plot.plan))
        .order_by(Listing.changed_at, Listing.id)
    )
    if plan_id is not None:
        query = query.where(Plot.plan_id == plan_id)
    if city:
        query = query.where(Listing.city == city)
    listings = session.scalars(query).all()
    found = readiness_of(session, [one.plot_id for one in listings], gate, now)
    rows = [Suspended(one, found[one.plot_id].blockers) for one in listings]
    return sorted(rows, key=lambda row: not row.may_resume)
