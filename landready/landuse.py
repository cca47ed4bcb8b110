"""Land-use classes as data with their source: the 2023 classification (用地用海分类指南) and the older ones beside it.

The systems share numbers: 1001 is industry in the 2023 guide and railway in GB/T 21010. A class therefore always carries its
system, and a number that may stand in more than one is asked about, never guessed.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_TABLE = _DATA / "land_use_2023.csv"
_OLDER = _DATA / "land_use_older.csv"
# GB/T 21010 numbers its classes 01 to 12 with two more digits; what begins beyond is the guide's alone.
_SHARED = 12
_CODE = re.compile(r"\d{2}(?:\d{2}){0,2}|[A-Z]\d{0,2}")
_REMARK = re.compile(r"[(\[【][^()\[\]【】%]*[)\]】]$")
_PAIR = re.compile(r"(\d{2}(?:\d{2}){0,2}|[A-Z]\d{0,2})([^\dA-Z].*)")


class System(StrEnum):
    """A classification of land uses; `DRAFT` is an old draft of the guide whose numbers are still copied."""

    GUIDE = "2023"
    GB50137 = "GB50137-2011"
    GBT21010 = "GBT21010-2017"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class LandClass:
    """One class of one system; `planning` is its GB 50137 code, by which indices are looked up; empty: it has none."""

    system: System
    code: str
    name: str
    planning: str


@cache
def classes() -> tuple[LandClass, ...]:
    """Return the classes of all systems, the guide's first. The mapping to GB 50137 is our own [OWN]."""
    found = [
        LandClass(System.GUIDE, row["code"], row["name"], _planning(row["gb50137_2011"]))
        for row in _rows(_TABLE)
    ]
    found += [
        LandClass(System(row["system"]), row["code"], row["name"], _planning(row["gb50137_2011"]))
        for row in _rows(_OLDER)
    ]
    return tuple(found)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _planning(text: str) -> str:
    """The first code of a mapping: `R12/R22/R32 (幼托)` and `R (R1/R2/R3, residential)` are all R to the indices."""
    found = re.match(r"[A-Z]\d*", text)
    return found[0] if found else ""


@cache
def names() -> dict[str, str]:
    """Return code → name of the 2023 guide, all levels."""
    return {c.code: c.name for c in classes() if c.system is System.GUIDE}


def first_level() -> dict[str, str]:
    """Return the two-digit classes of the guide, for choosing."""
    return {code: name for code, name in names().items() if len(code) == 2}


def readings(use: str, declared: System | None = None) -> tuple[LandClass, ...]:
    """Return every class that one use may mean, written as code (`100102`), as exact name (`二类工业用地`) or as both.

    One class per system. A remark in brackets after a name says more, not else. `declared` decides what a bare number means;
    a name means what it says. Nothing: no system knows it, or code and name do not belong together.
    """
    text = plain(use)
    base = _REMARK.sub("", text)
    if _CODE.fullmatch(base):
        return tuple(c for c in _by_code(base) if declared in (None, c.system))
    found = tuple(c for c in _by_name(text) or _by_name(base))
    if not found and (both := _PAIR.fullmatch(text)):
        name = both[2].strip("()[]-_:：·")
        short = re.sub(r"\(.*", "", name)
        found = tuple(c for c in _by_code(both[1]) if c.name in (name, short))
    if not found and (both := re.fullmatch(r"(.+?)\((?:用地)?(?:代码)?:?([0-9A-Z]+)\)", text)):
        found = tuple(c for c in _by_code(both[2]) if c.name == both[1])
    own = tuple(c for c in found if c.system is declared)
    return own or found


def plain(text: str) -> str:
    """Return a use without blanks, in half-width signs."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def settled(found: Iterable[LandClass], use: str, declared: System | None = None) -> bool:
    """Do the readings of a use leave no doubt? A bare number that two systems count with does, while none is declared.

    A name that several systems know is settled where it means the same land to all of them.
    """
    found = tuple(found)
    if not found:
        return False
    code = _REMARK.sub("", plain(use))
    if declared is None and _CODE.fullmatch(code) and code.isdigit() and len(code) < 6:
        return int(code[:2]) > _SHARED
    broadest = broadest_planning(found)
    return all(c.planning.startswith(broadest) for c in found) and (
        bool(broadest) or not any(c.planning for c in found)
    )


def broadest_planning(found: Iterable[LandClass]) -> str:
    """Return the shortest GB 50137 code of the readings: 住宅用地 is R11 in one system and R in another, both R."""
    return min((c.planning for c in found), key=len, default="")


def code_of(use: str, declared: System | None = None) -> str | None:
    """Return the code of a use in the 2023 guide.

    None: it is no single use of the guide, or a bare number that GB/T 21010 counts with too and nobody said which is meant.
    """
    found = readings(use, declared)
    if not settled(found, use, declared):
        return None
    return next((c.code for c in found if c.system is System.GUIDE), None)


@cache
def _by_code(code: str) -> tuple[LandClass, ...]:
    return tuple(c for c in classes() if c.code == code)


@cache
def _by_name(name: str) -> tuple[LandClass, ...]:
    """The class of that name in each system: the broadest where a system uses a name twice (R11 and R21 住宅用地)."""
    found: dict[System, LandClass] = {}
    for one in classes():
        if one.name == name:
            found.setdefault(one.system, one)
    return tuple(found.values())
