"""The checks as a closed list, and what a run makes of each."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

# Passed (None: not shown) and evidence, by the id of the check.
Seen = dict[str, tuple[bool | None, str]]
_FILE = Path(__file__).with_name("checks.toml")


class Level(StrEnum):
    """What kind of system is tried: one that only receives, one that only pulls and answers, or both."""

    PUSH = "push"
    PULL = "pull"
    FULL = "full"


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_SHOWN = "not_shown"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of docs/integrators.md. `zh` and `en`: what is asked, and what to do where it is not kept."""

    id: str
    clause: str
    levels: tuple[Level, ...]
    zh: tuple[str, str]
    en: tuple[str, str]
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check showed, with the evidence in the words of the wire."""

    check: Check
    outcome: Outcome
    evidence: str


@cache
def checks() -> Mapping[str, Check]:
    """Return every check by its id, in the order of the report."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))["check"]
    return {
        one["id"]: Check(
            id=one["id"],
            clause=one["clause"],
            levels=tuple(Level(level) for level in one["levels"]),
            zh=tuple(one["zh"]),
            en=tuple(one["en"]),
            rests_on=tuple(one.get("rests_on", ())),
        )
        for one in found
    }


def findings(level: Level, seen: Seen) -> Sequence[Finding]:
    """Return one finding per check of a level.

    A failure that rests on another failure is not shown: whether the rule itself is kept cannot be told.
    """
    failed = {one for one, (passed, _) in seen.items() if passed is False}
    return [_finding(check, seen, failed) for check in checks().values() if level in check.levels]


def _finding(check: Check, seen: Seen, failed: set[str]) -> Finding:
    passed, evidence = seen.get(check.id, (None, "—"))
    under = [one for one in check.rests_on if one in failed]
    if passed:
        return Finding(check, Outcome.PASSED, evidence)
    if passed is None or under:
        why = f"← {', '.join(under)}" if under else ""
        return Finding(check, Outcome.NOT_SHOWN, f"{evidence} {why}".strip())
    return Finding(check, Outcome.FAILED, evidence)
