"""The processes of an installation under one supervisor: its configuration, and how it is spoken to.

supervisord starts, restarts and stops; nothing here does. landready.up puts the steps in order.
"""

import http.client
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from landready import places, seal, servers
from landready.errors import LandreadyError
from landready.settings import ROOT, Settings

APPLICATION = ("worker", "sweep", "web")

_START_S = 120.0
# A process that keeps failing for this long will not come up by itself.
_PATIENCE_S = 8.0
_FAILING = {"BACKOFF", "FATAL", "EXITED"}
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


class StartError(LandreadyError):
    """A process does not come up, or the supervisor ended by itself."""


class Address(NamedTuple):
    host: str
    port: int

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Address":
        """Where a browser on this machine finds what listens here."""
        return Address(_ANY_ADDRESS.get(self.host, self.host), self.port)


def write_configuration(settings: Settings, address: Address) -> Path:
    """Write `var/supervisord.conf` and return its path."""
    python = sys.executable
    web = [
        *(python, "-m", "gunicorn", "wsgi:application", "--bind", address.netloc),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
        *("--graceful-timeout", "10", "--access-logfile", "-", "--no-control-socket"),
        *("--logger-class", "web.access_log.AccessLog"),
    ]
    sections = [_manager_sections(settings)]
    if servers.private_database(settings):
        command = servers.postgres_command(settings)
        sections.append(
            _program("postgres", command, 10, stop="INT", wait=60, user=places.account())
        )
    if servers.private_redis(settings):
        sections.append(_program("redis", servers.redis_command(settings), 10))
    sections += [
        _program("worker", [python, "-m", "push.worker"], 20, late=True, wait=20),
        _program("sweep", [python, "-m", "push.sweep"], 20, late=True, wait=20),
        _program("web", web, 30, late=True, wait=15),
    ]
    path = settings.var / "supervisord.conf"
    path.write_text("\n".join(sections), encoding="utf-8")
    return path


def _manager_sections(settings: Settings) -> str:
    root = "user=root\n" if os.geteuid() == 0 else ""
    return f"""\
; Written by `landready up` at every start; changes are lost.
[supervisord]
nodaemon=true
silent=true
logfile=log/supervisord.log
pidfile=supervisord.pid
childlogdir=log
{root}
[unix_http_server]
file={_socket(settings)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{_socket(settings)}
"""


def _program(
    name: str,
    command: list[str],
    priority: int,
    *,
    late: bool = False,
    stop: str = "TERM",
    wait: int = 10,
    user: str | None = None,
) -> str:
    """One supervised process. It also ends when supervisord is killed, so no start finds a leftover holding the data."""
    words = " ".join(map(_word, ["/usr/bin/setpriv", "--pdeathsig", stop, "--", *command]))
    return f"""\
[program:{name}]
command={words}
directory={"/" if user else "%(ENV_LANDREADY_ROOT)s"}
priority={priority}
autostart={"false" if late else "true"}
autorestart=true
startretries=1000
stopsignal={stop}
stopwaitsecs={wait}
killasgroup=true
redirect_stderr=true
stdout_logfile=log/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
{f"user={user}" if user else ""}
"""


def _word(text: str) -> str:
    """Quote one word of a command; a blank before `;` or `#` would start a comment, so quotes go between."""
    return shlex.quote(text).replace(" ;", " '';").replace(" #", " ''#").replace("%", "%%")


def _socket(settings: Settings) -> Path:
    return places.socket_folder(settings.var) / "supervisor.sock"


class Supervisor:
    """supervisord as a child, told what to do over its socket."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> "Supervisor":
        var = self._settings.var.resolve()
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", f"{var}/supervisord.conf"]
        environment = {
            **os.environ,
            "LANDREADY_VAR": str(var),
            "LANDREADY_ROOT": str(ROOT),
            "LANDREADY_SECRET_KEY": servers.secret_key(self._settings),
            "LANDREADY_SIGNING_KEY": seal.signing_key(self._settings),
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
        }
        with (var / "log" / "supervisord.log").open("a") as log:
            # A session of its own: Ctrl-C reaches `up` alone, which then stops things in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", *command],
                cwd=var,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def start_application(self) -> None:
        for name in APPLICATION:
            self._ask("startProcess", name, False)  # noqa: FBT003 - XML-RPC has no names; do not wait

    def application_runs(self) -> bool:
        states = self._states()
        return all(states.get(name) == "RUNNING" for name in APPLICATION)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Poll until `done`.

        Raises:
            StartError: a process keeps failing, or it is not up within two minutes.
        """
        began = time.monotonic()
        while not done():
            waited = time.monotonic() - began
            self._require_alive()
            failing = [name for name, state in self._states().items() if state in _FAILING]
            if failing and waited > _PATIENCE_S:
                raise StartError(self._why(failing[0]))
            if waited > _START_S:
                waiting = [name for name, state in self._states().items() if state != "RUNNING"]
                raise StartError(self._why((waiting or ["web"])[0]))
            time.sleep(0.1)

    def watch(self) -> None:
        """Wait for the end of supervisord, which only a fault brings: a signal leaves by another way."""
        self._process.wait()
        self._require_alive()

    def _require_alive(self) -> None:
        if self._process.poll() is not None:
            raise StartError(self._why("supervisord"))

    def _states(self) -> dict[str, str]:
        """Process name -> state, of those that were asked to run; nothing while supervisord itself is coming up."""
        try:
            processes = self._ask("getAllProcessInfo")
        except (OSError, http.client.HTTPException, XmlRpcError):
            return {}
        return {one["name"]: one["statename"] for one in processes if one["start"]}

    def _ask(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC's values
        """Call supervisord on a new connection: one that was once refused is of no use again."""
        transport: Any = SupervisorTransport  # has no types
        url = f"unix://{_socket(self._settings)}"
        with ServerProxy("http://supervisor", transport=transport(None, None, url)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _why(self, name: str) -> str:
        log = (self._settings.var / "log" / name).with_suffix(".log")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{name} 没有启动 · did not start: {last} ({log})"
