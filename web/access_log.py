"""The access log of the web server, without the keys that stand in addresses."""

import re
from typing import Any

from gunicorn.glogging import Logger

# What follows in the path is a bearer's token (web.answer_links).
_TOKEN = re.compile(r"(/a/)[A-Za-z0-9_-]{8,}")


def masked(text: str) -> str:
    """Return a line or address with the tokens of answer links left out."""
    return _TOKEN.sub(r"\1…", text)


class AccessLog(Logger):
    """Gunicorn's log with masked addresses."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:  # noqa: ANN401 - gunicorn's own
        found: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        return {name: masked(x) if isinstance(x, str) else x for name, x in found.items()}
