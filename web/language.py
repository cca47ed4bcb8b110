"""Chinese first, English one click away."""

from flask import Blueprint, Flask, redirect, request, url_for
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
    app.jinja_env.globals["language"] = lambda: "en" if in_english() else "zh"


def in_english() -> bool:
    return str(get_locale()).startswith("en")


def _chosen() -> str:
    wish = request.cookies.get(_COOKIE, "zh")
    return wish if wish in LANGUAGES else "zh"


@pages.post("/language/<code>")
@public
def choose(code: str) -> ResponseReturnValue:
    answer = redirect(local_path(request.form.get("next")) or url_for("land.home"))
    if code in LANGUAGES:
        answer.set_cookie(_COOKIE, code, max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer
