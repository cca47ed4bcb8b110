"""What an engineer finds: the draft from the check, the inbox, the pages of a push, projects to call on."""

from datetime import date

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from landready import answering
from landready.answering import AnswerDraft
from landready.checks import Check
from landready.db import ENGINE, transaction
from landready.errors import Conflict, Invalid
from landready.inbox import inbox, plot_page, push_page
from landready.measuring import measure
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push, PushState
from landready.shapes import multi, stored
from tests.factories import (
    NOW,
    make_enterprise,
    make_layer,
    make_office,
    make_owner,
    make_plan,
    make_push,
    point,
    square,
)
from tests.landready.answer_case import AT, LATER, NOT_CONCERNED, READY, READY_BY, Case, actor


def propose(case: Case, session: Session, plot: int) -> answering.Proposal:
    return answering.draft_of(session, case.push, plot, "water", check=case.settings.check)


def test_a_near_facility_proposes_ready_at_its_own_end_of_the_shortest_line(
    case: Case, session: Session
) -> None:
    proposal = propose(case, session, case.plots[0])
    assert proposal.draft.verdict is READY
    assert proposal.draft.connection_point == pytest.approx(AT, abs=2e-7)
    assert proposal.draft.spare_capacity == 300
    assert float(proposal.params["metres"]) == pytest.approx(20, abs=0.2)
    assert proposal.params["name"] == "给水管 2"
    assert case.stored(session) == []


def test_a_far_facility_proposes_works_without_inventing_a_date(
    case: Case, session: Session
) -> None:
    """The second plot begins 200 m east; the main is 150 m from it, beyond the 100 m of the setting."""
    proposal = propose(case, session, case.plots[1])
    assert (proposal.draft.verdict, proposal.draft.ready_by) == (READY_BY, None)
    assert proposal.draft.works == ""
    assert proposal.params["limit"] == "100"


def test_a_near_facility_without_spare_capacity_proposes_works(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        water = make_enterprise(session, "water")
        make_layer(session, water, point(50, 50), spare_capacity=0.0)
        plan = make_plan(session, plots=1, state="released")
        push = make_push(session, plan, water).id
        plot = plan.plots[0].id
        measure(session, case.settings, plan.plots, NOW)
        me = actor(water)
    with transaction(case.engine, me) as session:
        proposal = answering.draft_of(session, push, plot, "water", check=case.settings.check)
    assert proposal.draft.verdict is READY_BY


@pytest.mark.parametrize("measured", [True, False])
def test_nothing_near_proposes_no_verdict(case: Case, measured: bool) -> None:
    with transaction(case.engine, ENGINE) as session:
        water = make_enterprise(session, "water")
        plan = make_plan(session, plots=1, state="released")
        push = make_push(session, plan, water).id
        plot = plan.plots[0].id
        session.execute(delete(Check))
        if measured:
            measure(session, case.settings, plan.plots, NOW)
        me = actor(water)
    with transaction(case.engine, me) as session:
        proposal = answering.draft_of(session, push, plot, "water", check=case.settings.check)
    assert (proposal.draft.verdict, proposal.draft.connection_point) == (None, None)
    assert (proposal.check is not None) == measured


def test_the_inbox_counts_what_is_answered(case: Case, session: Session) -> None:
    case.answer(session, case.draft())
    (entry,) = inbox(session, "open", NOW)
    assert (entry.plots, entry.asked, entry.done, entry.state) == (2, 2, 1, PushState.OPENED)


def test_the_inbox_shows_what_is_owed_first_and_by_due_date(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        water = session.get_one(Organisation, case.water.organisation_id)
        soon = make_push(session, None, water, due_on=date(2026, 2, 27)).id
        done = make_push(session, None, water, due_on=date(2026, 1, 5), answered_at=NOW).id
    with transaction(case.engine, case.water) as session:
        assert [e.push.id for e in inbox(session, "all", NOW)] == [soon, case.push, done]
        assert [e.push.id for e in inbox(session, "open", NOW)] == [soon, case.push]
        assert [(e.push.id, e.state) for e in inbox(session, "late", NOW)] == [
            (soon, PushState.LATE)
        ]


def test_the_next_open_plot_follows_in_the_order_of_the_page(case: Case, session: Session) -> None:
    def following(plot: int) -> object:
        return plot_page(session, case.push, plot, "water", check=case.settings.check, now=NOW).next

    assert following(case.plots[0]) == (case.plots[1], "water")
    assert following(case.plots[1]) == (case.plots[0], "water")
    case.answer(session, case.draft())
    assert following(case.plots[1]) is None


def test_the_next_open_plot_is_of_the_same_utility_first(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        both = make_enterprise(session, "drainage", "water")
        plan = make_plan(session, plots=2, state="released")
        push = make_push(session, plan, both).id
        first, second = (plot.id for plot in plan.plots)
        me = actor(both)
    with transaction(case.engine, me) as session:

        def following(plot: int, utility: str) -> object:
            check = case.settings.check
            return plot_page(session, push, plot, utility, check=check, now=NOW).next

        assert following(first, "water") == (second, "water")
        assert following(second, "water") == (first, "water")
        case.answer(session, AnswerDraft(first, "water", NOT_CONCERNED), push)
        assert following(second, "water") == (first, "drainage")


def test_a_push_without_pages_has_one(case: Case, session: Session) -> None:
    page = push_page(session, case.push, check=case.settings.check, page=99, now=NOW)
    assert (page.page, page.pages, len(page.lines)) == (1, 1, 2)
    assert [line.open for line in page.lines] == [True, True]


def make_project(session: Session, enterprise: int | None) -> Push:
    owner = make_owner(session)
    office = make_office(session)
    permit = Permit(
        permit_no="建字第460100202600001号", source_id=office.id, office_id=office.id,
        owner_id=owner.id, city="460100", project_name="码头仓库", payload={}, payload_sha256="0" * 64,
        received_at=NOW, geom=stored([multi(square())])[0],
    )  # fmt: skip
    session.add(permit)
    session.flush()
    push = Push(
        kind="project", enterprise_id=enterprise, office_id=office.id, owner_id=owner.id,
        permit_id=permit.id, pushed_at=NOW, due_on=date(2026, 3, 3),
    )  # fmt: skip
    session.add(push)
    session.flush()
    return push


def test_contacting_the_owner_answers_a_project_once(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        push = make_project(session, case.water.organisation_id).id
    with transaction(case.engine, case.water) as session:
        assert answering.contacted(session, push, NOW).answered_at == NOW
        assert answering.contacted(session, push, LATER).answered_at == NOW


def test_a_plan_is_not_answered_by_a_call(case: Case, session: Session) -> None:
    with pytest.raises(Conflict):
        answering.contacted(session, case.push, NOW)


def test_a_project_has_no_plots_to_answer(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        push = make_project(session, case.water.organisation_id).id
    with transaction(case.engine, case.water) as session, pytest.raises(Invalid):
        case.answer(session, case.draft(), push)
