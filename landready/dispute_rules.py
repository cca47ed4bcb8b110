"""What a dispute must say (R4, R5): the closed list of grounds as data, and pure rules over a draft."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from geo.problems import N_, Problem
from landready.answer_rules import distance_m
from landready.settings import Check, Region
from landready.shapes import turned

_TABLE = Path(__file__).parent / "data" / "dispute_grounds.csv"
# As in the file, here so that they are translated; a test compares them.
WORDS = (
    N_("接入点位置不对"),
    N_("附近另有可接入的设施"),
    N_("可用余量不对"),
    N_("日期不对"),
    N_("已经接通"),
    N_("不属于其服务范围"),
    N_("需要的工程不对"),
    N_("答复中的接入点不在设施上，或者与实际位置不符。"),
    N_("答复没有考虑图上标出的设施。"),
    N_("可供容量与实际不符。"),
    N_("承诺日期做不到，或者工程早已完成。"),
    N_("地块已经接通，答复与事实不符。"),
    N_("答复的企业不负责这一片。"),
    N_("答复所列的工程不需要，或者还缺别的工程。"),
)
LONGEST = 2000
# A hand-drawn line has no more corners.
CORNERS = 200


@dataclass(frozen=True, slots=True)
class Ground:
    """One ground on which an answer may be challenged. `marked`: only with a mark on the map."""

    code: str
    name: str
    meaning: str
    marked: bool


@cache
def grounds() -> Mapping[str, Ground]:
    """Return the closed list in its order, by code."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {
            r["code"]: Ground(r["code"], r["name"], r["meaning"], r["mark"] == "needs")
            for r in rows
        }


@dataclass(frozen=True, slots=True)
class DisputeDraft:
    """What a challenger says. `mark` is lon/lat in EPSG:4490: one place is a point, several are a line; NaN: unreadable."""

    ground: str = ""
    reason: str = ""
    mark: tuple[tuple[float, float], ...] = ()

    @property
    def shape(self) -> BaseGeometry | None:
        """The mark as a geometry; a line whose corners are all one place is that point."""
        if not self.mark:
            return None
        if len(set(self.mark)) == 1:
            return shapely.Point(self.mark[0])
        return shapely.LineString(self.mark)


def faults(
    draft: DisputeDraft, plot: shapely.Geometry, reach: Check, region: Region
) -> Iterator[Problem]:
    """What is wrong with a draft about a plot (lon/lat); each fault's `where` is a field: ground, reason or mark.

    A mark lies within `check.radius_m` of the plot, as a connection point does.
    """
    ground = grounds().get(draft.ground)
    if ground is None:
        yield Problem("ground_missing", "error", N_("请选择异议的理由类别。"), where="ground")
    yield from reason_faults(draft.reason)
    if ground and ground.marked and not draft.mark:
        text = N_("这类异议要在地图上标出位置，或填写经纬度。")
        yield Problem("mark_missing", "error", text, where="mark")
    if len(draft.mark) > CORNERS:
        text = N_("一条线最多 {limit} 个点。")
        yield Problem("mark_long", "error", text, {"limit": CORNERS}, where="mark")
        return
    for row, at in enumerate(draft.mark, 1):
        if turned(at):
            text = N_(
                "标记的第 {row} 行经度、纬度好像填反了：经度在前，例如 110.3491234, 20.0312345。"
            )
            yield Problem("mark_unusable", "error", text, {"row": row}, where="mark")
            continue
        if not (abs(at[0]) <= 180 and abs(at[1]) <= 90):  # NaN compares false
            text = N_("标记的第 {row} 行应是经度、纬度两个数字，例如 110.3491234, 20.0312345。")
            yield Problem("mark_unusable", "error", text, {"row": row}, where="mark")
            continue
        metres = distance_m(at, plot, region)
        if not metres <= reach.radius_m:
            text = N_(
                "标记的第 {row} 行距地块 {metres} 米，超过 {limit} 米。请核对位置，以及经度、纬度是否填反。"
            )
            far = f"{metres:,.0f}" if math.isfinite(metres) else "∞"
            params = {"row": row, "metres": far, "limit": f"{reach.radius_m:,.0f}"}
            yield Problem("mark_far", "error", text, params, where="mark", place=at)


def reason_faults(reason: str) -> Iterator[Problem]:
    """What is wrong with words that must be there: of a challenger, of the enterprise, of the supervisor."""
    if not reason:
        yield Problem("reason_missing", "error", N_("请写明理由。"), where="reason")
    elif len(reason) > LONGEST:
        text = N_("文字超过 {limit} 字，请写得简短些或放进附件。")
        yield Problem("reason_long", "error", text, {"limit": LONGEST}, where="reason")
