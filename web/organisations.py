"""Being written."""

from flask import Blueprint, render_template
from landready.db import Role
from web.auth import only, public

pages = Blueprint("organisations", __name__)


@pages.get("/organisations")
@only(Role.ADMIN)
def organisations():
    return render_template("error.html", status=501, text="", details=[])


@pages.get("/enterprises")
@public
def enterprises():
    return render_template("error.html", status=501, text="", details=[])
