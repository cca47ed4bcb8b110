"""Answering what was pushed (R4): one plot, many plots, or a project whose owner was contacted.

An answer is history: a correction is a new version and the old one stays. Colleagues who answer the same plot at the same
moment wait for each other on the push's row; both answers are kept, the later one is the newer version and holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import shapely
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import commitments, reserving
from landready.answer_rules import AnswerDraft as AnswerDraft
from landready.answer_rules import batch_faults, point_faults, relevant, word_faults
from landready.answers import Answer
from landready.asked import Pair, answered, asked_plots, own_push, proposals
from landready.changes import cause
from landready.clock import today
from landready.db import as_engine
from landready.errors import Conflict, Invalid
from landready.organisations import Organisation
from landready.plans import Plot
from landready.proposals import Proposal
from landready.pushes import Push, PushPlot
from landready.settings import Check, Gate, Region
from landready.shapes import loaded, stored
from landready.suspending import suspend_lapsed


def answer(
    session: Session,
    push_id: int,
    draft: AnswerDraft,
    *,
    check: Check,
    region: Region,
    gate: Gate,
    account_id: int | None,
    now: datetime,
) -> Answer:
    """Record what a person confirmed for one plot and utility, as the next version; a listing that loses its ground is suspended.

    A positive answer at a facility reserves what the plot needs there (landready.reserving); what does not fit any more needs
    a reason of the engineer, who knows the network better than its register does.

    Raises:
        NotFound: the push, or the plot and utility in it, is not the asker's.
        Invalid: with every fault of the draft; nothing is recorded.
    """
    push = own_push(session, push_id, lock=True)
    drafts = [relevant(draft)]
    found = _wishes(session, push, drafts, check, region, now, lock=True)
    _refuse(_faults(session, push, drafts, check, region, now) + reserving.faults(found))
    _hold_plots(session, drafts)
    made = _write(session, push, drafts, found, check, account_id, now)
    _settle(session, made, gate, now)
    return made[0]


def answer_many(
    session: Session,
    push_id: int,
    pairs: Sequence[Pair],
    draft: AnswerDraft,
    *,
    check: Check,
    region: Region,
    gate: Gate,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    """Record one answer for many plots and utilities, all or none; each gets its own proposed connection point.

    Raises:
        NotFound: the push, or one of the pairs in it, is not the asker's.
        Invalid: with every fault, naming the plots that have no proposed point; nothing is recorded.
    """
    push = own_push(session, push_id, lock=True)
    drafts = _spread(session, push, pairs, draft, check)
    found = _wishes(session, push, drafts, check, region, now, lock=True)
    _refuse(_faults(session, push, drafts, check, region, now) + reserving.faults(found))
    _hold_plots(session, drafts)
    made = _write(session, push, drafts, found, check, account_id, now)
    _settle(session, made, gate, now)
    return made


def answer_each(
    session: Session,
    push_id: int,
    drafts: Sequence[AnswerDraft],
    *,
    check: Check,
    region: Region,
    gate: Gate,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    """Record different answers for several plots and utilities, all or none.

    Raises:
        NotFound: the push, or one of the pairs in it, is not the asker's.
        Invalid: with every fault of every draft, its `row` counting the drafts from 1; nothing is recorded.
    """
    return answer_pushes(
        session,
        {push_id: drafts},
        check=check,
        region=region,
        gate=gate,
        account_id=account_id,
        now=now,
    )


def answer_pushes(
    session: Session,
    said: Mapping[int, Sequence[AnswerDraft]],
    *,
    check: Check,
    region: Region,
    gate: Gate,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    """Record different answers to several pushes by their id, all or none: works may serve plots of several plans.

    Whatever is locked is locked before anything is recorded, and listings have their turn last, so that nobody waits in a circle.

    Raises:
        NotFound, Invalid: as `answer_each` for each of the pushes.
    """
    pushes = [own_push(session, push_id, lock=True) for push_id in sorted(said)]
    given = {push.id: [relevant(draft) for draft in said[push.id]] for push in pushes}
    reserving.hold(session, [(p, given[p.id]) for p in pushes], check, region)
    found = {p.id: _wishes(session, p, given[p.id], check, region, now) for p in pushes}
    faults = [f for p in pushes for f in _faults_each(session, p, given[p.id], check, region, now)]
    _refuse(faults + [f for p in pushes for f in _numbered(found[p.id])])
    _hold_plots(session, [draft for drafts in given.values() for draft in drafts])
    made = [
        row
        for p in pushes
        for row in _write(session, p, given[p.id], found[p.id], check, account_id, now)
    ]
    _settle(session, made, gate, now)
    return made


def review(
    session: Session,
    push_id: int,
    draft: AnswerDraft,
    pairs: Sequence[Pair] | None = None,
    *,
    check: Check,
    region: Region,
    now: datetime,
) -> list[Problem]:
    """Return every fault that `answer` (or `answer_many`, with `pairs`) would refuse, recording nothing.

    Raises:
        NotFound: as those do.
    """
    push = own_push(session, push_id)
    drafts = [relevant(draft)] if pairs is None else _spread(session, push, pairs, draft, check)
    found = _wishes(session, push, drafts, check, region, now)
    return _faults(session, push, drafts, check, region, now) + reserving.faults(found)


def foresee(
    session: Session,
    push_id: int,
    draft: AnswerDraft,
    *,
    check: Check,
    region: Region,
    now: datetime,
) -> list[Problem]:
    """Return what a draft would be asked to confirm: that its plot does not fit what is left of the facility at its point.

    Raises:
        NotFound: the push, or the plot and utility in it, is not the asker's.
    """
    push = own_push(session, push_id)
    drafts = [relevant(replace(draft, over=""))]
    return reserving.faults(_wishes(session, push, drafts, check, region, now))


def draft_of(
    session: Session, push_id: int, plot_id: int, utility: str, *, check: Check
) -> Proposal:
    """Propose an answer from the newest check; it is stored nowhere.

    Raises:
        NotFound: the push, or the plot and utility in it, is not the asker's.
    """
    push = own_push(session, push_id)
    pair = (plot_id, utility)
    asked_plots(session, push, [pair])
    return proposals(session, push, [pair], check)[pair]


def contacted(session: Session, push_id: int, now: datetime) -> Push:
    """Note that the enterprise called on the owner of a pushed project (五(九)): that answers the push, once.

    Raises:
        NotFound: it is not the asker's.
        Conflict: it is a plan, whose plots are answered one by one.
    """
    push = own_push(session, push_id, lock=True)
    if push.kind != "project":
        raise Conflict(N_("供地计划需要逐个地块答复。"))
    push.opened_at = push.opened_at or now
    push.answered_at = push.answered_at or now
    return push


def _spread(
    session: Session, push: Push, pairs: Sequence[Pair], draft: AnswerDraft, reach: Check
) -> list[AnswerDraft]:
    """The same answer for each pair, at the pair's own proposed point."""
    pairs = list(dict.fromkeys(pairs))
    asked_plots(session, push, pairs)
    found = proposals(session, push, pairs, reach)
    return [
        relevant(
            replace(
                draft,
                plot_id=plot_id,
                utility=utility,
                connection_point=found[plot_id, utility].draft.connection_point,
            )
        )
        for plot_id, utility in pairs
    ]


