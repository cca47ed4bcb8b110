"""What this enterprise answers: the first rule of a TOML file that fits a plot."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits where the nearest facility lies within `within_m` metres; without it, always. `days`: until it is ready."""

    code: str
    within_m: float | None = None
    works: str = ""
    days: int = 0
    reason: str = ""

    def fits(self, asked: dict[str, Any]) -> bool:
        nearest = asked["nearest"]
        return self.within_m is None or bool(nearest and nearest[0]["distance_m"] <= self.within_m)


def load(path: Path) -> list[Rule]:
    """Read the rules.

    Raises:
        ValueError: not TOML, or a field no rule has.
    """
    try:
        return [Rule(**one) for one in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]]
    except (KeyError, TypeError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


def answers(data: dict[str, Any], rules: Sequence[Rule], today: date) -> list[dict[str, Any]]:
    """Return an answer to every plot and utility that a `plan.released` asks about; those that no rule fits stay open."""
    return [
        _answer(plot, asked["utility"], rule, today)
        for plot in data["plots"]
        for asked in plot["asked"]
        if (rule := next((one for one in rules if one.fits(asked)), None))
    ]


def _answer(plot: dict[str, Any], utility: str, rule: Rule, today: date) -> dict[str, Any]:
    """Fill what the code needs (C8)."""
    said: dict[str, Any] = {"plot": plot["code"], "utility": utility, "code": rule.code}
    if rule.code in ("ready", "ready_by"):
        corner = plot["boundary"]["coordinates"][0][0][0]
        said["connection_point"] = {"type": "Point", "coordinates": corner}
    if rule.code == "ready_by":
        said["works"] = rule.works
        said["ready_by"] = (today + timedelta(days=rule.days)).isoformat()
    if rule.reason:
        said["reason"] = rule.reason
    return said
