"""The facilities of one kind as they are now: an index, and what changed since it was built."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geo import grid
from geo.flat import Flat, Ints
from geo.frame import same
from geo.grid import Index


@dataclass(frozen=True, slots=True)
class Network:
    """An index with the facilities that are gone from it, and those that came since.

    Attributes:
        base: the index as it was built.
        gone: shape (len(base),), which of its facilities no longer count.
        added: facilities that came or were changed since.
    """

    base: Index
    gone: npt.NDArray[np.bool_]
    added: Index | None = None

    @classmethod
    def of(cls, base: Index) -> "Network":
        return cls(base, np.zeros(len(base), np.bool_))

    @property
    def layers(self) -> list[tuple[Index, npt.NDArray[np.bool_] | None]]:
        """Return what geo.search.nearest searches."""
        own = (self.base, self.gone if self.gone.any() else None)
        return [own] if self.added is None else [own, (self.added, None)]

    def changed(self, removed: Ints, ids: Ints, shapes: Flat, crs: str) -> "Network":
        """Return the network without `removed` and with the given facilities; one that is here already is replaced.

        Raises:
            CRSMismatch: the new shapes are in another CRS.
        """
        same(self.base.crs, crs)
        drop = np.concatenate((removed, ids))
        place = np.searchsorted(self.base.ids, drop)
        place = np.minimum(place, max(len(self.base) - 1, 0))
        gone = self.gone.copy()
        if len(self.base):
            gone[place[self.base.ids[place] == drop]] = True
        if self.added is not None:
            stay = np.flatnonzero(~np.isin(self.added.ids, drop))
            ids = np.concatenate((self.added.ids[stay], ids))
            shapes = self.added.shapes.take(stay).followed_by(shapes)
        added = grid.build(ids, shapes, crs) if len(ids) else None
        return replace(self, gone=gone, added=added)
