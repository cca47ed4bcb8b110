"""Cities and counties of the province by adcode (GB/T 2260), with their outlines for the maps."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@cache
def names() -> dict[str, str]:
    """Return adcode → name of every city and county that runs a plan of its own, in code order."""
    with (DATA / "adcode.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {r["code"]: r["name"] for r in rows if r["parent"].startswith("460000")}


@cache
def outlines() -> dict[str, Any]:
    """Return the county boundaries as a GeoJSON feature collection, lon/lat, for display only."""
    found: dict[str, Any] = json.loads((DATA / "counties.geojson").read_text(encoding="utf-8"))
    return found


def name(code: str) -> str:
    """Return the name of a city or county, or the code itself where the table has none."""
    return names().get(code, code)
