"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("permits", __name__)


@pages.get("/permits")
@only(Role.OFFICE)
def permits():
    return render_template("error.html", status=501, text="", details=[])
