"""Reservations: first come, first reserved; beyond what was stated only with a recorded reason; expiry gives back (issue 3)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from landready import answering, capacity, demand, gate, reserving
from landready.answering import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.clock import today
from landready.db import ENGINE, acting, transaction
from landready.errors import Invalid
from landready.layers import Facility, publish
from landready.listings import Listing
from landready.loads import Fit, Kind
from landready.organisations import Organisation
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push
from landready.reservations import Reservation
from landready.settings import Settings
from landready.utilities import Utility
from tests.factories import (
    NOW,
    feature,
    make_answer,
    make_check,
    make_enterprise,
    make_layer,
    make_plan,
    make_push,
    make_upload,
    metres,
    point,
)
from tests.hydrant import NEED, READY, REASON, Case, make_case


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    return make_case(database, settings)


# --- first come, first reserved ------------------------------------------------------------------------------------


def test_a_positive_answer_at_a_facility_reserves_what_the_plot_needs(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0])
    (row,) = case.rows()
    assert (row.facility_id, row.low, row.high, row.spare) == (case.hydrant, 30.0, NEED, 300.0)
    assert row.expires_on == today(NOW) + timedelta(days=case.settings.check.reserve_days)
    assert case.held().left == 150.0


def test_what_no_longer_fits_needs_a_reason_and_names_who_is_before(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
        codes = [session.get_one(Plot, plot).code for plot in case.plots[:2]]
    with case.water_session() as session, pytest.raises(Invalid) as refused:
        case.answer(session, case.plots[2])
    (problem,) = refused.value.problems
    assert problem.code == "over_unconfirmed"
    assert "、".join(codes) in problem.message
    assert "超出 150" in problem.message
    assert len(case.rows()) == 2


def test_the_engineer_knows_the_network_better_and_says_why(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:3]:
            case.answer(session, plot, over=REASON)
    assert [row.exception for row in case.rows()] == ["", "", REASON]
    assert case.held().result is Fit.TOGETHER
    assert case.held().left == -150


def test_the_table_itself_refuses_more_than_was_stated_without_a_reason(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
    with transaction(case.engine, ENGINE) as session:
        push = session.get_one(Push, case.push)
        plot = session.get_one(Plot, case.plots[2])
        made = make_answer(session, push, plot=plot)
        session.add(
            Reservation(
                answer_id=made.id, plot_id=plot.id, plot_revision=1, utility="water",
                enterprise_id=made.enterprise_id, office_id=made.office_id,
                facility_id=case.hydrant, low=30, high=150, reserved_at=NOW, state="held",
                state_at=NOW, spare=300.0, before=300.0,
            )
        )  # fmt: skip
        with pytest.raises(IntegrityError, match="ck_reservation_fits"):
            session.flush()
        session.rollback()


def test_many_answers_at_once_count_the_earlier_ones(case: Case) -> None:
    pairs = [(plot, "water") for plot in case.plots]
    given = {
        "check": case.settings.check, "region": case.settings.region, "gate": case.settings.gate,
        "account_id": None, "now": NOW,
    }  # fmt: skip
    with case.water_session() as session, pytest.raises(Invalid) as refused:
        answering.answer_many(session, case.push, pairs, AnswerDraft(0, "", READY), **given)
    with transaction(case.engine, ENGINE) as session:
        codes = [session.get_one(Plot, plot).code for plot in case.plots]
    assert [p.where for p in refused.value.problems] == codes[2:]
    assert f"（{'、'.join(codes[:3])}）" in refused.value.problems[1].message
    with case.water_session() as session:
        draft = AnswerDraft(0, "", READY, over=REASON)
        answering.answer_many(session, case.push, pairs, draft, **given)
    assert [row.exception for row in case.rows()] == ["", "", REASON, REASON]


def test_two_at_the_same_moment_do_not_both_get_the_last_of_it(case: Case) -> None:
    """Two plans, two engineers, room for one: the facility is locked, whoever comes second is asked for a reason."""
    with transaction(case.engine, ENGINE) as session:
        water = session.get_one(Organisation, case.water.organisation_id)
        other = make_plan(session, plots=1, state="released")
        push, plot = make_push(session, other, water).id, other.plots[0].id
    with case.water_session() as session:
        case.answer(session, case.plots[0])
    start = Barrier(2)

    def try_(asked: tuple[int, int]) -> str:
        with case.water_session() as session:
            session.scalars(select(Plot.id)).all()
            start.wait(20)
            try:
                case.answer(session, asked[1], push=asked[0])
            except Invalid as refused:
                session.rollback()
                return refused.problems[0].code
        return "reserved"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(try_, [(case.push, case.plots[1]), (push, plot)]))
    assert said == ["over_unconfirmed", "reserved"]
    assert case.held().left == 0


# --- places in the queue -------------------------------------------------------------------------------------------


def test_a_correction_that_asks_for_no_more_keeps_its_place(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
        case.answer(session, case.plots[0], valid_until=date(2026, 12, 31))
    assert case.order() == [case.plots[0], case.plots[1]]
    assert [row.state for row in case.rows()] == ["released", "held", "held"]


def test_a_correction_that_asks_for_more_goes_to_the_end(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
        with acting(session, case.office):
            demand.state(session, case.plots[0], Utility.WATER, 160, 170, "可研", now=NOW)
        with pytest.raises(Invalid):
            case.answer(session, case.plots[0])
        case.answer(session, case.plots[0], over=REASON)
    assert case.order() == [case.plots[1], case.plots[0]]


def test_an_answer_taken_back_frees_what_it_held(case: Case) -> None:
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
        case.answer(session, case.plots[0], verdict=AnswerVerdict.NOT_POSSIBLE, reason="无")
        case.answer(session, case.plots[2])
    assert case.order() == [case.plots[1], case.plots[2]]
    assert case.rows()[0].state_reason == reserving.TAKEN_BACK


def test_expiry_frees_and_the_late_comer_fits(case: Case) -> None:
    after = NOW + timedelta(days=case.settings.check.reserve_days + 1)
    with case.water_session() as session:
        for plot in case.plots[:2]:
            case.answer(session, plot)
    assert case.held(after - timedelta(days=1)).held == 300
    assert case.held(after).held == 0
    with case.water_session() as session:
        case.answer(session, case.plots[2], after)
        case.answer(session, case.plots[0], after)
    assert case.order(after) == [case.plots[2], case.plots[0]]


@pytest.mark.parametrize(
    ("ready_by", "valid_until", "last"),
    [
        (None, None, date(2026, 8, 29)),
        (date(2027, 2, 1), None, date(2027, 2, 1)),
        (date(2026, 5, 1), None, date(2026, 8, 29)),
        (None, date(2026, 4, 1), date(2026, 4, 1)),
        (date(2027, 2, 1), date(2027, 3, 1), date(2027, 2, 1)),
    ],
)
def test_a_reservation_lasts_to_the_committed_date_but_not_beyond_the_answer(
    ready_by: date | None, valid_until: date | None, last: date
) -> None:
    answer = Answer(ready_by=ready_by, valid_until=valid_until)
    assert reserving.expires(answer, 180, today(NOW)) == last


# --- what nobody knows ---------------------------------------------------------------------------------------------


def test_a_point_at_no_facility_reserves_nothing(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0], connection_point=metres(50, -60))
    assert case.rows() == []


def test_a_facility_without_stated_capacity_is_reserved_and_refuses_nobody(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        water = session.get_one(Organisation, case.water.organisation_id)
        make_layer(session, water, point(300, -20))
    with case.water_session() as session:
        for plot in case.plots:
            case.answer(session, plot, connection_point=metres(300, -20))
    assert [(row.spare, row.exception) for row in case.rows()] == [(None, "")] * 4


def test_an_unknown_need_is_reserved_as_unknown(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        session.get_one(Plot, case.plots[0]).use = "1001"
        session.get_one(Plot, case.plots[0]).revision = 2
    with case.water_session() as session:
        case.answer(session, case.plots[0])
    (row,) = case.rows()
    assert (row.low, row.high) == (None, None)
    assert case.held().unknown == 1


# --- what becomes of the plot --------------------------------------------------------------------------------------


def offered(case: Case, session: Session, plot_id: int, now: datetime) -> Listing:
    """The plot on offer, measured lately, power answered by a company of its own."""
    plot = session.get_one(Plot, plot_id)
    for utility in ("water", "power"):
        make_check(session, plot, utility, measured_at=now)
    power = make_enterprise(session, "power")
    push = make_push(session, session.get_one(SupplyPlan, case.plan), power, pushed_at=now)
    make_answer(session, push, plot=plot)
    with acting(session, case.office):
        return gate.list_plot(session, plot_id, case.settings.gate, account_id=None, now=now)


@pytest.mark.parametrize(
    ("to", "state", "held"), [("sold", "sold", NEED), ("withdrawn", "released", 0.0)]
)
def test_sold_land_keeps_what_it_holds_and_withdrawn_land_does_not(
    case: Case, to: str, state: str, held: float
) -> None:
    now = datetime.now(UTC)  # the database's gate goes by its own clock
    with case.water_session() as session:
        case.answer(session, case.plots[0], now)
    with transaction(case.engine, ENGINE) as session:
        listing = offered(case, session, case.plots[0], now)
        with acting(session, case.office):
            gate.move_listing(session, listing.id, to, "结果", case.settings.gate, now)
    assert case.rows()[0].state == state
    assert case.held(now + timedelta(days=1000)).held == held


def test_a_connected_plot_is_in_the_next_statement_of_capacity(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0])
        reserving.connected(
            session, case.plots[0], case.water.organisation_id or 0, "water", NOW + timedelta(days=9)
        )  # fmt: skip
    assert [line.claim.kind for line in case.held().lines] == [Kind.CONNECTED]
    with transaction(case.engine, ENGINE) as session:
        layer = session.get_one(Facility, case.hydrant).layer
        upload = make_upload(
            session, session.get_one(Organisation, case.water.organisation_id),
            kind="facilities", title=layer.title, fields=["name", "spare"],
            mapping={"name": "name", "spare_capacity": "spare"},
            features=[feature(point(50, -20), name="给水管 1", spare=120)],
        )  # fmt: skip
        publish(session, upload, utility=Utility.WATER, now=NOW + timedelta(days=10))
    found = case.held(NOW + timedelta(days=11))
    assert (found.spare, found.lines) == (120.0, ())


def test_a_reservation_follows_its_facility_into_the_next_version_of_the_layer(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0])
    with transaction(case.engine, ENGINE) as session:
        water = session.get_one(Organisation, case.water.organisation_id)
        moved = feature(point(52, -21), name="给水管 1", spare="200", at="2026-03-01")
        upload = make_upload(
            session, water, kind="facilities", title="给水管", fields=["name", "spare", "at"],
            mapping={"name": "name", "spare_capacity": "spare", "stated_at": "at"},
            features=[moved, feature(point(90, -20), 2, name="新管", spare=None, at=None)],
        )  # fmt: skip
        publish(session, upload, utility=Utility.WATER, now=NOW + timedelta(days=1))
        known = capacity.stated(session, [case.hydrant])[case.hydrant]
    assert (known.spare, known.current, known.days(NOW + timedelta(days=1))) == (200.0, True, 2)
    with case.water_session() as session, pytest.raises(Invalid):
        case.answer(session, case.plots[1], connection_point=metres(52, -21))
    assert case.held().held == NEED
