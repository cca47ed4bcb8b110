"""Who and what there is in the demo province: its quarters, its plots and its organisations. Facts in, facts out."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from landready.demo_places import Quarter, boundary
from landready.shapes import geojson_of
from landready.utilities import Utility

NOTICES = Path(__file__).parent / "data" / "demo" / "listing_notices_facts.csv"
HAIKOU, SANYA = "460100", "460200"
CITIES: Mapping[str, tuple[str, str]] = {HAIKOU: ("海口", "haikou"), SANYA: ("三亚", "sanya")}

_YUNLONG = Quarter("云龙", 110.475, 19.878, 300, 6, 12)
# Water and power only: the case of a plot whose sewer and network end too far away (domain facts §6.2).
_YUNLONG_NORTH = Quarter("云龙北", 110.512, 19.906, 300, 3, 4, (Utility.WATER, Utility.POWER))
_YUNLONG_SOUTH = Quarter(
    "云龙南", 110.452, 19.842, 300, 3, -8, (Utility.POWER, Utility.TELECOM, Utility.CABLE_TV)
)
_YAZHOU = Quarter("崖州湾", 109.168, 18.388, 300, 5, -15)
_HAITANG = Quarter("海棠湾", 109.737, 18.378, 320, 5, 24)
_HAITANG_SOUTH = Quarter("海棠湾南", 109.712, 18.325, 540, 3, 20)
_CENTRE = Quarter("中心城区", 109.508, 18.262, 200, 4, 8)
QUARTERS: Mapping[str, tuple[Quarter, ...]] = {
    HAIKOU: (_YUNLONG, _YUNLONG_NORTH, _YUNLONG_SOUTH),
    SANYA: (_YAZHOU, _HAITANG, _HAITANG_SOUTH, _CENTRE),
}

# What each enterprise is called, its range of spare capacity in the unit of the utility, and how it names its mains.
COMPANIES: Mapping[Utility, tuple[str, str, str, tuple[int, int], str]] = {
    Utility.WATER: ("供水有限公司", "Water", "water", (800, 4200), "DN400 供水干管"),
    Utility.DRAINAGE: ("排水有限公司", "Drainage", "drainage", (600, 3000), "DN600 污水管"),
    Utility.POWER: ("供电局", "Power", "power", (1500, 9000), "10 kV 电缆"),
    Utility.GAS: ("燃气有限公司", "Gas", "gas", (300, 1600), "DN200 中压燃气管"),
    Utility.TELECOM: ("通信有限公司", "Telecom", "telecom", (48, 288), "通信管道"),
    Utility.CABLE_TV: ("有线网络有限公司", "Cable TV", "cable", (200, 1200), "有线电视光缆"),
}
STATIONS: Mapping[Utility, tuple[str, str]] = {
    Utility.WATER: ("加压泵站", "预留口"),
    Utility.DRAINAGE: ("污水提升泵站", "检查井"),
    Utility.POWER: ("110 kV 变电站", "环网柜"),
    Utility.GAS: ("调压站", "阀门井"),
    Utility.TELECOM: ("汇聚机房", "光交箱"),
    Utility.CABLE_TV: ("分前端机房", "光节点"),
}
# Departments of a city: its name, its English name, its account, and the items of annex 2 it handles.
DEPARTMENTS: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("水务局", "Water Affairs Bureau", "waterbureau", (5,)),
    ("住房和城乡建设局", "Housing and Construction Bureau", "housing", (7, 11)),
    ("公安局交警支队", "Traffic Police", "police", (8,)),
    ("交通运输局", "Transport Bureau", "transport", (9,)),
    ("行政审批服务局", "Approval Service Bureau", "approval", (10,)),
)
# Valid check signs, but a registration number that is not given out.
OWNER_CREDIT_CODE = "914600000000000194"


@dataclass(frozen=True, slots=True)
class DemoPlot:
    """A plot of the demo. Real ones carry the facts of a notice; the others say 演示 in their name."""

    code: str
    name: str
    use: str
    area_m2: float
    plot_ratio: str
    supply_mode: str
    quarter: Quarter
    column: int
    row: int
    aspect: float = 1.15

    def feature(self, season: str, **changed: object) -> dict[str, Any]:
        """As a planner's file has it; `season` is the planned quarter, `changed` replaces cells."""
        drawn = boundary(self.quarter, self.column, self.row, self.area_m2, self.aspect)
        cells = {
            "地块编号": self.code,
            "地块名称": self.name,
            "用途": self.use,
            "面积（平方米）": self.area_m2,
            "容积率": self.plot_ratio,
            "供应方式": self.supply_mode,
            "计划供应时间": season,
        }
        geometry = {"type": "Polygon", "coordinates": [[list(at) for at in drawn.exterior.coords]]}
        return {"type": "Feature", "properties": {**cells, **changed}, "geometry": geometry}


