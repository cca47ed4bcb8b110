"""Where a file says its plots are: systems, axes, regions and areas, each refused or asked about by name."""

import json
import struct
from pathlib import Path

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely
from shapely import Polygon, box

from geo.repair import needs_consent
from tests.readings import HAINAN, SQUARE, codes, collection, geojson, read, zipped


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


def test_kinds_that_declare_no_area_are_not_compared(tmp_path):
    path = geojson(tmp_path, SQUARE, area_m2=1.0)
    assert codes(read(path, region=HAINAN)) == {"area_differs"}
    for kind in ("facilities", "service_areas"):
        assert codes(read(path, region=HAINAN, kind=kind)) == set()


def test_a_bow_tie_is_an_error_and_never_mended(tmp_path):
    bow = Polygon([(110.35, 20.02), (110.36, 20.03), (110.36, 20.02), (110.35, 20.03)])
    reading = read(geojson(tmp_path, bow), region=HAINAN)
    problem = reading.problems[0]
    assert (reading.accepted, problem.code, problem.row) == (False, "geometry_invalid", 1)
    assert problem.place == pytest.approx((110.355, 20.025))


def open_ring(folder: Path, name: str) -> Path:
    """A square whose ring does not end where it began, in one of the formats."""
    places = [(110.35, 20.02), (110.36, 20.02), (110.36, 20.03), (110.35, 20.03)]
    path = folder / name
    match path.suffix:
        case ".geojson":
            data = collection(SQUARE)
            data["features"][0]["geometry"]["coordinates"] = [places]
            path.write_text(json.dumps(data))
        case ".csv":
            ring = ",".join(f"{x} {y}" for x, y in places)
            path.write_text(f'code,wkt\nA,"SRID=4490;POLYGON(({ring}))"\n')
        case ".kml":
            ring = " ".join(f"{x},{y}" for x, y in places)
            path.write_bytes(
                f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>'.encode()
            )
        case _:
            pyogrio.raw.write(
                folder / "a.shp", np.array([shapely.to_wkb(SQUARE)], dtype=object),
                [np.array(["A"], dtype=object)], ["code"],
                geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
            )  # fmt: skip
            data = bytearray((folder / "a.shp").read_bytes())
            data[-16:] = struct.pack("<2d", 110.36, 20.0201)  # the closing point is another one
            (folder / "a.shp").write_bytes(data)
            parts = {p.name: p.read_bytes() for p in folder.glob("a.*")}
            return zipped(folder, parts)
    return path


@pytest.mark.parametrize("name", ["a.geojson", "a.csv", "a.kml", "a.zip"])
def test_an_open_ring_is_closed_and_said_with_the_area(tmp_path, name):
    reading = read(open_ring(tmp_path, name), region=HAINAN)
    assert reading.accepted, reading.problems
    (note,) = [p for p in reading.problems if p.code == "ring_closed"]
    area = reading.features[0].area_m2
    assert (note.severity, note.row) == ("warning", 1)
    assert note.params["before"] == note.params["after"] == pytest.approx(area, abs=0.01)
    assert not needs_consent(note)


def test_parts_written_as_holes_need_consent(tmp_path):
    shell = shapely.box(110.35, 20.02, 110.36, 20.03)
    apart = shapely.box(110.37, 20.02, 110.38, 20.03)
    reading = read(geojson(tmp_path, Polygon(shell.exterior, [apart.exterior])), region=HAINAN)
    (note,) = reading.problems
    assert (reading.accepted, note.code, needs_consent(note)) == (True, "rings_rebuilt", True)
    assert note.params["before"] == pytest.approx(0, abs=2)
    assert note.params["after"] == pytest.approx(reading.features[0].area_m2, abs=2)


def test_axes_turned_on_the_users_word_are_said(tmp_path):
    turned = shapely.transform(SQUARE, lambda xy: xy[:, ::-1])
    path = geojson(tmp_path, turned)
    assert codes(read(path, region=HAINAN)) == {"axes_swapped"}
    reading = read(path, region=HAINAN, swap=True)
    assert (reading.accepted, codes(reading)) == (True, {"axes_turned"})
    assert shapely.geometry.shape(reading.features[0].geometry).bounds == SQUARE.bounds
    # What stands right is not turned for the asking.
    assert codes(read(geojson(tmp_path, SQUARE), region=HAINAN, swap=True)) == {
        "axes_swapped",
        "axes_turned",
    }


