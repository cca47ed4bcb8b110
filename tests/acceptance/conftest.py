"""The product as it runs: web server, worker and sweep as processes on the test servers, and people who use it from outside."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)
from sqlalchemy import Engine
from urllib3 import encode_multipart_formdata

from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from landready.permit_fields import example
from landready.settings import ROOT, Settings, load
from tests.factories import (
    PASSWORD,
    make_account,
    make_enterprise,
    make_key,
    make_layer,
    make_office,
    make_organisation,
    make_owner,
    point,
)

PYTHON = sys.executable
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def configuration(path: Path, changes: Mapping[str, object]) -> Path:
    """Write config.toml to `path` with other values, each under `section.key`; a key it does not have is an error."""
    section, left, lines = "", dict(changes), []
    for line in (ROOT / "config.toml").read_text(encoding="utf-8").splitlines():
        if header := re.match(r"\[([\w.]+)\]", line):
            section = header[1]
        name = f"{section}.{line.partition('=')[0].strip()}"
        if name in left:
            line = f"{name.rpartition('.')[2]} = {_toml(left.pop(name))}"
        lines.append(line)
    assert not left, f"not in config.toml: {', '.join(left)}"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _toml(value: object) -> str:
    """A mapping as a table in one line; what JSON writes of texts, numbers and lists of them is TOML too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


@dataclass
class Product:
    """One running installation. A process of it may be killed and started again: `web`, `worker` or `sweep`."""

    environment: Mapping[str, str]
    logs: Path
    port: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """What the processes run with."""
        return load(env=self.environment)

    def start(self, *names: str) -> None:
        """Start these processes, or every one, and wait until the web server can serve."""
        self.port = self.port or free_port()
        for name in names or ("web", "worker", "sweep"):
            with self._log_of(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self._command(name), cwd=ROOT, env=self.environment, stdout=log, stderr=log
                )
        wait_for(self.ready, 60, lambda: self.log("web"))

    def stop(self) -> None:
        """Ask every process to end, and wait; one that does not is killed."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.processes[name].kill()
        self.processes[name].wait(20)

    def revive(self) -> None:
        """Start again what has ended."""
        ended = [name for name, process in self.processes.items() if process.poll() is not None]
        if ended:
            self.start(*ended)

    def ready(self) -> bool:
        assert self.processes["web"].poll() is None, self.log("web")
        try:
            with _opener().open(f"{self.base_url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def log(self, name: str) -> str:
        return self._log_of(name).read_text(encoding="utf-8", errors="replace")

    def person(self, username: str = "", password: str = PASSWORD) -> "Person":
        """Somebody at a browser without a screen; signed in when named."""
        person = Person(self.base_url)
        if username:
            person.sign_in(username, password)
        return person

    def _command(self, name: str) -> list[str]:
        if name != "web":
            return [PYTHON, "-m", f"push.{name}"]
        return [
            *(PYTHON, "-m", "gunicorn", "wsgi:application", "--bind", f"127.0.0.1:{self.port}"),
            *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
            *("--graceful-timeout", "1", "--no-control-socket"),
        ]

    def _log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"


@dataclass(frozen=True)
class Answer:
    """What the server said, after redirects."""

    status: int
    url: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Person:
    """Keeps cookies, and sends every form with the token of the page seen last."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._opener = _opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._token = ""

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self._url(path)))

    def send(
        self,
        path: str,
        form: Mapping[str, object] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> Answer:
        """POST a form as a page does; `files` are name and content by field. A list in `form` is a field sent again."""
        if not self._token:
            self.get("/signin")
        parts: list[tuple[str, Any]] = [("csrf_token", self._token)]
        for name, value in (form or {}).items():
            parts += [(name, str(v)) for v in (value if isinstance(value, list) else [value])]
        body, kind = encode_multipart_formdata([*parts, *(files or {}).items()])
        return self._ask(urllib.request.Request(self._url(path), body, {"Content-Type": kind}))

    def call(self, path: str, body: object, key: str) -> Answer:
        """POST JSON as a connected system with its key."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        content = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self._url(path), content, headers))

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        answer = self.send("/signin", {"username": username, "password": password})
        assert answer.status == 200, answer.text
        assert "/signin" not in answer.url, answer.text

    def _url(self, path: str) -> str:
        return path if path.startswith(self._base_url) else self._base_url + path

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=120) as reply:
                answer = Answer(reply.status, reply.url, reply.read().decode())
        except HTTPError as refused:
            with refused:
                answer = Answer(refused.code, refused.url, refused.read().decode())
        if token := _TOKEN.search(answer.text):
            self._token = token[1]
        return answer


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """No proxy of the environment stands between a test and its own server."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(
    what: Callable[[], object], seconds: float = 30, why: Callable[[], object] = lambda: ""
) -> None:
    """Wait until `what()` is true."""
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, f"not within {seconds} s: {why()}"
        time.sleep(0.05)


