"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("answers", __name__)


@pages.get("/inbox")
@only(Role.ENTERPRISE)
def inbox():
    return render_template("error.html", status=501, text="", details=[])
