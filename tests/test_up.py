"""`landready up` from outside: what a person at the keyboard sees, with processes killed under it."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landready.settings import ROOT

pytestmark = pytest.mark.acceptance


class Installation:
    """One `landready up` in a folder of its own."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, base: Path, given: dict[str, str]) -> None:
        self.var = base / "接入 #1 ;100%" / "var"
        self.output = base / "output"
        self.environment = {**os.environ, **given, "LANDREADY_VAR": str(self.var)}
        self.port = free_port()

    def start(self) -> float:
        """Start, wait for the address, and return the seconds that took."""
        began = time.monotonic()
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, env=self.environment, stdout=out, stderr=out
            )
        eventually(lambda: f"http://127.0.0.1:{self.port}/" in self.said(), self.said, 120)
        return time.monotonic() - began

    def command(self) -> list[str]:
        program = "from landready.cli import main; main()"
        return [sys.executable, "-c", program, "up", "--port", str(self.port)]

    def refused(self) -> subprocess.CompletedProcess[str]:
        """A start that is expected to end by itself."""
        return subprocess.run(
            self.command(),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def said(self) -> str:
        text = self.output.read_text()
        if self.process and self.process.poll() is not None:
            logs = [path.read_text()[-2000:] for path in (self.var / "log").glob("*.log")]
            raise AssertionError("\n".join([text, *logs]))
        return text

    def stop(self, with_signal: signal.Signals) -> int:
        assert self.process
        self.process.send_signal(with_signal)
        return self.process.wait(60)

    def pid(self, name: str) -> int:
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c"]
        done = subprocess.run(
            [*command, str(self.var / "supervisord.conf"), "pid", name],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return int(done.stdout) if done.stdout.strip().isdigit() else 0

    def healthy(self) -> bool:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status == 200
        except OSError:
            return False
        finally:
            link.close()

    def processes(self) -> list[str]:
        """Whatever still works in this folder or was started for it."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                there = (process / "cwd").readlink().is_relative_to(self.var.resolve())
                ours = f"LANDREADY_VAR={self.var}".encode() in (process / "environ").read_bytes()
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if (there or ours) and words:
                found.append(f"{process.name} {words}")
        return found


def patience() -> float:
    """Seconds a start with data may take: 10 on a machine of one's own, more where others keep the cores busy."""
    return 10 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(done: Callable[[], bool], why: Callable[[], str], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def started(environment: dict[str, str]) -> Iterator[Installation]:
    """In a folder with an awkward name, on private servers unless the environment names others."""
    named = {"LANDREADY_DATABASE_URL", "LANDREADY_OWNER_URL", "LANDREADY_REDIS_URL"}
    given = {name: environment[name] for name in named & os.environ.keys()}
    base = Path(tempfile.mkdtemp(prefix="landready-test-"))
    base.chmod(0o711)
    made = Installation(base, given)
    yield made
    if made.process and made.process.poll() is None:
        made.stop(signal.SIGTERM)
    for link in made.var.glob("*"):
        if link.is_symlink():
            shutil.rmtree(link.resolve().parent, ignore_errors=True)
    shutil.rmtree(base)


@pytest.fixture
def installation(started: Installation) -> Installation:
    """Running, whatever the test before did to it."""
    if not started.process or started.process.poll() is not None:
        started.start()
    return started


def test_everything_comes_up_survives_kills_and_leaves_nothing(installation: Installation) -> None:
    assert installation.healthy()
    killed = {name: installation.pid(name) for name in ("web", "worker", "sweep")}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in killed.items():
        eventually(lambda n=name, p=pid: installation.pid(n) not in {0, p}, installation.said)
    eventually(installation.healthy, installation.said)

    assert installation.stop(signal.SIGINT) == 0
    assert installation.processes() == []

    assert installation.start() < patience()
    assert installation.healthy()
    assert installation.stop(signal.SIGTERM) == 0
    assert installation.processes() == []


def test_second_start_in_the_same_folder_is_refused_in_one_line(installation: Installation) -> None:
    second = installation.refused()
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr == f"已在运行 · already running in {installation.var}\n"
    assert installation.healthy()


def test_a_killed_start_takes_everything_along_and_the_next_one_comes_up(
    installation: Installation,
) -> None:
    assert installation.stop(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: installation.processes() == [], lambda: str(installation.processes()))
    assert installation.start() < patience()
    assert installation.healthy()


def test_a_taken_port_is_refused_in_one_line(tmp_path: Path) -> None:
    other = Installation(tmp_path, {})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", other.port))
        taken.listen()
        refused = other.refused()
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert str(other.port) in refused.stderr
