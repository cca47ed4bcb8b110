"""The land supermarket: what is on offer, for everybody."""

from flask import Blueprint, Response, json, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready import cities, clock, ledger, open_data
from landready.landuse import first_level
from landready.listings import (
    PAGE,
    Listing,
    Wish,
    listing_page,
    moves_of,
    open_ids,
    quarters,
    search,
)
from landready.offers import offers
from landready.provisional import late_marks
from landready.quarters import named
from landready.shapes import to_geojson
from web import maps
from web.auth import public
from web.filters import area, label, sentence
from web.session import database, now, settings

pages = Blueprint("land", __name__)
_FILTERS = ("city", "use", "quarter", "min_ha", "max_ha")


@pages.get("/")
@public
def home() -> ResponseReturnValue:
    wish = _wish()
    asked = {name: value for name in _FILTERS if (value := request.args.get(name))}
    page = min(max(1, request.args.get("page", 1, type=int)), 10_000)
    listings, total = search(database(), wish, page)
    pages = -(-total // PAGE)
    if total and not listings:  # an old address, or one made by hand
        page = pages
        listings, total = search(database(), wish, page)
    shown = {
        "listings": listings,
        "total": total,
        "page": page,
        "pages": pages,
        "map": maps.draw(
            settings(),
            [[_shape(x) for x in listings]],
            label=_("上架地块地图"),
            height="28rem",
            closest=11,
        ),
        "wish": wish,
        "asked": asked,
        "looser": {one: {k: v for k, v in asked.items() if k != one} for one in asked},
        "cities": cities.names(),
        "uses": first_level(),
        "quarters": quarters(database()),
    }
    return render_template("land/home.html", **shown)


@pages.get("/land/offers.<any(geojson, csv):kind>")
@public
def download(kind: str) -> ResponseReturnValue:
    """What is on offer and fits the filters, all of it, as open data."""
    ids = open_ids(database(), _wish())
    if kind == "csv":
        text, media = open_data.csv_of(database(), ids), "text/csv; charset=utf-8"
    else:
        text, media = open_data.geojson_of(database(), ids), "application/geo+json"
    answer = Response(text, content_type=media)
    day = clock.today(now()).isoformat()
    answer.headers["Content-Disposition"] = f'attachment; filename="landready-{day}.{kind}"'
    return answer


@pages.get("/land/<int:listing_id>")
@public
def listing(listing_id: int) -> ResponseReturnValue:
    found = listing_page(database(), listing_id)
    (offer,) = offers(database(), [listing_id])
    points = [
        maps.Shape(
            one.connection_point,
            one.utility,
            f"{label(one.utility, 'utility')} · {one.enterprise}",
            (_("接入点"),),
        )
        for one in offer.said
        if one.connection_point is not None
    ]
    drawn = maps.draw(
        settings(), [[_shape(found, link=False)], points], label=_("地块位置与接入点")
    )
    today = clock.today(now())
    late = late_marks(database(), found.plot_id, settings().check, today)
    who = {one.enterprise_id for one in offer.said if one.standing == "committed"}
    return render_template(
        "land/listing.html",
        listing=found,
        said=offer.said,
        late={(one.utility, one.enterprise): one for one in late},
        moves=moves_of(database(), found.plot_id),
        today=today,
        now=now(),
        map=drawn,
        legend_entries=_legend(found, points),
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


def _wish() -> Wish:
    planned = request.args.get("quarter", "")
    return Wish(
        city=request.args.get("city", ""),
        use=request.args.get("use", ""),
        quarter=named(planned) or planned,
        min_area_m2=_hectares("min_ha"),
        max_area_m2=_hectares("max_ha"),
    )


def _hectares(name: str) -> float | None:
    value = request.args.get(name, type=float)
    return value * 10_000 if value is not None and 0 <= value < 1e9 else None


def _legend(found: Listing, points: list[maps.Shape]) -> list[tuple[str, str]]:
    """Return colour and meaning of what is on the map of one listing."""
    plot = maps.COLOURS[_shape(found, link=False).colour], label(found.state, "listing")
    utilities = dict.fromkeys(point.colour for point in points)
    return [
        plot,
        *((maps.COLOURS[u], _("%(utility)s企业的接入点", utility=label(u, "utility"))) for u in utilities),
    ]  # fmt: skip


def _shape(found: Listing, *, link: bool = True) -> maps.Shape:
    plot = found.plot
    return maps.Shape(
        to_geojson(plot.geom),
        "plot_ready" if found.state == "listed" else "plot_blocked",
        plot.name or plot.code,
        (plot.use and sentence(plot.use), area(plot.area_m2), label(found.state, "listing")),
        url_for("land.listing", listing_id=found.id) if link else "",
    )
