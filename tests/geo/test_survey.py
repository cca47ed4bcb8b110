"""The 界址点 TXT format: test vectors and the seventeen quirks of files found in practice (domain facts §1.3, §1.4)."""

import re

import numpy as np
import pytest

from geo import crs, survey
from geo.errors import Refused
from geo.repair import needs_consent
from geo.source import Source
from geo.text import decode

HEAD = """[属性描述]
格式版本号=1.01
数据产生单位=某市自然资源和规划局
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
计量单位=米
带号=37
精度=0.001
转换参数=,,,,,,
"""
V1 = """[地块坐标]
5,0.5000,HK-T01,测试地块一,面,,二类工业用地,100102,@
J1,1,2215000.000,37432000.000
J2,1,2215000.000,37432100.000
J3,1,2215050.000,37432100.000
J4,1,2215050.000,37432000.000
J1,1,2215000.000,37432000.000
"""
HAINAN = ((107.8, 3.3, 119.2, 20.4),)


def codes(source: Source) -> set[str]:
    return {problem.code for problem in source.problems}


def area(source: Source, row: int = 1) -> float:
    shape = source.records[row - 1].geometry
    assert shape is not None
    return float(shape.area)


def test_v1_gives_its_area_its_place_and_its_attributes():
    source = survey.parse(HEAD + V1)
    assert (source.crs, source.problems, source.refused) == ("EPSG:4525", [], False)
    assert area(source) == pytest.approx(5000.0)
    assert source.records[0].properties["地块编号"] == "HK-T01"
    assert source.records[0].properties["地块面积(公顷)"] == 0.5
    assert source.records[0].properties["地类编码"] == "100102"
    stored = crs.to_stored(np.array([source.records[0].geometry], dtype=object), "EPSG:4525")[0]
    assert crs.geodesic_area_m2(stored) == pytest.approx(4999.430, abs=5e-4)
    assert stored.exterior.coords[0] == pytest.approx((110.350114859, 20.022598003), abs=1e-9)
    assert stored.exterior.coords[2] == pytest.approx((110.351068673, 20.023053132), abs=1e-9)


def test_v2_a_second_ring_inside_is_a_hole():
    ring = lambda n, x, y, side: "".join(  # noqa: E731
        f"J{i},{n},{x + dx * side},{y + dy * side}\n"
        for i, (dx, dy) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)], 1)
    )
    text = (
        HEAD
        + "[地块坐标]\n10,0.96,A,甲,面,,,,@\n"
        + ring(1, 2215000, 37432000, 100)
        + ring(2, 2215040, 37432040, 20)
    )
    source = survey.parse(text)
    assert (area(source), source.problems) == (9600.0, [])


def test_a_second_ring_beside_the_first_is_a_part_whatever_its_number():
    second = (
        V1.split("@\n")[1]
        .replace("J1,1", "J1,2")
        .replace("J2,1", "J2,2")
        .replace("J3,1", "J3,2")
        .replace("J4,1", "J4,2")
        .replace("22150", "22160")
    )
    source = survey.parse(HEAD + V1.replace("5,0.5", "10,1.0") + second)
    assert area(source) == pytest.approx(10_000)
    assert source.records[0].geometry.geom_type == "MultiPolygon"


def test_v3_swapped_columns_are_named_and_refused():
    text = HEAD + V1
    for line in V1.splitlines()[2:]:
        label, ring, x, y = line.split(",")
        text = text.replace(line, f"{label},{ring},{y},{x}", 1)
    source = survey.parse(text)
    assert source.refused
    assert "axes_swapped" in codes(source)
    assert source.problems[0].where == "第 13 行"


def test_v4_a_missing_point_is_an_error_with_its_line_and_leaves_the_next_plot_alone():
    lines = (HEAD + V1).splitlines(keepends=True)
    source = survey.parse("".join(lines[:-1]) + "".join(lines[11:]).replace("HK-T01", "HK-T02"))
    problem = next(p for p in source.problems if p.code == "survey_count")
    assert (problem.severity, problem.where, problem.params["real"]) == ("error", "第 12 行", 4)
    assert source.refused
    assert [r.properties["地块编号"] for r in source.records] == ["HK-T01", "HK-T02"]
    assert area(source, 2) == pytest.approx(5000)


