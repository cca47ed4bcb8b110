"""Where a file says its plots are: systems, axes, regions and areas, each refused or asked about by name."""

import pytest
import shapely
from shapely import Polygon, box

from tests.readings import HAINAN, SQUARE, codes, geojson, read


def test_swapped_longitude_and_latitude_are_named_with_row_and_point(tmp_path):
    turned = shapely.transform(SQUARE, lambda xy: xy[:, ::-1])
    reading = read(geojson(tmp_path, SQUARE, turned), region=HAINAN)
    problem = next(p for p in reading.problems if p.severity == "error")
    assert (problem.row, problem.code, problem.params["point"]) == (2, "axes_swapped", 1)
    assert [f.row for f in reading.features] == [1]


def test_another_zone_is_named(tmp_path):
    plot = box(432000, 2215000, 432100, 2215050)
    path = geojson(tmp_path, plot, crs={"type": "name", "properties": {"name": "EPSG:4547"}})
    reading = read(path, region=HAINAN)
    assert codes(reading) == {"wrong_zone"}
    assert "EPSG:4546" in reading.problems[0].message
    assert read(path, region=HAINAN, crs="EPSG:4546").accepted


def test_a_place_outside_the_region_is_refused_unless_any(tmp_path):
    path = geojson(tmp_path, box(-71.1, 42.3, -71.0, 42.4))
    reading = read(path, region=HAINAN)
    assert (reading.accepted, codes(reading)) == (False, {"outside_region"})
    assert reading.problems[0].params["point"] == 1
    assert read(path).accepted


def test_projected_numbers_without_crs_are_asked_about(tmp_path):
    path = geojson(tmp_path, box(37432000, 2215000, 37432100, 2215050))
    reading = read(path, region=HAINAN)
    assert codes(reading) == {"crs_missing"}
    assert "EPSG:4525" in reading.problems[0].message
    fixed = read(path, region=HAINAN, crs="EPSG:4525")
    assert fixed.features[0].area_m2 == pytest.approx(4999.430, abs=1e-3)


def test_a_table_without_crs_is_asked_about_in_a_region(tmp_path):
    path = tmp_path / "plots.csv"
    path.write_text(f'code,wkt\nA,"{SQUARE.wkt}"\n')
    assert codes(read(path, region=HAINAN)) == {"crs_missing"}
    assert "crs_assumed" in codes(read(path), "warning")


def test_an_area_more_than_three_permille_off_is_a_warning(tmp_path):
    true = read(geojson(tmp_path, SQUARE)).features[0].area_m2
    for factor, expected in ((1.0025, set()), (1.0035, {"area_differs"}), (0.99, {"area_differs"})):
        reading = read(geojson(tmp_path, SQUARE, area_m2=true * factor), region=HAINAN)
        assert (reading.accepted, codes(reading)) == (True, expected)


def test_a_bow_tie_is_an_error_and_never_mended(tmp_path):
    bow = Polygon([(110.35, 20.02), (110.36, 20.03), (110.36, 20.02), (110.35, 20.03)])
    reading = read(geojson(tmp_path, bow), region=HAINAN)
    problem = reading.problems[0]
    assert (reading.accepted, problem.code, problem.row) == (False, "geometry_invalid", 1)
    assert problem.place == pytest.approx((110.355, 20.025))
