"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("plans", __name__)


@pages.get("/plans")
@only(Role.OFFICE)
def plans():
    return render_template("error.html", status=501, text="", details=[])
