"""The guarded child: `python -m geo.child`, started once, forks a process for every hostile file.

Started with the socket of its owner as stdin. For every request the owner passes one end of a new pair of sockets: a minder is
forked, which forks the reader proper, ends it when it is late or the owner goes away, and answers with how it ended.
The reader works in a private folder on a copy under a name of ours, with limits on time, memory and file size and without
network. What is imported is imported before, so that a file costs two forks and not the start of an interpreter.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geo import cells, crs, layers, reader

Request = dict[str, Any]
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


def serve(control: socket.socket, tasks: dict[str, Callable[[Request], None]]) -> None:
    """Fork a minder for every socket that comes over `control`, until its other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # minders are not waited for
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        if os.fork() == 0:
            control.close()
            _mind(socket.socket(fileno=descriptors[0]), tasks)
        for descriptor in descriptors:
            os.close(descriptor)


def _mind(owner: socket.socket, tasks: dict[str, Callable[[Request], None]]) -> None:
    """Start the reader, wait for its end, for the wall clock or for the owner to leave; tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = _request(owner)
    if request is not None:
        pid = os.fork()
        if pid == 0:
            owner.close()
            _work(request, tasks)
        ended = os.pidfd_open(pid)
        ready, _, _ = select.select([ended, owner.fileno()], [], [], request["limits"]["wall_s"])
        late = not ready
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)  # not yet leader of its own group, or ended
        _, status = os.waitpid(pid, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "late": late}
        try:
            owner.sendall(json.dumps(answer).encode())
        except OSError:
            os._exit(1)
    os._exit(0)


def _request(owner: socket.socket) -> Request | None:
    """Read a length and that many bytes of JSON; None where the owner left."""
    with owner.makefile("rb") as stream:
        length = stream.read(_LENGTH)
        data = stream.read(int.from_bytes(length, "big"))
    if len(length) < _LENGTH or len(data) < int.from_bytes(length, "big"):
        return None
    request: Request = json.loads(data)
    return request


def _work(request: Request, tasks: dict[str, Callable[[Request], None]]) -> None:
    """Do the task in its folder and end; what goes wrong is said on stderr, which is a file there."""
    code = 1
    try:
        os.setsid()
        folder = Path(request["folder"])
        os.chdir(folder)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder), CPL_TMPDIR=str(folder))
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, descriptor in enumerate((nothing, nothing, said)):
            os.dup2(descriptor, number)
        confine(request["limits"])
        tasks[request["task"]](request)
        code = 0
    except MemoryError:
        os.write(2, b"MemoryError")  # there is no room for more words
    except BaseException:  # noqa: BLE001 - a task may fail in any way, its owner is told
        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(code)  # the answer is written; libraries need not tidy up after a hostile file


def confine(limits: dict[str, int]) -> None:
    """Hold this process to the limits and give up the network."""
    memory, size = limits["memory_mb"] << 20, limits["answer_mb"] << 20
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_s"], limits["cpu_s"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where the kernel allows it an empty network namespace, whose loopback is down; GDAL's own HTTP is cut by this and
    # by the environment, Python's sockets by the hook.
    new_user, new_network = 0x10000000, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_network) != 0:
        libc.unshare(new_user | new_network)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_NO_NETWORK):
        raise PermissionError(f"{event} is not allowed while reading a file")


def main() -> None:
    """Serve the owner; a driver outside the allow-list stops everything before the first file."""
    layers.check_drivers()
    crs.prepare()
    # Every reader has one short life and few cycles: collecting costs seconds on millions of coordinates.
    gc.disable()
    gc.freeze()
    with socket.socket(fileno=0) as control:
        serve(control, {"read": reader.answer, "cells": cells.answer})


if __name__ == "__main__":
    main()
