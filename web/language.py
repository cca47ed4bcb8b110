"""Chinese first, English one click away."""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import Babel, get_locale

from web.auth import local_path, public

pages = Blueprint("language", __name__)
LANGUAGES = {"zh": "中文", "en": "English"}
_COOKIE = "language"


def init_app(app: Flask) -> None:
    app.config["BABEL_DEFAULT_LOCALE"] = "zh"
    app.config["BABEL_DEFAULT_TIMEZONE"] = "Asia/Shanghai"
    Babel(app, locale_selector=_chosen)
    app.jinja_env.globals["here"] = here
    app.jinja_env.globals["language"] = lambda: "en" if in_english() else "zh"


def in_english() -> bool:
    return str(get_locale()).startswith("en")


def _chosen() -> str:
    wish = request.cookies.get(_COOKIE, "zh")
    return wish if wish in LANGUAGES else "zh"


def here() -> str:
    """Return the address at which the reader finds this page again, or one near it; empty where there is none.

    What answered a form may have an address that only forms are sent to: then it is the page on which the form stood.
    """
    if request.method in ("GET", "HEAD") or _opens(request.path):
        return request.full_path.rstrip("?")
    return came_from()


def came_from() -> str:
    """Return the page of this site that led here; empty where it was none, this very one, or cannot be opened."""
    try:
        before = urlsplit(request.referrer or "")
    except ValueError:
        return ""
    path = local_path(before.path)
    if before.netloc != request.host or not path or not _opens(path):
        return ""
    if path == request.path and request.method in ("GET", "HEAD"):
        return ""
    return f"{path}?{before.query}" if before.query else path


def _opens(path: str) -> bool:
    addresses = current_app.create_url_adapter(request)
    return addresses is not None and addresses.test(path, method="GET")


@pages.post("/language/<code>")
@public
def choose(code: str) -> ResponseReturnValue:
    answer = redirect(local_path(request.form.get("next")) or url_for("land.home"))
    if code in LANGUAGES:
        answer.set_cookie(_COOKIE, code, max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer
