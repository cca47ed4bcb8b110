"""Runs files through the product's own guarded reader and what the product does with its answer, and counts what became of them."""

import ctypes
import json
import os
import random
import resource
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geo import attributes
from landready import child, intake, plot_rows, uploads
from landready.intake import Reading
from landready.settings import Region, Upload
from tests.fuzz.mutations import child_of
from tests.fuzz.seeds import honest

HAINAN = Region(land=((108.2, 17.9, 111.5, 20.4), (107.8, 3.3, 119.2, 17.9)))
SECRET = "CANARY-7f3a"
_KINDS: tuple[intake.Kind, ...] = ("plots", "plots", "plots", "facilities", "service_areas")
_SYSTEMS = (None, None, "EPSG:4490", "EPSG:4525", "CM109")
_OPENED = 0x20 | 0x1  # IN_OPEN, IN_ACCESS


@dataclass(slots=True)
class Report:
    """What became of the files. `verdicts`: "accepted" or the code of the first error; `bad`: what must not happen."""

    files: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    largest_mb: float = 0.0
    largest: str = ""
    seconds: float = 0.0
    parent_mb: float = 0.0
    foreign_reads: int = 0
    connections: int = 0

    def __str__(self) -> str:
        counts = ", ".join(f"{code} {n}" for code, n in self.verdicts.most_common())
        return (
            f"{self.files} files in {self.seconds:.0f} s; {len(self.bad)} faults, {self.foreign_reads} foreign reads, "
            f"{self.connections} connections; slowest {self.slowest_s:.2f} s ({self.slowest}), largest child "
            f"{self.largest_mb:.0f} MB ({self.largest}), parent grew by {self.parent_mb:.0f} MB\n{counts}"
        )


class _Watched:
    """The guarded child, with how large each reader became."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._run = child.run

    def __call__(self, request: Mapping[str, Any]) -> child.Ending:
        ending = self._run(request)
        self._local.memory_mb = ending.memory_mb
        return ending

    def memory_mb(self) -> float:
        found: float = getattr(self._local, "memory_mb", 0.0)
        self._local.memory_mb = 0.0
        return found


@dataclass(frozen=True, slots=True)
class Canary:
    """A file that nobody may open and a port that nobody may call."""

    file: Path
    url: str
    opened: Callable[[], int]
    called: Callable[[], int]


@contextmanager
def canary(folder: Path) -> Iterator[Canary]:
    """Lay out another tenant's file under the kernel's watch, and listen on loopback."""
    home = folder / "other-tenant"
    home.mkdir()
    file = home / "canary.csv"
    file.write_text(f'code,wkt\n{SECRET},"POLYGON((110 20,110.1 20,110.1 20.1,110 20))"\n')
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    if watch < 0 or libc.inotify_add_watch(watch, os.fsencode(home), _OPENED) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    calls: list[bytes] = []
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    calls.append(connection.recv(200))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/canary.geojson"
            yield Canary(file, url, lambda: _events(watch), lambda: len(calls))
        finally:
            stop.set()
            thread.join()
            os.close(watch)


def _events(watch: int) -> int:
    """How often something in the watched folder was opened or read since the last time."""
    try:
        data = os.read(watch, 1 << 20)
    except BlockingIOError:
        return 0
    count = at = 0
    while at < len(data):
        at += 16 + struct.unpack_from("iIII", data, at)[3]
        count += 1
    return count


def bred(
    files: int, seed: int, more: Iterable[tuple[str, bytes]] = ()
) -> Iterator[tuple[str, bytes]]:
    """Yield `files` mutated files; number n of a seed is always the same."""
    parents = [*honest().items(), *more]
    bytes_of = [data for _, data in parents]
    for number in range(files):
        dice = random.Random(f"{seed}:{number}")
        name, data = child_of(dice, *dice.choice(parents), bytes_of)
        yield f"{number}_{name}", data


def run(
    files: Iterable[tuple[str, bytes]], canaries: Canary, keep: Path, threads: int = 2
) -> Report:
    """Read all files, two at once as the product does; what must not happen is kept under `keep`."""
    report, lock = Report(), threading.Lock()
    watched = _Watched()
    plain, child.run = child.run, watched
    started, size = time.monotonic(), _rss_mb()

    def one(item: tuple[str, bytes]) -> None:
        _one(item, report, lock, watched, keep)

    try:
        with ThreadPoolExecutor(threads) as pool:
            rest = iter(files)
            # In batches: a hundred thousand files do not fit in memory at once.
            while batch := list(islice(rest, 100)):
                for _ in pool.map(one, batch):
                    pass
    finally:
        child.run = plain
    report.seconds, report.parent_mb = time.monotonic() - started, _rss_mb() - size
    report.foreign_reads, report.connections = canaries.opened(), canaries.called()
    return report


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _one(
    item: tuple[str, bytes], report: Report, lock: threading.Lock, watched: _Watched, keep: Path
) -> None:
    name, data = item
    dice = random.Random(name)
    faults: list[str] = []
    verdict = "exception"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        kind = dice.choice(_KINDS)
        region = HAINAN if dice.random() < 0.5 else None
        started = time.monotonic()
        try:
            reading = intake.read_file(
                path, Upload(), region=region, crs=dice.choice(_SYSTEMS), kind=kind, name=name,
                swap=dice.random() < 0.05,
            )  # fmt: skip
            verdict = _verdict(reading)
            faults += _wrong(reading, region, kind)
        except Exception as error:  # noqa: BLE001 - any exception is a page of error 500: that is what is looked for
            faults.append(f"{type(error).__name__}: {error}")
        spent = time.monotonic() - started
    memory = watched.memory_mb()
    with lock:
        report.files += 1
        report.verdicts[verdict] += 1
        if spent > report.slowest_s:
            report.slowest_s, report.slowest = spent, name
        if memory > report.largest_mb:
            report.largest_mb, report.largest = memory, name
        if faults:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / Path(name).name).write_bytes(data)
            report.bad += [f"{name}: {fault}" for fault in faults]


def _verdict(reading: Reading) -> str:
    if reading.accepted:
        return "accepted"
    return next((p.code for p in reading.problems if p.severity == "error"), "refused in silence")


def _wrong(reading: Reading, region: Region | None, kind: str) -> list[str]:
    """What must never be said of a file: a crash of the reader, a shape that is none, another tenant's words."""
    found = []
    if SECRET in repr(reading):
        found.append("another tenant's file was read")
    if not reading.accepted and not any(p.severity == "error" for p in reading.problems):
        found.append("refused without a reason")
    if any(p.code == "unreadable" for p in reading.problems):
        found.append("the reader crashed")
    for p in reading.problems:
        if not p.message.strip():
            found.append(f"{p.code} says nothing")
    found += [fault for f in reading.features for fault in _wrong_shape(f, region, kind)]
    intake.as_text(reading)
    json.loads(intake.as_json(reading))
    if kind == "plots":
        _as_draft(reading)
    return found


def _wrong_shape(feature: intake.Feature, region: Region | None, kind: str) -> Iterator[str]:
    shape = shapely.geometry.shape(feature.geometry)
    west, south, east, north = shape.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        yield f"row {feature.row} is off the Earth"
    if region:
        points = shapely.points(shapely.get_coordinates(shape))
        inside = [shapely.intersects(shapely.box(*box), points) for box in region.land]
        if not np.any(inside, axis=0).all():
            yield f"row {feature.row} is outside the region"
    if kind != "facilities" and not (shape.is_valid and (feature.area_m2 or 0) > 0):
        yield f"row {feature.row} is no area"


def _as_draft(reading: Reading) -> None:
    """What the web process makes of it must not raise either."""
    features = [
        {
            "row": f.row,
            "geometry": f.geometry,
            "properties": uploads.storable(dict(f.properties)),
            "area_m2": f.area_m2,
        }
        for f in reading.features
    ]
    plot_rows.draft_plots(features, attributes.guess(uploads.storable(list(reading.fields))))
