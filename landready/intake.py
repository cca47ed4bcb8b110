"""Reading an uploaded file in a guarded child process. This process never loads GDAL nor parses a byte of the file."""

import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from geo import attributes
from geo.problems import N_, Problem
from landready import child
from landready.errors import Busy
from landready.settings import Region, Upload

Kind = Literal["plots", "facilities", "service_areas"]

# Of two processes with four threads each, two threads stay free for what is quick.
_READERS = threading.BoundedSemaphore(2)
_PATIENCE_S = 2.0
# Two million vertices are some 80 MB of text; this process has to hold what it reads.
_ANSWER_MB = 128
# As much of the child's last words as is looked at.
_SAID = 4096


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, with its `properties` under the names of the file.

    `geometry` is GeoJSON lon/lat in EPSG:4490. Areas in m²; `area_m2` is geodesic on GRS80, None for points and lines.
    """

    row: int
    geometry: Mapping[str, Any]
    properties: Mapping[str, object]
    area_m2: float | None
    declared_area_m2: float | None
    source_crs: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds. `accepted`: it can be used; single rows may still be in error and are then not in `features`."""

    accepted: bool
    features: tuple[Feature, ...] = ()
    fields: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    format: str = ""
    source_crs: str | None = None


def read_file(
    path: Path,
    limits: Upload,
    *,
    region: Region | None,
    crs: str | None,
    kind: Kind,
    name: str | None = None,
    swap: bool = False,
) -> Reading:
    """Read the file at `path`, sent as `name` (default: the name of `path`), in a child process bound by `limits`.

    `region` None: no place is required. `crs` (EPSG:n) is what the user says the coordinates are in, `swap`
    that X and Y stand in each other's place. Never raises for
    what the file holds: a crash, a hang or too much memory is a problem of the answer.

    Raises:
        Busy: as many files are being read already as this process reads at once.
        OSError: the file cannot be read, or this machine cannot start a process.
    """
    suffix = Path(name or path.name).suffix.lower()
    with turn(), tempfile.TemporaryDirectory(prefix="landready-read-") as folder_name:
        folder = Path(folder_name)
        # Our own name for it: what the user called the file must not steer a parser.
        copy = (
            folder
            / f"upload{suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 9 else ''}"
        )
        shutil.copyfile(path, copy)
        answer = folder / "answer.json"
        request = {
            "task": "read",
            "folder": str(folder),
            "path": str(copy),
            "suffix": suffix[:20],
            "answer": str(answer),
            "limits": {**limits.model_dump(), "answer_mb": _ANSWER_MB},
            "boxes": _boxes(region),
            "crs": crs,
            "kind": kind,
            "swap": swap,
        }
        stopped = run_child(request, folder)
        if stopped is not None:
            return Reading(accepted=False, problems=(stopped,))
        return _reading(json.loads(answer.read_text(encoding="utf-8")))


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Read few files at once, so that heavy ones leave threads to everybody else."""
    if not _READERS.acquire(timeout=_PATIENCE_S):
        raise Busy
    try:
        yield
    finally:
        _READERS.release()


def _boxes(region: Region | None) -> list[tuple[float, float, float, float]]:
    if region is None:
        return []
    return list(region.land) or [region.extent]


def run_child(request: Mapping[str, Any], folder: Path) -> Problem | None:
    """Run the child to its end; a problem if it did not come to a good one."""
    ending = child.run(request)
    if ending.late:
        return Problem("time_limit", "error", _TOO_LONG, {"seconds": request["limits"]["wall_s"]})
    # A file, bound like every file of the child, rather than a pipe that this process would have to hold.
    said = folder / "said"
    last = b""
    if said.exists():
        with said.open("rb") as stream:
            stream.seek(max(stream.seek(0, os.SEEK_END) - _SAID, 0))
            last = stream.read()
    return _ending(ending.code, last, request)


_TOO_LONG = N_("文件太复杂，{seconds} 秒内没有读完。请简化图形或拆分文件后再上传。")
_TOO_MUCH_MEMORY = N_("文件太大或太复杂，读取所需内存超过上限。请简化图形或拆分文件后再上传。")
_CRASHED = N_("文件无法读取：内容已损坏，或结构异常。请重新导出后再上传。")


def _ending(code: int, said: bytes, request: Mapping[str, Any]) -> Problem | None:
    if code == 0:
        return None
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Problem("time_limit", "error", _TOO_LONG, {"seconds": request["limits"]["cpu_s"]})
    if (
        code == child.NO_MEMORY
        or b"MemoryError" in said
        or b"bad_alloc" in said
        or code == -signal.SIGXFSZ
    ):
        return Problem("memory_limit", "error", _TOO_MUCH_MEMORY)
    # The operator's log keeps what may be a fault of ours, the user gets a sentence.
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    logging.getLogger(__name__).warning("the reader ended with %s: %s", code, last[-300:])
    return Problem("unreadable", "error", _CRASHED)


def _reading(answer: Mapping[str, Any]) -> Reading:
    crs = answer["source_crs"]
    return Reading(
        accepted=answer["accepted"],
        features=tuple(Feature(**feature, source_crs=crs or "") for feature in answer["features"]),
        fields=tuple(answer["fields"]),
        problems=tuple(_problem(raw) for raw in answer["problems"]),
        format=answer["format"],
        source_crs=crs,
    )


def _problem(raw: Mapping[str, Any]) -> Problem:
    place = raw["place"]
    return Problem(**{**raw, "place": tuple(place) if place else None})


def as_json(reading: Reading) -> str:
    """The answer of `landready read --json`: accepted, plots as GeoJSON features, problems."""
    mapping = attributes.guess(reading.fields)
    plots = [
        {
            "type": "Feature",
            "geometry": feature.geometry,
            "properties": {
                "code": attributes.text(feature.properties.get(mapping.get("code", ""))),
                "name": attributes.text(feature.properties.get(mapping.get("name", ""))),
                "declared_area_m2": feature.declared_area_m2,
                "area_m2": feature.area_m2,
            },
        }
        for feature in reading.features
    ]
    problems = [
        {"code": p.code, "severity": p.severity, "where": p.where, "message": p.message}
        for p in reading.problems
    ]
    return json.dumps(
        {"accepted": reading.accepted, "plots": plots, "problems": problems}, ensure_ascii=False
    )


def as_text(reading: Reading) -> str:
    """The answer of `landready read` for people: verdict, plots, problems."""
    mapping = attributes.guess(reading.fields)
    lines = [
        f"{'可以接收' if reading.accepted else '不能接收'}：{len(reading.features)} 个地块"
        f"{f'，源坐标系 {reading.source_crs}' if reading.source_crs else ''}"
    ]
    for feature in reading.features:
        names = (
            attributes.text(feature.properties.get(mapping.get(k, ""))) for k in ("code", "name")
        )
        title = " ".join(filter(None, names)) or "（无编号）"
        lines.append(f"  {feature.row}. {title}  {feature.area_m2 or 0:.2f} 平方米")
    marks = {"error": "错误", "warning": "提醒"}
    lines += [
        f"{marks[p.severity]}｜{p.where or '整个文件'}｜{p.message}" for p in reading.problems
    ]
    return "\n".join(lines)