Run = Callable[..., Product]


@pytest.fixture(scope="module")
def run_product(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """`run_product(changes)`: the product on the test servers with `changes` to config.toml (see `configuration`).

    One runs at a time, because all share one database, and none beyond its module, where it would answer other tests'
    doorbells; asking for the same again gives the same, whatever was killed.
    """
    running: dict[str, Product] = {}

    def run(changes: Mapping[str, object] = {}) -> Product:
        wanted = json.dumps(changes, sort_keys=True)
        if wanted in running:
            running[wanted].revive()
            return running[wanted]
        _stop_all(running)
        folder = tmp_path_factory.mktemp("product")
        config = configuration(folder / "config.toml", changes)
        given = {**environment, "LANDREADY_CONFIG": str(config), "PYTHONUNBUFFERED": "1"}
        running[wanted] = Product(given, folder)
        running[wanted].start()
        return running[wanted]

    yield run
    _stop_all(running)


def _stop_all(running: dict[str, Product]) -> None:
    while running:
        running.popitem()[1].stop()


@pytest.fixture
def product(run_product: Run, database: Engine) -> Product:
    """The product as shipped, on empty tables and an empty Redis."""
    return run_product()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, which asks nobody but the server under test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@dataclass
class Watch:
    """What goes wrong in a browser without anybody seeing it."""

    base_url: str
    outside: list[str] = field(default_factory=list)
    _console: list[tuple[str, str]] = field(default_factory=list)
    _documents: set[str] = field(default_factory=set)

    @property
    def complaints(self) -> list[tuple[str, str]]:
        """Errors on the console and where. A page that refuses a form is none, though Chromium counts its 4xx as one."""
        refusal = "Failed to load resource: the server responded"
        return [
            (url, text)
            for url, text in self._console
            if not (text.startswith(refusal) and url in self._documents)
        ]

    def over(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("console", self._message)
        context.on("weberror", lambda error: self._console.append(("", str(error.error))))

    def _request(self, request: Request) -> None:
        if request.is_navigation_request():
            self._documents.add(request.url)
        if not request.url.startswith((f"{self.base_url}/", "data:", "blob:")):
            self.outside.append(request.url)

    def _message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._console.append((message.location["url"], message.text))


Visit = Callable[..., Page]


@pytest.fixture
def visit(product: Product, chromium: Browser) -> Iterator[Visit]:
    """`visit()`: a fresh browser in Chinese at the front page. At the end no page has complained or asked another server."""
    watch = Watch(product.base_url)
    opened: list[BrowserContext] = []

    def open_page(width: int = 1280) -> Page:
        context = chromium.new_context(
            base_url=product.base_url, locale="zh-CN", viewport={"width": width, "height": 900}
        )
        opened.append(context)
        context.set_default_timeout(20_000)
        watch.over(context)
        page = context.new_page()
        page.goto("/")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert watch.complaints == []
    assert watch.outside == []


@dataclass(frozen=True)
class Cast:
    """Who takes part in a story in Haikou. Everybody signs in as their user name: planner, water, power, owner."""

    water: Organisation
    power: Organisation
    exchange_key: str


OWNER_CODE = example()["owner"]["credit_code"]
# Metres east and north of the corner of tests/factories: a hydrant beside the first plot, a substation far from both.
HYDRANT, SUBSTATION = (150, 50), (1500, 50)


@pytest.fixture
def cast(database: Engine) -> Cast:
    return hire(database)


def hire(engine: Engine) -> Cast:
    """An office, a water and a power enterprise with one facility each, an owner, and the key of the approval system."""
    with transaction(engine, ENGINE) as session:
        made = {
            "planner": make_office(session, name="海口市资规局"),
            "water": make_enterprise(session, "water", name="海口水务公司"),
            "power": make_enterprise(session, "power", name="海口供电局"),
            "owner": make_owner(session, name="椰岛置业公司", credit_code=OWNER_CODE),
        }
        for name, organisation in made.items():
            make_account(session, organisation, username=name, full_name=name)
        make_layer(session, made["water"], point(*HYDRANT), title="消火栓")
        make_layer(session, made["power"], point(*SUBSTATION), title="变电站")
        key = make_key(session, make_organisation(session, "exchange", city=""))
        return Cast(made["water"], made["power"], key)
