"""The kit's two listeners: its API, and the place that its redirects point to, where nobody should ever come."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from push.conformance.api import Answer, Api, Request

_LARGEST = 50_000_000
_PATIENCE_S = 60


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], api: Api, *, stray: bool) -> None:
        super().__init__(address, _Handler)
        self.api = api
        self.stray = stray

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up while it was kept waiting is expected."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST:
            return self._answer(Answer(413))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(int(length)))
        if self.server.stray:
            self.server.api.book.strayed.append(f"{self.command} {self.path}")
            return self._answer(Answer(404))
        answer = self.server.api.handle(request)
        time.sleep(answer.hold_s)
        return None if answer.cut else self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        content = json.dumps(answer.body, ensure_ascii=False).encode()
        kind = "application/problem+json" if answer.status >= 300 else "application/json"
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - the library's own
        """Say nothing."""


@contextmanager
def serving(api: Api, host: str, port: int) -> Iterator[str]:
    """Serve until the block ends; give the address of the API.

    Raises:
        OSError: the address cannot be listened at.
    """
    with _Server((host, port), api, stray=False) as own, _Server((host, 0), api, stray=True) as far:
        api.astray = far.server_port
        threads = [
            threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True)
            for one in (own, far)
        ]
        for one in threads:
            one.start()
        try:
            yield (
                f"http://[{host}]:{own.server_port}"
                if ":" in host
                else f"http://{host}:{own.server_port}"
            )
        finally:
            own.shutdown()
            far.shutdown()
