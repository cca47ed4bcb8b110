"""Answers: what each verdict needs, versions, many plots at once, attachments and what the gate makes of them (R4)."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from landready import answering
from landready.answering import AnswerDraft
from landready.answers import AnswerVerdict
from landready.asked import open_push
from landready.db import ENGINE, transaction
from landready.errors import Invalid, NotFound
from landready.gate import readiness_of
from landready.inbox import plot_page, push_page
from landready.measuring import measure
from landready.organisations import Organisation
from landready.plans import Plot
from landready.pushes import Push
from landready.shapes import to_geojson
from landready.utilities import Utility
from tests.factories import (
    NOW,
    make_answer,
    make_plan,
    make_plot,
    make_push,
    metres,
    square,
)
from tests.landready.answer_case import (
    LATER,
    NOT_CONCERNED,
    NOT_POSSIBLE,
    READY,
    READY_BY,
    SOON,
    TODAY,
    Case,
)

# --- what each verdict needs ---------------------------------------------------------------------------------------


def test_an_answer_without_a_verdict_is_refused(case: Case) -> None:
    assert case.codes(case.draft(verdict=None)) == ["verdict_missing"]


def test_ready_needs_a_connection_point(case: Case) -> None:
    assert case.codes(case.draft(connection_point=None)) == ["point_missing"]


def test_ready_by_names_everything_it_lacks_at_once(case: Case) -> None:
    lacking = case.draft(verdict=READY_BY, connection_point=None, spare_capacity=-1)
    assert case.codes(lacking) == [
        "works_missing", "ready_by_missing", "capacity_unusable", "point_missing",
    ]  # fmt: skip


@pytest.mark.parametrize("day", [date.min, TODAY - timedelta(days=1), TODAY])
def test_ready_by_needs_a_date_after_today(case: Case, day: date) -> None:
    assert case.codes(case.draft(verdict=READY_BY, works="DN300", ready_by=day)) == [
        "ready_by_past"
    ]


def test_today_is_the_day_in_hainan_not_in_greenwich(case: Case) -> None:
    """At 17:00 UTC it is already the third of March in Hainan."""
    night = NOW.replace(hour=17)
    draft = case.draft(verdict=READY_BY, works="DN300", ready_by=date(2026, 3, 3))
    with transaction(case.engine, case.water) as session:
        found = answering.review(
            session, case.push, draft, check=case.settings.check, region=case.settings.region, now=night
        )  # fmt: skip
    assert [problem.code for problem in found] == ["ready_by_past"]


def test_not_possible_needs_a_reason(case: Case) -> None:
    assert case.codes(case.draft(verdict=NOT_POSSIBLE)) == ["reason_missing"]


def test_not_concerned_needs_nothing(case: Case, session: Session) -> None:
    answer = case.answer(session, AnswerDraft(case.plots[0], "water", NOT_CONCERNED))
    assert (answer.version, answer.connection_point, answer.reason) == (1, None, "")


@pytest.mark.parametrize("spare", [-0.1, math.nan, math.inf, 1e30])
def test_spare_capacity_is_a_number_from_zero_that_can_be(case: Case, spare: float) -> None:
    assert case.codes(case.draft(spare_capacity=spare)) == ["capacity_unusable"]


def test_spare_capacity_of_zero_is_said_not_missing(case: Case, session: Session) -> None:
    assert case.answer(session, case.draft(spare_capacity=0.0)).spare_capacity == 0.0


@pytest.mark.parametrize("day", [date.min, TODAY])
def test_validity_ends_after_today(case: Case, day: date) -> None:
    assert case.codes(case.draft(valid_until=day)) == ["valid_until_past"]


def test_a_year_that_was_mistyped_is_asked_about(case: Case) -> None:
    far = date(9999, 12, 31)
    assert case.codes(case.draft(valid_until=far)) == ["valid_until_far"]
    draft = case.draft(verdict=READY_BY, works="DN300", ready_by=far)
    assert case.codes(draft) == ["ready_by_far"]


def test_validity_does_not_end_before_the_promised_date(case: Case) -> None:
    draft = case.draft(
        verdict=READY_BY, works="DN300", ready_by=SOON, valid_until=SOON - timedelta(days=1)
    )
    assert case.codes(draft) == ["valid_until_early"]


def test_words_longer_than_two_thousand_signs_are_refused(case: Case) -> None:
    draft = case.draft(verdict=READY_BY, ready_by=SOON, works="长" * 2001, reason="长" * 2001)
    assert case.codes(draft) == ["works_long", "reason_long"]


@pytest.mark.parametrize(
    "at", [(math.nan, 20.0), (110.0, math.inf), (181.0, 20.0), (20.02, 110.35), (110.0, 91.0)]
)
def test_connection_point_is_on_earth_longitude_first(case: Case, at: tuple[float, float]) -> None:
    assert case.codes(case.draft(connection_point=at)) == ["point_unusable"]


def test_connection_point_out_of_reach_is_refused_with_its_metres(case: Case) -> None:
    with transaction(case.engine, case.water) as session, pytest.raises(Invalid) as refused:
        case.answer(session, case.draft(connection_point=metres(50, -2100)))
    (problem,) = refused.value.problems
    assert problem.code == "point_far"
    assert float(str(problem.params["metres"]).replace(",", "")) == pytest.approx(2100, abs=10)
    assert problem.params["limit"] == "2,000"


def test_connection_point_just_within_reach_is_taken(case: Case, session: Session) -> None:
    at = metres(50, -1980)
    stored_at = case.answer(session, case.draft(connection_point=at)).connection_point
    assert stored_at is not None
    assert to_geojson(stored_at)["coordinates"] == pytest.approx(at, abs=1e-8)


def test_connection_point_on_the_other_side_of_the_earth_is_far_not_a_crash(case: Case) -> None:
    assert case.codes(case.draft(connection_point=(-70.0, -20.0))) == ["point_far"]


def test_what_the_verdict_has_no_use_for_is_not_stored(case: Case, session: Session) -> None:
    """A form whose verdict was changed still carries the fields of the one before."""
    full = case.draft(
        verdict=NOT_POSSIBLE, reason="管网已满", works="DN300", ready_by=date.min, spare_capacity=-5
    )
    answer = case.answer(session, full)
    assert (answer.connection_point, answer.spare_capacity) == (None, None)
    assert (answer.works, answer.ready_by, answer.reason) == ("", None, "管网已满")


# --- versions and the state of the push ----------------------------------------------------------------------------


def test_a_correction_is_a_new_version_and_the_old_one_stays(case: Case, session: Session) -> None:
    case.answer(session, case.draft())
    case.answer(session, case.draft(verdict=NOT_POSSIBLE, reason="管道停用"))
    assert case.stored(session) == [("water", 1, "ready"), ("water", 2, "not_possible")]


def test_two_engineers_at_once_make_versions_one_and_two(case: Case) -> None:
    """Both are stored: the second waits for the push's row and becomes version 2; nobody gets a Conflict."""
    together = Barrier(2)

    def answer(verdict: AnswerVerdict) -> int:
        with transaction(case.engine, case.water) as session:
            session.scalar(select(Push.id))
            together.wait(20)
            return case.answer(session, case.draft(verdict=verdict)).version

    with ThreadPoolExecutor(2) as pool:
        versions = list(pool.map(answer, [READY, NOT_CONCERNED]))
    assert sorted(versions) == [1, 2]
    with transaction(case.engine, case.water) as session:
        assert [version for _, version, _ in case.stored(session)] == [1, 2]


