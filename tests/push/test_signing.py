import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from push import signing

EVENT = uuid.UUID("0190f1a2-0000-7000-8000-000000000001")
BODY = '{"data":{"标题":"供地计划"},"id":"1"}'.encode()


def headers(secret: str, body: bytes = BODY, **ago: float) -> dict[str, str]:
    return signing.headers(secret, EVENT, body, datetime.now(UTC) - timedelta(**ago))


def test_a_secret_has_32_random_bytes_and_its_prefix():
    first, second = signing.new_secret(), signing.new_secret()
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
    assert first != second


def test_a_receiver_with_the_published_library_accepts_it():
    secret = signing.new_secret()
    assert Webhook(secret).verify(BODY, headers(secret))["data"]["标题"] == "供地计划"


@pytest.mark.parametrize("bit", range(len(BODY) * 8))
def test_no_bit_of_the_body_can_be_changed(bit):
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    # Bytes that are no UTF-8 any more are refused by the library's decoding.
    with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
        Webhook(secret).verify(bytes(changed), headers(secret))


def test_another_secret_id_or_time_does_not_verify():
    secret = signing.new_secret()
    good = headers(secret)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(BODY, good)
    for name, value in {
        "webhook-id": str(uuid.uuid4()),
        "webhook-timestamp": str(int(good["webhook-timestamp"]) - 1),
    }.items():
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, {**good, name: value})


@pytest.mark.parametrize("seconds", [298, -298, 0])
def test_within_five_minutes_it_is_accepted(seconds):
    secret = signing.new_secret()
    assert Webhook(secret).verify(BODY, headers(secret, seconds=seconds))


@pytest.mark.parametrize("seconds", [302, -302, 86400])
def test_beyond_five_minutes_it_is_refused(seconds):
    secret = signing.new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers(secret, seconds=seconds))


def test_every_attempt_has_the_same_id_and_a_time_of_its_own():
    secret = signing.new_secret()
    first, second = headers(secret, seconds=60), headers(secret)
    assert first["webhook-id"] == second["webhook-id"] == str(EVENT)
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) in {59, 60, 61}
    assert first["webhook-signature"] != second["webhook-signature"]


def test_the_signature_is_the_hmac_of_id_time_and_body():
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    now = datetime(2026, 3, 2, 2, 0, 0, 900_000, tzinfo=UTC)
    made = signing.headers(secret, EVENT, BODY, now)
    signed = f"{EVENT}.1772416800.".encode() + BODY
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert made == {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "LandReady",
        "webhook-id": str(EVENT),
        "webhook-timestamp": "1772416800",
        "webhook-signature": f"v1,{expected}",
    }


def test_while_a_key_is_changed_both_sign_the_new_one_first():
    new, old = signing.new_secret(), signing.new_secret()
    now = datetime.now(UTC)
    both = signing.headers(new, EVENT, BODY, now, old)["webhook-signature"].split(" ")
    assert both == [signing.headers(s, EVENT, BODY, now)["webhook-signature"] for s in (new, old)]
