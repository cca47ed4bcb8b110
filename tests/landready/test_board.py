"""The readiness board: quarters from promises, and exactly the plots judged again that something happened to."""

from datetime import date, timedelta

import pytest

from landready import board, board_choice, remeasuring
from landready.board_choice import Wish
from landready.board_lines import Cell, Line, Words
from landready.db import ENGINE, transaction
from landready.plans import Plot
from landready.standing import Standing
from landready.utilities import Utility
from tests import factories as make

NOW = make.NOW
WATER, POWER, GAS = Utility.WATER, Utility.POWER, Utility.GAS


def cell(utility, standing, by=None, *, blocks=True, asked=("甲",)):
    return Cell(utility, Standing(standing), blocks, by, asked, None, ())


def line(*cells, plot_id=1, stage="blocked", hectares=1.0, own=()):
    area = hectares * 10_000
    return Line(plot_id, f"P-{plot_id}", "", "", area, "", False, stage, "", cells, own)


def test_quarter_is_that_of_the_latest_day_promised_for_a_required_utility():
    found = line(
        cell(WATER, "ready_by", date(2027, 3, 31)),
        cell(POWER, "ready_by", date(2027, 4, 1)),
        cell(GAS, "ready_by", date(2029, 1, 1), blocks=False),
    )
    assert (found.quarter, found.ready_on) == ("2027Q2", date(2027, 4, 1))


def test_promise_beyond_the_horizon_can_be_foreseen_though_it_does_not_open_the_gate():
    found = line(cell(WATER, "too_far", date(2029, 12, 31)), cell(POWER, "ready"))
    assert found.missing
    assert found.quarter == "2029Q4"


@pytest.mark.parametrize("standing", ["waiting", "late", "not_possible", "lapsed", "nobody"])
def test_utility_that_nobody_promised_cannot_be_foreseen_and_is_named(standing):
    found = line(cell(WATER, standing), cell(POWER, "ready_by", date(2027, 3, 31)))
    assert (found.quarter, found.ready_on) == ("unknown", None)
    assert [c.utility for c in found.unforeseen] == [WATER]


def test_what_the_plot_itself_lacks_is_told_beside_the_quarter_not_in_its_stead():
    title = (Words("没有净地依据", {}),)
    assert line(cell(WATER, "ready"), own=title).quarter == "now"
    promised = cell(POWER, "ready_by", date(2027, 3, 31))
    assert line(cell(WATER, "ready"), promised, own=title).quarter == "2027Q1"


def test_plot_with_everything_there_is_ready_now():
    assert line(cell(WATER, "ready"), cell(POWER, "ready")).quarter == "now"


def test_utility_enterprise_and_state_are_asked_of_one_and_the_same_cell():
    one = line(cell(WATER, "ready", asked=("甲",)), cell(POWER, "late", asked=("乙",)))
    assert board_choice.choose([one], Wish(utility="water", state="late")) == []
    assert board_choice.choose([one], Wish(enterprise="乙", state="ready")) == []
    assert board_choice.choose([one], Wish(utility="power", enterprise="乙", state="late")) == [one]


def test_sums_name_what_lacks_a_utility_and_what_lacks_only_that():
    lines = [
        line(cell(WATER, "late"), cell(POWER, "late"), hectares=2),
        line(cell(WATER, "late"), cell(POWER, "ready"), plot_id=2, hectares=3),
        line(cell(WATER, "ready"), cell(POWER, "ready"), plot_id=3, stage="ready", hectares=5),
    ]
    found = board_choice.sums(lines)
    assert found.stages["ready"].hectares == 5
    assert [s.hectares for s in found.missing[WATER]] == [5, 3]
    assert [s.hectares for s in found.missing[POWER]] == [2, 0]
    assert list(found.quarters) == ["now", "unknown"]


def test_sums_name_what_the_plot_itself_lacks_and_what_lacks_only_that():
    title = (Words("还没有净地声明。", {}),)
    ready, late = cell(WATER, "ready"), cell(WATER, "late")
    lines = [
        line(late, hectares=2, own=title),
        line(ready, plot_id=2, hectares=3, own=title),
        line(ready, plot_id=3, stage="ready", hectares=5),
    ]
    found = board_choice.sums(lines)
    assert [s.hectares for s in found.own] == [5, 3]
    assert [s.hectares for s in found.missing[WATER]] == [2, 0]