def test_the_push_is_answered_with_its_last_open_plot(case: Case, session: Session) -> None:
    case.answer(session, case.draft())
    case.answer(session, case.draft())
    assert session.get_one(Push, case.push).answered_at is None
    case.answer(session, AnswerDraft(case.plots[1], "water", NOT_CONCERNED))
    assert session.get_one(Push, case.push).answered_at == LATER


def test_a_correction_does_not_move_the_moment_of_the_answer(case: Case, session: Session) -> None:
    for plot in case.plots:
        case.answer(session, AnswerDraft(plot, "water", NOT_CONCERNED))
    session.get_one(Push, case.push).answered_at = NOW
    case.answer(session, case.draft())
    assert session.get_one(Push, case.push).answered_at == NOW


def test_an_answer_to_an_earlier_revision_leaves_the_plot_open(case: Case) -> None:
    with transaction(case.engine, case.water) as session:
        case.answer(session, case.draft())
    with transaction(case.engine, case.office) as session:
        session.get_one(Plot, case.plots[0]).revision = 2
    with transaction(case.engine, case.water) as session:
        case.answer(session, AnswerDraft(case.plots[1], "water", NOT_CONCERNED))
        assert session.get_one(Push, case.push).answered_at is None
        assert case.answer(session, case.draft()).plot_revision == 2
        assert session.get_one(Push, case.push).answered_at == LATER


def test_a_plot_is_not_answered_as_it_may_become(case: Case) -> None:
    """By SQL: it would count, unasked, from the day the plot is revised."""

    def answer_ahead(session: Session) -> None:
        push = session.get_one(Push, case.push)
        make_answer(session, push, plot=session.get_one(Plot, case.plots[0]), plot_revision=2)

    refused = pytest.raises(DBAPIError, match="row-level security")
    with refused, transaction(case.engine, case.water) as session:
        answer_ahead(session)


def test_opening_is_noted_once(case: Case, session: Session) -> None:
    open_push(session, case.push, NOW)
    assert open_push(session, case.push, LATER).opened_at == NOW


# --- whose it is ---------------------------------------------------------------------------------------------------


