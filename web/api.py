"""/api/v1: what other systems call. The OpenAPI document follows from the models here."""

from datetime import UTC, datetime

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from landready.listings import Listing, changes
from landready.shapes import to_geojson
from web.auth import public
from web.session import database

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="listings")


class FeedQuery(BaseModel):
    since: datetime | None = Field(None, description="Only listings changed after this moment.")
    limit: int = Field(500, ge=1, le=500)


class ListingOut(BaseModel):
    """One listing. `state`: listed, suspended, withdrawn, sold; only `listed` may be traded."""

    id: int
    state: str
    state_reason: str
    plot_code: str
    plot_name: str
    city: str = Field(description="adcode, GB/T 2260")
    office: str
    use: str
    use_code: str | None = Field(description="code of the national land-use classification of 2023")
    area_m2: float = Field(description="geodesic area on the ellipsoid of EPSG:4490")
    plot_ratio: str
    supply_mode: str
    quarter: str
    illustrative_boundary: bool
    boundary: dict[str, object] = Field(description="GeoJSON MultiPolygon, EPSG:4490 lon/lat")
    verdict_at: datetime
    verdict_valid_until: datetime
    rule_version: str
    listed_at: datetime
    changed_at: datetime


class FeedOut(BaseModel):
    listings: list[ListingOut]
    next_since: datetime | None = Field(description="Send this as `since` to go on.")


@api.get("/listings")
@api.input(FeedQuery, location="query", arg_name="query")
@api.output(FeedOut)
@api.doc(
    summary="Listings of the land supermarket in the order of change",
    description="The trading platform's feed: start without `since`, then go on from `next_since`.",
)
@public
def listings(query: FeedQuery) -> ResponseReturnValue:
    since = query.since
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    found = changes(database(), since, limit=query.limit)
    body = FeedOut(
        listings=[_out(x) for x in found], next_since=found[-1].changed_at if found else since
    )
    return body.model_dump(mode="json")


def _out(x: Listing) -> ListingOut:
    plot = x.plot
    return ListingOut(
        id=x.id,
        state=x.state,
        state_reason=x.state_reason,
        plot_code=plot.code,
        plot_name=plot.name,
        city=x.city,
        office=plot.office.name,
        use=plot.use,
        use_code=plot.use_code,
        area_m2=plot.area_m2,
        plot_ratio=plot.plot_ratio,
        supply_mode=plot.supply_mode,
        quarter=plot.quarter,
        illustrative_boundary=plot.illustrative,
        boundary=to_geojson(plot.geom),
        verdict_at=x.verdict.evaluated_at,
        verdict_valid_until=x.verdict.valid_until,
        rule_version=x.verdict.rule_version,
        listed_at=x.listed_at,
        changed_at=x.changed_at,
    )
