"""Uploads through the guarded child: the verdict on real files, and what hostile ones cannot do."""

import json
import os
import socket
import sqlite3
import struct
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely
from shapely import Polygon, box

from landready.intake import Reading, read_file
from landready.settings import ROOT, Region, Upload

UPLOADS = Path(__file__).parent.parent / "data" / "uploads"
LIMITS = Upload()
HAINAN = Region(land=((108.2, 17.9, 111.5, 20.4), (107.8, 3.3, 119.2, 17.9)))
SQUARE = box(110.35, 20.02, 110.36, 20.03)
FORMATS = ["geojson", "gpkg", "zip", "txt", "kml", "kmz", "dxf", "csv", "xlsx"]


def read(
    path: Path, *, region: Region | None = None, crs: str | None = None, kind="plots", limits=LIMITS
) -> Reading:
    return read_file(path, limits, region=region, crs=crs, kind=kind)


def codes(reading: Reading, severity: str | None = None) -> set[str]:
    return {p.code for p in reading.problems if severity in (None, p.severity)}


def collection(*shapes, crs=None, **properties) -> dict[str, object]:
    features = [
        {
            "type": "Feature",
            "properties": {"code": f"P{i}", **properties},
            "geometry": json.loads(shapely.to_geojson(s)),
        }
        for i, s in enumerate(shapes, 1)
    ]
    return {"type": "FeatureCollection", "features": features} | ({"crs": crs} if crs else {})


def geojson(folder: Path, *shapes, name="plots.geojson", **more) -> Path:
    path = folder / name
    path.write_text(json.dumps(collection(*shapes, **more)), encoding="utf-8")
    return path


def zipped(folder: Path, parts: dict[str, bytes], name="upload.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in parts.items():
            archive.writestr(member, data)
    return path


# --- real files --------------------------------------------------------------------------------------------------

# file, accepted, plots, a problem it must name, CRS the user says
VERDICTS = [
    ("chinese_ldid_points.zip", False, 0, "geometry_kind", None),
    ("closed_polyline_with_bulge.dxf", False, 0, "crs_missing", None),
    ("closed_polyline_with_bulge.dxf", True, 1, None, "EPSG:4528"),
    ("coutwildrnp.zip", True, 67, None, None),
    ("curvepolygon.gpkg", True, 1, None, None),
    ("empty.csv", False, 0, "empty_file", None),
    ("empty_zipfile.zip", False, 0, "zip_empty", None),
    ("entity_expansion.gml", False, 0, "doctype", None),
    ("fuzz_dxf.dxf", False, 0, "format_mismatch", None),
    ("gbk_table_only.dbf", False, 0, "send_shapefile", None),
    ("grenada.geojson", True, 1, None, None),
    ("hatch.dxf", False, 0, "crs_missing", None),
    ("hatch.dxf", True, 3, None, "EPSG:4490"),
    ("line_r2000.dwg", False, 0, "send_dxf", None),
    ("mixed_crs.gpkg", False, 0, "several_layers", None),
    ("multipolygon_as_invalid_polygon.zip", True, 2, "rings_rebuilt", None),
    ("multipolygon_as_invalid_polygon.zip", True, 2, "rings_rebuilt", "EPSG:4490"),
    ("networklink.kml", False, 0, "network_link", None),
    ("null_geometry.kml", False, 0, "no_geometry", None),
    ("point_nan.zip", False, 0, "geometry_kind", None),
    ("poly_golden.zip", True, 10, None, None),
    ("polygon_altitude.kml", True, 1, None, None),
    ("testpoly_no_prj.zip", False, 0, "crs_missing", None),
    ("truncated.kml", False, 0, "xml_broken", None),
    ("uk_invalid_geometry.csv", True, 2, "geometry_invalid", None),
    ("us_county_extract.zip", True, 1, None, None),
    ("utf16_le.csv", False, 0, "table_no_geometry", None),
    ("zip_in_zip.zip", False, 0, "zip_nested", None),
]


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
    assert (note.severity, note.params["before"], note.params["after"], note.row) == (
        "warning",
        0.0,
        1.0,
        1,
    )


def test_arcs_of_a_drawing_are_linearised_not_cut():
    reading = read(UPLOADS / "closed_polyline_with_bulge.dxf", crs="EPSG:4528")
    # 10205.31 m² with the arcs in the plane, 9700 and less with their chords.
    assert reading.features[0].area_m2 == pytest.approx(10205.3, rel=2e-3)
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


# --- place and systems -------------------------------------------------------------------------------------------


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


# --- hostile files -----------------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A real server on loopback and what was asked of it."""
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    hits.append(connection.recv(200))
                    connection.sendall(
                        b'HTTP/1.0 200 OK\r\n\r\n{"type":"FeatureCollection","features":[]}'
                    )

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], hits
        stop.set()
        thread.join()


