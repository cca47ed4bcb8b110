"""Column names and cells of supply plans."""

import pytest

from geo import attributes
from geo.attributes import Value


@pytest.mark.parametrize(
    "fields",
    [
        [
            "地块编号",
            "地块名称",
            "用途",
            "混合比例(%)",
            "总面积(平方米)",
            "容积率",
            "计划供应时间",
            "供应方式",
        ],
        ["DKBH", "DKMC", "DKYT", "YTBL", "DKMJ", "RJL", "GYSJ", "GYFS"],
        ["code", "name", "use", "use_shares", "area_m2", "plot_ratio", "quarter", "supply_mode"],
        [
            "宗地编号",
            "宗地坐落",
            "用地性质",
            "用途比例",
            "面积（公顷）",
            "规划容积率",
            "季度",
            "供地方式",
        ],
        [
            "Plot No",
            "Plot Name",
            "Land Use",
            "Use Mix",
            "Area (ha)",
            "FAR",
            "Planned Quarter",
            "Supply Mode",
        ],
    ],
)
def test_usual_names_are_recognised(fields):
    assert attributes.guess(fields) == dict(zip(attributes.SYNONYMS, fields, strict=True))


def test_unknown_names_are_left_to_the_planner():
    assert attributes.guess(["甲", "乙", "SHAPE_LEN"]) == {}


def test_survey_fields_are_recognised():
    assert attributes.guess(
        [
            "界址点数",
            "地块面积(公顷)",
            "地块编号",
            "地块名称",
            "图形属性",
            "图幅号",
            "地块用途",
            "地类编码",
        ]
    ) == {
        "code": "地块编号",
        "name": "地块名称",
        "use": "地块用途",
        "area": "地块面积(公顷)",
    }


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("≤1.00", Value("le", 1.0, "≤1.00")),
        ("≥35.00", Value("ge", 35.0, "≥35.00")),
        ("不低于173", Value("ge", 173.0, "不低于173")),
        ("不超过2.5", Value("le", 2.5, "不超过2.5")),
        ("/", Value("none", None, "/")),
        ("", Value("none", None, "")),
        (None, Value("none", None, "")),
        ("1.00", Value("eq", 1.0, "1.00")),
        ("60,031.28", Value("eq", 60031.28, "60,031.28")),
        (1.2, Value("eq", 1.2, "1.2")),
        ("１．５", Value("eq", 1.5, "１．５")),
        ("＜3", Value("lt", 3.0, "＜3")),
    ],
)
def test_cells_of_real_notices_keep_operator_number_and_text(cell, value):
    assert attributes.parse(cell) == value
    assert attributes.apply({"plot_ratio": "容积率"}, {"容积率": cell}) == {"plot_ratio": value}


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("总面积(平方米)", 1.0),
        ("面积（公顷）", 10_000.0),
        ("area_hm2", 10_000.0),
        ("面积(亩)", 10_000 / 15),
        ("area_m2", 1.0),
        ("Area (ha)", 10_000.0),
        ("AREA", None),
    ],
)
def test_the_unit_of_an_area_is_read_from_its_name(field, unit):
    assert attributes.unit_of(field) == unit


def test_an_area_without_unit_is_told_by_what_was_measured_or_not_at_all():
    assert attributes.area_unit("MJ", [(28.1, 18731.0), (10.0, 6667.0)]) == pytest.approx(
        666.667, abs=1e-3
    )
    assert attributes.area_unit("AREA", [(0.5, 5000.0)]) == 10_000.0
    assert attributes.area_unit("AREA", [(0.123, 987654.0)]) is None


@pytest.mark.parametrize("cell", ["9" * 400, 10**400, float("inf"), float("nan"), 1e300, "1e400", "9" * 5000])  # fmt: skip
def test_a_number_beyond_all_measure_is_none(cell):
    assert attributes.parse(cell).number is None
