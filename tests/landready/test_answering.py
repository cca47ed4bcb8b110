"""Answers: what each verdict needs, versions, many plots at once, attachments and what the gate makes of them (R4)."""

import io
import math
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from landready import answering, attachments, files
from landready.answering import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.asked import open_push
from landready.checks import Check
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotFound
from landready.gate import readiness_of
from landready.inbox import inbox, plot_page, push_page
from landready.measuring import measure
from landready.organisations import Organisation
from landready.permits import Permit
from landready.plans import Plot
from landready.pushes import Push, PushState
from landready.settings import Settings
from landready.shapes import multi, stored, to_geojson
from landready.utilities import Utility
from tests.factories import (
    NOW,
    make_answer,
    make_enterprise,
    make_layer,
    make_office,
    make_owner,
    make_plan,
    make_plot,
    make_push,
    metres,
    point,
    square,
)

TODAY = date(2026, 3, 2)
SOON = TODAY + timedelta(days=60)
LATER = NOW + timedelta(hours=3)
AT = metres(50, -20)
READY = AnswerVerdict.READY
READY_BY = AnswerVerdict.READY_BY
NOT_POSSIBLE = AnswerVerdict.NOT_POSSIBLE
NOT_CONCERNED = AnswerVerdict.NOT_CONCERNED


@dataclass(frozen=True)
class Case:
    """A plan of two plots 200 m apart, pushed to a water and a power company; the water main lies 20 m south of the first."""

    engine: Engine
    settings: Settings
    office: Actor
    water: Actor
    power: Actor
    push: int
    power_push: int
    plots: tuple[int, int]

    def draft(self, **given: object) -> AnswerDraft:
        values: dict[str, object] = {"verdict": READY, "connection_point": AT}
        return AnswerDraft(self.plots[0], "water", **{**values, **given})  # type: ignore[arg-type]

    def answer(self, session: Session, draft: AnswerDraft, push: int | None = None) -> Answer:
        return answering.answer(
            session,
            push or self.push,
            draft,
            check=self.settings.check,
            region=self.settings.region,
            gate=self.settings.gate,
            account_id=None,
            now=LATER,
        )

    def answer_many(
        self, session: Session, pairs: list[tuple[int, str]], draft: AnswerDraft
    ) -> list[Answer]:
        return answering.answer_many(
            session,
            self.push,
            pairs,
            draft,
            check=self.settings.check,
            region=self.settings.region,
            gate=self.settings.gate,
            account_id=None,
            now=LATER,
        )

    def codes(self, draft: AnswerDraft) -> list[str]:
        """The codes of everything that is wrong with a draft."""
        with transaction(self.engine, self.water) as session, pytest.raises(Invalid) as refused:
            self.answer(session, draft)
        with transaction(self.engine, ENGINE) as session:
            assert session.scalar(select(func.count()).select_from(Answer)) == 0
        return [problem.code for problem in refused.value.problems]

    def stored(self, session: Session) -> list[tuple[str, int, str]]:
        rows = session.scalars(select(Answer).order_by(Answer.id))
        return [(answer.utility, answer.version, answer.verdict) for answer in rows]


def actor(organisation: Organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city)


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        water, power = make_enterprise(session, "water"), make_enterprise(session, "power")
        plan = make_plan(session, office, plots=2, state="released")
        near, other = point(50, -20), square(-50, -21, 1)
        make_layer(session, water, other, near, spare_capacity=300.0, title="给水管")
        make_layer(session, power, point(150, 50))
        push, power_push = make_push(session, plan, water), make_push(session, plan, power)
        measure(session, settings, plan.plots, NOW)
        return Case(
            database,
            settings,
            actor(office),
            actor(water),
            actor(power),
            push.id,
            power_push.id,
            (plan.plots[0].id, plan.plots[1].id),
        )


@pytest.fixture
def session(case: Case) -> Iterator[Session]:
    """A transaction of the water company's engineer."""
    with transaction(case.engine, case.water) as session:
        yield session


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


@pytest.mark.parametrize("spare", [-0.1, math.nan, math.inf])
def test_spare_capacity_is_a_finite_number_from_zero(case: Case, spare: float) -> None:
    assert case.codes(case.draft(spare_capacity=spare)) == ["capacity_unusable"]