@cache
def notices() -> tuple[DemoPlot, ...]:
    """Return the seven real plots in the order of the file: facts of the notices, places of ours."""
    with NOTICES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        DemoPlot(
            code=code,
            name=row["plot_name"] if "hidden" not in row["plot_name"] else _HIDDEN,
            use=row["use"],
            area_m2=float(row["area_m2"]),
            plot_ratio=row["plot_ratio"],
            supply_mode=mode,
            quarter=quarter,
            column=column,
            row=line,
        )
        for row, (code, mode, quarter, column, line) in zip(rows, _SITES, strict=True)
    )


_HIDDEN = "（公告页面未显示地块名称）网拍〔2025〕011号"
# Number, supply mode and block of each notice: 挂 and 拍 in the number of a notice say listing or auction.
_SITES: tuple[tuple[str, str, Quarter, int, int], ...] = (
    ("C0901", "挂牌", _YUNLONG, 2, 3),
    ("网拍〔2025〕011号", "拍卖", _YUNLONG, 4, 1),
    ("YK02-11-05", "", _YAZHOU, 2, 2),
    ("HT09-18-06", "", _HAITANG, 1, 2),
    ("HT09-15-02", "", _HAITANG, 3, 2),
    ("HP02-01-06/07-01", "", _CENTRE, 1, 2),
    ("HT05-08-01", "", _HAITANG_SOUTH, 1, 1),
)


def _invented(
    code: str, name: str, use: str, area_m2: float, quarter: Quarter, column: int, row: int
) -> DemoPlot:
    return DemoPlot(code, name, use, area_m2, "≤2.0", "挂牌", quarter, column, row, 0.9)


SEWERLESS = _invented(
    "演示-01", "演示地块甲（排水、网络未通）", "文化用地", 28350.0, _YUNLONG_NORTH, 1, 1
)
WATERLESS = _invented(
    "演示-02", "演示地块乙（供水未通）", "一类工业用地", 41200.0, _YUNLONG_SOUTH, 1, 1
)
SOLD = _invented("演示-03", "演示地块丙（已成交）", "商业用地", 22680.0, _YUNLONG, 1, 2)
WAITING = (
    _invented("演示-04", "演示地块丁（等待答复）", "二类城镇住宅用地", 36500.0, _YUNLONG, 3, 4),
    _invented("演示-05", "演示地块戊（等待答复）", "科研用地", 18900.0, _YUNLONG, 0, 4),
)
UNFINISHED = _invented(
    "演示-11", "演示地块（草稿中有重叠）", "公园绿地", 9000.0, _CENTRE, 2, 1
)  # fmt: skip


def overlapping() -> dict[str, Any]:
    """Return a plot of the draft that lies half on its neighbour, with a number that is none: what a planner must mend."""
    near = replace(UNFINISHED, code="演示-12", area_m2=11000.0, aspect=1.4)
    return near.feature("2026年第四季度", **{"面积（平方米）": "约一公顷", "用途": "综合开发"})


def project_site(plot: DemoPlot) -> dict[str, Any]:
    """Return the boundary of a project on a plot, as a permit states it."""
    return geojson_of(boundary(plot.quarter, plot.column, plot.row, plot.area_m2, plot.aspect))


SANYA_PROJECT = _invented("", "演示产业园一期", "二类工业用地", 24000.0, _YAZHOU, 4, 3)