def _hostile(folder: Path, extension: str, text: str) -> Path:
    if extension == "zip":
        return zipped(
            folder,
            {f"a{part}": text.encode() for part in (".shp", ".shx", ".dbf", ".prj")},
            "a.zip",
        )
    if extension in ("kmz", "xlsx"):
        inner = "doc.kml" if extension == "kmz" else "xl/workbook.xml"
        return zipped(
            folder, {inner: text.encode(), "[Content_Types].xml": text.encode()}, f"a.{extension}"
        )
    path = folder / f"a.{extension}"
    path.write_text(text)
    return path


@pytest.mark.parametrize("extension", [*FORMATS, "shp", "json", "gml", "vrt"])
@pytest.mark.parametrize("source", ["file", "url"])
def test_a_vrt_under_any_name_reads_no_other_file_and_opens_no_connection(
    tmp_path, listener, extension, source
):
    port, hits = listener
    canary = tmp_path / "canary.csv"
    canary.write_text('code,wkt\nCANARY,"POLYGON((110 20,110.1 20,110.1 20.1,110 20))"\n')
    target = str(canary) if source == "file" else f"/vsicurl/http://127.0.0.1:{port}/canary.geojson"
    vrt = f'<OGRVRTDataSource><OGRVRTLayer name="canary"><SrcDataSource>{target}</SrcDataSource><GeometryField encoding="WKT" field="wkt"/></OGRVRTLayer></OGRVRTDataSource>'
    reading = read(_hostile(tmp_path, extension, vrt))
    assert (reading.accepted, reading.features, hits) == (False, (), [])
    assert "CANARY" not in str(reading)


@pytest.mark.parametrize(
    "member",
    [
        {"type": "link", "properties": {"href": "{url}", "type": "proj4"}},
        {"type": "URL", "properties": {"url": "{url}"}},
    ],
)
@pytest.mark.parametrize("at", ["collection", "geometry"])
def test_a_linked_crs_of_a_geojson_is_never_fetched(tmp_path, listener, member, at):
    port, hits = listener
    data = collection(SQUARE)
    crs = json.loads(json.dumps(member).replace("{url}", f"http://127.0.0.1:{port}/crs"))
    (data if at == "collection" else data["features"][0]["geometry"])["crs"] = crs
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(data).replace('"crs"', '"cr\\u0073"'))
    reading = read(path)
    assert hits == []
    assert reading.accepted is (at == "geometry")


def test_the_child_has_no_network_no_secrets_and_only_its_own_drivers(
    tmp_path, listener, monkeypatch
):
    port, hits = listener
    monkeypatch.setenv("LANDREADY_DATABASE_URL", "postgresql://secret")
    seen = tmp_path / "seen.json"
    # A stand-in for a hostile file that has taken the child over: run inside the very process the reader starts.
    hook = tmp_path / "geo"
    hook.mkdir()
    (hook / "__init__.py").write_text("")
    (hook / "reader.py").write_text(
        "import json, os, sys, runpy, socket, urllib.request\n"
        f"sys.path.remove({str(tmp_path)!r}); del sys.modules['geo']; sys.path.insert(0, {str(ROOT)!r})\n"
        "m = runpy.run_module('geo.reader')\n"
        "m['_confine']({'memory_mb': 1536, 'answer_mb': 64, 'cpu_s': 10}); m['layers'].check_drivers()\n"
        "errors = []\n"
        f"for go in (lambda: socket.create_connection(('127.0.0.1', {port})), lambda: urllib.request.urlopen('http://127.0.0.1:{port}'), lambda: os.system('true')):\n"
        "    try: go(); errors.append('went through')\n"
        "    except PermissionError as e: errors.append('refused')\n"
        "    except OSError as e: errors.append('refused')\n"
        f"open({str(seen)!r}, 'w').write(json.dumps([errors, sorted(os.environ)]))\n"
    )
    monkeypatch.setattr("landready.intake.ROOT", tmp_path)
    path = geojson(tmp_path, SQUARE)
    with pytest.raises(FileNotFoundError):  # the stand-in writes no answer
        read(path)
    errors, environment = json.loads(seen.read_text())
    assert (errors, hits) == (["refused"] * 3, [])
    assert not [
        name
        for name in environment
        if name.startswith("LANDREADY") or "REDIS" in name or "SECRET" in name
    ]