def test_the_109_degree_frame_is_read_when_declared(tmp_path):
    plot = box(641184.387, 2214861.600, 641284.387, 2214961.600)
    path = geojson(tmp_path, plot)
    asked = read(path, region=HAINAN)
    assert codes(asked) == {"crs_missing"}
    assert "CM109" in asked.problems[0].message
    words = "+proj=tmerc +lat_0=0 +lon_0=109 +k=1 +x_0=500000 +y_0=0 +ellps=GRS80 +units=m"
    for system in ("CM109", words):
        reading = read(path, region=HAINAN, crs=system)
        assert (reading.accepted, reading.source_crs) == (True, "CM109")
        assert reading.features[0].geometry["coordinates"][0][-1] == pytest.approx(
            [110.3492, 20.0174], abs=0.001
        )


def test_a_prj_that_nobody_knows_may_be_overruled_one_of_xian_80_not(tmp_path):
    pyogrio.raw.write(
        tmp_path / "a.shp", np.array([shapely.to_wkb(SQUARE)], dtype=object), [], [],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
    )  # fmt: skip
    parts = {p.name: p.read_bytes() for p in tmp_path.glob("a.*")}
    xian = 'GEOGCS["GCS_Xian_1980",DATUM["D_Xian_1980",SPHEROID["Xian_1980",6378140.0,298.257]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
    parts["a.prj"] = xian.encode()
    assert codes(read(zipped(tmp_path, parts), region=HAINAN, crs="EPSG:4490")) == {"crs_xian80"}
    parts["a.prj"] = b"nonsense"
    assert read(zipped(tmp_path, parts), region=HAINAN, crs="EPSG:4490").accepted


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16"])
def test_a_prj_with_chinese_names_is_read_in_any_usual_encoding(tmp_path, encoding):
    pyogrio.raw.write(
        tmp_path / "a.shp", np.array([shapely.to_wkb(SQUARE)], dtype=object), [], [],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
    )  # fmt: skip
    parts = {p.name: p.read_bytes() for p in tmp_path.glob("a.*")}
    prj = 'GEOGCS["2000国家大地坐标系",DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
    parts["a.prj"] = prj.encode(encoding)
    assert read(zipped(tmp_path, parts), region=HAINAN).accepted
    old = prj.replace("2000国家大地坐标系", "1980西安坐标系").replace("D_China_2000", "D_Xian_1980")
    parts["a.prj"] = old.encode(encoding)
    assert codes(read(zipped(tmp_path, parts), region=HAINAN)) == {"crs_xian80"}
    parts["a.prj"] = prj.encode("gbk").replace("国".encode("gbk"), b"\xff\xff")
    assert read(zipped(tmp_path, parts), region=HAINAN).accepted


def test_a_point_list_in_a_workbook_under_a_title(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["某市供地计划界址点成果表"])
    book.active.append(["地块编号", "点号", "X坐标", "Y坐标"])
    corners = [(2215000, 37432000), (2215000, 37432100), (2215050, 37432100), (2215050, 37432000)]
    for n, (x, y) in enumerate([*corners, corners[0]], 1):
        book.active.append(["甲-1" if n == 1 else None, f"J{n}", x, y])
    book.save(tmp_path / "a.xlsx")
    assert codes(read(tmp_path / "a.xlsx", region=HAINAN)) == {"crs_missing"}
    reading = read(tmp_path / "a.xlsx", region=HAINAN, crs="EPSG:4525")
    assert reading.features[0].area_m2 == pytest.approx(4999.430, abs=1e-3)
    assert reading.features[0].properties == {"地块编号": "甲-1"}


def test_attribute_tables_of_blanks_are_no_bombs(tmp_path):
    pyogrio.raw.write(
        tmp_path / "a.shp", np.array([shapely.to_wkb(SQUARE)] * 9000, dtype=object),
        [np.array(["x" * 254] + [""] * 8999, dtype=object)], ["NOTE"],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
    )  # fmt: skip
    parts = {p.name: p.read_bytes() for p in tmp_path.glob("a.*")}
    path = zipped(tmp_path, parts)
    assert len(parts["a.dbf"]) > 50 * 20_000
    assert read(path, region=HAINAN).accepted


def test_a_survey_whose_points_cannot_be_read_names_their_lines(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("[地块坐标]\n3,0.5,A,b,面,,,,@\nJ1,1,2.2e6,3.7e7\nJ2,1,x,y\n", encoding="utf-8")
    told = [(p.code, p.where) for p in read(path, region=HAINAN, crs="EPSG:4525").problems]
    assert told[:2] == [("survey_point", "第 3 行"), ("survey_point", "第 4 行")]
