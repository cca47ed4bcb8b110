"""How far things are: figures by city, what is late, and which enterprises serve where."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from landready import cities, clock, later_facts, ledger
from landready.annex import STATE_NAMES
from landready.db import Role
from landready.overview import overview as figures
from landready.suspended import suspended
from push import status
from web.auth import only
from web.session import database, now, settings

pages = Blueprint("overview", __name__)


@pages.get("/overview", endpoint="overview")
@only(Role.SUPERVISOR, Role.OFFICE)
def show() -> ResponseReturnValue:
    city = request.args.get("city", "")
    found = figures(database(), settings().gate, now())
    shown = figures(database(), settings().gate, now(), city=city) if city else found
    return render_template(
        "overview/overview.html",
        found=shown,
        undelivered=status.undelivered(database()),
        suspended=suspended(database(), settings().gate, now(), city=city),
        city=city,
        promises={
            code: record
            for code, record in ledger.records_by_city(database(), clock.today(now())).items()
            if not city or code == city
        },
        cities={code: cities.name(code) for code in found.cities},
        fared=later_facts.fared(database(), settings().accuracy, city=city),
        accuracy=settings().accuracy,
        item_states={int(state): name for state, name in STATE_NAMES.items()},
    )
