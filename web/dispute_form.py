"""The dispute form: what a person typed becomes a draft. A mark is a line of text for each place, longitude first."""

import re
from collections.abc import Mapping
from math import nan

from landready.dispute_rules import DisputeDraft

_BETWEEN = re.compile(r"[,，;；\s]+")


def read(form: Mapping[str, str]) -> DisputeDraft:
    """Return what was typed; a line that is not two numbers becomes NaN, which the rules tell as a fault."""
    lines = [line.strip() for line in form.get("mark", "").splitlines()]
    return DisputeDraft(
        ground=form.get("ground", ""),
        reason=form.get("reason", "").strip(),
        mark=tuple(_place(line) for line in lines if line),
    )


def _place(line: str) -> tuple[float, float]:
    try:
        lon, lat = (float(word) for word in _BETWEEN.split(line) if word)
    except ValueError:
        return nan, nan
    return lon, lat