def test_spare_capacity_of_zero_is_said_not_missing(case: Case, session: Session) -> None:
    assert case.answer(session, case.draft(spare_capacity=0.0)).spare_capacity == 0.0


@pytest.mark.parametrize("day", [date.min, TODAY])
def test_validity_ends_after_today(case: Case, day: date) -> None:
    assert case.codes(case.draft(valid_until=day)) == ["valid_until_past"]


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


# --- the draft from the check --------------------------------------------------------------------------------------


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


# --- inbox and pages -----------------------------------------------------------------------------------------------


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


# --- projects ------------------------------------------------------------------------------------------------------


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


# --- attachments ---------------------------------------------------------------------------------------------------


def office_file(part: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("[Content_Types].xml", f'<Types><Override ContentType="{part}"/></Types>')
    return memory.getvalue()


_DOC = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GOOD = {
    "application/pdf": b"%PDF-1.7\n%...",
    "image/png": b"\x89PNG\r\n\x1a\n0000",
    "image/jpeg": b"\xff\xd8\xff\xe0JFIF",
    "image/vnd.dwg": b"AC1032\x00\x00",
    "image/vnd.dxf": b"999\r\nmade by hand\r\n  0\r\nSECTION\r\n  2\r\nHEADER\r\n",
    _DOC: office_file(f"{_DOC}.main+xml"),
    _SHEET: office_file(f"{_SHEET}.main+xml"),
}


@pytest.mark.parametrize("media_type", GOOD)
def test_an_attachment_is_known_by_its_content_whatever_its_name(media_type: str) -> None:
    stream = io.BytesIO(GOOD[media_type])
    assert attachments.inspect("anything.exe", stream) == media_type
    assert stream.read() == GOOD[media_type]


@pytest.mark.parametrize(
    "content",
    [
        b"<html><script>alert(1)</script></html>",
        b"MZ\x90\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"PK\x03\x04 broken",
        office_file("application/vnd.ms-word.document.macroEnabled.main+xml"),
        office_file("text/plain"),
        b"AC1099"[:4],
    ],
)
def test_anything_else_is_refused_even_when_named_pdf(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", io.BytesIO(content))
    assert [problem.code for problem in refused.value.problems] == ["attachment_type"]


def test_an_empty_attachment_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", io.BytesIO())
    assert [problem.code for problem in refused.value.problems] == ["attachment_empty"]


def test_a_large_attachment_is_refused_with_the_limit() -> None:
    stream = io.BytesIO(b"%PDF-" + bytes(attachments.LIMIT_MB << 20))
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", stream)
    (problem,) = refused.value.problems
    assert (problem.code, problem.params["limit"]) == ("attachment_large", 20)


def test_one_file_is_kept_once_for_many_answers(case: Case, session: Session) -> None:
    made = case.answer_many(session, [(plot, "water") for plot in case.plots], case.draft())
    content = GOOD["application/pdf"]
    kept = attachments.attach(
        session, case.settings, made, r"C:\图纸\..\总平.pdf", io.BytesIO(content)
    )
    assert {k.stored_as for k in kept} == {kept[0].stored_as}
    assert (kept[0].filename, kept[0].media_type) == ("总平.pdf", "application/pdf")
    with files.opened(case.settings, kept[0].stored_as) as file:
        assert file.read() == content


def test_an_attachment_is_for_the_enterprise_the_office_and_nobody_else(case: Case) -> None:
    with transaction(case.engine, case.water) as session:
        made = [case.answer(session, case.draft())]
        pdf = io.BytesIO(GOOD["application/pdf"])
        (kept,) = attachments.attach(session, case.settings, made, "a.pdf", pdf)
    for asker in (case.water, case.office):
        with transaction(case.engine, asker) as session:
            assert attachments.attachment(session, kept.id).filename == "a.pdf"
    for asker in (case.power, Actor(Role.PUBLIC)):
        with transaction(case.engine, asker) as session, pytest.raises(NotFound):
            attachments.attachment(session, kept.id)


def test_nobody_attaches_to_anothers_answer(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        answer = make_answer(session, session.get_one(Push, case.push))
    pdf = io.BytesIO(GOOD["application/pdf"])
    with transaction(case.engine, case.power) as session, pytest.raises(NotFound):
        attachments.attach(session, case.settings, [answer], "a.pdf", pdf)
