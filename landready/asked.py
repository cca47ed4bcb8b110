"""What the asker's enterprise was asked: its pushes, the plots and utilities in them, and what is still open."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, contains_eager

from landready import checks
from landready.answers import Answer
from landready.db import actor_of
from landready.errors import NotFound
from landready.plans import Plot
from landready.proposals import Proposal, propose
from landready.pushes import Push, PushPlot
from landready.settings import Check

# A plot and a utility of one push.
Pair = tuple[int, str]


def own_push(session: Session, push_id: int, *, lock: bool = False) -> Push:
    """Return a push to the asker's enterprise; locked, its answers are counted by one transaction at a time.

    Raises:
        NotFound: it is not the asker's.
    """
    query = select(Push).where(
        Push.id == push_id, Push.enterprise_id == actor_of(session).organisation_id
    )
    if lock:
        # Not against a reference to it: whoever suspends a listing tells of it by the push, and has the turn.
        query = query.with_for_update(of=Push, key_share=True).execution_options(
            populate_existing=True
        )
    push = session.scalar(query)
    if push is None:
        raise NotFound
    return push


def open_push(session: Session, push_id: int, now: datetime) -> Push:
    """Return the asker's push and note the first time that it was opened.

    Raises:
        NotFound: it is not the asker's.
    """
    push = own_push(session, push_id)
    if push.opened_at is None:
        push = own_push(session, push_id, lock=True)
        push.opened_at = push.opened_at or now
    return push


def asked_plots(session: Session, push: Push, pairs: Sequence[Pair]) -> dict[Pair, Plot]:
    """Return the plot of each pair.

    Raises:
        NotFound: the push does not ask about one of them.
    """
    rows = session.scalars(
        select(PushPlot)
        .join(PushPlot.plot)
        .options(contains_eager(PushPlot.plot))
        .where(PushPlot.push_id == push.id, PushPlot.plot_id.in_({plot for plot, _ in pairs}))
    )
    known = {(row.plot_id, row.utility): row.plot for row in rows}
    if not all(pair in known for pair in pairs):
        raise NotFound
    return {pair: known[pair] for pair in pairs}


def answered() -> ColumnElement[bool]:
    """Whether a row of `push_plot` has an answer for the plot as it is now: an answer holds for one revision."""
    return exists().where(
        Answer.plot_id == PushPlot.plot_id,
        Answer.utility == PushPlot.utility,
        Answer.enterprise_id == PushPlot.enterprise_id,
        Plot.id == PushPlot.plot_id,
        Answer.plot_revision == Plot.revision,
    )


def proposals(
    session: Session, push: Push, pairs: Sequence[Pair], reach: Check
) -> dict[Pair, Proposal]:
    """Propose an answer for each plot and utility from its newest check."""
    newest = checks.latest(session, list({plot_id for plot_id, _ in pairs}))
    of_pair = {(check.plot_id, check.utility): check for check in newest}
    found = {}
    for pair in pairs:
        check = of_pair.get(pair)
        near = check.facilities if check else []
        own = [facility for facility in near if facility.enterprise_id == push.enterprise_id]
        found[pair] = propose(*pair, check, own, reach)
    return found
