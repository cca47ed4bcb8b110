"""Roads as they are measured: centre lines or the land itself, with the edge of their land and what they cost a line."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.crs import Geometries
from geo.frame import metric

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roads:
    """Roads in one projected CRS in metres; all arrays have shape (n,).

    Attributes:
        crs: its name, as `EPSG:n` or WKT; whatever meets these roads must be in it too.
        geometries: (multi)lines are centre lines, (multi)polygons are the land of the road itself.
        kind: a number for the class; roads of one class cross each other as equals.
        half_m: from the centre line to the outer edge of the road's land; 0 for polygons.
        zone_m: width of the control zone, from that edge outwards; 0 where there is none.
        along: cost of one metre along the road.
        crossing: cost of crossing it once, in metres along a street.
    """

    crs: str
    geometries: Geometries
    kind: Ids
    half_m: Numbers
    zone_m: Numbers
    along: Numbers
    crossing: Numbers

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            MissingCRS: no CRS, or one that is not in metres.
        """
        metric(self.crs)

    def __len__(self) -> int:
        return len(self.geometries)


def no_roads(crs: str) -> Roads:
    """Return the roads of a place without road data."""
    none = np.zeros(0)
    return Roads(
        crs, np.empty(0, dtype=object), np.zeros(0, dtype=np.int64), none, none, none, none
    )