def test_another_enterprise_cannot_answer_or_open_the_push(case: Case) -> None:
    with transaction(case.engine, case.power) as session:
        with pytest.raises(NotFound):
            case.answer(session, case.draft())
        with pytest.raises(NotFound):
            open_push(session, case.push, NOW)
        with pytest.raises(NotFound):
            push_page(session, case.push, check=case.settings.check, now=NOW)


def test_a_plot_or_utility_that_was_not_asked_cannot_be_answered(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        stranger = make_plan(session, plots=1, state="released").plots[0].id
    with transaction(case.engine, case.water) as session:
        for draft in (
            replace(case.draft(), utility="gas"),
            replace(case.draft(), plot_id=stranger),
        ):
            with pytest.raises(NotFound):
                case.answer(session, draft)
        with pytest.raises(NotFound):
            answering.draft_of(session, case.push, stranger, "water", check=case.settings.check)


def test_others_answers_for_the_plot_are_seen_and_their_facilities_are_not(case: Case) -> None:
    with transaction(case.engine, case.power) as session:
        draft = replace(case.draft(), utility="power", connection_point=metres(120, 50))
        case.answer(session, draft, case.power_push)
    with transaction(case.engine, case.water) as session:
        page = plot_page(
            session, case.push, case.plots[0], "water", check=case.settings.check, now=LATER
        )
        assert [(a.utility, a.verdict) for a in page.line.others] == [("power", "ready")]
        assert page.line.answer is None
        owners = {facility.enterprise_id for facility in page.facilities.values()}
        assert owners == {case.water.organisation_id}
        assert {near.enterprise_id for near in page.line.proposal.near} == owners


# --- many at once --------------------------------------------------------------------------------------------------


def test_many_plots_get_one_answer_each_at_their_own_point(case: Case, session: Session) -> None:
    pairs = [(plot, "water") for plot in case.plots]
    made = case.answer_many(session, pairs, AnswerDraft(0, "", READY, spare_capacity=50))
    points = [to_geojson(a.connection_point)["coordinates"] for a in made if a.connection_point]
    assert len(points) == 2
    assert [a.spare_capacity for a in made] == [50, 50]
    assert session.get_one(Push, case.push).answered_at == LATER


def test_many_plots_are_answered_all_or_not_at_all(case: Case, session: Session) -> None:
    with pytest.raises(NotFound):
        case.answer_many(session, [(case.plots[0], "water"), (10**6, "water")], case.draft())
    assert case.stored(session) == []


def test_a_plot_without_a_proposed_point_is_named(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        far = make_plan(session, plots=0, state="released")
        lonely = make_plot(session, far, geometry=square(90_000, 0), code="LONELY")
        water = session.get_one(Organisation, case.water.organisation_id)
        push = make_push(session, far, water)
        measure(session, case.settings, [lonely], NOW)
        other = replace(case, push=push.id)
    with transaction(case.engine, case.water) as session, pytest.raises(Invalid) as refused:
        other.answer_many(session, [(lonely.id, "water")], AnswerDraft(0, "", READY))
    assert [(p.code, p.where) for p in refused.value.problems] == [("point_missing", "LONELY")]


def test_choosing_nothing_is_told(case: Case, session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        case.answer_many(session, [], AnswerDraft(0, "", NOT_CONCERNED))
    assert [p.code for p in refused.value.problems] == ["pairs_missing"]


def test_the_same_plot_twice_is_answered_once(case: Case, session: Session) -> None:
    made = case.answer_many(session, [(case.plots[0], "water")] * 2, case.draft())
    assert [a.version for a in made] == [1]


# --- the gate ------------------------------------------------------------------------------------------------------


def test_the_gate_opens_once_water_and_power_are_ready(case: Case) -> None:
    gate, plot = case.settings.gate, case.plots[0]

    def blocking() -> set[Utility | None]:
        with transaction(case.engine, case.office) as session:
            return {b.utility for b in readiness_of(session, [plot], gate, LATER)[plot].blockers}

    assert blocking() == {Utility.WATER, Utility.POWER}
    with transaction(case.engine, case.water) as session:
        case.answer(session, case.draft())
    assert blocking() == {Utility.POWER}
    with transaction(case.engine, case.power) as session:
        draft = replace(case.draft(), utility="power", connection_point=metres(120, 50))
        case.answer(session, draft, case.power_push)
    assert blocking() == set()


def test_a_correction_to_not_possible_shuts_the_gate_again(case: Case) -> None:
    with transaction(case.engine, case.water) as session:
        case.answer(session, case.draft())
        case.answer(session, case.draft(verdict=NOT_POSSIBLE, reason="管道停用"))
    with transaction(case.engine, case.office) as session:
        plot = case.plots[0]
        found = readiness_of(session, [plot], case.settings.gate, LATER)[plot]
        assert Utility.WATER in {blocker.utility for blocker in found.blockers}