def test_order_of_quarters_is_now_then_time_then_unknown():
    lines = [
        line(cell(WATER, "late"), plot_id=1),
        line(cell(WATER, "ready_by", date(2027, 5, 1)), plot_id=2),
        line(cell(WATER, "ready"), plot_id=3),
    ]
    found = board_choice.choose(lines, Wish(sort="quarter"))
    assert [x.plot_id for x in found] == [3, 2, 1]


@pytest.fixture
def world(database):
    with transaction(database, ENGINE) as session:
        plan = make.make_plan(session, plots=4, state="released")
        pushes = [
            make.make_push(session, plan, make.make_enterprise(session, utility, city=plan.city))
            for utility in ("water", "power")
        ]
        return plan.id, [p.id for p in pushes], [p.id for p in plan.plots]


@pytest.fixture
def judged(monkeypatch):
    """The ids of the plots that were judged, call by call."""
    calls = []
    judge = board._judge

    def noting(session, settings, plot_ids, now):
        calls.append(sorted(plot_ids))
        return judge(session, settings, plot_ids, now)

    monkeypatch.setattr(board, "_judge", noting)
    return calls


def look(database, settings, plan_id, now=NOW):
    with transaction(database, ENGINE) as session:
        return board.board(session, settings, plan_id, now)


def test_exactly_the_plots_that_something_happened_to_are_judged_again(
    database, settings, world, judged
):
    plan_id, pushes, plots = world
    look(database, settings, plan_id)
    look(database, settings, plan_id)
    with transaction(database, ENGINE) as session:
        push = session.get_one(make.Push, pushes[0])
        make.make_answer(session, push, plot=session.get_one(Plot, plots[2]), utility="water")
    look(database, settings, plan_id)
    with transaction(database, ENGINE) as session:
        session.get_one(Plot, plots[1]).revision = 2
    found = look(database, settings, plan_id)
    assert judged == [plots, [plots[2]], [plots[1]]]
    assert found.lines[2].cells[0].standing is Standing.READY


def test_board_that_was_kept_equals_one_that_is_made_anew(database, settings, world):
    plan_id, pushes, plots = world
    look(database, settings, plan_id)
    with transaction(database, ENGINE) as session:
        for n, push_id in enumerate(pushes):
            push = session.get_one(make.Push, push_id)
            plot = session.get_one(Plot, plots[n])
            given = {"verdict": "ready_by", "ready_by": date(2026, 9, 1), "works": "x"}
            make.make_answer(session, push, plot=plot, utility=push.plots[0].utility, **given)
    kept = look(database, settings, plan_id)
    board._file(settings, plan_id).unlink()
    assert look(database, settings, plan_id).lines == kept.lines


def test_another_day_judges_everything_again(database, settings, world, judged):
    plan_id, _, plots = world
    look(database, settings, plan_id)
    found = look(database, settings, plan_id, NOW + timedelta(days=30))
    assert judged == [plots, plots]
    assert found.lines[0].cells[0].standing is Standing.LATE


def test_what_leaves_no_trace_at_a_plot_is_seen_after_a_quarter_of_an_hour(
    database, settings, world, judged
):
    plan_id, _, plots = world
    look(database, settings, plan_id)
    look(database, settings, plan_id, NOW + timedelta(minutes=14))
    assert judged == [plots]
    look(database, settings, plan_id, NOW + timedelta(minutes=16))
    assert judged == [plots, plots]


def test_kept_board_that_is_broken_is_made_anew(database, settings, world):
    plan_id = world[0]
    before = look(database, settings, plan_id)
    board._file(settings, plan_id).write_text("{")
    assert look(database, settings, plan_id).lines == before.lines


def test_changed_facility_has_exactly_the_plots_it_touches_judged_again(
    database, settings, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        remeasuring, "suspend_lapsed", lambda _s, _gate, _now, plots, _why: asked.append(plots)
    )
    with transaction(database, ENGINE) as session:
        plan = make.make_plan(session, state="released")
        near = make.make_plot(session, plan, geometry=make.square(0))
        make.make_plot(session, plan, geometry=make.square(9000))
        layer = make.make_layer(session, None, make.point(50, 150))
        assert remeasuring.remeasure(session, settings, layer.id, NOW) == [near.id]
        assert asked == [[near.id]]
