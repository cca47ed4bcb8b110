"""Two thousand hostile files through the guarded reader; `make fuzz FILES=100000` is the same at night."""

import random
import socket
import tempfile
import time
from collections.abc import Iterator

import pytest

from landready.settings import Upload
from tests.fuzz import harness, hostile
from tests.fuzz.harness import Canary
from tests.fuzz.seeds import SQUARE, geojson, honest, zipped
from tests.readings import read

FILES = 2000


@pytest.fixture
def canary(tmp_path) -> Iterator[Canary]:
    with harness.canary(tmp_path) as found:
        yield found


def test_the_watch_on_the_canary_sees_a_reader_and_the_port_a_caller(canary):
    canary.file.read_bytes()
    assert canary.opened() > 0
    host, port = canary.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(b"x")
    # The listener counts when it has read; the fixture's end waits for its thread.
    for _ in range(50):
        if canary.called():
            break
        time.sleep(0.05)
    assert canary.called() == 1


def test_every_honest_seed_is_read_as_its_author_meant(tmp_path):
    accepted = set()
    for name, data in honest().items():
        path = tmp_path / name
        path.write_bytes(data)
        if read(
            path, crs="EPSG:4525" if name in ("points.csv", "points.xlsx", "plots.dxf") else None
        ).accepted:
            accepted.add(name)
    ours = {"survey.txt", "survey_utf8.txt", "points.csv", "wkt.csv", "points.xlsx", "wkt.xlsx"}
    ours |= {"plots.geojson", "plots.gpkg", "gbk.zip", "plots.kml", "plots.kmz", "plots.dxf"}
    assert ours <= accepted


@pytest.mark.timeout(600)
def test_hostile_files_crash_nothing_read_nothing_foreign_and_call_nobody(tmp_path, canary):
    known = list(hostile.everything(canary.file, canary.url))
    assert len(known) >= 500
    bred = harness.bred(FILES - len(known), 1, known[::40])
    report = harness.run([*known, *bred], canary, tmp_path / "bad")
    assert report.bad == []
    assert (report.files, report.foreign_reads, report.connections) == (FILES, 0, 0)
    assert report.slowest_s <= 30
    assert report.largest_mb <= Upload().memory_mb
    assert report.parent_mb <= 100
    # A fuzzer whose files are all refused at the door tests the door.
    assert report.verdicts["accepted"] >= 50
    assert len(report.verdicts) >= 25


def test_two_hundred_hostile_archives_leave_nothing_behind(tmp_path, monkeypatch):
    jobs = tmp_path / "jobs" / "deep"
    jobs.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(jobs))
    dice = random.Random(7)
    prefixes = [
        "../",
        "../../",
        "/",
        "/tmp/",
        "..\\",
        "a/../../",
        "C:\\",
        "\\\\host\\",
        "~/",
        "./.././",
    ]
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    for number in range(200):
        stem = dice.choice(prefixes) * dice.randint(1, 4) + f"slip{number}"
        suffix, parts = dice.choice(
            [
                (
                    ".zip",
                    {f"{stem}{part}": geojson(SQUARE) for part in (".shp", ".shx", ".dbf", ".prj")},
                ),
                (".kmz", {f"{stem}.kml": b"<kml/>", f"{stem}.png": b"x"}),
                (
                    ".xlsx",
                    {"[Content_Types].xml": b"<a/>", "xl/a.xml": b"<a/>", f"{stem}.xml": b"<a/>"},
                ),
            ]
        )
        path = tmp_path / f"upload{suffix}"
        path.write_bytes(zipped(parts))
        assert not read(path).accepted
        path.unlink()
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before
    assert not list(tmp_path.parent.glob("slip*"))