def test_v5_gbk_and_utf8_bytes_read_the_same():
    text = HEAD + V1
    readings = [
        survey.parse(decode(data))
        for data in (
            text.encode(),
            text.encode("gbk"),
            text.encode("utf-8-sig"),
            text.encode("utf-16"),
            text.replace("\n", "\r\n").encode("gb18030"),
        )
    ]
    assert (
        len({(r.crs, str(r.records[0].properties), r.records[0].geometry.wkt) for r in readings})
        == 1
    )


def test_quirk_1_full_width_block_names():
    assert survey.parse((HEAD + V1).replace("[", "【").replace("]", "】")).crs == "EPSG:4525"


def test_quirk_2_blank_before_the_first_block():
    assert survey.parse("  " + HEAD + V1).crs == "EPSG:4525"


def test_quirk_3_zone_width_under_another_key():
    assert survey.parse(HEAD.replace("几度分带=3", "分带=3度带") + V1).crs == "EPSG:4525"


DEGREES = "[地块坐标]\n5,0.5,A,甲,面,,,,@\n1,1,20.02,110.35\n2,1,20.02,110.36\n3,1,20.03,110.36\n4,1,20.03,110.35\n1,1,20.02,110.35\n"


@pytest.mark.parametrize("turned", [False, True])
def test_quirk_4_degrees_without_header_need_a_declared_crs_and_the_range_tells_the_order(turned):
    text = DEGREES
    if turned:
        for line in DEGREES.splitlines()[2:]:
            label, ring, x, y = line.split(",")
            text = text.replace(line, f"{label},{ring},{y},{x}", 1)
    assert survey.parse(text).crs is None
    source = survey.parse(text, declared_crs="EPSG:4490", boxes=HAINAN)
    assert source.crs == "EPSG:4490"
    assert source.records[0].geometry.bounds == (110.35, 20.02, 110.36, 20.03)
    # How the order was told is said.
    assert codes(source) == ({"longitude_first"} if turned else set())


def test_quirk_5_area_with_its_unit_and_header_without_point_count():
    source = survey.parse(HEAD + V1.replace("5,0.5000,HK-T01", "0.5000公顷,HK-T01"))
    record = source.records[0]
    assert record.properties["地块面积(公顷)"] == 0.5
    assert (record.properties["地块编号"], record.properties["地块用途"]) == (
        "HK-T01",
        "二类工业用地",
    )
    assert codes(source) == {"survey_no_count"}
    assert not source.refused


def test_quirk_6_headers_with_more_fields():
    more = V1.replace("100102,@", "100102,旱地,一类,二类,备注,@")
    source = survey.parse(HEAD + more)
    assert (source.problems, source.records[0].properties["地类编码"]) == ([], "100102")


def test_quirk_7_header_one_comma_short():
    source = survey.parse(
        HEAD
        + V1.replace(
            "5,0.5000,HK-T01,测试地块一,面,,二类工业用地,100102,@", "5,0.5000,,测试地块一,面,,,@"
        )
    )
    assert codes(source) == {"survey_short_header"}
    assert source.records[0].properties["地块名称"] == "测试地块一"
    assert area(source) == pytest.approx(5000)


def test_quirk_8_a_missing_closing_point_is_added_and_said():
    text = HEAD + V1.replace("5,0.5", "4,0.5").rsplit("J1,", 1)[0]
    source = survey.parse(text)
    assert (codes(source), area(source), source.refused) == (
        {"survey_closed"},
        pytest.approx(5000),
        False,
    )


def test_a_ring_that_was_closed_is_listed_with_its_area_before_and_after():
    source = survey.parse(HEAD + V1.replace("5,0.5", "4,0.5").rsplit("J1,", 1)[0])
    (problem,) = source.problems
    assert (problem.params["before"], problem.params["after"]) == (5000.0, 5000.0)
    assert (problem.where, problem.params["label"]) == ("第 16 行", "J4")
    assert not needs_consent(problem)


def test_a_closing_point_that_was_replaced_changes_the_area_and_needs_consent():
    source = survey.parse((HEAD + V1).rsplit("J1,", 1)[0] + "J1,1,2215000.000,2215000.000\n")
    (problem,) = source.problems
    assert problem.params["after"] == 5000.0
    assert needs_consent(problem)


