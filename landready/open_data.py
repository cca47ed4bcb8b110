"""What is on offer as open data: GeoJSON for maps, CSV for tables."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.orm import Session

from landready.offers import Offer, offers
from landready.utilities import Utility

# A spreadsheet takes a text that begins so for a formula; an apostrophe before it keeps it a text (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FACTS = (
    "id", "state", "state_reason", "plot_code", "plot_name", "city", "office", "use", "use_code", "area_m2",
    "declared_area_m2", "plot_ratio", "supply_mode", "quarter", "illustrative_boundary", "rule_version",
    "listed_at", "changed_at",
)  # fmt: skip


# So many listings are read at a time: the database plans a short list better than one of ten thousand.
_AT_ONCE = 500


def _all(session: Session, listing_ids: Sequence[int]) -> Iterator[Offer]:
    for start in range(0, len(listing_ids), _AT_ONCE):
        yield from offers(session, listing_ids[start : start + _AT_ONCE])


def geojson_of(session: Session, listing_ids: Sequence[int]) -> str:
    """Return listings as a FeatureCollection in EPSG:4490 (longitude first) with what each utility said."""
    features = []
    for offer in _all(session, listing_ids):
        told = offer.model_dump(mode="json")
        geometry = told.pop("boundary")
        features.append(
            {"type": "Feature", "id": offer.id, "geometry": geometry, "properties": told}
        )
    collection = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}},
        "features": features,
    }
    return json.dumps(collection, ensure_ascii=False, separators=(",", ":"))


def csv_of(session: Session, listing_ids: Sequence[int]) -> str:
    """Return listings as a table, one column of standings per utility, with a byte order mark for Excel."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*_FACTS, *(f"said_{utility}" for utility in Utility)])
    for offer in _all(session, listing_ids):
        facts = offer.model_dump(mode="json", include=set(_FACTS))
        row = [*(facts[name] for name in _FACTS), *(_said(offer, utility) for utility in Utility)]
        writer.writerow([_cell(value) for value in row])
    return "\ufeff" + out.getvalue()


def _said(offer: Offer, utility: Utility) -> str:
    return "; ".join(
        " ".join(
            str(part)
            for part in (one.enterprise, one.standing, one.verdict, one.ready_by, one.as_of)
            if part is not None
        )
        for one in offer.said
        if one.utility == utility
    )


def _cell(value: Any) -> Any:  # noqa: ANN401 - any value of a cell
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
