"""Receivers that use the published Standard Webhooks libraries of Python and JavaScript, and nothing of ours."""

import base64
import json
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks.webhooks
from standardwebhooks import Webhook, WebhookVerificationError

from push import signing

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
EVENT = uuid.UUID("0190f1a2-0000-7000-8000-000000000001")
BODY = json.dumps(
    {"number": 17, "data": {"标题": "供地计划" * 95}, "id": str(EVENT), "type": "plan.released"},
    ensure_ascii=False,
).encode()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SCRIPT = Path(__file__).parent / "verify.mjs"


@dataclass(frozen=True)
class Message:
    """What arrives, and when by the receiver's clock."""

    headers: dict[str, str]
    body: bytes = BODY
    secret: str = SECRET
    at: float = NOW.timestamp()


Verify = Callable[[Sequence[Message]], list[bool]]


def in_javascript(messages: Sequence[Message]) -> list[bool]:
    lines = [
        json.dumps(
            {
                "secret": one.secret,
                "headers": one.headers,
                "body": base64.b64encode(one.body).decode(),
                "at": one.at,
            }
        )
        for one in messages
    ]
    assert (SCRIPT.parents[2] / "node_modules/standardwebhooks").is_dir(), "run `make setup`"
    done = subprocess.run(
        ["node", str(SCRIPT)], input="\n".join(lines), text=True, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [line == "true" for line in done.stdout.split()]


@pytest.fixture(params=["python", "javascript"])
def verify(request, monkeypatch) -> Verify:
    if request.param == "javascript":
        return in_javascript

    def one(message: Message) -> bool:
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(message.at, tz)

        monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Clock)
        try:
            Webhook(message.secret).verify(message.body, message.headers)
        except (WebhookVerificationError, UnicodeDecodeError):
            return False
        return True

    return lambda messages: [one(message) for message in messages]


def signed(secret: str = SECRET, *old: str) -> dict[str, str]:
    return signing.headers(secret, EVENT, BODY, NOW, *old)


def test_what_we_sign_is_accepted_and_a_stranger_s_secret_is_not(verify):
    other = signing.new_secret()
    messages = [Message(signed()), Message(signed(), secret=other), Message(signed(other))]
    assert verify(messages) == [True, False, False]


def test_while_a_secret_changes_a_receiver_that_knows_either_accepts_it(verify):
    new, old, older = SECRET, signing.new_secret(), signing.new_secret()
    headers = signed(new, old)
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify([Message(headers, secret=one) for one in (new, old, older)]) == [
        True,
        True,
        False,
    ]


def test_ten_thousand_single_bit_changes_are_refused(verify):
    messages = [*changed_bodies(), *changed_headers()]
    assert len(messages) >= 10_000
    assert verify([Message(signed())]) == [True]
    assert not any(verify(messages))


def changed_bodies() -> list[Message]:
    made = []
    for bit in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[bit // 8] ^= 1 << bit % 8
        made.append(Message(signed(), bytes(body)))
    return made


def changed_headers() -> list[Message]:
    good = signed()
    made = []
    for name in ("webhook-id", "webhook-timestamp"):
        for bit in range(len(good[name]) * 7):
            text = bytearray(good[name].encode())
            text[bit // 7] ^= 1 << bit % 7
            made.append(Message({**good, name: text.decode()}))
    signature = base64.b64decode(good["webhook-signature"].removeprefix("v1,"))
    for bit in range(len(signature) * 8):
        text = bytearray(signature)
        text[bit // 8] ^= 1 << bit % 8
        value = "v1," + base64.b64encode(text).decode()
        made.append(Message({**good, "webhook-signature": value}))
    return made


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [(-301, False), (-300, True), (-299, True), (0, True), (299, True), (300, True), (301, False)],
)
def test_five_minutes_either_way_are_the_edge(verify, seconds, accepted):
    message = replace(Message(signed()), at=NOW.timestamp() + seconds)
    assert verify([message]) == [accepted]