def test_quirk_9_closing_point_with_the_same_number_twice():
    source = survey.parse((HEAD + V1).rsplit("J1,", 1)[0] + "J1,1,2215000.000,2215000.000\n")
    assert (codes(source), area(source), source.refused) == (
        {"survey_half_closed"},
        pytest.approx(5000),
        False,
    )


@pytest.mark.parametrize("name", ["", "J"])
def test_the_last_corner_of_a_rectangle_without_point_names_stays(name):
    open_ring = V1.replace("5,0.5", "4,0.5").rsplit("J1,", 1)[0]
    source = survey.parse(HEAD + re.sub(r"(?m)^J\d", name, open_ring))
    assert (codes(source), area(source)) == ({"survey_closed"}, pytest.approx(5000))


def test_quirk_10_swapped_without_zone_prefix():
    source = survey.parse(HEAD + V1.replace("2215000.000,37432000.000", "432000.000,2215000.000"))
    assert "axes_swapped" in codes(source)
    assert source.refused


def test_quirk_10_swapped_columns_are_read_once_the_user_confirms():
    text = HEAD + V1
    for line in V1.splitlines()[2:]:
        label, ring, x, y = line.split(",")
        text = text.replace(line, f"{label},{ring},{y},{x}", 1)
    swapped = next(p for p in survey.parse(text).problems if p.code == "axes_swapped")
    assert swapped.params["label"] == "J1"
    source = survey.parse(text, swap=True)
    assert (source.crs, area(source), source.problems) == ("EPSG:4525", pytest.approx(5000), [])


@pytest.mark.parametrize(
    ("declared", "conflict"),
    [
        ("EPSG:4525", False),
        ("EPSG:4546", False),
        ("EPSG:4508", False),
        ("CM109", True),
        ("EPSG:4524", True),
        ("EPSG:4526", True),
        ("EPSG:32649", True),
    ],
)
def test_the_users_word_may_not_contradict_the_header(declared, conflict):
    text = (HEAD + V1).replace(",37432", ",432")
    source = survey.parse(text, declared_crs=declared)
    assert ("crs_conflict" in codes(source), source.refused) == (conflict, conflict)


def test_the_109_degree_frame_is_taken_where_the_header_leaves_the_zone_open():
    text = (HEAD + V1).replace("带号=37", "带号=").replace(",37432", ",641")
    assert survey.parse(text).crs is None
    source = survey.parse(text, declared_crs="CM109")
    assert (source.crs, source.refused) == ("CM109", False)


def test_quirk_12_eastings_with_and_without_prefix_in_one_file_are_refused_by_the_point():
    text = (HEAD + V1).replace("J3,1,2215050.000,37432100.000", "J3,1,2215050.000,432100.000")
    problem = next(p for p in survey.parse(text).problems if p.code == "prefix_mixed")
    assert (problem.where, problem.params["label"]) == ("第 15 行", "J3")


def test_quirk_11_zone_number_of_another_province_is_refused():
    source = survey.parse(HEAD.replace("带号=37", "带号=38") + V1)
    problem = next(p for p in source.problems if p.code == "zone_mismatch")
    assert (problem.params["zone"], problem.params["prefix"], problem.severity) == (38, 37, "error")
    assert source.refused


@pytest.mark.parametrize(
    ("zone", "prefix", "expected"),
    [
        ("37", "", "EPSG:4546"),
        ("37", "37", "EPSG:4525"),
        ("", "37", "EPSG:4525"),
        ("", "", None),
        ("36", "", "EPSG:4545"),
    ],
)
def test_quirk_12_zone_from_prefix_or_header_else_asked(zone, prefix, expected):
    text = HEAD.replace("带号=37", f"带号={zone}") + V1.replace(",37432", f",{prefix}432")
    assert survey.parse(text).crs == expected


def test_six_degree_zone_19():
    text = HEAD.replace("几度分带=3", "几度分带=6").replace("带号=37", "带号=19") + V1
    assert survey.parse(text.replace(",37432", ",19432")).crs == "EPSG:4497"
    assert survey.parse(text.replace(",37432", ",432")).crs == "EPSG:4508"


