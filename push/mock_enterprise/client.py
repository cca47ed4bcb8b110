"""The other way round: pull what is missing, answer by rule, acknowledge and prove. One thread does it all."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import urllib3

from push.mock_enterprise.rules import Rule, answers
from push.mock_enterprise.store import Batch, Store

_TIMEOUT_S = 20
_POLL_S = 10.0
_LONGEST_WAIT_S = 300
_BATCH = 5000  # C5
_TRY_AGAIN = (429, 500, 502, 503, 504)
LOST = 0  # in place of a status: no answer came


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any = None
    retry_after: float = 0

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Client:
    """Works for one enterprise with its key. `api` is the address before /api/v1."""

    api: str
    key: str
    store: Store
    rules: Sequence[Rule]
    say: Callable[[str], None] = print
    poll_s: float = _POLL_S
    _http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S)
    )
    _proven: int = 0
    _pulled_at: float = float("-inf")

    def run(self, bell: threading.Event, stopping: threading.Event) -> None:
        """Work whenever the bell rings, and every second for what is due by then."""
        while not stopping.is_set():
            bell.wait(min(1.0, self.poll_s))
            bell.clear()
            self.work()

    def work(self) -> None:
        """Do what is to be done now."""
        if self.behind() or time.monotonic() - self._pulled_at > self.poll_s:
            self.pull()
        for event in self.store.undone():
            self.store.plan(event["id"], self.planned(event))
        for batch in self.store.due():
            self.send(batch)
        self.prove()

    def behind(self) -> bool:
        """Whether a number is missing below one that came (W4)."""
        return self.store.highest() > self.store.contiguous()

    def pull(self) -> None:
        """Fetch everything after the last number without a gap, page by page (C6)."""
        after, more = self.store.contiguous(), True
        while more:
            reply = self.call("GET", f"/pushes?after={after}&limit=500")
            if not reply.fine:
                return
            for one in reply.body["pushes"]:
                self.store.keep(one["body"].encode())
            after, more = reply.body["next"], reply.body["more"]
        self._pulled_at = time.monotonic()

    def planned(self, event: dict[str, Any]) -> list[Batch]:
        """Return what to answer; an event that cannot be read is left to a person and holds up no other."""
        try:
            return self.batches(event)
        except (KeyError, IndexError, TypeError) as error:
            self.say(f"event {event['id']} is not understood: {error!r}")
            return []

    def batches(self, event: dict[str, Any]) -> list[Batch]:
        """Return what to answer to an event. The key follows from event and part: the same again has the same key (C1)."""
        if event["type"] != "plan.released":
            return []
        said = answers(event["data"], self.rules, datetime.now(UTC).date())
        parts = [said[at : at + _BATCH] for at in range(0, len(said), _BATCH)]
        return [
            Batch(
                f"{event['id']}-{number}", _json({"push": event["data"]["push"], "answers": part})
            )
            for number, part in enumerate(parts, 1)
        ]

    def send(self, batch: Batch) -> None:
        """Send answers until they are taken or refused, always the same bytes under the same key."""
        reply = self.call("POST", "/answers", batch.body, {"Idempotency-Key": batch.key})
        if reply.fine:
            self.store.settle(batch.key, "taken", reply.body["outcome"])
        elif self.worth_another_try(reply):
            growing = min(2**batch.tries, _LONGEST_WAIT_S)
            self.store.postpone(batch.key, max(growing, reply.retry_after))  # C2
        else:  # what was refused is refused again (C3): a person must look
            self.store.settle(batch.key, "refused", json.dumps(reply.body, ensure_ascii=False))
            self.say(f"batch {batch.key} is refused: {reply.status} {reply.body}")

    def worth_another_try(self, reply: Reply) -> bool:
        """No answer, or one that says nothing about what was sent; a redirect is not followed (C4)."""
        return reply.status == LOST or reply.status in _TRY_AGAIN or 300 <= reply.status < 400

    def prove(self) -> None:
        """Acknowledge what is here without a gap, with the hash over its ids (C7)."""
        number = self.store.contiguous()
        if number == self._proven:
            return
        digest = self.store.digest(1, number)
        reply = self.call("POST", "/pushes/ack", _json({"number": number, "ids_sha256": digest}))
        if reply.fine:
            self._proven = number
        elif reply.status == 409:
            self.mend(number)

    def mend(self, last: int) -> None:
        """Find the first number where both sides differ by halving the range, and pull from there anew."""
        first = 1
        while first < last:
            middle = (first + last) // 2
            theirs = self.call("GET", f"/reconcile?from={first}&to={middle}")
            if not theirs.fine:
                return
            if theirs.body["ids_sha256"] == self.store.digest(first, middle):
                first = middle + 1
            else:
                last = middle
        self.store.forget_from(first)
        self.pull()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Ask the API once. Redirects are not followed: the key would go with them (C4)."""
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            answer = self._http.request(
                method,
                f"{self.api}/api/v1{path}",
                body=body,
                headers={**given, **(headers or {})},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError:
            return Reply(LOST)
        try:
            said = json.loads(answer.data)
        except ValueError:
            said = None
        wait = answer.headers.get("Retry-After", "")
        return Reply(answer.status, said, float(wait) if wait.isdigit() else 0)


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
