"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("overview", __name__)


@pages.get("/overview")
@only(Role.SUPERVISOR, Role.OFFICE)
def overview():
    return render_template("error.html", status=501, text="", details=[])