def test_quirk_13_point_names_may_repeat_or_run_on():
    text = HEAD + V1.replace("J2", "J1").replace("J3", "J9")
    assert area(survey.parse(text)) == pytest.approx(5000)


def test_quirk_14_wrong_ring_number_on_the_closing_line():
    source = survey.parse((HEAD + V1).rsplit("J1,1", 1)[0] + "1,3,2215000.000,37432000.000\n")
    assert (codes(source), area(source), source.refused) == (
        {"survey_ring_number"},
        pytest.approx(5000),
        False,
    )


@pytest.mark.parametrize(("kind", "geometry"), [("线", "LineString"), ("点", "MultiPoint")])
def test_quirk_15_lines_and_points_are_kept_as_such(kind, geometry):
    source = survey.parse(HEAD + V1.replace(",面,", f",{kind},"))
    assert source.records[0].geometry.geom_type == geometry


def test_quirk_16_several_plots_each_ended_by_the_next_header():
    source = survey.parse(HEAD + V1 + V1.split("\n", 1)[1].replace("HK-T01", "HK-T02"))
    assert [(r.row, r.properties["地块编号"]) for r in source.records] == [
        (1, "HK-T01"),
        (2, "HK-T02"),
    ]
    assert source.problems == []


def test_quirk_17_unknown_block_before_the_header():
    assert survey.parse("[扩展信息]\n备注=a,b\n" + HEAD + V1).problems == []


def test_full_width_commas_and_digits_are_read_and_said():
    source = survey.parse(HEAD + V1.replace("J2,1,2215000.000", "J2，１，２２１５０００.000"))
    assert (codes(source), area(source)) == ({"survey_fullwidth"}, pytest.approx(5000))


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ("1980西安坐标系", "crs_xian80"),
        ("80国家大地坐标系", "crs_xian80"),
        ("1954北京坐标系", "crs_beijing54"),
    ],
)
def test_old_datums_are_refused_by_name(datum, code):
    with pytest.raises(Refused) as refusal:
        survey.parse(HEAD.replace("2000国家大地坐标系", datum) + V1)
    assert refusal.value.problem.code == code


def test_a_line_that_is_no_point_is_an_error_with_its_line():
    source = survey.parse(
        HEAD + V1.replace("J3,1,2215050.000,37432100.000", "J3,1,abc,37432100.000")
    )
    assert next(p for p in source.problems if p.code == "survey_point").where == "第 15 行"
    assert source.refused


def test_more_points_than_announced_is_a_warning():
    source = survey.parse(HEAD + V1.replace("5,0.5", "4,0.5"))
    assert (codes(source), source.refused) == ({"survey_count"}, False)


def test_a_ring_of_two_points_is_refused():
    source = survey.parse(
        HEAD + "[地块坐标]\n2,0.5,A,甲,面,,,,@\nJ1,1,2215000,37432000\nJ2,1,2215000,37432100\n"
    )
    assert source.refused
    assert "survey_ring_short" in codes(source)


@pytest.mark.parametrize("text", ["你好\n", HEAD, "说明：请看附件\n1,2,3\n"])
def test_other_text_is_refused_with_what_is_expected(text):
    with pytest.raises(Refused) as refusal:
        survey.parse(text)
    assert refusal.value.problem.code == "survey_not"


def test_coordinates_before_any_plot_are_an_error_with_their_line():
    source = survey.parse("[地块坐标]\nJ1,1,2215000,37432000\n")
    assert (codes(source), source.refused) == ({"survey_order"}, True)
    assert source.problems[0].where == "第 2 行"


@pytest.mark.parametrize("digits", [16, 400, 5000])
@pytest.mark.parametrize(
    "written", ["带号=37", "几度分带=3", "5,0.5000", "0.5000", "2215000.000", "37432100.000"]
)
def test_numbers_of_any_length_break_nothing(written, digits):
    """The zone, the width, the count of points, the area and both coordinates of a point."""
    long = re.sub(r"\d", "9" * digits, written, count=1)
    source = survey.parse((HEAD + V1).replace(written, long, 1))
    assert all(problem.message for problem in source.problems)


def test_a_coordinate_too_long_is_named_by_its_line():
    source = survey.parse(HEAD + V1.replace("37432100.000", "9" * 400, 1))
    assert source.refused
    assert "第 14 行" in source.problems[0].message
