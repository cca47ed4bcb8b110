"""Which moves of an item are allowed, by whom, and how its working days run: pure rules on the national states.

The table is ours, read from the codes and 行政许可法: what is asked of the applicant is told at receipt or at acceptance and once
(第三十二条); refusal, exemption and correction are decisions with a reason (第三十二、三十八条); the applicant may end his own
application until it is decided; a granted result may be revoked (第六十九条). Working days stop while papers are corrected and
during hearings, inspections and expert reviews (第四十五条), all in domain facts §7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise

from landready import clock
from landready.annex import State, clock_effects


class Party(StrEnum):
    """Who moves an item: the enterprise or department that handles it, or the owner of the project."""

    HANDLER = "handler"
    OWNER = "owner"


_DECISION = {
    State.CORRECTION_BEGUN,
    State.SPECIAL_BEGUN,
    State.PASSED,
    State.PASSED_PAPERS_OWED,
    State.REFUSED,
}

# from → to → by whom. States without an entry stay as they are.
MOVES: Mapping[State, Mapping[Party, frozenset[State]]] = {
    # Before anything was accepted the owner takes the papers back (撤件), afterwards he withdraws (撤回).
    State.RECEIVED: {
        Party.HANDLER: frozenset({State.WINDOW_ACCEPTED, State.NOT_NEEDED, State.NOT_ACCEPTED}),
        Party.OWNER: frozenset({State.TAKEN_BACK}),
    },
    State.WINDOW_ACCEPTED: {
        Party.HANDLER: frozenset(
            {State.CORRECTION_BEGUN, State.ACCEPTED, State.NOT_NEEDED, State.NOT_ACCEPTED}
        ),
        Party.OWNER: frozenset({State.WITHDRAWN}),
    },
    # Papers come through the owner's page or over the counter: either side says that they are complete.
    State.CORRECTION_BEGUN: {
        Party.HANDLER: frozenset({State.CORRECTION_ENDED}),
        Party.OWNER: frozenset({State.CORRECTION_ENDED, State.WITHDRAWN}),
    },
    State.CORRECTION_ENDED: {
        Party.HANDLER: frozenset({State.ACCEPTED, State.NOT_ACCEPTED}),
        Party.OWNER: frozenset({State.WITHDRAWN}),
    },
    State.ACCEPTED: {
        Party.HANDLER: frozenset(_DECISION),
        Party.OWNER: frozenset({State.WITHDRAWN}),
    },
    State.SPECIAL_BEGUN: {
        Party.HANDLER: frozenset({State.SPECIAL_ENDED}),
        Party.OWNER: frozenset({State.WITHDRAWN}),
    },
    # After a hearing or an inspection handling goes on as after acceptance.
    State.SPECIAL_ENDED: {
        Party.HANDLER: frozenset(_DECISION),
        Party.OWNER: frozenset({State.WITHDRAWN}),
    },
    State.PASSED: {Party.HANDLER: frozenset({State.REVOKED})},
    State.PASSED_PAPERS_OWED: {Party.HANDLER: frozenset({State.REVOKED})},
}

# Told to the applicant with the reason: what is missing, why not, what for.
NEEDS_NOTE = frozenset(
    {
        State.NOT_NEEDED,
        State.NOT_ACCEPTED,
        State.CORRECTION_BEGUN,
        State.SPECIAL_BEGUN,
        State.PASSED_PAPERS_OWED,
        State.REFUSED,
        State.REVOKED,
    }
)


def allowed(history: Sequence[State], party: Party) -> tuple[State, ...]:
    """Return the states to which `party` may move an item that went through `history` (oldest first), in code order.

    What a department has accepted can no longer be turned away at the door, whatever papers were corrected since.
    """
    if not history:
        return ()
    found = MOVES.get(history[-1], {}).get(party, frozenset())
    if State.ACCEPTED in history:
        found -= {State.NOT_NEEDED, State.NOT_ACCEPTED}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Step:
    """One state reached at one moment (aware), and the reason that was given."""

    state: State
    at: datetime
    note: str = ""


def elapsed_days(
    steps: Iterable[Step], now: datetime, calendar: clock.Calendar = clock.ANNOUNCED
) -> int:
    """Return how many working days of handling have passed until `now`.

    Counted from the first acceptance, the day of a start or resumption not counted and the day of a pause or end counted;
    nothing passes between the start and the end of a correction or a special procedure, nor after the end.
    """
    marks: list[tuple[date, bool]] = []
    running = False
    for step in sorted(steps, key=lambda s: s.at):
        effect = clock_effects().get(step.state, "")
        started = bool(marks)
        if effect == "start" or (effect == "resume" and started):
            running = True
        elif effect in ("pause", "stop"):
            running = False
        if started or running:
            marks.append((clock.today(step.at), running))
    marks.append((clock.today(now), False))
    return sum(
        clock.working_days(begin, end, calendar)
        for (begin, runs), (end, _) in pairwise(marks)
        if runs
    )


def rests(steps: Iterable[Step]) -> list[clock.Pause]:
    """Return the pauses that are over: from the day after each began to the day of the step that ended it."""
    found: list[clock.Pause] = []
    begun: Step | None = None
    for step in sorted(steps, key=lambda s: s.at):
        if clock_effects().get(step.state) == "pause":
            begun = begun or step
        elif begun:
            first, last = clock.today(begun.at) + clock.ONE_DAY, clock.today(step.at)
            if first <= last:
                found.append(clock.Pause(first, last, begun.note))
            begun = None
    return found
