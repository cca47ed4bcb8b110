"""`landready up`: from nothing to a running installation, until Ctrl-C."""

import fcntl
import http.client
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from landready import demo, migrate, places, servers
from landready.demo_people import DemoLogin
from landready.errors import Conflict
from landready.processes import Address, Supervisor, write_configuration
from landready.settings import Settings

Say = Callable[[str], None]

_FIRST_PORT, _LAST_PORT = 8000, 8099


def up(settings: Settings, port: int | None, say: Say) -> None:
    """Start everything, say where it is, and return when a signal (Ctrl-C, TERM, HUP) has stopped it all.

    Raises:
        Conflict: another `up` runs on the same `var`, or the port is taken.
        ServerError: PostGIS or Redis is missing.
        StartError: a process does not come up.
    """
    with _only_one(settings), _until_signal(say):
        address = free_address(port)
        servers.prepare(settings, say)
        write_configuration(settings, address)
        with Supervisor(settings) as supervisor:
            supervisor.wait_until(lambda: not servers.silent(settings))
            if servers.private_database(settings):
                servers.provision(settings)
            if migrate.behind(settings):
                say("正在准备数据库，首次还要载入演示省，约需一分钟。")
                say(
                    "Preparing the database and, the first time, the demo province: about a minute."
                )
            migrate.upgrade(settings)
            logins = demo.load(settings)
            supervisor.start_application()
            supervisor.wait_until(lambda: supervisor.application_runs() and _healthy(address))
            _announce(settings, address, logins, say)
            supervisor.watch()


def free_address(port: int | None) -> Address:
    """The address to listen at: `port`, else the first free one from 8000; `LANDREADY_BIND` names the interface.

    Raises:
        Conflict: `port` is taken, or none is free.
    """
    host = os.environ.get("LANDREADY_BIND") or "127.0.0.1"
    fault = ""
    for candidate in [port] if port else range(_FIRST_PORT, _LAST_PORT + 1):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
        except (OSError, OverflowError) as error:
            fault = f"{Address(host, candidate).netloc}: {error}"
        else:
            return Address(host, candidate)
    raise Conflict(f"端口不可用 · port not available: {fault}")


class _Stop(BaseException):
    """A signal asked for the end; not an Exception, so that nothing on the way handles it."""


@contextmanager
def _until_signal(say: Say) -> Iterator[None]:
    """Leave the block on INT, TERM or HUP; signals that come while it is being left are ignored."""
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for one in asked:
            signal.signal(one, signal.SIG_IGN)
        raise _Stop

    before = {one: signal.signal(one, stop) for one in asked}
    try:
        yield
    except _Stop:
        with suppress(OSError):  # after HUP there is no terminal to say it on
            say("\n全部进程已停止。\nEvery process has stopped.")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the installation's lock; the kernel frees it whatever way this process ends."""
    places.make_var(settings.var)
    with (settings.var / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"已在运行 · already running in {settings.var}") from error
        yield


def _healthy(address: Address) -> bool:
    link = http.client.HTTPConnection(*address.reachable, timeout=5)
    try:
        link.request("GET", "/healthz")
        return link.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def _announce(settings: Settings, address: Address, logins: list[DemoLogin], say: Say) -> None:
    url = f"http://{address.reachable.netloc}/"
    say(f"\n{settings.site.name}已启动：{url}")
    say(f"{settings.site.name_en} is up: {url}")
    if logins:
        say("\n演示账号 · Demo accounts")
        for login in logins:
            say(f"  {login}")
    say("\n按 Ctrl-C 停止全部进程。\nCtrl-C stops every process.")
