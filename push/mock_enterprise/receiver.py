"""The webhook's receiver: verify, store, answer; the real work is done elsewhere (W3)."""

from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from push.mock_enterprise.store import Store

_LARGEST = 20_000_000  # W6 asks for 10 MB at least
_PATIENCE_S = 30


class Receiver:
    """Takes what is signed with one of `secrets`: while one is changed there are two (W7)."""

    def __init__(self, secrets: Sequence[str], store: Store, wake: Callable[[], None]) -> None:
        self.secrets = secrets
        self.store = store
        self.wake = wake

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status to answer with."""
        if not self.verified(headers, body):
            return 401
        self.keep(body)
        self.wake()
        return 204

    def verified(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Check the bytes as they came against every secret; the library refuses what is 5 minutes off (W1)."""
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError):  # not signed so, or not even a signature
                continue
            return True
        return False

    def keep(self, body: bytes) -> None:
        """Store whatever it is: a type that is not known has its place in the numbers too (W5)."""
        self.store.keep(body)


class Server(ThreadingHTTPServer):
    """Listens for webhooks at any path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _LARGEST:
            return self._answer(413 if length.isdigit() else 411)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, Server)  # noqa: S101 - who else makes handlers
        return self._answer(self.server.receiver.take(headers, body))

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - the library's own
        """Say nothing."""
