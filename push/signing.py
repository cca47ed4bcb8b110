"""Signatures after Standard Webhooks (HMAC-SHA256, `v1`): over the stored bytes, with a new timestamp per attempt."""

import base64
import secrets
import uuid
from datetime import datetime

from standardwebhooks import Webhook

_SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    """Return a fresh `whsec_…` secret."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers(
    secret: str, event_id: uuid.UUID, body: bytes, now: datetime, *old: str
) -> dict[str, str]:
    """Return the headers of one attempt. `body` is UTF-8 and goes out byte for byte as it is signed.

    With `old` secrets each signs too, after the present one: a receiver that knows either accepts it.
    """
    signatures = (Webhook(one).sign(str(event_id), now, body.decode()) for one in (secret, *old))
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "LandReady",
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
