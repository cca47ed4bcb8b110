"""/api/v1: what other systems call. The OpenAPI document follows from the models here."""

from datetime import datetime
from typing import Literal

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from landready.db import Role, actor_of
from landready.listings import Listing, Position, changes
from landready.permit_fields import PermitFields, example
from landready.permit_receipt import receive_permit
from landready.project_pages import pushed_to
from landready.shapes import to_geojson
from web.auth import only, public
from web.filters import sentence
from web.session import database, now, settings

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="listings")


_NEXT = "20260320T010000.000000-12"
_LISTING = {
    "id": 12,
    "state": "listed",
    "state_reason": "",
    "plot_code": "P-12",
    "plot_name": "Chengxi 2",
    "city": "460100",
    "office": "Haikou Natural Resources and Planning",
    "use": "class 2 industrial land",
    "use_code": "100102",
    "area_m2": 10000.0,
    "plot_ratio": "≤1.0",
    "supply_mode": "public sale",
    "quarter": "2026Q2",
    "illustrative_boundary": False,
    "boundary": {
        "type": "MultiPolygon",
        "coordinates": [
            [[[110.35, 20.02], [110.351, 20.02], [110.351, 20.021], [110.35, 20.02]]],
        ],
    },
    "verdict_at": "2026-03-20T00:59:58Z",
    "verdict_valid_until": "2026-04-19T00:59:58Z",
    "rule_version": "2026-03-01",
    "listed_at": "2026-03-20T01:00:00Z",
    "changed_at": "2026-03-20T01:00:00Z",
}
_PERMITTED = {
    "permit_no": example()["permit_no"],
    "outcome": "created",
    "office": "Haikou Natural Resources and Planning",
    "owner": example()["owner"]["name"],
    "plot_code": "C0901",
    "pushed_to": ["Haikou Water", "Haikou Power"],
    "warnings": [],
}


class FeedQuery(BaseModel):
    after: str = Field(
        "",
        max_length=60,
        description="`next` of the answer before; empty: from the start",
        examples=[_NEXT],
    )
    limit: int = Field(500, ge=1, le=500, examples=[500])


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
    next: str = Field(description="Send this as `after` to go on, now or later.")


@api.get("/listings")
@api.input(FeedQuery, location="query", arg_name="query")
@api.output(FeedOut, example={"listings": [_LISTING], "next": _NEXT})
@api.doc(
    summary="Listings of the land supermarket in the order of change",
    description="The trading platform's feed: start without `after`, then go on from `next` until `listings` is empty.",
)
@public
def listings(query: FeedQuery) -> ResponseReturnValue:
    after = Position.parse(query.after) if query.after else None
    found = changes(database(), after, limit=query.limit)
    last = Position(found[-1].changed_at, found[-1].id) if found else after
    body = FeedOut(listings=[_out(x) for x in found], next=str(last or ""))
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


class WarningOut(BaseModel):
    code: str
    where: str
    message: str


class PermitOut(BaseModel):
    """What became of a permit. `outcome` is `same` when the very same permit had arrived before."""

    permit_no: str
    outcome: Literal["created", "same"]
    office: str
    owner: str
    plot_code: str | None = Field(description="The plot of the supply plan it lies on, if any.")
    pushed_to: list[str] = Field(description="The enterprises the project was pushed to.")
    warnings: list[WarningOut]


@api.post("/permits")
@api.input(PermitFields, arg_name="permit", example=example())
@api.output(PermitOut, status_code=201, example=_PERMITTED)
@api.doc(
    summary="Report a planning permit",
    description=(
        "Pushes the project to every enterprise that serves the place and seeds the owner's joint application. Idempotent by"
        " `permit_no`: the same permit again answers 200 with `same`; the same number with other contents answers 409."
    ),
    tags=["permits"],
    security="key",
    responses={200: "The same permit had arrived before.", 409: "Known with other contents."},
)
@only(Role.EXCHANGE)
def permits(permit: PermitFields) -> ResponseReturnValue:
    session = database()
    source_id = actor_of(session).organisation_id or 0
    kept = receive_permit(session, settings(), permit, source_id=source_id, now=now())
    created = kept.received_at == now()
    body = PermitOut(
        permit_no=kept.permit_no,
        outcome="created" if created else "same",
        office=kept.office.name,
        owner=kept.owner.name,
        plot_code=kept.plot.code if kept.plot else None,
        pushed_to=pushed_to(session, kept.id),
        warnings=[
            WarningOut(code=w["code"], where=w["where"], message=sentence(w["text"], w["params"]))
            for w in kept.warnings
        ],
    )
    return body.model_dump(mode="json"), 201 if created else 200
