"""The frame in which shapes are measured: one projected CRS, in metres, the same for all that meet."""

from geo import crs as systems


class MissingCRS(ValueError):
    """Shapes without a CRS, or with one whose unit is not the metre, cannot be measured."""


class CRSMismatch(ValueError):
    """Shapes of two different CRS cannot be measured against each other."""


def metric(crs: str) -> str:
    """Return the CRS if one can measure in it.

    Raises:
        MissingCRS: there is none, or its unit is not the metre.
        geo.errors.Refused: it is unknown.
    """
    if not crs:
        raise MissingCRS("shapes without a CRS cannot be measured")
    if any(axis.unit_name != "metre" for axis in systems.parse(crs).axis_info):
        raise MissingCRS(f"{crs} is not in metres")
    return crs


def same(*frames: str) -> None:
    """Refuse to measure shapes of different frames against each other.

    Raises:
        CRSMismatch: two of them differ.
    """
    if len(set(frames)) > 1:
        raise CRSMismatch(" and ".join(sorted(set(frames))) + " cannot be measured together")
