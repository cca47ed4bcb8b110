"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("layers", __name__)


@pages.get("/layers")
@only(Role.ENTERPRISE)
def layers():
    return render_template("error.html", status=501, text="", details=[])
