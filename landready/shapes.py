"""Stored geometry and the forms in which it travels: GeoJSON for maps and messages, shapely for measuring.

Everything stored is longitude and latitude in EPSG:4490; nothing here transforms.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from geoalchemy2 import WKBElement
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from geo.crs import Geometries

SRID = 4490
# GeoJSON decimals: 1e-9 degrees are a tenth of a millimetre.
_DIGITS = 9


def turned(at: tuple[float, float]) -> bool:
    """Do longitude and latitude (degrees) surely stand in each other's place: impossible as they are, possible the other way?"""
    return abs(at[0]) <= 90 < abs(at[1]) <= 180


def to_geojson(stored: WKBElement) -> dict[str, Any]:
    """Return a stored geometry as a GeoJSON geometry, coordinates rounded to a tenth of a millimetre."""
    return geojson_of(shapely.from_wkb(stored.desc))


def geojson_of(geometry: BaseGeometry) -> dict[str, Any]:
    """Return a lon/lat geometry as a GeoJSON geometry, coordinates rounded to a tenth of a millimetre."""
    text = shapely.to_geojson(geometry)
    found: dict[str, Any] = json.loads(
        text, parse_float=lambda digits: round(float(digits), _DIGITS)
    )
    return found


def from_geojson(geometry: dict[str, Any]) -> WKBElement:
    """Return a GeoJSON geometry in lon/lat of EPSG:4490 in the form in which it is stored."""
    return stored([shape(geometry)])[0]


def stored(geometries: Iterable[BaseGeometry]) -> list[WKBElement]:
    """Return lon/lat geometries in the form in which they are stored; heights are dropped."""
    flat = shapely.force_2d(np.array(list(geometries), dtype=object))
    return [
        WKBElement(wkb) for wkb in shapely.to_wkb(shapely.set_srid(flat, SRID), include_srid=True)
    ]


def multi(geometry: BaseGeometry) -> BaseGeometry:
    """Return a polygon as the multipolygon of one that plots and service areas are stored as."""
    return MultiPolygon([geometry]) if isinstance(geometry, Polygon) else geometry


def loaded(elements: Iterable[WKBElement]) -> Geometries:
    """Return stored geometries as an array of shapely's."""
    found: Geometries = shapely.from_wkb(np.array([e.desc for e in elements], dtype=object))
    return found


def from_wkb(shapes: Iterable[bytes]) -> Geometries:
    """Return shapes read as plain WKB as an array of shapely's."""
    found: Geometries = shapely.from_wkb(np.array([bytes(wkb) for wkb in shapes], dtype=object))
    return found
