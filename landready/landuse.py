"""Land-use classes of the 2023 classification (用地用海分类指南), as data with its source."""

import csv
import re
import unicodedata
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent / "data" / "land_use_2023.csv"


@cache
def names() -> dict[str, str]:
    """Return code → name, all levels."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


def first_level() -> dict[str, str]:
    """Return the two-digit classes, for choosing."""
    return {code: name for code, name in names().items() if len(code) == 2}


def code_of(use: str) -> str | None:
    """Return the code of a use written as code ("100102"), as exact name ("二类工业用地") or as both together.

    None where it is neither: a mixed use, a name of the older classification, a plain word.
    """
    text = re.sub(r"\s+", "", unicodedata.normalize("NFKC", use))
    if text in names():
        return text
    if text in _codes():
        return _codes()[text]
    both = re.fullmatch(r"(\d{2,6})(\D+)", text)
    return both[1] if both and names().get(both[1]) == both[2].strip("()-_:") else None


@cache
def _codes() -> dict[str, str]:
    return {name: code for code, name in names().items()}
