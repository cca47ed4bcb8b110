"""The web server's worker: what it refuses before the application sees it, told in both languages."""

import socket
from pathlib import Path
from typing import Any

from gunicorn import util
from gunicorn.http.errors import LimitRequestLine
from gunicorn.workers.gthread import ThreadWorker

# Nothing of the request was read, so nobody knows in which language.
_TOO_LONG = (Path(__file__).parent / "static" / "too-long.html").read_bytes()
_HEAD = (
    b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_TOO_LONG)
)


class Worker(ThreadWorker):
    """Gunicorn's worker with threads, and a page for addresses beyond its limit."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:  # noqa: ANN401 - gunicorn's own
        if not isinstance(exc, LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("414 from %s: %s", addr, exc)
        try:
            util.write_nonblock(client, _HEAD + _TOO_LONG)
        except OSError:
            self.log.debug("the browser did not wait for the answer")
