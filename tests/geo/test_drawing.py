"""DXF drawings: what is an area, how true arcs stay, and how deep blocks may go."""

import math
from pathlib import Path

import pytest

from geo import drawing
from geo.errors import Refused
from geo.source import Source
from tests.fuzz.seeds import dxf

ENTITIES = "0 SECTION 2 ENTITIES\n{}\n0 ENDSEC 0 EOF"
SQUARE = "0 LWPOLYLINE 8 地块 90 4 70 1 10 37432000 20 2215000 10 37432100 20 2215000 10 37432100 20 2215050 10 37432000 20 2215050"


def read(folder: Path, groups: str, *, areas=True, features=1000) -> Source:
    path = folder / "a.dxf"
    path.write_bytes(dxf(groups))
    return drawing.read(path, features=features, areas=areas)


def entities(folder: Path, groups: str, **more) -> Source:
    return read(folder, ENTITIES.format(groups), **more)


def only_area(source: Source) -> float:
    assert len(source.records) == 1
    shape = source.records[0].geometry
    assert shape is not None
    return float(shape.area)


def codes(source: Source) -> list[str]:
    return [p.code for p in source.problems]


def test_a_closed_polyline_is_a_plot_with_its_layer(tmp_path):
    source = entities(tmp_path, SQUARE)
    assert only_area(source) == 5000.0
    assert source.records[0].properties["Layer"] == "地块"
    assert (source.crs, source.problems, source.records[0].where) == (None, [], "第 5 行")


def test_a_polyline_whose_last_point_is_its_first_is_closed(tmp_path):
    again = SQUARE.replace("70 1", "70 0") + " 10 37432000 20 2215000"
    assert only_area(entities(tmp_path, again)) == 5000.0


@pytest.mark.parametrize("radius", [0.5, 25.0, 400.0])
def test_arcs_stay_within_a_centimetre_and_areas_within_a_ten_thousandth(tmp_path, radius):
    # Two half circles: the tangent of a quarter of a half turn is 1.
    circle = f"0 LWPOLYLINE 8 a 90 2 70 1 10 {-radius} 20 0 42 1 10 {radius} 20 0 42 1"
    for groups in (circle, f"0 CIRCLE 8 a 10 0 20 0 40 {radius}"):
        source = entities(tmp_path, groups)
        shape = source.records[0].geometry
        assert shape is not None
        assert abs(shape.area / (math.pi * radius**2) - 1) < 1e-4
        middle = [
            ((x1 + x2) / 2, (y1 + y2) / 2)
            for (x1, y1), (x2, y2) in zip(
                shape.exterior.coords, shape.exterior.coords[1:], strict=False
            )
        ]
        assert max(radius - math.hypot(*point) for point in middle) <= 0.0101
        assert codes(source) == ["curves_linearised"]


def test_a_bulge_to_the_right_takes_from_the_area_and_to_the_left_gives(tmp_path):
    half_disc = math.pi * 25**2 / 2
    for bulge, area in ((1, 5000 + half_disc), (-1, 5000 - half_disc)):
        east = SQUARE.replace("10 37432100 20 2215000", f"10 37432100 20 2215000 42 {bulge}")
        assert only_area(entities(tmp_path, east)) == pytest.approx(area, rel=1e-4)


def test_an_ellipse_and_a_closed_spline_are_areas(tmp_path):
    ellipse = "0 ELLIPSE 8 a 10 0 20 0 11 30 21 0 40 0.5 41 0 42 6.283185307179586"
    assert only_area(entities(tmp_path, ellipse)) == pytest.approx(math.pi * 30 * 15, rel=1e-4)
    curve = "0 SPLINE 8 a 70 1 71 3 " + "40 0 " * 4 + "40 1 " * 4
    curve += "10 0 20 0 10 90 20 0 10 0 20 90 10 0 20 0"
    # Green's theorem over the cubic Bézier curve: 3/20 · 90².
    assert only_area(entities(tmp_path, curve)) == pytest.approx(1215.0, rel=1e-4)


def test_old_polylines_with_their_own_vertices_are_read(tmp_path):
    vertices = "".join(
        f" 0 VERTEX 8 a 10 {x} 20 {y}" for x, y in ((0, 0), (10, 0), (10, 10), (0, 10))
    )
    assert only_area(entities(tmp_path, "0 POLYLINE 8 a 66 1 70 1" + vertices + " 0 SEQEND")) == 100