def _faults(
    session: Session,
    push: Push,
    drafts: Sequence[AnswerDraft],
    reach: Check,
    region: Region,
    now: datetime,
) -> list[Problem]:
    if push.kind != "plan" or not drafts:
        return [Problem("pairs_missing", "error", N_("请至少选择一个地块。"))]
    plots = asked_plots(session, push, [(d.plot_id, d.utility) for d in drafts])
    # The words are the same for all plots; only the point differs.
    found = list(word_faults(drafts[0], today(now)))
    grounds = loaded(plot.geom for plot in plots.values())
    for draft, plot, ground in zip(drafts, plots.values(), grounds, strict=True):
        found += point_faults(draft, ground, plot.code, reach, region)
    return found


def _faults_each(
    session: Session,
    push: Push,
    drafts: Sequence[AnswerDraft],
    reach: Check,
    region: Region,
    now: datetime,
) -> list[Problem]:
    if push.kind != "plan" or not drafts:
        return _faults(session, push, drafts, reach, region, now)
    plots = asked_plots(session, push, [(d.plot_id, d.utility) for d in drafts])
    grounds = loaded(plot.geom for plot in plots.values())
    codes = [plot.code for plot in plots.values()]
    return batch_faults(drafts, grounds, codes, today(now), reach, region)


