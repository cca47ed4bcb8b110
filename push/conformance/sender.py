"""Sends as the product sends: the same signature, the same connection, the same limit of time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from push import signing, transport
from push.addresses import APPROVABLE
from push.conformance.events import Event
from push.transport import Answered, Fault, Outcome

Headers = dict[str, str]
Change = Callable[[Headers, bytes], tuple[Headers, bytes]]


@dataclass(frozen=True, slots=True)
class Sent:
    outcome: Outcome
    took_s: float

    @property
    def status(self) -> int:
        return self.outcome.status if isinstance(self.outcome, Answered) else 0

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return 400 <= self.status < 500

    @property
    def late(self) -> bool:
        return not isinstance(self.outcome, Answered) and self.outcome.fault is Fault.TIMEOUT

    def __str__(self) -> str:
        outcome = self.outcome
        said = outcome.status if isinstance(outcome, Answered) else outcome.fault
        return f"{said} ({self.took_s:.2f} s)"


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends to one address. Loopback and private addresses are allowed: whoever runs the kit names the target."""

    target: str
    secret: str
    timeout_s: float

    def send(
        self,
        event: Event,
        *,
        secrets: tuple[str, ...] = (),
        off_s: float = 0,
        change: Change | None = None,
    ) -> Sent:
        """Send once, signed with `secrets` (left out: the one in use), `off_s` away from now, changed after signing."""
        moment = datetime.now(UTC) + timedelta(seconds=off_s)
        secret, *old = secrets or (self.secret,)
        headers = signing.headers(secret, event.id, event.body, moment, *old)
        body = event.body
        if change:
            headers, body = change(headers, body)
        began = time.monotonic()
        outcome = transport.post(
            self.target, body, headers, timeout_s=self.timeout_s, allow=APPROVABLE
        )
        return Sent(outcome, time.monotonic() - began)