def test_hatches_have_holes_and_edges_in_any_direction(tmp_path):
    outer = "92 3 72 0 73 1 93 4 10 0 20 0 10 10 20 0 10 10 20 10 10 0 20 10"
    # Two edges of the hole were drawn against the others.
    inner = "92 16 93 4 72 1 10 2 20 2 11 4 21 2 72 1 10 4 20 4 11 4 21 2 72 1 10 4 20 4 11 2 21 4 72 1 10 2 20 2 11 2 21 4"
    source = entities(tmp_path, f"0 HATCH 8 a 2 SOLID 70 1 91 2 {outer} {inner} 75 0 76 1 98 0")
    assert only_area(source) == 96.0


def test_an_inserted_block_is_scaled_turned_repeated_and_named(tmp_path):
    block = "0 SECTION 2 BLOCKS 0 BLOCK 2 LOT 10 1 20 1 0 LWPOLYLINE 8 a 90 4 70 1 10 1 20 1 10 3 20 1 10 3 20 2 10 1 20 2 0 ENDBLK 0 ENDSEC "
    insert = "0 INSERT 8 0 2 LOT 10 100 20 200 41 5 42 5 50 90 70 2 44 30"
    source = read(tmp_path, block + ENTITIES.format(insert))
    assert [r.geometry.area for r in source.records] == [pytest.approx(50), pytest.approx(50)]
    assert source.records[0].geometry.bounds == pytest.approx((95, 200, 100, 210))
    # Columns go along the turned axis.
    assert source.records[1].geometry.bounds == pytest.approx((95, 230, 100, 240))
    assert {r.properties["Block"] for r in source.records} == {"LOT"}


def nested(depth: int, last: str) -> str:
    blocks = "".join(
        f"0 BLOCK 2 B{n} 10 0 20 0 0 INSERT 2 B{n + 1} 10 0 20 0 0 ENDBLK " for n in range(depth)
    )
    return f"0 SECTION 2 BLOCKS {blocks} 0 BLOCK 2 B{depth} 10 0 20 0 {last} 0 ENDBLK 0 ENDSEC "


def test_a_block_inside_itself_or_too_deep_is_refused_with_its_name_and_line(tmp_path):
    insert = ENTITIES.format("0 INSERT 2 B0 10 0 20 0")
    assert only_area(read(tmp_path, nested(5, SQUARE) + insert)) == 5000.0
    for blocks in (nested(9, SQUARE), nested(2, "0 INSERT 2 B0 10 0 20 0")):
        with pytest.raises(Refused) as refusal:
            read(tmp_path, blocks + insert)
        assert refusal.value.problem.code == "block_recursion"
        assert "第 " in refusal.value.problem.where


def test_blocks_that_multiply_are_stopped_at_the_limit(tmp_path):
    bomb = "0 SECTION 2 BLOCKS " + "".join(
        f"0 BLOCK 2 B{n} 10 0 20 0 0 INSERT 2 B{n + 1} 10 0 20 0 70 1000 71 1000 44 1 45 1 0 ENDBLK "
        for n in range(6)
    )
    for last in (SQUARE, ""):
        text = bomb + f"0 BLOCK 2 B6 10 0 20 0 {last} 0 ENDBLK 0 ENDSEC "
        with pytest.raises(Refused) as refusal:
            read(tmp_path, text + ENTITIES.format("0 INSERT 2 B0 10 0 20 0"))
        assert refusal.value.problem.code == "too_many_features"


def test_texts_inside_an_area_go_with_it_and_other_things_are_counted(tmp_path):
    inside = " 0 TEXT 8 注记 10 37432050 20 2215020 40 2 1 甲-1"
    outside = " 0 MTEXT 8 注记 10 37439050 20 2215020 1 道路 0 LINE 8 道路 10 0 20 0 11 9 21 0"
    source = entities(tmp_path, SQUARE + inside + outside)
    assert source.records[0].properties["Text"] == "甲-1"
    assert [(p.code, p.severity, p.params["count"]) for p in source.problems] == [
        ("drawing_others", "warning", 3)
    ]


def test_a_line_that_nearly_closes_is_named_with_its_gap(tmp_path):
    opened = SQUARE.replace("70 1", "70 0").replace("地块", "b") + " 10 37432000 20 2215000.5"
    source = entities(tmp_path, SQUARE + " " + opened)
    problem = next(p for p in source.problems if p.code == "drawing_open")
    assert (problem.params["gap"], problem.severity) == (0.5, "warning")


