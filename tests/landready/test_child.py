"""The guarded child: what it is bound by, and that nothing of it is left behind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shapely import Polygon

from landready import child
from landready.child import Child
from landready.settings import ROOT, Upload
from tests.fuzz.harness import Canary, canary
from tests.readings import HAINAN, LIMITS, SQUARE, codes, collection, geojson, read


@pytest.fixture
def listener(tmp_path) -> Iterator[Canary]:
    """A real server on loopback and what was asked of it."""
    with canary(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    "member",
    [
        {"type": "link", "properties": {"href": "{url}", "type": "proj4"}},
        {"type": "URL", "properties": {"url": "{url}"}},
    ],
)
@pytest.mark.parametrize("at", ["collection", "geometry"])
def test_a_linked_crs_of_a_geojson_is_never_fetched(tmp_path, listener, member, at):
    data = collection(SQUARE)
    crs = json.loads(json.dumps(member).replace("{url}", listener.url))
    (data if at == "collection" else data["features"][0]["geometry"])["crs"] = crs
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(data).replace('"crs"', '"cr\\u0073"'))
    reading = read(path)
    assert listener.called() == 0
    assert reading.accepted is (at == "geometry")


def test_the_child_has_no_network_no_secrets_and_only_its_own_drivers(
    tmp_path, listener, monkeypatch
):
    monkeypatch.setenv("LANDREADY_DATABASE_URL", "postgresql://secret")
    # A stand-in for a hostile file that has taken a reader over: it runs in the very process that the product forks.
    stand_in = tmp_path / "geo"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text(f"__path__.append({str(ROOT / 'geo')!r})\n")
    (stand_in / "reader.py").write_text(
        "import json, os, socket, sys, urllib.request, pyogrio\n"
        "def answer(request):\n"
        f"    url = {listener.url!r}; address = ('127.0.0.1', int(url.split(':')[2].split('/')[0]))\n"
        "    tries = [lambda: socket.create_connection(address),\n"
        "             lambda: urllib.request.urlopen('http://%s:%d' % address), lambda: os.system('true')]\n"
        "    went = []\n"
        "    for go in tries:\n"
        "        try: go(); went.append('through')\n"
        "        except (PermissionError, OSError): went.append('refused')\n"
        "    devices = open('/proc/net/dev').read()\n"
        "    seen = [went, sorted(os.environ), sorted(pyogrio.list_drivers()), devices]\n"
        "    open(request['answer'], 'w').write(json.dumps(seen))\n"
    )
    taken = Child(tmp_path)
    limits = {**LIMITS.model_dump(), "answer_mb": 64}
    answer = tmp_path / "seen.json"
    ending = taken.run(
        {"task": "read", "folder": str(tmp_path), "answer": str(answer), "limits": limits}
    )
    taken.end()
    assert ending.code == 0, (tmp_path / "said").read_text()
    went, environment, drivers, devices = json.loads(answer.read_text())
    assert (went, listener.called()) == (["refused"] * 3, 0)
    assert drivers == ["ESRI Shapefile", "GPKG", "LIBKML"]
    # Nothing but a loopback of its own, which is down.
    assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]
    assert not [
        name
        for name in environment
        if name.startswith("LANDREADY") or "REDIS" in name or "SECRET" in name
    ]


def test_a_child_that_was_killed_is_started_anew(tmp_path):
    path = geojson(tmp_path, SQUARE)
    assert read(path).accepted
    server = child._current()
    server._process.kill()
    server._process.wait()
    assert read(path).accepted
    assert child._current() is not server


def test_readers_of_a_process_that_goes_away_are_ended(tmp_path):
    many = geojson(tmp_path, *[comb(1500, upright=True)] * 200)
    owner = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys; from pathlib import Path; from landready import child, intake; from landready.settings import Upload\n"
            "print(child._current()._process.pid, flush=True)\n"
            f"intake.read_file(Path({str(many)!r}), Upload(cpu_s=60, wall_s=60), region=None, crs=None, kind='plots')\n",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert owner.stdout is not None
    server = int(owner.stdout.readline())
    _until(lambda: bool(_children(server)))
    readers = _children(server)
    owner.kill()
    owner.communicate()
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (server, *readers)))


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def _until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 15
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


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
    many = geojson(tmp_path, *[comb(1500, upright=True)] * 200)
    reading = read(many, limits=Upload(cpu_s=1))
    assert (reading.accepted, codes(reading)) == (False, {"time_limit"})


def test_a_child_that_hangs_is_ended_with_all_its_group(tmp_path):
    many = geojson(tmp_path, *[comb(1500, upright=True)] * 200)
    assert read(geojson(tmp_path, SQUARE, name="small.geojson")).accepted
    started = time.monotonic()
    reading = read(many, limits=Upload(wall_s=1, cpu_s=60))
    assert codes(reading) == {"time_limit"}
    assert time.monotonic() - started < 5
    assert _children(child._current()._process.pid) == []


def test_a_file_that_needs_more_memory_than_allowed_is_a_sentence(tmp_path):
    path = tmp_path / "big.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[' + ",".join(["[[[[]]]]"] * 3_000_000) + "]}"
    )
    reading = read(path, limits=Upload(memory_mb=420))
    assert (reading.accepted, codes(reading)) == (False, {"memory_limit"})
