"""Column names and cell texts of supply plans: which column is what, and what a cell says."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

# Names as they stand in notices, survey files and cadastre exports; longest match first within a line.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "code": (
        "地块编号",
        "宗地编号",
        "地块代码",
        "宗地代码",
        "宗地号",
        "地块号",
        "编号",
        "项目编号",
        "不动产单元号",
        "dkbh",
        "zdbh",
        "zddm",
        "zdh",
        "dkdm",
        "bsm",
        "code",
        "plotcode",
        "plotid",
        "plotno",
        "parcelid",
        "parcelno",
        "parcel",
        "mapblolot",
        "maplot",
        "ml",
        "id",
        "gid",
        "objectid",
        "fid",
        "reference",
    ),
    "name": (
        "地块名称",
        "宗地名称",
        "项目名称",
        "宗地坐落",
        "坐落",
        "位置",
        "名称",
        "dkmc",
        "zdmc",
        "xmmc",
        "zdzl",
        "plotname",
        "name",
        "title",
    ),
    "use": (
        "用途",
        "土地用途",
        "地块用途",
        "规划用途",
        "批准用途",
        "地类",
        "地类名称",
        "地类编码",
        "地类代码",
        "用地性质",
        "用地代码",
        "用地性质代码",
        "规划用地性质",
        "dkyt",
        "tdyt",
        "ghyt",
        "yt",
        "dlmc",
        "dlbm",
        "ydxz",
        "ydxzdm",
        "landuse",
        "usecode",
        "use",
    ),
    "use_shares": (
        "混合比例",
        "用途混合比例",
        "各用途比例",
        "用途比例",
        "ytbl",
        "useshares",
        "usemix",
    ),
    "area": (
        "总面积",
        "面积",
        "地块面积",
        "宗地面积",
        "用地面积",
        "土地面积",
        "出让面积",
        "供地面积",
        "dkmj",
        "zdmj",
        "tdmj",
        "ydmj",
        "mj",
        "area",
        "plotarea",
        "landarea",
        "areasqm",
    ),
    "plot_ratio": ("容积率", "规划容积率", "rjl", "far", "plotratio", "floorarearatio"),
    "quarter": (
        "季度",
        "供应季度",
        "计划供应季度",
        "计划供应时间",
        "供应时间",
        "计划供地时间",
        "供地时间",
        "拟供应时间",
        "gysj",
        "ghsj",
        "quarter",
        "plannedquarter",
        "supplytime",
    ),
    "supply_mode": (
        "供应方式",
        "供地方式",
        "拟供应方式",
        "出让方式",
        "gyfs",
        "gdfs",
        "crfs",
        "supplymode",
        "mode",
        "supply",
    ),
}

_UNITS = (
    (re.compile(r"公顷|hm\s*[2²]|\bha\b|hectares?", re.IGNORECASE), 10_000.0),
    (re.compile(r"亩|\bmu\b", re.IGNORECASE), 10_000 / 15),
    (re.compile(r"平方公里|km\s*[2²]", re.IGNORECASE), 1_000_000.0),
    (re.compile(r"平方米|㎡|m\s*[2²]|sq\s*m", re.IGNORECASE), 1.0),
)
_GUESSES = (1.0, 10_000.0, 10_000 / 15)
_OPERATORS = (
    (("≤", "<=", "不大于", "不高于", "不超过", "不多于", "最大"), "le"),
    (("≥", ">=", "不小于", "不低于", "不少于", "最小"), "ge"),
    (("<", "＜", "小于", "低于"), "lt"),
    ((">", "＞", "大于", "高于"), "gt"),
)
_LARGEST = 1e15
_NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
Operator = Literal["eq", "le", "ge", "lt", "gt", "none"]


@dataclass(frozen=True, slots=True)
class Value:
    """A cell of a notice: `≤1.00` is (le, 1.0), `/` is (none, None); `raw` is always what was written."""

    op: Operator
    number: float | None
    raw: str


def _plain(name: str) -> str:
    """Name without unit, brackets, blanks, underscores and case."""
    flat = unicodedata.normalize("NFKC", name).lower()
    flat = re.sub(r"[(\[（].*?[)\]）]", "", flat)
    return re.sub(r"[\s_\-./:*#]+", "", flat)


def guess(fields: Iterable[str]) -> dict[str, str]:
    """Which field of the file holds code, name, use, area, plot_ratio, quarter, supply_mode; unknown ones are left out.

    A field is used once. The order of the synonyms decides between two candidates, then the order in the file.
    """
    left = {name: _without_area_unit(_plain(name)) for name in fields}
    found: dict[str, str] = {}
    for ours, names in SYNONYMS.items():
        for synonym in names:
            match = next((name for name, plain in left.items() if plain == synonym), None)
            if match is not None:
                found[ours] = match
                del left[match]
                break
    return found


def _without_area_unit(plain: str) -> str:
    return re.sub(r"(面积|area)(公顷|hm[2²]|ha|亩|平方米|㎡|m[2²]|sqm|mu)$", r"\1", plain)


def unit_of(field: str) -> float | None:
    """Square metres in one unit of an area column, as its name says (公顷, 亩, 平方米…); None: it does not say."""
    text = re.sub(r"[_]", " ", unicodedata.normalize("NFKC", field))
    return next((factor for pattern, factor in _UNITS if pattern.search(text)), None)


def area_unit(field: str, pairs: Iterable[tuple[float, float]]) -> float | None:
    """Square metres in one unit of an area column: by its name, else the unit under which the values fit.

    `pairs` are (number in the column, measured m²). None: neither the name nor the values tell it.
    """
    named = unit_of(field)
    if named is not None:
        return named
    ratios = sorted(measured / number for number, measured in pairs if number > 0)
    if not ratios:
        return None
    middle = ratios[len(ratios) // 2]
    best = min(_GUESSES, key=lambda unit: abs(middle / unit - 1))
    return best if abs(middle / best - 1) < 0.05 else None


def parse(cell: object) -> Value:
    """Read one cell: operator, number and the text as it was written. What is beyond all measure is no number."""
    if cell is None:
        return Value("none", None, "")
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        raw = str(cell)
        return Value("eq", float(cell), raw) if abs(cell) < _LARGEST else Value("none", None, raw)
    raw = str(cell)
    text = unicodedata.normalize("NFKC", raw).strip()
    found = _NUMBER.search(text)
    if not found:
        return Value("none", None, raw)
    op: Operator = "eq"
    for signs, meaning in _OPERATORS:
        if any(sign in text for sign in signs):
            op = meaning  # type: ignore[assignment]
            break
    number = float(found[0].replace(",", ""))
    return Value(op, number, raw) if abs(number) < _LARGEST else Value("none", None, raw)


def apply(mapping: Mapping[str, str], properties: Mapping[str, object]) -> dict[str, Value]:
    """The fields of ours that `mapping` names, read from one feature's `properties`."""
    return {ours: parse(properties.get(source)) for ours, source in mapping.items()}


def text(value: object) -> str:
    """A cell as text: whole floats without their `.0`, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
