"""Certificates frozen and read back: what went in comes out and is judged alike."""

import hashlib
import json
from datetime import UTC, date, datetime
from math import inf, nan

import pytest

from landready.answers import AnswerVerdict
from landready.facts import (
    Overlapping,
    Said,
)
from landready.frozen import (
    FIRST,
    Calendar,
    FrozenPlot,
    NotACertificate,
    Place,
    canonical,
    digest,
    freeze,
    thaw,
)
from landready.readiness import readiness
from landready.rule_sets import in_force
from tests.landready.judging import (
    CITY,
    EXEMPTION,
    GATE,
    HELD,
    TODAY,
    facts,
)

PLACE = Place(
    CITY, 7, FIRST, datetime(2026, 3, 2, 2, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC)
)
PLOT = FrozenPlot(
    code="P-1", name="", revision=1, use="工业", area_m2=10_000.5, plot_ratio="", geometry={}, sha256="0" * 64,
)  # fmt: skip


def test_frozen_facts_come_back_and_are_judged_alike():
    said = Said(AnswerVerdict.READY_BY, 1, ready_by=date(2026, 12, 1), works="x", answer_id=7)
    rules = in_force((GATE,), (EXEMPTION,), CITY, 1, TODAY)
    given = facts(water=said, reserved=(HELD,), overlaps=(Overlapping("P-9", "x", "planned", 3.0),))
    found = readiness(given, rules, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    body = canonical(freeze(PLACE, TODAY, PLOT, given, found, calendar))
    back = thaw(body)
    assert (back.place, back.day, back.facts, back.rules) == (PLACE, TODAY, given, rules)
    assert back.place.number == "460100-000007"
    assert back.holds
    looser = thaw(body.replace(b'"title":{"clear":true', b'"title":{"clear":false'))
    assert not looser.holds


@pytest.mark.parametrize("change", [(b'"', b" "), (b":1,", b":1.0,"), (b"{", b"{ "), (b"}", b"")])
def test_text_that_is_not_canonical_is_no_certificate(change):
    found = readiness(facts(), GATE, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    body = canonical(freeze(PLACE, TODAY, PLOT, facts(), found, calendar))
    with pytest.raises(NotACertificate):
        thaw(body.replace(*change))


def frozen(**given) -> dict[str, object]:
    found = readiness(facts(**given), GATE, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    return freeze(PLACE, TODAY, PLOT, facts(**given), found, calendar)


def test_body_is_plain_json_under_the_names_that_were_published():
    body = frozen(water=None)
    assert json.loads(canonical(body)) == body
    assert (body["format"], body["number"]) == ("landready-certificate/1", "460100-000007")
    assert body["rules"]["from"] == GATE.start.isoformat()


def test_canonical_text_is_sorted_compact_utf8_without_nan():
    assert canonical({"b": "地", "a": [1, 2.5]}) == '{"a":[1,2.5],"b":"地"}'.encode()
    for value in (nan, inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical({"a": value})


def test_link_is_the_sha256_of_the_previous_digest_a_line_feed_and_the_body():
    assert digest(FIRST, b"{}") == hashlib.sha256(b"0" * 64 + b"\n{}").hexdigest()


def test_verdict_without_rules_is_not_certified():
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    with pytest.raises(ValueError, match=r"^a verdict without rules is no verdict$"):
        freeze(PLACE, TODAY, PLOT, facts(), readiness(facts(), None, TODAY), calendar)


def test_certificate_is_read_from_text_as_from_bytes():
    body = canonical(frozen())
    assert thaw(body.decode()) == thaw(body)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format": "landready-certificate/2"}, "format"),
        ({"extra": 1}, "canonical"),
        ({"city": None}, "canonical"),
        ({"rules": {}}, "version"),
        ({"verdict": {"ready": True, "blockers": [{"code": "x"}], "warnings": []}}, "blockers.0.text"),
        ({"day": LONG}, f"Invalid isoformat string: '{LONG}"[:200]),
    ],
)  # fmt: skip
def test_broken_certificate_is_refused_with_the_place_of_the_fault(change, fault):
    with pytest.raises(NotACertificate) as caught:
        thaw(canonical({**frozen(), **change}))
    assert caught.value.params == {"fault": fault}
    assert fault == "canonical" or fault == "format" or caught.value.__cause__


@pytest.mark.parametrize("text", ["[]", "1", "null"])
def test_text_that_is_no_object_is_no_certificate(text):
    with pytest.raises(NotACertificate):
        thaw(text)
