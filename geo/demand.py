"""What a plot will need of a utility: land use by share, area and plot ratio times planning indices, always as a range.

Formulae: domain facts §5. Pure: the indices come as rows, and every figure names the rows it was made of.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

_HECTARE_M2 = 10_000.0
# Which discharge coefficient a class takes, by the beginning of its GB 50137 code [OWN]; all others take the overall one.
_SEWAGE = {
    "M": "城市工业废水",
    "R": "城市综合生活污水",
    "A": "城市综合生活污水",
    "B": "城市综合生活污水",
}
_SEWAGE_OVERALL = "城市污水"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_AT_LEAST = ("≥", ">=", ">", "不小于", "不低于", "不少于", "大于", "以上")
_NO_MORE = ("不大于", "不高于", "不超过", "不多于")
# A ratio that no plot has is a slip of the pen.
_HIGHEST_RATIO = 50.0


@dataclass(frozen=True, slots=True)
class Index:
    """One row of the index table: `land_class` is GB 50137 code, list (`A/B`) or range (`S3-S9`), `*` for all."""

    utility: str
    standard: str
    table: str
    land_class: str
    description: str
    low: float | None
    high: float | None
    unit: str
    note: str
    source: str
    # Were the numbers checked against the printed standard?
    verified: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """The GB 50137 codes that the row names, a range written out."""
        span = re.fullmatch(r"([A-Z])(\d)-\1(\d)", self.land_class)
        if span:
            return tuple(f"{span[1]}{n}" for n in range(int(span[2]), int(span[3]) + 1))
        return tuple(self.land_class.split("/"))


@dataclass(frozen=True, slots=True)
class Part:
    """A land use of a plot: its GB 50137 code (empty: there is none) and its share of the area, 0 to 1."""

    land_class: str
    share: float


@dataclass(frozen=True, slots=True)
class Used:
    """One row as it was used: on so many hm² of land or m² of floor, with what it came to in the demand's unit."""

    index: Index
    part: Part
    amount: float
    amount_unit: Literal["hm2", "m2"]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Demand:
    """A range in `unit` (m³/d or kW), and the rows it was made of."""

    low: float
    high: float
    unit: str
    used: tuple[Used, ...]

    @property
    def verified(self) -> bool:
        return all(one.index.verified for one in self.used)


@dataclass(frozen=True, slots=True)
class Lack:
    """No demand can be named: the table has no row for these classes; empty: none for the utility at all."""

    land_classes: tuple[str, ...] = ()


def water(parts: Sequence[Part], area_m2: float, indices: Iterable[Index]) -> Demand | Lack:
    """Maximum-day water in m³/d: Σ area (hm²) × index. One class without a row leaves the whole plot without a figure."""
    rows = [i for i in indices if i.utility == "water" and i.unit == "m3/(hm2.d)"]
    return _summed([_on_land(part, area_m2, rows) for part in parts], parts, "m³/d")


def drainage(
    parts: Sequence[Part],
    area_m2: float,
    indices: Iterable[Index],
    day_variation: tuple[float, float],
) -> Demand | Lack:
    """Sewage in m³ of an average day: water of the maximum day / Kd × discharge coefficient of each class.

    `day_variation` is the range of Kd: the coefficients apply to average-day use.
    """
    indices = list(indices)
    drunk = water(parts, area_m2, indices)
    if isinstance(drunk, Lack):
        return drunk
    rows = {i.description: i for i in indices if i.utility == "drainage"}
    least, most = day_variation
    used = list(drunk.used)
    low = high = 0.0
    for one in drunk.used:
        row = rows.get(_SEWAGE.get(one.part.land_class[:1], _SEWAGE_OVERALL))
        if row is None or row.low is None or row.high is None:
            return Lack((one.part.land_class,))
        sewage = Used(
            row,
            one.part,
            one.amount,
            one.amount_unit,
            one.low / most * row.low,
            one.high / least * row.high,
        )
        low, high = low + sewage.low, high + sewage.high
        used.append(sewage)
    return Demand(low, high, "m³/d", tuple(used))


def power(
    parts: Sequence[Part], area_m2: float, plot_ratio: float | None, indices: Iterable[Index]
) -> Demand | Lack:
    """Electric load in kW: floor area × W/m² where the plot ratio is known and the class has a row, else hm² × kW/hm².

    No simultaneity coefficient is applied.
    """
    rows = [i for i in indices if i.utility == "power"]
    by_floor = [i for i in rows if i.unit == "W/m2"]
    by_land = [i for i in rows if i.unit == "kW/hm2"]
    found = []
    for part in parts:
        one = _on_floor(part, area_m2, plot_ratio, by_floor) if plot_ratio else None
        found.append(one or _on_land(part, area_m2, by_land))
    return _summed(found, parts, "kW")


def plot_ratio(text: str) -> float | None:
    """The plot ratio that a plot may be built to, from how a notice writes it: `≤2.0` and `1.0–2.0` are 2.0, `1.5` is 1.5.

    None where only a least ratio is set (`≥1.0`) or none at all: how much will be built is then unknown.
    """
    flat = unicodedata.normalize("NFKC", text)
    numbers = [float(n) for n in _NUMBER.findall(flat)]
    if not numbers or len(numbers) > 2:
        return None
    for words in _NO_MORE:  # 不大于 holds 大于
        flat = flat.replace(words, "≤")
    if len(numbers) == 1 and any(sign in flat for sign in _AT_LEAST):
        return None
    value = max(numbers)
    return value if 0 < value <= _HIGHEST_RATIO else None


def row_for(land_class: str, rows: Iterable[Index]) -> Index | None:
    """The row of the nearest class above: A33 takes A3's, R2 takes R's; None: no row names it."""
    best, length = None, 0
    for row in rows:
        for name in row.classes:
            if land_class.startswith(name) and len(name) > length:
                best, length = row, len(name)
    return best


def _on_land(part: Part, area_m2: float, rows: Iterable[Index]) -> Used | None:
    row = row_for(part.land_class, rows)
    if row is None or row.low is None or row.high is None:
        return None
    hectares = area_m2 * part.share / _HECTARE_M2
    return Used(row, part, hectares, "hm2", hectares * row.low, hectares * row.high)


def _on_floor(part: Part, area_m2: float, ratio: float, rows: Iterable[Index]) -> Used | None:
    row = row_for(part.land_class, rows)
    if row is None or row.low is None or row.high is None:
        return None
    floor = area_m2 * part.share * ratio
    return Used(row, part, floor, "m2", floor * row.low / 1000, floor * row.high / 1000)


def _summed(found: Sequence[Used | None], parts: Sequence[Part], unit: str) -> Demand | Lack:
    lacking = [p.land_class for p, one in zip(parts, found, strict=True) if one is None]
    used = tuple(one for one in found if one is not None)
    if lacking or not used:
        return Lack(tuple(dict.fromkeys(lacking)))
    return Demand(sum(u.low for u in used), sum(u.high for u in used), unit, used)
