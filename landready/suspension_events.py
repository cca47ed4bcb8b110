"""What enterprises are told when land on which they answered goes off the market without anybody's doing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from landready import outbox
from landready.listings import ListingMove
from landready.plans import Plot
from landready.pushes import Push, PushPlot
from landready.readiness import Readiness

EVENT = "listing.suspended"


def suspended(
    session: Session,
    moves: Sequence[ListingMove],
    found: Mapping[int, Readiness],
    now: datetime,
) -> None:
    """Tell the enterprises that were asked for what is missing now, or for what changed. Needs the engine."""
    plot_ids = {move.plot_id for move in moves}
    plots = {
        plot.id: plot
        for plot in session.scalars(
            select(Plot).where(Plot.id.in_(plot_ids)).options(joinedload(Plot.office))
        )
    }
    asked: dict[int, dict[Push, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in session.scalars(
        select(PushPlot)
        .where(PushPlot.plot_id.in_(plot_ids))
        .options(joinedload(PushPlot.push))
        .order_by(PushPlot.id)
    ):
        asked[one.plot_id][one.push].add(one.utility)
    for move in moves:
        missing = found[move.plot_id].blockers
        lacking = {str(b.utility) for b in missing if b.utility}
        lacking.add((move.cause or {}).get("utility", ""))
        for push, utilities in asked[move.plot_id].items():
            if concerned := utilities & lacking:
                _tell(session, move, plots[move.plot_id], push, concerned, found, now)


def _tell(
    session: Session,
    move: ListingMove,
    plot: Plot,
    push: Push,
    utilities: set[str],
    found: Mapping[int, Readiness],
    now: datetime,
) -> None:
    data = {
        "listing": move.listing_id,
        "push": str(push.uid),
        "portal_path": f"/pushes/{push.id}",
        "plot": {"code": plot.code, "name": plot.name},
        "utilities": sorted(utilities),
        "reason": {"code": (move.cause or {}).get("code", ""), "message": move.reason},
        "missing": [
            {"utility": b.utility, "enterprise": b.enterprise, "code": b.code, "message": b.message}
            for b in found[plot.id].blockers
            if b.utility in utilities
        ],
        "suspended_at": move.moved_at.isoformat(),
        "office": {"name": plot.office.name, "phone": plot.office.phone},
    }
    outbox.record(
        session,
        enterprise_id=push.enterprise_id,
        office_id=push.office_id,
        push_id=push.id,
        type_=EVENT,
        data=data,
        now=now,
    )
