"""/api/v1: the trading platform. What is on offer in the order of change, and whether a plot may be traded now."""

from apiflask import APIBlueprint
from flask import Response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from landready import tradable
from landready.db import Role
from landready.feed import Position, changes
from landready.offers import Offer, example, offers
from landready.tradable import Question
from web.auth import only, public
from web.session import database, now, resources, settings

api = APIBlueprint("api_listings", __name__, url_prefix="/api/v1", tag="listings")
_NEXT = "20260305T010000.123456-12"
_TRADABLE = {"answer": tradable.example(), "kid": "0f3a5c7e9b1d2f40", "signature": "q1w2e3…"}


class FeedQuery(BaseModel):
    after: str = Field(
        "",
        max_length=60,
        description="`next` of the answer before; empty: from the start",
        examples=[_NEXT],
    )
    limit: int = Field(500, ge=1, le=500, examples=[500])


class FeedOut(BaseModel):
    listings: list[Offer]
    next: str = Field(description="Send this as `after` to go on, now or later.")


class Nonce(BaseModel):
    nonce: str = Field(
        "",
        max_length=100,
        pattern=r"^[!-~]*$",
        description="any text of your own; it comes back in the signed answer",
        examples=["7c1f0a52"],
    )


class TradableOut(BaseModel):
    answer: tradable.Answer
    kid: str = Field(description="which key of `/api/v1/keys` signed")
    signature: str = Field(
        description="Ed25519 over the canonical form (RFC 8785) of `answer`; base64url"
    )


@api.get("/listings")
@api.input(FeedQuery, location="query", arg_name="query")
@api.output(FeedOut, example={"listings": [example()], "next": _NEXT})
@api.doc(
    summary="Listings of the land supermarket in the order of change",
    description=(
        "The trading platform's feed: start without `after`, then go on from `next` until `listings` is empty. With the `ETag` of"
        " the same request before as `If-None-Match`, 304 says that nothing is different."
    ),
    responses={304: "Nothing is different."},
)
@public
def listings(query: FeedQuery) -> ResponseReturnValue:
    after = Position.parse(query.after) if query.after else None
    # Of one moment: a listing that moves between the two questions would be told here as it is later, and later again.
    session = database(snapshot=True)
    found = changes(session, after, limit=query.limit)
    shown = offers(session, [one.listing_id for one in found])
    body = FeedOut(listings=shown, next=str(found[-1] if found else after or ""))
    answer = Response(body.model_dump_json(), content_type="application/json")
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    return answer.make_conditional(request)


@api.get("/plots/<path:plot>/tradable")
@api.input(Nonce, location="query", arg_name="query")
@api.output(TradableOut, example=_TRADABLE)
@api.doc(
    summary="May this plot be traded now?",
    description=(
        "`plot` is its code or else its id. Judged live through the gate and signed. Anything but a verified, unexpired answer"
        " with your nonce and `tradable: true` means no."
    ),
    security="key",
)
@only(Role.EXCHANGE)
def plot_tradable(plot: str, query: Nonce) -> ResponseReturnValue:
    return _signed(Question(plot=plot, nonce=query.nonce))


@api.get("/listings/<int:listing_id>/tradable")
@api.input(Nonce, location="query", arg_name="query")
@api.output(TradableOut, example=_TRADABLE)
@api.doc(
    summary="May the plot of this listing be traded now?",
    description="As for a plot, by the listing's id; the way to ask where two plots share a code.",
    security="key",
)
@only(Role.EXCHANGE)
def listing_tradable(listing_id: int, query: Nonce) -> ResponseReturnValue:
    return _signed(Question(listing_id=listing_id, nonce=query.nonce))


def _signed(question: Question) -> ResponseReturnValue:
    said = tradable.answer(database(), question, settings(), now())
    seal = resources().seal
    signature = seal.sign(said.canonical())
    return TradableOut(answer=said, kid=seal.key_id, signature=signature).model_dump(mode="json")
