"""What hostile files cannot do to the reader, its machine and its neighbours."""

import io
import sqlite3
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from landready import intake
from landready.settings import Upload
from tests.fuzz.seeds import honest
from tests.readings import (
    HAINAN,
    SQUARE,
    UPLOADS,
    VERDICTS,
    codes,
    geojson,
    read,
    zipped,
)


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


def test_a_file_with_thousands_of_faults_lists_as_many_as_a_person_reads(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("code,wkt\n" + "A,POLYGON((1 2\n" * 3000)
    reading = read(path)
    assert (len(reading.problems), reading.problems[-1].code) == (501, "more_problems")
    assert reading.problems[-1].params["count"] == 2500
    assert reading.problems[-1].severity == "error"


def test_an_answer_larger_than_its_owner_can_hold_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_ANSWER_MB", 1)
    assert codes(read(geojson(tmp_path, *[SQUARE] * 9000))) == {"memory_limit"}


def test_a_file_that_is_zip_and_tar_at_once_is_refused(tmp_path):
    path = zipped(tmp_path, {"a.shp": b"x", "a.shx": b"x", "a.dbf": b"x"})
    data = bytearray(path.read_bytes())
    data[257:262] = b"ustar"
    path.write_bytes(data)
    assert codes(read(path)) == {"send_zip"}


@pytest.mark.parametrize("style", ["9" * 40, "-1", "x", ""])
def test_workbook_with_an_impossible_style_is_damaged(tmp_path, style):
    book = io.BytesIO(honest()["wkt.xlsx"])
    changed = tmp_path / "a.xlsx"
    with zipfile.ZipFile(book) as whole, zipfile.ZipFile(changed, "w") as made:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "xl/styles.xml":
                assert b'numFmtId="0"' in data
                data = data.replace(b'numFmtId="0"', f'numFmtId="{style}"'.encode())
            made.writestr(name, data)
    assert "unreadable" not in codes(read(changed, region=HAINAN))
