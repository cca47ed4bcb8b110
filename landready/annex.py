"""Annex 2 of the plan: the eleven items (事项) with their departments, and the national codes of their states."""

import csv
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Literal

from geo.problems import N_
from landready.utilities import Utility

DATA = Path(__file__).parent / "data"

# As the document writes them (建筑, not 建设, in item 10), here so that they are translated; a test compares them with the file.
NAMES = (
    N_("用水报装"),
    N_("用电报装"),
    N_("用气报装"),
    N_("网络报装"),
    N_("排水许可"),
    N_("有线电视安装"),
    N_("市政设施建设类审批"),
    N_("涉路施工安全影响审查"),
    N_("公路控制区铺设管线审批"),
    N_("建筑工程规划许可"),
    N_("临时占用绿地、移植砍伐树木审批"),
)
DEPARTMENTS = (
    N_("省水务厅"),
    N_("省发展和改革委员会、海南电网公司"),
    N_("省住房和城乡建设厅"),
    N_("省通信管理局"),
    N_("省旅游和文化广电体育厅"),
    N_("省公安厅"),
    N_("省交通运输厅"),
    N_("省自然资源和规划厅"),
)


@dataclass(frozen=True, slots=True)
class AnnexItem:
    """One row of annex 2. A connection item has a utility; the others are permits of a government department."""

    number: int
    name: str
    department: str
    kind: Literal["utility", "permit"]
    utility: Utility | None


class State(IntEnum):
    """办理状态 BLZT of the national exchange tables (domain facts §7)."""

    RECEIVED = 1
    TAKEN_BACK = 2
    WINDOW_ACCEPTED = 3
    NOT_NEEDED = 4
    NOT_ACCEPTED = 5
    CORRECTION_BEGUN = 6
    CORRECTION_ENDED = 7
    ACCEPTED = 8
    SPECIAL_BEGUN = 9
    SPECIAL_ENDED = 10
    PASSED = 11
    PASSED_PAPERS_OWED = 12
    REFUSED = 13
    WITHDRAWN = 14
    REVOKED = 15


STATE_NAMES = {
    State.RECEIVED: N_("接件"),
    State.TAKEN_BACK: N_("撤件"),
    State.WINDOW_ACCEPTED: N_("窗口受理"),
    State.NOT_NEEDED: N_("不受理"),
    State.NOT_ACCEPTED: N_("不予受理"),
    State.CORRECTION_BEGUN: N_("补正（开始）"),
    State.CORRECTION_ENDED: N_("补正（结束）"),
    State.ACCEPTED: N_("部门受理"),
    State.SPECIAL_BEGUN: N_("特别程序（开始）"),
    State.SPECIAL_ENDED: N_("特别程序（结束）"),
    State.PASSED: N_("办结（通过）"),
    State.PASSED_PAPERS_OWED: N_("办结（容缺通过）"),
    State.REFUSED: N_("办结（不通过）"),
    State.WITHDRAWN: N_("撤回"),
    State.REVOKED: N_("撤销"),
}


@cache
def items() -> dict[int, AnnexItem]:
    """Return the eleven items by their official number."""
    with (DATA / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        int(row["annex_no"]): AnnexItem(
            int(row["annex_no"]),
            row["name"],
            row["department"],
            "utility" if row["utility"] else "permit",
            Utility(row["utility"]) if row["utility"] else None,
        )
        for row in rows
    }


def item_of(utility: Utility) -> AnnexItem | None:
    """Return the connection item of a utility. Drainage has none: item 5 is a permit of the government."""
    return next((item for item in items().values() if item.utility is utility), None)


@cache
def clock_effects() -> dict[State, str]:
    """Return what reaching a state does to the item's clock: start, pause, resume or stop."""
    with (DATA / "approval_status_codes.csv").open(encoding="utf-8", newline="") as file:
        return {State(int(r["blzt_code"])): r["clock"] for r in csv.DictReader(file) if r["clock"]}


@cache
def resting_states() -> frozenset[State]:
    """Return the states in which the item's clock stands still."""
    return frozenset(state for state, effect in clock_effects().items() if effect == "pause")


@cache
def terminal_states() -> frozenset[State]:
    """Return the states in which the work on an item is over."""
    with (DATA / "approval_status_codes.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return frozenset(State(int(r["blzt_code"])) for r in rows if r["terminal"] == "Y")
