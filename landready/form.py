"""The joint form (一表申请): its fields, where each comes from, and what may be written into it."""

import csv
import math
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, cast

from geo.problems import N_, Problem
from landready import identifiers

FIELDS = Path(__file__).parent / "data" / "form_fields.csv"
Scope = Literal["project", "utility", "enterprise"]
MAX_LENGTH = 500

# As in the file, here so that they are translated; a test compares them.
LABELS = (
    N_("建设单位名称"),
    N_("统一社会信用代码"),
    N_("联系人"),
    N_("联系电话"),
    N_("项目名称"),
    N_("项目代码"),
    N_("工程代码"),
    N_("建设地址"),
    N_("建设工程规划许可证编号"),
    N_("许可证发证日期"),
    N_("土地用途"),
    N_("用地面积（平方米）"),
    N_("建筑面积（平方米）"),
    N_("地块编号"),
    N_("预计用量"),
    N_("接入点（经度、纬度）"),
    N_("可供余量"),
    N_("接入条件"),
    N_("外线长度（米）"),
    N_("外线工程预计需要的事项（附件2序号）"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One row of form_fields.csv.

    `scope`: once per project, per utility, or per enterprise and utility. `correctable`: the owner may put another value beside it;
    what an enterprise answered and the keys of permit and plot are not his to change.
    """

    name: str
    label: str
    scope: Scope
    kind: str
    required: bool
    correctable: bool


@dataclass(frozen=True, slots=True)
class Key:
    """The name of one value: a field, and for some the utility and the enterprise it is about."""

    field: Field
    utility: str = ""
    enterprise_id: int | None = None

    @property
    def text(self) -> str:
        """As stored: `owner_name`, `water.demand` or `water.12.spare_capacity`."""
        parts = (self.utility, str(self.enterprise_id or ""), self.field.name)
        return ".".join(part for part in parts if part)


@cache
def fields() -> dict[str, Field]:
    """Return the fields by name, in the order of the form."""
    with FIELDS.open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: Field(
                row["name"],
                row["label_zh"],
                cast("Scope", row["scope"]),
                row["kind"],
                row["required"] == "yes",
                row["correctable"] == "yes",
            )
            for row in csv.DictReader(file)
        }


def key_of(text: str) -> Key:
    """Read a stored name back.

    Raises:
        KeyError: there is no such field.
    """
    *about, name = text.split(".")
    field = fields()[name]
    return Key(field, about[0] if about else "", int(about[1]) if len(about) > 1 else None)


def value_problems(key: Key, value: str) -> tuple[Problem, ...]:
    """Say what is wrong with a value written by hand; an empty one is judged when the form is submitted."""
    if not value:
        return ()
    if len(value) > MAX_LENGTH or any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        text = N_("“{label}”应是一行文字，不超过 {limit} 个字。")
        params = {"label": key.field.label, "limit": MAX_LENGTH}
        return (Problem("value_form", "error", text, params, where=key.text),)
    match key.field.kind:
        case "credit_code":
            found = identifiers.credit_code_problems(identifiers.tidy(value), key.text)
            return tuple(p for p in found if p.severity == "error")
        case "project_code":
            return identifiers.project_code_problems(value, key.text)
        case "phone" if not identifiers.telephone(value):
            return (_odd(key, value, N_("“{value}”不像电话号码。")),)
        case "date" if not _is_date(value):
            return (_odd(key, value, N_("“{value}”不是日期，请写成 2026-01-31。")),)
        case "number" if not _is_amount(value):
            return (_odd(key, value, N_("“{value}”不是一个非负数。")),)
    return ()


def missing(key: Key) -> Problem:
    """Say that a required value is empty."""
    text = N_("请填写“{label}”。")
    return Problem("value_missing", "error", text, {"label": key.field.label}, where=key.text)


def _odd(key: Key, value: str, text: str) -> Problem:
    return Problem("value_odd", "error", text, {"value": value[:80]}, where=key.text)


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_amount(value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and number >= 0
