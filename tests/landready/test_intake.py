"""Uploads through the guarded child: the verdict on real files of every format."""

import time

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely

from geo.repair import needs_consent
from tests.readings import HAINAN, SQUARE, UPLOADS, VERDICTS, codes, geojson, read, zipped


def test_every_file_of_the_collection_has_its_verdict():
    assert {row[0] for row in VERDICTS} == {p.name for p in UPLOADS.iterdir()} - {"README.md"}


@pytest.mark.parametrize(("name", "accepted", "plots", "problem", "crs"), VERDICTS)
def test_real_upload_gets_the_verdict_of_its_readme(name, accepted, plots, problem, crs):
    started = time.monotonic()
    reading = read(UPLOADS / name, crs=crs)
    assert time.monotonic() - started < 10
    assert (reading.accepted, len(reading.features)) == (accepted, plots), reading.problems
    assert problem is None or problem in codes(reading)
    for feature in reading.features:
        shape = shapely.geometry.shape(feature.geometry)
        assert shape.is_valid
        assert feature.area_m2 > 0


def test_parts_that_were_written_as_holes_keep_their_area():
    reading = read(UPLOADS / "multipolygon_as_invalid_polygon.zip")
    assert all(f.area_m2 == pytest.approx(1.2308e10, rel=1e-3) for f in reading.features)
    note = next(p for p in reading.problems if p.code == "rings_rebuilt")
    assert (note.severity, note.params["before"], note.row) == ("warning", 0.0, 1)
    assert note.params["after"] == pytest.approx(reading.features[0].area_m2, abs=0.01)
    assert needs_consent(note)


def test_arcs_of_a_drawing_are_linearised_not_cut():
    reading = read(UPLOADS / "closed_polyline_with_bulge.dxf", crs="EPSG:4528")
    # 10210.13 m² with the arcs in the plane, 9700 and less with their chords; the zone adds 0.02 %.
    assert reading.features[0].area_m2 == pytest.approx(10210.1, rel=5e-4)
    assert "curves_linearised" in codes(reading, "warning")
    assert len(reading.features[0].geometry["coordinates"][0]) > 40


def test_invalid_rows_are_named_by_line_and_place_and_the_others_stay():
    reading = read(UPLOADS / "uk_invalid_geometry.csv")
    assert [f.row for f in reading.features] == [2, 3]
    bad = [p for p in reading.problems if p.code == "geometry_invalid"]
    assert [(p.row, p.where, p.severity) for p in bad] == [
        (1, "第 2 行", "error"),
        (4, "第 5 行", "error"),
    ]
    assert bad[0].place == pytest.approx((-0.449086, 51.977501), abs=1e-6)


def test_chinese_attributes_without_code_page_are_not_mangled(tmp_path):
    pyogrio.raw.write(
        tmp_path / "a.shp",
        np.array([shapely.to_wkb(SQUARE)], dtype=object),
        [np.array(["海口市秀英区地块一".encode("gbk").decode("latin-1")], dtype=object)],
        ["NAME"],
        geometry_type="Polygon",
        crs="EPSG:4490",
        driver="ESRI Shapefile",
        encoding="ISO-8859-1",
    )
    for keep_cpg in (True, False):
        parts = {p.name: p.read_bytes() for p in tmp_path.glob("a.*") if p.suffix != ".cpg"}
        if keep_cpg:
            parts["a.cpg"] = b"UTF-8"
        reading = read(zipped(tmp_path, parts), region=HAINAN)
        assert reading.accepted, reading.problems
        assert reading.features[0].properties == {"NAME": "海口市秀英区地块一"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_tables_in_any_usual_encoding(tmp_path, encoding):
    path = tmp_path / "plots.csv"
    path.write_bytes(f'地块编号,总面积(公顷),wkt\n甲-1,115.9,"{SQUARE.wkt}"\n'.encode(encoding))
    reading = read(path, region=HAINAN, crs="EPSG:4490")
    assert reading.accepted, reading.problems
    assert reading.features[0].properties == {"地块编号": "甲-1", "总面积(公顷)": "115.9"}
    assert reading.features[0].declared_area_m2 == 1_159_000


def test_workbook_with_wkt(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["地块编号", "边界"])
    book.active.append(["甲-1", f"SRID=4490;{SQUARE.wkt}"])
    book.save(tmp_path / "plots.xlsx")
    reading = read(tmp_path / "plots.xlsx", region=HAINAN)
    assert (reading.accepted, reading.source_crs, reading.format) == (True, "EPSG:4490", "xlsx")


def test_facilities_may_be_points_lines_and_areas_and_tables_of_points(tmp_path):
    mixed = geojson(
        tmp_path,
        shapely.Point(110.35, 20.02),
        shapely.LineString([(110.35, 20.02), (110.36, 20.02)]),
        SQUARE,
    )
    assert [f.area_m2 is None for f in read(mixed, kind="facilities", region=HAINAN).features] == [
        True,
        True,
        False,
    ]
    assert codes(read(mixed, kind="service_areas", region=HAINAN)) == {"geometry_kind"}
    table = tmp_path / "points.csv"
    table.write_text("名称,经度,纬度\n接水点,110.35,20.02\n", encoding="utf-8")
    assert read(table, kind="facilities", region=HAINAN, crs="EPSG:4490").features[0].geometry[
        "coordinates"
    ] == [110.35, 20.02]


def test_kmz_and_folders_of_a_kml_with_one_name_are_read_together(tmp_path):
    mark = "<Folder><name>F</name><Placemark><name>{}</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{},20.02 {},20.03 110.37,20.03 {},20.02</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>"
    kml = (
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        + "".join(mark.format(n, x, x, x) for n, x in (("a", 110.35), ("b", 110.36)))
        + "</Document></kml>"
    )
    reading = read(
        zipped(tmp_path, {"doc.kml": kml.encode(), "files/x.png": b"x"}, "plots.kmz"), region=HAINAN
    )
    assert [f.properties["Name"] for f in reading.features] == ["a", "b"]
