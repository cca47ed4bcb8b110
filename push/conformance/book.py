"""What the kit knows of the system under test: what it was told, what it pulled, answered and acknowledged."""

import hashlib
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from landready.answer_fields import AnswersIn, MadeOut
from push.conformance.events import Event
from push.journal import Entry, Range, Standing


class Trouble(StrEnum):
    """What the kit does to the first answer about a push."""

    UNAVAILABLE = "503"
    BUSY = "429"
    LOST = "lost"  # recorded, and the line is cut before anything is said
    REDIRECT = "307"
    REFUSED = "422"  # whatever is answered
    SLOW = "slow"  # longer than a webhook may take


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the system under test, and what it was answered."""

    method: str
    path: str
    status: int
    push: uuid.UUID | None = None
    key: str = ""
    digest: str = ""
    size: int = 0
    problems: tuple[str, ...] = ()
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch as it was recorded under its key."""

    push: uuid.UUID
    digest: str
    made: Sequence[MadeOut]


class Book:
    """The books of one run. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.strayed: list[str] = []  # what came to where a redirect pointed
        self.batches: dict[str, Taken] = {}
        self.events: list[Event] = []
        self.pulled: set[int] = set()
        self._troubles: dict[uuid.UUID, Trouble] = {}
        self._versions: dict[uuid.UUID, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._acknowledged: tuple[int, datetime | None] = (0, None)
        self._proven: tuple[int, datetime | None] = (0, None)

    @property
    def last(self) -> int:
        return len(self.events)

    def add(self, event: Event, trouble: Trouble | None = None) -> Event:
        """Put an event into the journal; it must have the next number."""
        with self.lock:
            self.events.append(event)
            if trouble and event.push:
                self._troubles[event.push] = trouble
        return event

    def note(self, call: Call) -> None:
        with self.lock:
            self.calls.append(call)

    def trouble(self, push: uuid.UUID) -> Trouble | None:
        """Return what is in store for this request about a push: only the first meets it, a refusal all."""
        with self.lock:
            if self._troubles.get(push) is Trouble.REFUSED:
                return Trouble.REFUSED
            return self._troubles.pop(push, None)

    def event_of(self, push: uuid.UUID) -> Event | None:
        with self.lock:
            return next((one for one in self.events if one.push == push), None)

    def record(self, key: str, body: AnswersIn) -> Taken:
        """Record a batch under its key, each answer as the next version."""
        with self.lock:
            count = self._versions[body.push]
            made = []
            for one in body.answers:
                pair = (one.plot, one.utility.value)
                count[pair] += 1
                made.append(
                    MadeOut(
                        plot=one.plot,
                        utility=one.utility.value,
                        code=one.code.value,
                        version=count[pair],
                    )
                )
            self.batches[key] = Taken(body.push, body.digest(), made)
            return self.batches[key]

    def open(self, event: Event) -> int:
        """Return how many of an event's plots are unanswered."""
        with self.lock:
            return len(event.plots) - len(self._versions.get(event.push or event.id, ()))

    def most_often(self, event: Event) -> int:
        """Return how many versions the most answered plot of an event has."""
        with self.lock:
            return max(self._versions.get(event.push or event.id, Counter()).values(), default=0)

    def answers_to(self, event: Event) -> list[Call]:
        """Return every request that answered this event, in order."""
        with self.lock:
            return [one for one in self.calls if event.push and one.push == event.push]

    def standing(self) -> Standing:
        with self.lock:
            return Standing(self.last, *self._acknowledged, *self._proven)

    def entries(self, after: int, limit: int) -> list[Entry]:
        """Return what is pulled after a number."""
        with self.lock:
            found = self.events[after : after + limit]
            self.pulled |= {one.number or 0 for one in found}
        return [
            Entry(
                one.number or 0,
                str(one.id),
                one.type,
                one.created_at,
                hashlib.sha256(one.body).hexdigest(),
                one.body.decode(),
            )
            for one in found
        ]

    def range(self, first: int, last: int) -> Range:
        with self.lock:
            ids = [f"{one.id}\n" for one in self.events[max(first - 1, 0) : last]]
        return Range(first, last, len(ids), hashlib.sha256("".join(ids).encode()).hexdigest())

    def acknowledge(self, number: int, *, proven: bool) -> None:
        with self.lock:
            now = datetime.now(UTC)
            if number > self._acknowledged[0]:
                self._acknowledged = (number, now)
            if proven and number > self._proven[0]:
                self._proven = (number, now)
