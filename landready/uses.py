"""The land uses of a plot by share, from how a plan writes them: one use, `商业用地60%、居住用地40%`, or two columns.

Pure. What cannot be told for sure becomes a question to the planner, with the readings to choose from.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from geo.demand import Part
from geo.problems import N_, Problem
from landready.landuse import LandClass, System, broadest_planning, plain, readings, settled

# Shares that add up to 100 % but for rounding [OWN].
_ROUNDING = 0.5
_SHARE = re.compile(r"(\d+(?:\.\d+)?)%")
_BETWEEN = re.compile(r"[、,;+\n]|和|及")
_NUMBERS_ONLY = re.compile(r"[\d.%\s、,;:+/\\|]*")
_NOT_SET = {"", "/", "-", "--", "—", "无"}


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a plot: as written, its share (0 to 1), and what it means in each system that knows it."""

    text: str
    share: float
    readings: tuple[LandClass, ...]

    @property
    def land_class(self) -> LandClass:
        return self.readings[0]


@dataclass(frozen=True, slots=True)
class Uses:
    """The uses of a plot; or the question that must be answered first, with the readings that it is between."""

    uses: tuple[Use, ...] = ()
    question: Problem | None = None
    between: tuple[LandClass, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The same by GB 50137 class, for the indices."""
        return tuple(Part(broadest_planning(u.readings), u.share) for u in self.uses)


def uses_of(use: str, shares: str = "", declared: System | None = None) -> Uses:
    """Read the uses of a plot from its cells `use` and `shares` (混合比例); `declared` is the system of the plan's numbers."""
    if not plain(use).strip("、,;+/"):
        return _ask("use_missing", N_("没有写用途，无法估算。"))
    whole = readings(use, declared)
    texts = [use] if whole else _split(use)
    written = [_without_share(text) for text in texts]
    if any(not name for name, _ in written):
        return _ask("use_unknown", _UNKNOWN, use=use)
    known = [(name, readings(name, declared)) for name, _ in written]
    for name, found in known:
        if not found:
            return _unread(name, declared)
        if not settled(found, name, declared):
            text = N_("“{use}”在不同的分类中不是同一类用地。请指明这份计划用的是哪套分类。")
            return _ask("use_system", text, found, use=name)
    given = _shares([share for _, share in written], use, shares)
    if isinstance(given, Uses):
        return given
    return Uses(tuple(Use(n, s, r) for (n, r), s in zip(known, given, strict=True)))


_UNKNOWN = N_("用途“{use}”不在系统认识的三套用地分类中。请按分类中的名称或代码填写。")


def _unread(name: str, declared: System | None) -> Uses:
    if declared and (others := readings(name)):
        text = N_("“{use}”不在这份计划指明的用地分类中。")
        return _ask("use_elsewhere", text, others, use=name)
    return _ask("use_unknown", _UNKNOWN, use=name)


def _split(use: str) -> list[str]:
    flat = unicodedata.normalize("NFKC", use)
    parts = [part for part in _BETWEEN.split(flat) if part.strip()]
    if len(parts) == 1:
        parts = [part for part in flat.split("/") if part.strip()]
    return parts


def _without_share(text: str) -> tuple[str, str]:
    """A part as its name and what it says of its share; a share that is no plain number stays as written."""
    flat = unicodedata.normalize("NFKC", text)
    found = _SHARE.search(flat)
    if not found:
        return plain(text), ""
    rest = plain(flat[: found.start()] + flat[found.end() :])
    rough = re.search(r"约|≤|≥|<|>|不[大小高低超少多]", rest)
    name = re.sub(r"\(\)|占比|比例|占|为|[约≤≥<>:=]|不[大小高低超少多][于过]?", "", rest)
    return name.strip("()"), flat if rough else found[1]


def _shares(written: Sequence[str], use: str, column: str) -> list[float] | Uses:
    """Shares that add up to 1, or why they cannot be told."""
    column = unicodedata.normalize("NFKC", column).strip()
    if len(written) == 1 and not written[0] and column in _NOT_SET:
        return [1.0]
    texts = list(written)
    if not any(texts) and column not in _NOT_SET:
        if not _NUMBERS_ONLY.fullmatch(column):
            return _unclear(column)
        texts = re.findall(r"\d+(?:\.\d+)?", column)
    if not any(texts):
        return _ask("shares_missing", N_("有几种用途，但没有写各占多少，无法估算。"))
    if len(texts) != len(written) or not all(re.fullmatch(r"\d+(?:\.\d+)?", t) for t in texts):
        return _unclear(column if column not in _NOT_SET else use)
    numbers = [float(t) for t in texts]
    # A spreadsheet's percent cells arrive as 0.6 and 0.4.
    if sum(numbers) <= 1 + _ROUNDING / 100:
        numbers = [n * 100 for n in numbers]
    if abs(sum(numbers) - 100) > _ROUNDING:
        text = N_("各用途的比例合计 {sum}%，不是 100%，无法估算。")
        return _ask("shares_sum", text, sum=f"{sum(numbers):.10g}")
    return [n / sum(numbers) for n in numbers]


def _unclear(written: str) -> Uses:
    text = N_("从“{shares}”看不出各用途各占多少，无法估算。")
    return _ask("shares_unclear", text, shares=written)


def _ask(code: str, text: str, between: tuple[LandClass, ...] = (), **params: object) -> Uses:
    return Uses(question=Problem(code, "warning", text, params), between=between)
