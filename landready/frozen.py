"""What a verdict rested on, frozen so that anybody can judge again years later. Pure: no database, no clock, no files.

Format `landready-certificate/1`: one JSON object with sorted keys, no space, UTF-8 as it is; numbers are the shortest that read
back the same, and there is no NaN or infinity.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from geo.problems import N_
from landready.blockers import Blocker
from landready.errors import LandreadyError
from landready.facts import PlotFacts
from landready.readiness import Readiness, readiness
from landready.rule_sets import RuleSet

FORMAT = "landready-certificate/1"
# What stands in the place of the digest before the first certificate of a city.
FIRST = "0" * 64
_FACTS = TypeAdapter(PlotFacts)
_BLOCKERS = TypeAdapter(tuple[Blocker, ...])


class NotACertificate(LandreadyError):
    """A text that is no certificate of this format; the message says where."""

    text = N_("这不是有效的准入凭证：{fault}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrozenPlot(_Part):
    """The plot as it was judged: `geometry` GeoJSON in EPSG:4490, `sha256` the digest of its WKB (no SRID, little-endian)."""

    code: str
    name: str
    revision: int
    use: str
    area_m2: float
    plot_ratio: str
    crs: str = "EPSG:4490"
    geometry: dict[str, Any]
    sha256: str


class Calendar(_Part):
    """The holiday table that deadlines were counted with: its years and the digest of its file."""

    years: tuple[int, ...]
    sha256: str


class FrozenVerdict(_Part):
    ready: bool
    blockers: tuple[Blocker, ...]
    warnings: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a certificate stands in the chain of its city, and when it holds."""

    city: str
    sequence: int
    previous: str
    issued_at: datetime
    valid_until: datetime

    @property
    def number(self) -> str:
        return f"{self.city}-{self.sequence:06d}"


@dataclass(frozen=True, slots=True)
class Thawed:
    """A certificate's body read back."""

    place: Place
    day: date
    plot: FrozenPlot
    rules: RuleSet
    facts: PlotFacts
    calendar: Calendar
    verdict: FrozenVerdict

    def judged_again(self) -> Readiness:
        """Judge the frozen facts by the frozen rules once more."""
        return readiness(self.facts, self.rules, self.day)

    @property
    def holds(self) -> bool:
        """Does judging again come to the same verdict, word by word?"""
        found = self.judged_again()
        return (found.may_list, found.blockers, found.warnings) == (
            self.verdict.ready,
            self.verdict.blockers,
            self.verdict.warnings,
        )


def freeze(
    place: Place,
    day: date,
    plot: FrozenPlot,
    facts: PlotFacts,
    found: Readiness,
    calendar: Calendar,
) -> dict[str, Any]:
    """Return the body of a certificate for `found`, which was judged under its rules on `day` (date in Shanghai).

    Raises:
        ValueError: nothing was in force: there is nothing to certify.
    """
    if found.rules is None:
        raise ValueError("a verdict without rules is no verdict")
    return {
        "format": FORMAT,
        "number": place.number,
        "city": place.city,
        "sequence": place.sequence,
        "previous": place.previous,
        "issued_at": place.issued_at.isoformat(),
        "valid_until": place.valid_until.isoformat(),
        "day": day.isoformat(),
        "plot": plot.model_dump(mode="json"),
        "rules": found.rules.model_dump(mode="json", by_alias=True),
        "facts": _FACTS.dump_python(facts, mode="json"),
        "calendar": calendar.model_dump(mode="json"),
        "verdict": {
            "ready": found.may_list,
            "blockers": _BLOCKERS.dump_python(found.blockers, mode="json"),
            "warnings": _BLOCKERS.dump_python(found.warnings, mode="json"),
        },
    }


def canonical(body: Mapping[str, Any]) -> bytes:
    """Return the one way in which a body is written.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(
        body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def digest(previous: str, body: bytes) -> str:
    """Return the hash of a link: SHA-256 of the previous one in hexadecimal, a line feed and the body."""
    return hashlib.sha256(previous.encode("ascii") + b"\n" + body).hexdigest()


def thaw(body: bytes | str) -> Thawed:
    """Read a body back.

    Raises:
        NotACertificate: it is none of this format, or not written in the one canonical way.
    """
    text = body.encode() if isinstance(body, str) else body
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise NotACertificate(fault="format")
        found = _thawed(raw)
        again = freeze(
            found.place, found.day, found.plot, found.facts, _as_readiness(found), found.calendar
        )
        same = canonical(again) == text
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        fault = (
            ".".join(map(str, error.errors()[0]["loc"]))
            if isinstance(error, ValidationError)
            else str(error)[:200]
        )
        raise NotACertificate(fault=fault) from error
    if not same:
        raise NotACertificate(fault="canonical")
    return found


def _thawed(raw: Mapping[str, Any]) -> Thawed:
    place = Place(
        raw["city"],
        int(raw["sequence"]),
        raw["previous"],
        datetime.fromisoformat(raw["issued_at"]),
        datetime.fromisoformat(raw["valid_until"]),
    )
    return Thawed(
        place,
        date.fromisoformat(raw["day"]),
        FrozenPlot.model_validate(raw["plot"]),
        RuleSet.model_validate(raw["rules"]),
        _FACTS.validate_python(raw["facts"]),
        Calendar.model_validate(raw["calendar"]),
        FrozenVerdict.model_validate(raw["verdict"]),
    )


def _as_readiness(found: Thawed) -> Readiness:
    """The verdict as it was written, to be written again: `ready` is of it, not of the blockers."""
    return Readiness(found.verdict.blockers, found.verdict.warnings, found.rules)
