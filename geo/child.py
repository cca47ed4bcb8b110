"""The guarded child: `python -m geo.child`, started once, forks a process for every hostile file.

Started with a socket of its owner as stdin. For every request the owner passes one end of a new pair of sockets and the
seconds it may take; a reader is forked, which takes the request from there. This process never touches a file: it ends readers
that are late or whose owner went away, and answers how each ended. A reader works in a private folder on a copy under a name of
ours, with limits on time, memory and file size and without network. What is imported is imported before, so that a file
costs a fork and not the start of an interpreter.
"""

import contextlib
import ctypes
import errno
import gc
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Only pyogrio's raw reading is needed: without these a fork copies half as much.
for _heavy in ("geopandas", "pandas", "pyarrow"):
    sys.modules[_heavy] = None  # type: ignore[assignment]

from geo import cells, crs, layers, overlaps, packing, reader  # noqa: E402

Request = dict[str, Any]
Tasks = Mapping[str, Callable[[Request], None]]
_NO_NETWORK = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "urllib.",
    "http.",
)
_LENGTH = 8
# Exit code of a reader that ran out of memory.
NO_MEMORY = 77


@dataclass(slots=True)
class _Reader:
    """A reader at work: its process, the file descriptor that tells its end, its owner, and when it is late."""

    pid: int
    ended: int
    owner: socket.socket
    deadline: float
    late: bool = False


def serve(control: socket.socket, tasks: Tasks) -> None:
    """Fork a reader for every socket that comes over `control`, until its other end is closed."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    # By the descriptor of its end and by its owner's.
    readers: dict[int, _Reader] = {}
    while True:
        left = min((r.deadline for r in readers.values()), default=math.inf)
        wait = None if math.isinf(left) else max(left - time.monotonic(), 0) * 1000
        for descriptor, _ in poll.poll(wait):
            if descriptor != control.fileno():
                _attend(descriptor, poll, readers)
            elif not _start(control, tasks, poll, readers):
                for other in readers.values():
                    _kill(other)
                return
        for slow in readers.values():
            if time.monotonic() >= slow.deadline:
                slow.late, slow.deadline = True, math.inf
                _kill(slow)


def _attend(descriptor: int, poll: select.poll, readers: dict[int, _Reader]) -> None:
    """A reader ended, or its owner went away."""
    found = readers.get(descriptor)
    if found is None:
        return
    if descriptor != found.ended:
        _kill(found)
        return
    for number in (found.ended, found.owner.fileno()):
        poll.unregister(number)
        del readers[number]
    _finish(found)


def _start(
    control: socket.socket, tasks: Tasks, poll: select.poll, readers: dict[int, _Reader]
) -> bool:
    """Take the next request's socket and fork its reader; False where the owner is gone."""
    data, descriptors, _, _ = socket.recv_fds(control, 4, 1)
    if not data:
        return False
    owner = socket.socket(fileno=descriptors[0])
    pid = os.fork()
    if pid == 0:
        # A reader may answer for nobody else.
        control.close()
        for other in readers.values():
            other.owner.close()
        _work(owner, tasks)
    deadline = time.monotonic() + int.from_bytes(data, "big")
    found = _Reader(pid, os.pidfd_open(pid), owner, deadline)
    readers[found.ended] = readers[owner.fileno()] = found
    poll.register(found.ended, select.POLLIN)
    poll.register(owner, select.POLLRDHUP)
    return True


def _kill(reader_: _Reader) -> None:
    """End a reader with its group; it was not waited for yet, so the number is still its own."""
    try:
        os.killpg(reader_.pid, signal.SIGKILL)
    except ProcessLookupError:  # not yet leader of a group
        os.kill(reader_.pid, signal.SIGKILL)


def _finish(reader_: _Reader) -> None:
    """Leave nothing of an ended reader's group behind and tell its owner how it ended."""
    _kill(reader_)
    _, status, used = os.wait4(reader_.pid, 0)
    os.close(reader_.ended)
    code = os.waitstatus_to_exitcode(status)
    answer = {"code": code, "late": reader_.late, "memory_mb": used.ru_maxrss / 1024}
    with reader_.owner, contextlib.suppress(OSError):
        reader_.owner.sendall(json.dumps(answer).encode())


def _work(owner: socket.socket, tasks: Tasks) -> None:
    """Take the request, do its task in its folder and end; what goes wrong is said on stderr, which is a file there."""
    code = 1
    try:
        os.setsid()
        request = _request(owner)
        owner.close()
        folder = Path(request["folder"])
        os.chdir(folder)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder), CPL_TMPDIR=str(folder))
        words = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        # The words first: their descriptor may be 0, which the server's socket had.
        for descriptor, number in ((words, 2), (nothing, 1), (nothing, 0)):
            os.dup2(descriptor, number)
        confine(request["limits"])
        tasks[request["task"]](request)
        code = 0
    except MemoryError:
        code = NO_MEMORY  # there is no room for words
    except OSError as error:
        # An answer larger than a file may be is too large for the owner too.
        code = NO_MEMORY if error.errno == errno.EFBIG else code
        os.write(2, traceback.format_exc().encode(errors="replace"))
    except BaseException:  # noqa: BLE001 - a task may fail in any way, its owner is told
        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(code)  # the answer is written; libraries need not tidy up after a hostile file


def _request(owner: socket.socket) -> Request:
    """Read a length and that many bytes of JSON."""
    with owner.makefile("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH), "big")
        request: Request = json.loads(stream.read(length))
    return request


def confine(limits: dict[str, int]) -> None:
    """Hold this process to the limits and give up the network."""
    memory, size = limits["memory_mb"] << 20, limits["answer_mb"] << 20
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_s"], limits["cpu_s"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse_network)


def _isolate() -> None:
    """Move to an empty network namespace, whose loopback is down, where the kernel allows it: every reader inherits it.

    GDAL's own HTTP is cut by this and by the environment, Python's sockets by a hook in each reader.
    """
    new_user, new_network = 0x10000000, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_network) != 0:
        libc.unshare(new_user | new_network)


def _refuse_network(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_NO_NETWORK):
        raise PermissionError(f"{event} is not allowed while reading a file")


def main() -> None:
    """Serve the owner; a driver outside the allow-list stops everything before the first file."""
    _isolate()
    layers.check_drivers()
    crs.prepare()
    # Every reader has one short life and few cycles: collecting costs seconds on millions of coordinates.
    gc.disable()
    gc.freeze()
    with socket.socket(fileno=0) as control:
        serve(
            control,
            {
                "read": reader.answer,
                "cells": cells.answer,
                "overlaps": overlaps.answer,
                "pack": packing.answer,
            },
        )


if __name__ == "__main__":
    main()
