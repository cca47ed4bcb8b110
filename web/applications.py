"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("applications", __name__)


@pages.get("/projects")
@only(Role.OWNER)
def projects():
    return render_template("error.html", status=501, text="", details=[])
