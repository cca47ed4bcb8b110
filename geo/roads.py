"""Roads as they are measured: centre lines or the land itself, with the edge of their land and what they cost a line."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.crs import Geometries

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roads:
    """Roads in one projected CRS in metres; all arrays have shape (n,).

    Attributes:
        geometries: (multi)lines are centre lines, (multi)polygons are the land of the road itself.
        kind: a number for the class; roads of one class cross each other as equals.
        half_m: from the centre line to the outer edge of the road's land; 0 for polygons.
        zone_m: width of the control zone, from that edge outwards; 0 where there is none.
        along: cost of one metre along the road.
        crossing: cost of crossing it once, in metres along a street.
    """

    geometries: Geometries
    kind: Ids
    half_m: Numbers
    zone_m: Numbers
    along: Numbers
    crossing: Numbers

    def __len__(self) -> int:
        return len(self.geometries)


def no_roads() -> Roads:
    """Return the roads of a place without road data."""
    none = np.zeros(0)
    return Roads(np.empty(0, dtype=object), np.zeros(0, dtype=np.int64), none, none, none, none)
