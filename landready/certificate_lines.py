"""A certificate as a reader sees it: for each utility what was said, what was measured, and on what each figure rests. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from landready.answers import AnswerVerdict
from landready.facts import Asked, Measured
from landready.frozen import Thawed
from landready.rule_sets import OTHERS, REQUIREMENTS, Requirement
from landready.utilities import Utility

# Who stands for a figure: the enterprise, the enterprise for a later day, or nobody: the system computed it.
Standing = Literal["confirmed", "committed", "computed"]


@dataclass(frozen=True, slots=True)
class Line:
    """One utility of a certificate: the enterprises that were asked, the newest check, and what the rules ask of it."""

    utility: Utility
    requirement: Requirement
    asked: tuple[Asked, ...]
    measured: Measured | None


def lines(found: Thawed) -> Iterator[Line]:
    """Give every utility of the rules, in the order of the province's plan."""
    for utility in (one for one in Utility if one in found.rules.utilities):
        yield Line(
            utility,
            found.rules.requirement(utility),
            found.facts.asked.get(utility, ()),
            found.facts.measured.get(utility),
        )


def standing(asked: Asked) -> Standing | None:
    """Return on what an enterprise's answer rests; None: there is none."""
    if asked.answer is None:
        return None
    return "committed" if asked.answer.verdict is AnswerVerdict.READY_BY else "confirmed"


def requirements(found: Thawed) -> Iterator[tuple[str, Requirement]]:
    """Give everything the rules ask for, by its name in REQUIREMENTS."""
    for name in REQUIREMENTS:
        if name in OTHERS or Utility(name) in found.rules.utilities:
            yield name, found.rules.requirement(name)
