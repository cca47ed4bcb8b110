"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("items", __name__)


@pages.get("/items")
@only(Role.DEPARTMENT, Role.ENTERPRISE)
def items():
    return render_template("error.html", status=501, text="", details=[])