def _wishes(
    session: Session,
    push: Push,
    drafts: Sequence[AnswerDraft],
    check: Check,
    region: Region,
    now: datetime,
    *,
    lock: bool = False,
) -> list[reserving.Wish | None]:
    if push.kind != "plan" or not drafts:
        return []
    plots = asked_plots(session, push, [(d.plot_id, d.utility) for d in drafts])
    asked = [plots[d.plot_id, d.utility] for d in drafts]
    return reserving.wishes(session, push, asked, drafts, check, region, now, lock=lock)


def _numbered(found: Sequence[reserving.Wish | None]) -> list[Problem]:
    return [
        replace(problem, row=number)
        for number, wish in enumerate(found, 1)
        for problem in reserving.faults([wish])
    ]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(tuple(problems), N_("答复没有保存，请按提示补充。"))


def _hold_plots(session: Session, drafts: Sequence[AnswerDraft]) -> None:
    """Take the plots in the order in which whoever lists them does; the answers' foreign keys would in that of the drafts."""
    with as_engine(session):
        session.execute(
            select(Plot.id)
            .where(Plot.id.in_({draft.plot_id for draft in drafts}))
            .order_by(Plot.id)
            .with_for_update(of=Plot, key_share=True, read=True)
        )


def _write(
    session: Session,
    push: Push,
    drafts: Sequence[AnswerDraft],
    found: Sequence[reserving.Wish | None],
    check: Check,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    plots = asked_plots(session, push, [(d.plot_id, d.utility) for d in drafts])
    versions = _versions(session, push, list({d.plot_id for d in drafts}))
    made = [
        _row(push, plots[d.plot_id, d.utility], d, versions.get((d.plot_id, d.utility), 0) + 1)
        for d in drafts
    ]
    for row in made:
        row.answered_at, row.answered_by = now, account_id
    session.add_all(made)
    session.flush()
    push.opened_at = push.opened_at or now
    if push.answered_at is None and not _open_left(session, push):
        push.answered_at = now
    session.flush()
    reserving.record(session, made, found, check, now)
    return made


def _settle(session: Session, made: Sequence[Answer], gate: Gate, now: datetime) -> None:
    """Let promises and listings follow what was answered."""
    commitments.follow(session, made, now)
    utilities = {answer.utility for answer in made}
    why = cause(
        "answer_changed",
        utilities.pop() if len(utilities) == 1 else "",
        enterprise=session.get_one(Organisation, made[0].enterprise_id).name,
    )
    suspend_lapsed(session, gate, now, list({answer.plot_id for answer in made}), why)


def _row(push: Push, plot: Plot, draft: AnswerDraft, version: int) -> Answer:
    point = draft.connection_point
    return Answer(
        push_id=push.id,
        plot_id=plot.id,
        plot_revision=plot.revision,
        enterprise_id=push.enterprise_id,
        office_id=push.office_id,
        utility=draft.utility,
        version=version,
        verdict=str(draft.verdict),
        connection_point=stored([shapely.Point(point)])[0] if point else None,
        spare_capacity=draft.spare_capacity,
        works=draft.works,
        ready_by=draft.ready_by,
        reason=draft.reason,
        valid_until=draft.valid_until,
    )


def _versions(session: Session, push: Push, plot_ids: Sequence[int]) -> dict[Pair, int]:
    """The newest version of each pair; counted under the push's lock."""
    rows = session.execute(
        select(Answer.plot_id, Answer.utility, func.max(Answer.version))
        .where(Answer.enterprise_id == push.enterprise_id, Answer.plot_id.in_(plot_ids))
        .group_by(Answer.plot_id, Answer.utility)
    )
    return {(plot_id, utility): version for plot_id, utility, version in rows}


def _open_left(session: Session, push: Push) -> bool:
    left = select(PushPlot.id).where(PushPlot.push_id == push.id, ~answered()).limit(1)
    return session.scalar(left) is not None
