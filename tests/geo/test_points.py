"""Point lists in tables: one boundary point per row, put together to plots in survey order."""

import pytest

from geo import points
from geo.source import Source

HAINAN = ((108.2, 17.9, 111.5, 20.4),)
FIELDS = ["地块编号", "圈号", "点号", "X坐标(m)", "Y坐标(m)", "用途"]
SQUARE = ((2215000, 37432000), (2215000, 37432100), (2215050, 37432100), (2215050, 37432000))


def body(*plots: tuple[str, tuple[tuple[object, object], ...]], ring="1") -> list[points.Row]:
    rows: list[points.Row] = []
    for name, corners in plots:
        for n, (x, y) in enumerate((*corners, corners[0]), 1):
            # Merged cells: only the first row bears the plot's name and use.
            first = n == 1
            rows.append(
                (
                    len(rows) + 2,
                    [name if first else None, ring, f"J{n}", x, y, "居住" if first else None],
                )
            )
    return rows


def read(rows, fields=FIELDS, *, crs="EPSG:4525", boxes=HAINAN, swap=False) -> Source:
    found = points.columns(fields)
    assert found is not None
    assert points.is_list(found, rows)
    return points.read("csv", fields, rows, found, declared_crs=crs, boxes=boxes, swap=swap)


def codes(source: Source) -> set[str]:
    return {p.code for p in source.problems}


def test_rows_become_plots_with_x_as_the_northing():
    source = read(body(("甲-1", SQUARE), ("甲-2", SQUARE)))
    assert [r.geometry.bounds for r in source.records] == [
        (37432000, 2215000, 37432100, 2215050)
    ] * 2
    assert source.records[1].properties == {"地块编号": "甲-2", "用途": "居住"}
    assert (source.records[1].where, source.problems, source.refused) == ("第 7 行", [], False)


def test_a_second_ring_inside_is_a_hole():
    hole = ((2215020, 37432020), (2215020, 37432040), (2215040, 37432040), (2215040, 37432020))
    rows = body(("甲-1", SQUARE)) + [
        (20 + n, [None, "2", f"J{n}", *p, None]) for n, p in enumerate((*hole, hole[0]))
    ]
    assert read(rows).records[0].geometry.area == 5000 - 400


def test_a_list_without_plot_column_is_one_plot():
    fields = ["点号", "X", "Y"]
    rows = [(n + 2, [f"J{n}", *p]) for n, p in enumerate((*SQUARE, SQUARE[0]))]
    assert [r.geometry.area for r in read(rows, fields).records] == [5000]


def test_an_open_ring_is_closed_and_said_with_its_area():
    source = read(body(("甲-1", SQUARE))[:-1])
    (problem,) = source.problems
    assert (problem.code, problem.params["before"], problem.params["after"]) == (
        "survey_closed",
        5000,
        5000,
    )


def test_points_without_names_are_named_by_their_number():
    fields = ["地块编号", "X坐标", "Y坐标"]
    (problem,) = read([(n, ["甲-1", *at]) for n, at in enumerate(SQUARE, 2)], fields).problems
    told = problem.code, problem.params["label"], problem.params["after"]
    assert told == ("survey_closed", "4", 5000)


def test_swapped_columns_are_named_with_line_and_point_and_read_once_confirmed():
    turned = tuple((y, x) for x, y in SQUARE)
    source = read(body(("甲-1", turned)))
    problem = next(p for p in source.problems if p.code == "axes_swapped")
    assert (problem.where, problem.params["label"], source.refused) == ("第 2 行", "J1", True)
    mended = read(body(("甲-1", turned)), swap=True)
    assert (mended.records[0].geometry.area, mended.refused, mended.swapped) == (5000, False, True)


def test_names_of_east_and_north_and_of_degrees_mean_what_they_say():
    fields = ["宗地号", "经度", "纬度"]
    corners = ((110.35, 20.02), (110.36, 20.02), (110.36, 20.03))
    rows = [(n + 2, ["甲", *p]) for n, p in enumerate((*corners, corners[0]))]
    source = read(rows, fields, crs="EPSG:4490")
    assert source.records[0].geometry.bounds == (110.35, 20.02, 110.36, 20.03)
    assert source.problems == []
    # Without names the values must tell, and it is said.
    guessed = read(rows, ["宗地号", "X", "Y"], crs="EPSG:4490")
    assert guessed.records[0].geometry.bounds == (110.35, 20.02, 110.36, 20.03)
    assert codes(guessed) == {"longitude_first"}


def test_the_users_word_may_not_contradict_the_prefix():
    source = read(body(("甲-1", SQUARE)), crs="EPSG:4524")
    problem = next(p for p in source.problems if p.code == "crs_conflict")
    assert (problem.params["stated"], problem.params["meant"]) == ("111", "108")
    assert read(body(("甲-1", SQUARE)), crs=None).crs is None  # the datum is not written: asked


@pytest.mark.parametrize("cell", ["二二", "NaN", "inf", float("nan"), "1e400", None])
def test_a_cell_that_is_no_number_is_named_by_its_row(cell):
    rows = body(("甲-1", SQUARE))
    rows[2][1][3] = cell
    source = read(rows)
    problem = next(p for p in source.problems if p.code == "xy_broken")
    assert (problem.where, problem.row, source.refused) == ("第 4 行", 1, True)


def test_other_tables_are_no_point_lists():
    assert points.columns(["编号", "名称", "面积"]) is None
    found = points.columns(["地块编号", "X", "Y"])
    assert found is not None
    assert not points.is_list(found, [(2, ["甲", 1, 2]), (3, ["乙", 1, 2])])