def test_a_zip_bomb_is_stopped_while_inflating(tmp_path):
    parts = {
        f"a{s}": b"\0" * (100 << 20) if s == ".shp" else b"\0" * 200
        for s in (".shp", ".shx", ".dbf")
    }
    started = time.monotonic()
    reading = read(zipped(tmp_path, parts))
    assert codes(reading) == {"zip_bomb"}
    assert time.monotonic() - started < 10


def test_a_zip_whose_headers_lie_about_sizes_is_refused(tmp_path):
    path = zipped(tmp_path, {f"a{s}": b"\0" * (5 << 20) for s in (".shp", ".shx", ".dbf")})
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 10)
        at = data.find(b"PK\x01\x02", at + 4)
    path.write_bytes(data)
    assert codes(read(path)) <= {"zip_damaged", "zip_bomb", "damaged"}
    assert not read(path).accepted


@pytest.mark.parametrize(
    "name", ["../../escape.shp", "/etc/escape.shp", "..\\..\\escape.shp", "a/../../escape.shp"]
)
def test_a_member_cannot_leave_its_folder(tmp_path, name):
    stem = name[:-4]
    reading = read(zipped(tmp_path, {f"{stem}{s}": b"x" for s in (".shp", ".shx", ".dbf")}))
    assert not reading.accepted
    assert not list(tmp_path.parent.rglob("escape.*"))
    assert not Path("/etc/escape.shp").exists()


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"a.zip": b"PK", "a.shp": b"x"}, "zip_nested"),
        ({f"f{i}.txt": b"x" for i in range(65)}, "zip_members"),
        ({"a.shp": b"x", "a.shx": b"x", "a.dbf": b"x", "b.shp": b"x"}, "several_layers"),
        ({"a.shp": b"x", "a.shx": b"x", "a.dbf": b"x", "A.SHP": b"y"}, "several_layers"),
        ({"a.shp": b"x", "a.dbf": b"x"}, "shapefile_part"),
        ({"a.shp": b"x", "a.shx": b"x", "a.dbf": b"x", "A.DBF": b"y"}, "zip_twice"),
    ],
)
def test_archives_hold_one_plain_shapefile_or_are_refused(tmp_path, parts, code):
    assert codes(read(zipped(tmp_path, parts))) == {code}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e308", "1e400"])
def test_numbers_that_no_place_has_are_refused(tmp_path, number):
    path = geojson(tmp_path, SQUARE)
    path.write_text(path.read_text().replace("110.36", number))
    reading = read(path)
    assert (reading.accepted, reading.features) == (False, ())
    assert codes(reading) <= {"not_finite", "crs_missing", "not_degrees"}
    table = tmp_path / "a.csv"
    table.write_text(f'code,wkt\nA,"{SQUARE.wkt.replace("110.36", number)}"\n')
    assert not read(table, crs="EPSG:4490").accepted


def test_wkt_nested_100000_deep_is_a_sentence_not_a_crash(tmp_path):
    path = tmp_path / "deep.csv"
    path.write_text(
        'code,wkt\nA,"' + "GEOMETRYCOLLECTION(" * 100_000 + "POINT(1 1)" + ")" * 100_000 + '"\n'
    )
    assert codes(read(path)) == {"too_deep"}


def test_geojson_nested_100000_deep_is_a_sentence_not_a_crash(tmp_path):
    path = tmp_path / "deep.geojson"
    path.write_text('{"type":"Polygon","coordinates":' + "[" * 100_000 + "]" * 100_000 + "}")
    assert codes(read(path)) == {"too_deep"}


@pytest.mark.parametrize("extension", ["kml", "kmz", "xlsx", "gml"])
def test_entity_bombs_are_refused_by_their_document_type(tmp_path, extension):
    lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY l0 "lol">{lol}]><kml><Document><name>&l9;</name></Document></kml>'
    path = _hostile(tmp_path, extension, bomb)
    if extension == "xlsx":
        path = zipped(
            tmp_path,
            {"[Content_Types].xml": bomb.encode(), "xl/workbook.xml": bomb.encode()},
            "b.xlsx",
        )
    assert codes(read(path)) == {"doctype"}