def test_a_hatch_over_its_outline_is_one_plot_and_that_is_said(tmp_path):
    hatch = " 0 HATCH 8 f 2 SOLID 70 1 91 1 92 3 72 0 73 1 93 4 10 37432000 20 2215000 10 37432100 20 2215000 10 37432100 20 2215050 10 37432000 20 2215050 75 0 98 0"
    source = entities(tmp_path, SQUARE + hatch)
    assert (only_area(source), codes(source)) == (5000.0, ["drawing_twice"])


def test_a_drawing_without_areas_says_what_it_has(tmp_path):
    with pytest.raises(Refused) as refusal:
        entities(tmp_path, "0 LINE 8 a 10 0 20 0 11 9 21 0")
    assert refusal.value.problem.code == "drawing_no_area"
    assert refusal.value.problem.params["lines"] == 1


def test_facilities_keep_lines_and_points(tmp_path):
    source = entities(tmp_path, "0 LINE 8 a 10 0 20 0 11 9 21 0 0 POINT 8 a 10 1 20 1", areas=False)
    assert [r.geometry.geom_type for r in source.records] == ["LineString", "Point"]


@pytest.mark.parametrize("cut", [5, 40, 90])
def test_a_drawing_cut_short_is_refused_with_its_line(tmp_path, cut):
    path = tmp_path / "a.dxf"
    data = dxf(ENTITIES.format(SQUARE))
    path.write_bytes(data[: len(data) * cut // 100])
    with pytest.raises(Refused) as refusal:
        drawing.read(path, features=10, areas=True)
    assert refusal.value.problem.code == "dxf_broken"


@pytest.mark.parametrize("number", ["NaN", "1e999", "Infinity", "1e300"])
@pytest.mark.parametrize("closed", [0, 1])
def test_numbers_that_no_place_has_are_refused_with_their_line(tmp_path, number, closed):
    bad = SQUARE.replace("37432100", number).replace("70 1", f"70 {closed} 71 {number}")
    with pytest.raises(Refused) as refusal:
        entities(tmp_path, bad)
    assert (refusal.value.problem.code, refusal.value.problem.where) == ("not_finite", "第 5 行")


LOT = "0 SECTION 2 BLOCKS 0 BLOCK 2 LOT 10 1 20 1 0 LWPOLYLINE 8 a 90 4 70 1 10 1 20 1 10 3 20 1 10 3 20 2 10 1 20 2 0 ENDBLK 0 ENDSEC "
KINDS = {
    "lwpolyline": "0 LWPOLYLINE 8 a 90 2 70 1 10 -5 20 0 42 1 10 5 20 0 42 1",
    "circle": "0 CIRCLE 8 a 10 0 20 0 40 5 230 1",
    "arc": "0 ARC 8 a 10 0 20 0 40 5 50 10 51 80 230 1",
    "ellipse": "0 ELLIPSE 8 a 10 0 20 0 11 5 21 1 40 0.5 41 0 42 6.2 230 1",
    "spline": "0 SPLINE 8 a 70 1 71 1 72 4 73 2 40 0 40 0 40 1 40 1 10 0 20 0 10 5 20 5 41 1 41 1",
    "insert": "0 INSERT 8 a 2 LOT 10 1 20 2 41 5 42 5 50 90 70 2 71 2 44 30 45 30 230 1",
    "hatch": "0 HATCH 8 a 2 SOLID 70 1 91 2 92 3 72 1 73 1 93 2 10 0 20 0 42 1 10 9 20 0 42 1 92 1 93 1 72 2 10 3 20 3 40 1 50 0 51 360 73 1 75 0 98 0",
    "text": "0 TEXT 8 a 10 1 20 1 40 2 50 30 1 K1",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "number", ["NaN", "1e999", "-1e999", "1e300", "-0.0", "9" * 400, "9" * 5000]
)
def test_numbers_of_any_size_are_read_or_refused(tmp_path, kind, number):
    """One value after the other; what is read has places."""
    words = KINDS[kind].split()
    for at in range(5, len(words), 2):
        changed = " ".join([*words[:at], number, *words[at + 1 :]])
        try:
            source = read(tmp_path, LOT + ENTITIES.format(changed), areas=False)
        except Refused:
            continue
        for record in source.records:
            assert record.geometry is None or math.isfinite(record.geometry.length)
