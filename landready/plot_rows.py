"""What the columns of an upload say of each plot, and what is wrong with it. Pure: rows in, plots and problems out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from geo import attributes
from geo.attributes import Value
from geo.problems import N_, Problem
from landready import landuse
from landready.landuse import System
from landready.uses import uses_of

# The choice of the central meridian alone makes up to 0.25 % (domain facts §2.1).
AREA_TOLERANCE = 0.003
# How a notice says that a value was not set.
_NOT_SET = {"", "/", "-", "--", "—", "——", "无"}
_ROOM = {
    "code": 80, "name": 200, "use": 200, "use_shares": 80, "plot_ratio": 40, "quarter": 40, "supply_mode": 40,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DraftPlot:
    """A plot as an upload has it: `geometry` in lon/lat of EPSG:4490, areas in m²."""

    row: int
    code: str
    name: str
    use: str
    use_shares: str
    use_code: str | None
    declared_area_m2: float | None
    area_m2: float
    plot_ratio: str
    plot_ratio_value: float | None
    quarter: str
    supply_mode: str
    geometry: BaseGeometry


def draft_plots(
    features: Sequence[Mapping[str, Any]],
    mapping: Mapping[str, str],
    declared: System | None = None,
) -> tuple[list[DraftPlot], list[Problem]]:
    """Read plots from an upload's `features` by its column `mapping`; `declared` is the system of bare land-use numbers.

    A feature without code, or with the code of an earlier one, makes no plot; every other fault leaves the plot there to see.
    """
    problems: list[Problem] = []
    cells = [attributes.apply(mapping, feature["properties"]) for feature in features]
    unit = _area_unit(features, cells, mapping, problems)
    plots, codes = [], dict[str, int]()
    for feature, cell in zip(features, cells, strict=True):
        plot = _plot(feature, cell, unit, declared, problems)
        if not plot.code:
            problems.append(_problem(plot, "error", "code_missing", N_("没有地块编号。")))
        elif plot.code in codes:
            problems.append(
                _problem(
                    plot, "error", "code_twice", N_("编号“{code}”与第 {other} 个地块重复。"),
                    code=plot.code, other=codes[plot.code],
                )
            )  # fmt: skip
        else:
            codes[plot.code] = plot.row
            plots.append(plot)
    if not mapping.get("code") and features:
        text = N_("没有哪一列被认作地块编号，请指定。")
        problems = [Problem("column_code", "error", text)] + [
            p for p in problems if p.code != "code_missing"
        ]
    return plots, problems


def _plot(
    feature: Mapping[str, Any],
    cell: Mapping[str, Value],
    unit: float | None,
    declared: System | None,
    problems: list[Problem],
) -> DraftPlot:
    texts = {name: _text(cell.get(name), room) for name, room in _ROOM.items()}
    area, ratio = cell.get("area"), cell.get("plot_ratio")
    plot = DraftPlot(
        row=feature["row"],
        use_code=landuse.code_of(texts["use"], declared),
        declared_area_m2=area.number * unit if area and area.number and unit else None,
        area_m2=feature["area_m2"],
        plot_ratio_value=_ratio(ratio),
        geometry=shapely.geometry.shape(feature["geometry"]),
        **texts,
    )
    _check_use(plot, declared, problems)
    _check_area(plot, area, problems)
    if ratio and ratio.raw.strip() not in _NOT_SET and plot.plot_ratio_value is None:
        text = N_("容积率“{value}”不是一个数，已按原文保留。")
        problems.append(_problem(plot, "warning", "ratio_unreadable", text, value=ratio.raw[:40]))
    return plot


def _text(value: Value | None, room: int) -> str:
    return attributes.text(value.raw)[:room] if value else ""


def _ratio(value: Value | None) -> float | None:
    """The number of a ratio; what no plot on Earth has is no ratio."""
    number = value.number if value else None
    return number if number is not None and 0 <= number < 1000 else None


def _check_use(plot: DraftPlot, declared: System | None, problems: list[Problem]) -> None:
    question = uses_of(plot.use, plot.use_shares, declared).question
    if question:
        found = _problem(plot, "warning", question.code, question.text, **question.params)
        problems.append(found)


def _check_area(plot: DraftPlot, area: Value | None, problems: list[Problem]) -> None:
    if area is None or area.raw.strip() in _NOT_SET:
        return
    if area.number is None or area.number <= 0:
        text = N_("面积“{value}”不是一个正数。")
        problems.append(_problem(plot, "error", "area_unreadable", text, value=area.raw[:40]))
        return
    declared = plot.declared_area_m2
    if declared and abs(declared / plot.area_m2 - 1) > AREA_TOLERANCE:
        problems.append(
            _problem(
                plot, "warning", "area_differs",
                N_("申报面积 {declared} 平方米，与按坐标计算的 {area} 平方米相差 {percent}%。请核对。"),
                declared=round(declared, 2), area=round(plot.area_m2, 2),
                percent=f"{(declared / plot.area_m2 - 1) * 100:+.2f}",
            )
        )  # fmt: skip


def _area_unit(
    features: Sequence[Mapping[str, Any]],
    cells: Sequence[Mapping[str, Value]],
    mapping: Mapping[str, str],
    problems: list[Problem],
) -> float | None:
    """Square metres in one unit of the column that the planner calls area; said when nothing tells it."""
    column = mapping.get("area")
    if not column:
        return None
    pairs = [
        (cell["area"].number, feature["area_m2"])
        for feature, cell in zip(features, cells, strict=True)
        if cell["area"].number and cell["area"].number > 0
    ]
    unit = attributes.area_unit(column, pairs)
    if unit is None and pairs:
        text = N_("“{column}”一列没有写面积单位，数值也与实测面积对不上，未作核对。")
        problems.append(Problem("area_unit", "warning", text, {"column": column}))
    return unit


def _problem(
    plot: DraftPlot,
    severity: Any,  # noqa: ANN401
    code: str,
    text: str,
    /,
    **params: object,
) -> Problem:
    point = plot.geometry.representative_point()
    # A row number needs no words; the code is how the planner finds it in the file.
    return Problem(code, severity, text, params, plot.row, plot.code, (point.x, point.y))
