"""Problems as they are kept with an upload: JSON, by the stage that found them."""

from collections.abc import Iterable
from typing import Any, Literal

from geo.problems import Problem

# A stage replaces its own problems only: mapping columns anew does not forget what the reader said.
Stage = Literal["reading", "content"]


def to_json(problem: Problem, stage: Stage) -> dict[str, Any]:
    """Return `problem` as a JSON object; params that JSON has no type for become their text."""
    return {
        "stage": stage,
        "code": problem.code,
        "severity": problem.severity,
        "text": problem.text,
        "params": {key: _plain(value) for key, value in problem.params.items()},
        "row": problem.row,
        "where": problem.where,
        "place": list(problem.place) if problem.place else None,
        "shape": problem.shape,
    }


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def from_json(kept: dict[str, Any]) -> Problem:
    """Return the problem that `to_json` kept."""
    place = kept["place"]
    return Problem(
        code=kept["code"],
        severity=kept["severity"],
        text=kept["text"],
        params=kept["params"],
        row=kept["row"],
        where=kept["where"],
        place=(place[0], place[1]) if place else None,
        shape=kept.get("shape"),
    )


def replaced(kept: list[Any], stage: Stage, found: Iterable[Problem]) -> list[Any]:
    """Return what is kept with the problems of one stage replaced by those found now."""
    return [p for p in kept if p["stage"] != stage] + [to_json(p, stage) for p in found]


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return those that forbid going on."""
    return tuple(p for p in problems if p.severity == "error")
