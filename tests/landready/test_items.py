"""The eleven items of annex 2 and the moves between the fifteen national states (R14, domain facts §7)."""

import csv
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landready import annex, clock
from landready.annex import State
from landready.items import MOVES, NEEDS_NOTE, Party, Step, allowed, elapsed_days
from landready.utilities import Utility

# from: (to by the handler, to by the owner); every other pair of the fifteen by fifteen is refused.
TABLE = {
    1: ({3, 4, 5}, {2}),
    2: (set(), set()),
    3: ({4, 5, 6, 8}, {14}),
    4: (set(), set()),
    5: (set(), set()),
    6: ({7}, {7, 14}),
    7: ({5, 8}, {14}),
    8: ({6, 9, 11, 12, 13}, {14}),
    9: ({10}, {14}),
    10: ({6, 9, 11, 12, 13}, {14}),
    11: ({15}, set()),
    12: ({15}, set()),
    13: (set(), set()),
    14: (set(), set()),
    15: (set(), set()),
}


@pytest.mark.parametrize(("origin", "target"), list(product(range(1, 16), repeat=2)))
def test_every_pair_of_states_is_allowed_only_as_the_table_says(origin: int, target: int) -> None:
    by_handler, by_owner = TABLE[origin]
    # Fresh: nothing was accepted by a department before, except where the state itself says so.
    assert (target in allowed([State(origin)], Party.HANDLER)) == (target in by_handler)
    assert (target in allowed([State(origin)], Party.OWNER)) == (target in by_owner)


def test_an_item_that_was_not_submitted_does_not_move() -> None:
    assert allowed([], Party.HANDLER) == allowed([], Party.OWNER) == ()


def test_what_a_department_accepted_is_not_turned_away_at_the_door_after_a_correction() -> None:
    accepted = [State(n) for n in (1, 3, 8, 6, 7)]
    assert allowed(accepted, Party.HANDLER) == (State.ACCEPTED,)
    assert allowed([State(n) for n in (1, 3, 6, 7)], Party.HANDLER) == (5, 8)


def test_only_a_granted_result_leaves_a_terminal_state() -> None:
    leaving = {state for state in annex.terminal_states() if state in MOVES}
    assert leaving == {State.PASSED, State.PASSED_PAPERS_OWED}


def test_every_open_state_has_a_way_out_for_its_handler() -> None:
    for state in set(State) - annex.terminal_states():
        assert allowed([state], Party.HANDLER), state


def test_decisions_against_the_applicant_need_a_reason() -> None:
    assert {4, 5, 6, 13, 15} <= NEEDS_NOTE
    assert not {1, 2, 3, 7, 8, 10, 11, 14} & NEEDS_NOTE


def test_annex_2_has_its_eleven_items_with_the_spelling_of_the_document() -> None:
    items = annex.items()
    assert tuple(item.name for item in items.values()) == annex.NAMES
    assert list(items) == list(range(1, 12))
    assert items[10].name == "建筑工程规划许可"
    assert {item.department for item in items.values()} == set(annex.DEPARTMENTS)


def test_connection_items_belong_to_utilities_and_drainage_is_a_permit() -> None:
    kinds = {utility: annex.item_of(utility) for utility in Utility}
    assert {u: i.number for u, i in kinds.items() if i} == {
        Utility.WATER: 1,
        Utility.POWER: 2,
        Utility.GAS: 3,
        Utility.TELECOM: 4,
        Utility.CABLE_TV: 6,
    }
    permits = [item.number for item in annex.items().values() if item.kind == "permit"]
    assert permits == [5, 7, 8, 9, 10, 11]


def test_state_names_are_those_of_the_national_codes() -> None:
    with (annex.DATA / "approval_status_codes.csv").open(encoding="utf-8", newline="") as file:
        named = {int(r["blzt_code"]): r["name"].split("/")[-1] for r in csv.DictReader(file)}
    assert {int(s): name for s, name in annex.STATE_NAMES.items()} == named


def steps(*path: tuple[int, str]) -> list[Step]:
    return [Step(State(state), at(day)) for state, day in path]


def at(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=2)


@pytest.mark.parametrize(
    ("path", "now", "days"),
    [
        ([(1, "2026-03-02")], "2026-03-10", 0),  # received, not yet accepted
        ([(1, "2026-03-02"), (3, "2026-03-02")], "2026-03-02", 0),  # the day itself is not counted
        ([(1, "2026-03-02"), (3, "2026-03-02")], "2026-03-09", 5),
        # accepted at the window, then by the department: one clock
        ([(3, "2026-03-02"), (8, "2026-03-04")], "2026-03-09", 5),
        # correction from Wednesday to the next Wednesday: Tuesday and Wednesday, then Thursday and Friday
        ([(3, "2026-03-02"), (6, "2026-03-04"), (7, "2026-03-11")], "2026-03-13", 4),
        ([(3, "2026-03-02"), (6, "2026-03-04")], "2026-06-01", 2),
        # special procedure and end
        (
            [(8, "2026-03-02"), (9, "2026-03-03"), (10, "2026-03-10"), (11, "2026-03-12")],
            "2026-05-01",
            3,
        ),
        ([(3, "2026-03-02"), (14, "2026-03-06")], "2026-05-01", 4),
        # a correction before acceptance starts nothing
        ([(1, "2026-03-02"), (2, "2026-03-03")], "2026-03-31", 0),
        # over Spring Festival: the worked Saturday 14 February counts, nine days off do not
        ([(8, "2026-02-13")], "2026-02-24", 2),
    ],
)
def test_the_clock_runs_from_acceptance_and_pauses_for_corrections(
    path: list[tuple[int, str]], now: str, days: int
) -> None:
    assert elapsed_days(steps(*path), at(now)) == days


@given(
    st.lists(st.integers(0, 20), min_size=3, max_size=3),
    st.integers(0, 30),
)
def test_a_pause_never_adds_days(gaps: list[int], more: int) -> None:
    day = date(2026, 3, 2)
    path = []
    for state, gap in zip((3, 6, 7), gaps, strict=True):
        day += timedelta(days=gap)
        path.append((state, day.isoformat()))
    end = day + timedelta(days=more)
    now = at(end.isoformat())
    with_pause = elapsed_days(steps(*path), now)
    without = elapsed_days(steps(path[0]), now)
    paused = clock.working_days(date.fromisoformat(path[1][1]), date.fromisoformat(path[2][1]))
    assert with_pause == without - paused
