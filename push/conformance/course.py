"""One run of the kit: what is sent in which order, how long is waited for what, and what that shows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from push import signing
from push.conformance import events
from push.conformance.book import Book, Call, Trouble
from push.conformance.checks import Finding, Level, Seen, checks, findings
from push.conformance.events import Event
from push.conformance.sender import Sender, Sent
from push.conformance.signatures import signatures, taken

_STEP_S = 0.05
_EARLY_S = 0.1  # by so much a clock may run ahead of the other


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited. `patience_s`: for what must come; `quiet_s`: for what must not; `plots`: of the large plan."""

    timeout_s: float
    patience_s: float = 60
    quiet_s: float = 10
    retry_after_s: int = 2
    plots: int = 5050
    corners: int = 56

    @property
    def slow_s(self) -> float:
        return self.timeout_s + 1


class Course:
    """Runs the checks of one level. Without a sender nothing is pushed; without `new_secret` no change is finished."""

    def __init__(
        self,
        level: Level,
        book: Book,
        pace: Pace,
        sender: Sender | None,
        new_secret: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._level = level
        self._book = book
        self._pace = pace
        self._sender = sender
        self._new_secret = new_secret
        self._say = say
        self._seen: Seen = {}
        self._ordinary: list[Sent] = []
        self._answering = False

    def run(self) -> Sequence[Finding]:
        if self._reached():
            first = self._first()
            self._types_and_order()
            troubled = self._client() if self._answering else {}
            self._large()
            self._in_time()
            if self._answering:
                self._acknowledged()
                self._quiet(first, troubled)
            if self._level is not Level.PUSH:
                self._keys()
        return findings(self._level, self._seen)

    def _found(self, check: str, passed: bool | None, evidence: str) -> None:  # noqa: FBT001
        self._seen[check] = (passed, evidence)
        self._say(check)

    def _reached(self) -> bool:
        """Whether anything more can be shown: a receiver must take what is rightly signed."""
        if self._sender is None:
            return True
        for check, (passed, evidence) in signatures(self._sender, self._new_secret).items():
            self._found(check, passed, evidence)
        return not self._failed("signature.good")

    def _first(self) -> Event:
        """Tell of a small plan, wait for its answers, and tell of it again."""
        event = self._plan(3)
        sent = self._push(event)
        if self._level is Level.PULL:
            pulled = self._wait(lambda: event.number in self._book.pulled)
            self._found("journal.pull", pulled, f"GET /pushes: {sorted(self._book.pulled)}")
        if self._level is not Level.PUSH:
            self._answering = self._wait(lambda: not self._book.open(event))
            self._found("answers.valid", self._answering, _calls(self._book.answers_to(event)))
        if sent and (again := self._push(event)):
            self._ordinary += [sent, again]
            self._found("duplicate.accepted", *taken(sent, again))
        return event

    def _types_and_order(self) -> None:
        strange = events.made("kit.unknown", {"kit": True}, _now(), self._book.last + 1)
        sent = self._push(self._book.add(strange))
        if sent:
            self._found("unknown_type", *taken(sent))
        earlier, later = self._plan(1), self._plan(1)
        late, soon = self._push(later), self._push(earlier)
        if not late or not soon:
            return
        answered = not self._answering or self._wait(
            lambda: not self._book.open(earlier) and not self._book.open(later)
        )
        self._found(
            "out_of_order",
            late.accepted and soon.accepted and answered,
            f"{later.number}: {late}; {earlier.number}: {soon}; "
            f"{_calls([*self._book.answers_to(later), *self._book.answers_to(earlier)])}",
        )

    def _client(self) -> dict[Trouble, Event]:
        """Leave a gap, then give the client every trouble there is with one plan each."""
        if self._sender:
            missing, after = self._plan(1), self._plan(1)
            self._push(after)
            pulled = self._wait(lambda: missing.number in self._book.pulled)
            self._found(
                "journal.gap", pulled, f"{missing.number}: {'GET /pushes' if pulled else '—'}"
            )
        troubled: dict[Trouble, Event] = {
            one: self._plan(1, one) for one in Trouble if one is not Trouble.SLOW
        }
        for event in troubled.values():
            self._push(event)
        for check, one in (("client.retry", Trouble.UNAVAILABLE), ("client.lost", Trouble.LOST)):
            event = troubled[one]
            again = self._wait(lambda event=event: bool(_repeats(self._book, event)))  # type: ignore[misc]
            self._found(check, again, _calls(self._book.answers_to(event)))
        self._busy(troubled[Trouble.BUSY])
        self._slow()
        return troubled

    def _slow(self) -> None:
        """Push while the API is slow; by itself, as whoever works in one thread has no hand free meanwhile."""
        if self._sender:
            event = self._plan(1, Trouble.SLOW)
            self._ordinary.append(self._sender.send(event))
            self._wait(lambda: not self._book.open(event))

    def _busy(self, event: Event) -> None:
        again = self._wait(lambda: bool(_repeats(self._book, event)))
        calls = self._book.answers_to(event)
        waited = _repeats(self._book, event)[0].at - calls[0].at if again else 0
        due = self._pace.retry_after_s
        self._found(
            "client.busy",
            again and waited > due - _EARLY_S,
            f"Retry-After: {due}; +{waited:.1f} s; {_calls(calls)}",
        )

    def _large(self) -> None:
        event = self._plan(self._pace.plots, corners=self._pace.corners)
        sent = self._push(event)
        if sent:
            self._found("large", sent.accepted, f"{len(event.body)} B: {sent}")
        if self._answering:
            answered = self._wait(lambda: not self._book.open(event))
            self._found("answers.batch", answered, _calls(self._book.answers_to(event)))

    def _in_time(self) -> None:
        if self._ordinary:
            slowest = max(self._ordinary, key=lambda one: one.took_s)
            self._found("in_time", not any(one.late for one in self._ordinary), f"≤ {slowest}")

    def _acknowledged(self) -> None:
        last = self._book.last
        hopeless = any(self._failed(one) for one in checks()["journal.ack"].rests_on)
        if not hopeless:
            self._wait(lambda: self._book.standing().acknowledged == last)
        acks = [one for one in self._book.calls if one.path.endswith("/pushes/ack")]
        standing = self._book.standing()
        acknowledged, wrong = standing.acknowledged == last, bool(acks) and acks[-1].status == 409
        self._found(
            "journal.ack",
            None if wrong and not acknowledged else acknowledged,
            f"{standing.acknowledged} / {last}",
        )
        proven = standing.proven == last or (False if wrong else None)
        said = f"ids_sha256: {standing.proven} / {last}; {_calls(acks[-3:])}"
        self._found("journal.proof", proven, said)

    def _quiet(self, first: Event, troubled: dict[Trouble, Event]) -> None:
        """Wait for what must not come: a second effect, a repeated refusal, a follower of redirects, a forged plan's answer."""
        forged = events.plan(self._book.last + 1, 1, _now())
        if self._sender:
            self._sender.send(forged, secrets=(signing.new_secret(),))
        time.sleep(self._pace.quiet_s)
        if self._sender:
            calls = self._book.answers_to(forged)
            self._found("signature.effect", not calls, _calls(calls))
            often = self._book.most_often(first)
            self._found(
                "duplicate.effect",
                often == 1,
                f"version {often}; {_calls(self._book.answers_to(first))}",
            )
        self._repeated(troubled)
        self._same_keys(
            [troubled[one] for one in (Trouble.UNAVAILABLE, Trouble.BUSY, Trouble.LOST)]
        )

    def _repeated(self, troubled: dict[Trouble, Event]) -> None:
        refused, led_on = troubled[Trouble.REFUSED], troubled[Trouble.REDIRECT]
        calls = self._book.answers_to(refused)
        again = _repeats(self._book, refused)
        self._found("client.refused", not again if calls else None, _calls(calls))
        calls = self._book.answers_to(led_on)
        followed = self._book.strayed
        self._found(
            "client.redirect", not followed if calls else None, f"{_calls(calls)} → {followed}"
        )

    def _same_keys(self, repeated: Sequence[Event]) -> None:
        pairs = [
            (self._book.answers_to(event)[0], later)
            for event in repeated
            for later in _repeats(self._book, event)
        ]
        same = all(before.key == later.key for before, later in pairs)
        told = "; ".join(f"{a.key} → {b.key}" for a, b in pairs)
        self._found("client.same_key", same if pairs else None, told or "—")

    def _keys(self) -> None:
        said = [
            one
            for one in self._book.calls
            if one.method == "POST" and one.path.endswith("/answers")
        ]
        wrong = [one for one in said if one.status == 409 or "key_unusable" in one.problems]
        self._found(
            "client.key", not wrong, _calls(wrong) if wrong else f"{len(said)} × POST /answers"
        )

    def _plan(self, plots: int, trouble: Trouble | None = None, corners: int = 4) -> Event:
        event = events.plan(self._book.last + 1, plots, _now(), corners)
        return self._book.add(event, trouble)

    def _push(self, event: Event) -> Sent | None:
        return self._sender.send(event) if self._sender else None

    def _failed(self, check: str) -> bool:
        return self._seen.get(check, (None, ""))[0] is False

    def _wait(self, what: Callable[[], bool]) -> bool:
        ends = time.monotonic() + self._pace.patience_s
        while not what():
            if time.monotonic() > ends:
                return False
            time.sleep(_STEP_S)
        return True


def _repeats(book: Book, event: Event) -> list[Call]:
    """Return what came again after the first answer to an event with the same content."""
    calls = book.answers_to(event)
    return [one for one in calls[1:] if one.digest == calls[0].digest]


def _calls(calls: Sequence[Call]) -> str:
    """Requests in one line: how many answers, what they were answered, and why."""
    if not calls:
        return "—"
    return ", ".join(
        f"{one.method} {one.path.removeprefix('/api/v1')}"
        + (f" ×{one.size}" if one.size else "")
        + f" → {one.status}"
        + (f" {' '.join(one.problems[:3])}" if one.problems else "")
        for one in calls[:6]
    ) + (f" … {len(calls)}" if len(calls) > 6 else "")


def _now() -> datetime:
    return datetime.now(UTC)
