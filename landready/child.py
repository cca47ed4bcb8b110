"""The guarded child that opens hostile files (geo.child): one per process, started at its first file, ended with it."""

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landready.settings import ROOT

# All vector drivers of GDAL 3.12 but Shapefile, GeoPackage and LIBKML. The child refuses to work with any other that a
# later GDAL brings. GeoJSON is read without GDAL, whose driver downloads what a `crs` member points to.
_SKIPPED = (
    "ADBC AIVector AVCBin AVCE00 AmigoCloud CSV CSW Carto DGN "
    "DXF EDIGEO EEDA ESRIJSON Elasticsearch FlatGeobuf GDALG GML GPSBabel "
    "GPX GTFS GeoJSON GeoJSONSeq GeoRSS HTTP Idrisi JML JSONFG "
    "KML LVBAG MBTiles MEM MVT MapML MiraMonVector NGW OAPIF "
    "ODS OGCAPI OGR_GMT OGR_PDS OGR_VRT OSM OpenFileGDB PCIDSK PDF "
    "PDS4 PGDUMP PLSCENES PMTiles S57 SQLite SXF Selafin TopoJSON "
    "VDV VFK VICAR WAsP WFS XLSX "
)
_ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OGR_SKIP": ",".join([*_SKIPPED.split(), "MapInfo File"]),
    "GDAL_SKIP": "VRT,GTI",
    "GDAL_NUM_THREADS": "1",
    "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
    # Curves become chords at most 0.01 m from the arc up to a radius of 4,200 m.
    "OGR_ARC_STEPSIZE": "0.25",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "PROJ_NETWORK": "OFF",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
# The exit code of a reader that ran out of memory, as geo.child has it (which loads GDAL: it is not imported here).
NO_MEMORY = 77
# What the child's own start may take before a reader's clock runs.
_START_S = 30.0
_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reader ended: exit code (negative: the signal; NO_MEMORY), whether it was late, and its largest size."""

    code: int
    late: bool
    memory_mb: float


class Child:
    """A running geo.child."""

    def __init__(self, root: Path = ROOT) -> None:
        """Start it with the modules of `root`.

        Raises:
            OSError: this machine cannot start a process.
        """
        self._control, theirs = socket.socketpair()
        with theirs:
            # Fixed words and our own interpreter; no secret of this process is in its environment.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "geo.child"],
                cwd="/",
                env={**_ENVIRONMENT, "PYTHONPATH": str(root), "PATH": os.defpath},
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, request: Mapping[str, Any]) -> Ending:
        """Let a new process do `request` and wait for its end.

        Raises:
            OSError: the child itself is gone.
        """
        ours, theirs = socket.socketpair()
        data = json.dumps(request).encode()
        with ours, theirs:
            wall_s = int(request["limits"]["wall_s"])
            socket.send_fds(self._control, [wall_s.to_bytes(4, "big")], [theirs.fileno()])
            theirs.close()
            ours.settimeout(wall_s + _START_S)
            ours.sendall(len(data).to_bytes(8, "big") + data)
            with ours.makefile("rb") as stream:
                said = stream.read()
        if not said:
            raise ConnectionResetError("the reading process ended without an answer")
        return Ending(**json.loads(said))

    def end(self) -> None:
        """End it, with the readers at work."""
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_child: Child | None = None
_lock = threading.Lock()


def run(request: Mapping[str, Any]) -> Ending:
    """Let the child of this process do `request`; one that died between two requests is started anew, once.

    Raises:
        OSError: this machine cannot start a process, or the child cannot work here.
    """
    child = _current()
    try:
        return child.run(request)
    except OSError:
        logging.getLogger(__name__).warning("geo.child had gone and is started anew")
        _drop(child)
        return _current().run(request)


def _current() -> Child:
    global _child
    with _lock:
        if _child is not None and not _child.alive():
            _child.end()
            _child = None
        if _child is None:
            _child = Child()
        return _child


def _drop(child: Child) -> None:
    global _child
    with _lock:
        if _child is child:
            _child = None
    child.end()


def _forget() -> None:
    """In a fork of this process: the child belongs to the other one."""
    global _child, _lock
    _child, _lock = None, threading.Lock()


def _end() -> None:
    if _child is not None:
        _child.end()


os.register_at_fork(after_in_child=_forget)
atexit.register(_end)
