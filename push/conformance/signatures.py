"""What a receiver must take and what it must refuse, by signature, bytes and time alone."""

from datetime import UTC, datetime

from push import signing
from push.conformance import events
from push.conformance.checks import Seen
from push.conformance.events import Event
from push.conformance.sender import Headers, Sender, Sent

_LIMIT_S = 300
_MARGIN_S = 5  # what the way and two clocks may take of the five minutes


def signatures(sender: Sender, new_secret: str) -> Seen:
    """Send tests well and badly signed; only the first where a good one is not taken."""
    good = sender.send(_test())
    if not good.accepted:
        return {"signature.good": (False, str(good))}
    outside, within = _LIMIT_S + _MARGIN_S, _LIMIT_S - _MARGIN_S
    both = (new_secret or signing.new_secret(), sender.secret)
    return {
        "signature.good": (True, str(good)),
        "signature.bad": _refused(
            sender.send(_test(), secrets=(signing.new_secret(),)),
            sender.send(_test(), change=_unsigned),
        ),
        "body.altered": _refused(
            sender.send(_test(), change=lambda h, b: (h, b.replace(b'_id":1', b'_id":2'))),
            sender.send(_test(), change=lambda h, b: (h, b.replace(b":", b": ", 1))),
        ),
        "timestamp.outside": _refused(
            sender.send(_test(), off_s=-outside), sender.send(_test(), off_s=outside)
        ),
        "timestamp.within": taken(
            sender.send(_test(), off_s=-within), sender.send(_test(), off_s=within)
        ),
        "signature.versions": taken(sender.send(_test(), change=_unknown_version_first)),
        "rotation.overlap": taken(sender.send(_test(), secrets=both)),
        "rotation.new": taken(sender.send(_test(), secrets=(new_secret,)))
        if new_secret
        else (None, "--new-key"),
    }


def taken(*sent: Sent) -> tuple[bool, str]:
    return all(one.accepted for one in sent), ", ".join(map(str, sent))


def _refused(*sent: Sent) -> tuple[bool, str]:
    return all(one.refused for one in sent), ", ".join(map(str, sent))


def _test() -> Event:
    return events.made("endpoint.test", {"endpoint_id": 1}, datetime.now(UTC))


def _unsigned(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    return {k: v for k, v in headers.items() if k != "webhook-signature"}, body


def _unknown_version_first(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    signature = headers["webhook-signature"]
    return {**headers, "webhook-signature": f"v1a,{signature.partition(',')[2]} {signature}"}, body