def comb(teeth: int, *, upright: bool) -> Polygon:
    points = [(0.0, 0.0)]
    for i in range(teeth):
        points += [(i + 0.1, 1.0 * teeth), (i + 0.6, 1.0 * teeth), (i + 0.7, 0.0)]
    points += [(teeth, -1.0), (0.0, -1.0)]
    return Polygon(
        [
            (110 + a / 1e5, 19 + b / 1e5) if upright else (110 + b / 1e5, 19 + a / 1e5)
            for a, b in points
        ]
    )


def test_comb_polygons_are_read_within_the_limits(tmp_path):
    both = geojson(tmp_path, comb(2000, upright=True), comb(2000, upright=False))
    started = time.monotonic()
    reading = read(both, region=HAINAN)
    assert len(reading.features) == 2
    assert time.monotonic() - started < 10


def test_a_file_that_needs_more_time_than_allowed_is_a_sentence(tmp_path):
    many = geojson(tmp_path, *[comb(1500, upright=True)] * 60)
    reading = read(many, limits=Upload(cpu_s=1))
    assert (reading.accepted, codes(reading)) == (False, {"time_limit"})


def test_a_child_that_hangs_is_ended_with_all_its_group(tmp_path):
    fifo = tmp_path / "slow.geojson"
    geojson(tmp_path, *[comb(1500, upright=True)] * 60, name=fifo.name)
    started = time.monotonic()
    reading = read(fifo, limits=Upload(wall_s=1, cpu_s=60))
    assert codes(reading) == {"time_limit"}
    assert time.monotonic() - started < 5
    left = subprocess.run(
        ["pgrep", "-f", "geo.reader", "-P", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.stdout == ""


def test_a_file_that_needs_more_memory_than_allowed_is_a_sentence(tmp_path):
    path = tmp_path / "big.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[' + ",".join(["[[[[]]]]"] * 3_000_000) + "]}"
    )
    reading = read(path, limits=Upload(memory_mb=420))
    assert (reading.accepted, codes(reading)) == (False, {"memory_limit"})


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Upload(features=2), "too_many_features"),
        (Upload(vertices=10), "too_many_vertices"),
        (Upload(vertices_per_feature=4), "too_many_vertices_feature"),
    ],
)
def test_files_past_the_limits_are_refused_with_the_limit(tmp_path, limits, code):
    assert codes(read(geojson(tmp_path, SQUARE, SQUARE, SQUARE), limits=limits)) == {code}


@pytest.mark.parametrize("name", [v[0] for v in VERDICTS if v[1] and v[4] is None])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_truncated_files_never_crash_the_reader(tmp_path, name, share):
    data = (UPLOADS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    reading = read(path)
    if not reading.accepted:
        assert reading.problems
        assert "unreadable" not in codes(reading)


def test_a_geopackage_of_views_is_refused(tmp_path):
    path = tmp_path / "a.gpkg"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(SQUARE)], dtype=object),
        [],
        [],
        layer="plots",
        geometry_type="Polygon",
        crs="EPSG:4490",
        driver="GPKG",
    )
    with sqlite3.connect(path) as db:
        db.execute("alter table gpkg_contents rename to g")
        db.execute("create view gpkg_contents as select * from g")
        db.execute("create view v as select fid, geom from plots")
        db.execute("update g set table_name = 'v'")
    assert not read(path, region=HAINAN).accepted
    assert codes(read(path, region=HAINAN)) == {"gpkg_view"}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.tar.gz", b"\x1f\x8b\x08\x00rest", "send_zip"),
        ("a.rar", b"Rar!\x1a\x07", "send_zip"),
        ("a.shp", b"\x00\x00\x27\x0a" + b"\0" * 96, "send_shapefile"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "send_xlsx"),
        ("a.pdf", b"%PDF-1.7", "send_map"),
        ("a.dwg", b"AC1015", "send_dxf"),
        ("a.exe", b"MZ\x90\x00", "format_unknown"),
        ("noextension", b"hello", "format_unknown"),
        ("a.geojson", b"SQLite format 3\x00", "format_mismatch"),
        ("a.txt", b"\x00\x01\x02", "format_unknown"),
        ("a.geojson", b'{"type":"Topology"}', "json_other"),
        ("a.geojson", b'{"type":"FeatureCollection","features":[', "json_broken"),
        ("a.geojson", b'{"\xff"}', "encoding"),
    ],
)
def test_other_files_get_a_sentence_that_says_what_to_send(tmp_path, name, data, code):
    path = tmp_path / name
    path.write_bytes(data)
    reading = read(path)
    assert codes(reading) == {code}
    assert len(reading.problems[0].message) > 5
