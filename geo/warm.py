"""Compile every kernel before anybody waits for it: `python -m geo.warm`, at set-up."""

import numpy as np
import shapely

from geo import coverage, flat, grid
from geo.ground import Ground
from geo.network import Network
from geo.outlines import Outlines


def warm() -> None:
    """Measure one plot with everything the engine has; a second run finds all compiled."""
    crs, one = "EPSG:4546", np.ones(1, np.int64)
    plot = flat.from_shapely(np.array([shapely.box(0, 0, 9, 9)], dtype=object))
    main = flat.from_shapely(np.array([shapely.LineString([(20, 0), (20, 9)])], dtype=object))
    ground, outlines = Ground.of(one, plot, crs), Outlines.of(one, plot, crs)
    for facility in (main, plot):
        network = Network.of(grid.build(one, facility, crs))
        for state in (network, network.changed(one, one, main, crs)):
            coverage.reach(ground, state, {"barrier": outlines}, 100.0, 1)
    coverage.served(ground, outlines)


if __name__ == "__main__":
    warm()
