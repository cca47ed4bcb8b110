"""The land supermarket: what is on offer, for everybody."""

from flask import Blueprint, Response, json, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready import cities, clock, ledger
from landready.answers import AnswerVerdict
from landready.disputes import disputed
from landready.landuse import first_level
from landready.listings import PAGE, Listing, Wish, listing_page, search
from landready.provisional import late_marks
from landready.shapes import to_geojson
from web import maps
from web.auth import public
from web.filters import area, label, sentence
from web.session import database, now, settings

pages = Blueprint("land", __name__)


@pages.get("/")
@public
def home() -> ResponseReturnValue:
    wish = Wish(
        city=request.args.get("city", ""),
        use=request.args.get("use", ""),
        min_area_m2=_hectares("min_ha"),
        max_area_m2=_hectares("max_ha"),
    )
    page = min(max(1, request.args.get("page", 1, type=int)), 10_000)
    listings, total = search(database(), wish, page)
    shown = {
        "listings": listings,
        "total": total,
        "page": page,
        "pages": -(-total // PAGE),
        "map": maps.draw(
            settings(),
            [[_shape(x) for x in listings]],
            label=_("上架地块地图"),
            height="30rem",
            closest=11,
        ),
        "wish": wish,
        "cities": cities.names(),
        "uses": first_level(),
    }
    return render_template("land/home.html", **shown)


@pages.get("/land/<int:listing_id>")
@public
def listing(listing_id: int) -> ResponseReturnValue:
    found, answers = listing_page(database(), listing_id)
    points = [
        maps.Shape(
            to_geojson(a.connection_point),
            a.utility,
            f"{label(a.utility, 'utility')} · {a.enterprise.name}",
            (_("接入点"),),
        )
        for a in answers
        if a.connection_point is not None
    ]
    drawn = maps.draw(
        settings(), [[_shape(found, link=False)], points], label=_("地块位置与接入点")
    )
    late = late_marks(database(), found.plot_id, settings().check, clock.today(now()))
    today = clock.today(now())
    who = {a.enterprise_id for a in answers if a.verdict == AnswerVerdict.READY_BY}
    return render_template(
        "land/listing.html",
        listing=found,
        answers=answers,
        disputed=disputed(database(), [found.plot_id]),
        late=late,
        map=drawn,
        records=ledger.records(database(), who, today),
        promises=ledger.promises_for(database(), found.plot_id),
    )


@pages.get("/land/outlines.json")
@public
def outlines() -> Response:
    """The county boundaries with names in the reader's language; the address names it too, for the caches."""
    drawn = cities.outlines()
    features = [
        {**f, "properties": {**f["properties"], "name": sentence(f["properties"]["name"])}}
        for f in drawn["features"]
    ]
    answer = Response(
        json.dumps({**drawn, "features": features}), content_type="application/geo+json"
    )
    answer.headers["Cache-Control"] = "public, max-age=86400"
    return answer


def _hectares(name: str) -> float | None:
    value = request.args.get(name, type=float)
    return value * 10_000 if value is not None and 0 <= value < 1e9 else None


def _shape(found: Listing, *, link: bool = True) -> maps.Shape:
    plot = found.plot
    return maps.Shape(
        to_geojson(plot.geom),
        "plot_ready" if found.state == "listed" else "plot_blocked",
        plot.name or plot.code,
        (plot.use and sentence(plot.use), area(plot.area_m2), label(found.state, "listing")),
        url_for("land.listing", listing_id=found.id) if link else "",
    )
