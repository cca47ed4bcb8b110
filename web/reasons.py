"""Why a listing stands where it does, in the reader's language."""

from flask import Flask
from jinja2 import pass_context
from jinja2.runtime import Context

from landready.listings import Listing, ListingMove
from web.filters import label, sentence


def why(row: Listing | ListingMove) -> str:
    """Say why a listing stands where it does: what the product found in the reader's language, a person's words as they are."""
    if not row.cause:
        return sentence(row.state_reason if isinstance(row, Listing) else row.reason)
    said, utility, who = (row.cause[name] for name in ("text", "utility", "enterprise"))
    words = [label(utility, "utility") if utility else "", "" if "{enterprise}" in said else who]
    return " ".join(word for word in [*words, sentence(said, row.cause["params"])] if word)


@pass_context
def _why(_context: Context, row: Listing | ListingMove) -> str:
    """At each render, whose reader may read another language."""
    return why(row)


def init_app(app: Flask) -> None:
    app.jinja_env.filters["why"] = _why
