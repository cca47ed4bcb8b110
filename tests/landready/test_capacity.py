"""What leans on a facility: who is told what of it, and that nothing is held beyond it in silence (issue 3)."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from landready import capacity, demand
from landready.answers import AnswerVerdict
from landready.db import ENGINE, acting, transaction
from landready.errors import Invalid
from landready.loads import Fit, Kind, Line, Load
from landready.plans import SupplyPlan
from landready.settings import Settings
from landready.utilities import Utility
from tests.factories import NOW, make_enterprise, make_office
from tests.hydrant import NEED, READY, REASON, Case, actor, make_case


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    return make_case(database, settings)


# --- who is told what ----------------------------------------------------------------------------------------------


def test_pushed_plots_lean_after_the_reserved_ones_and_name_the_plots(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[1])
    with transaction(case.engine, case.office) as session:
        plan = session.get_one(SupplyPlan, case.plan)
        (one,) = capacity.plan_loads(session, plan, case.settings.check, NOW)
    kinds = [(line.claim.plot_id, line.claim.kind) for line in one.load.lines]
    assert kinds[0] == (case.plots[1], Kind.HELD)
    assert kinds[1:] == [(p, Kind.LEANING) for p in case.plots if p != case.plots[1]]
    assert one.load.result is Fit.TOGETHER
    assert {c.plot_id for c in one.load.together} == set(case.plots)


def test_a_plot_whose_enterprise_said_no_leans_on_nothing(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0], verdict=AnswerVerdict.NOT_POSSIBLE, reason="无")
    with transaction(case.engine, case.office) as session:
        assert capacity.facilities_of(session, [case.plots[0]], NOW) == set()


def test_another_office_sees_the_amount_and_not_whose_it_is(case: Case) -> None:
    with case.water_session() as session:
        case.answer(session, case.plots[0])
    with transaction(case.engine, ENGINE) as session:
        stranger = actor(make_office(session))
    with transaction(case.engine, stranger) as session:
        found = capacity.loads(session, [case.hydrant], case.settings.check, NOW)
    assert {(x.claim.plot_id, x.claim.code) for x in found[case.hydrant].load.lines} == {(None, "")}
    assert found[case.hydrant].load.held == NEED


def test_an_enterprise_is_told_of_its_own_facilities_only(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        rival = actor(make_enterprise(session, "water"))
    with transaction(case.engine, rival) as session:
        assert capacity.loads(session, [case.hydrant], case.settings.check, NOW) == {}


def test_candidates_name_distance_and_need(case: Case) -> None:
    with transaction(case.engine, case.office) as session:
        found = capacity.candidates(session, case.plan, case.settings.check)
    assert [(c.plot_id, c.facility_id, c.low, c.high) for c in found] == [
        (plot, case.hydrant, 30.0, NEED) for plot in case.plots
    ]
    assert 15 < found[0].distance_m < 25


# --- whatever happens ----------------------------------------------------------------------------------------------


class _Undo(Exception):
    pass


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([READY, AnswerVerdict.NOT_POSSIBLE]),
        st.sampled_from([0, 20, 90, 150, 299, 300, 301]),
        st.booleans(),
        st.integers(0, 120),
    ),
    min_size=1,
    max_size=10,
)


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_never_more_is_held_than_stated_without_a_recorded_exception(
    case: Case, steps: list[tuple[int, AnswerVerdict, int, bool, int]]
) -> None:
    with pytest.raises(_Undo), case.water_session() as session:
        _try(case, session, steps)


def _try(
    case: Case, session: Session, steps: list[tuple[int, AnswerVerdict, int, bool, int]]
) -> None:
    """Answer step by step, then undo all of it."""
    now = NOW
    for number, verdict, need, confirmed, days in steps:
        now += timedelta(days=days)
        plot = case.plots[number]
        with acting(session, case.office):
            demand.state(session, plot, Utility.WATER, 0, need, "可研", now=now)
        before = capacity.held(session, [case.hydrant], now)[case.hydrant]
        try:
            with session.begin_nested():
                over = REASON if confirmed else ""
                case.answer(session, plot, now, verdict=verdict, reason="无", over=over)
            refused = False
        except Invalid:
            refused = True
        found = capacity.held(session, [case.hydrant], now)[case.hydrant]
        if refused:
            assert not confirmed
            assert verdict is READY
            assert found == before
        # Whoever is over at the own place in the queue said why; without any exception nobody is.
        for line in found.lines:
            assert line.total_high <= 300 or line.claim.exception or _moved_up(found, line)
        if not any(line.claim.exception for line in found.lines):
            assert found.held <= 300
    raise _Undo


def _moved_up(found: Load, line: Line) -> bool:
    """Somebody before this one was let in with a reason: that one is over, not this one."""
    before = found.lines[: found.lines.index(line)]
    return any(x.claim.exception for x in before)
