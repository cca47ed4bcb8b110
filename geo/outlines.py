"""Shapes that a plot or a connection may meet: service areas, roads, control zones, green space."""

from dataclasses import dataclass

import numpy as np

from geo import frame
from geo.boxes import Boxes
from geo.flat import Flat, Ints


@dataclass(frozen=True, slots=True)
class Outlines:
    """`n` shapes in one planar CRS in metres, with their boxes.

    Attributes:
        ids: shape (n,), int64, in any order.
        shapes, boxes: `n` each.
        crs: as geo.frame.metric takes it.
    """

    ids: Ints
    shapes: Flat
    boxes: Boxes
    crs: str

    @classmethod
    def of(cls, ids: Ints, shapes: Flat, crs: str) -> "Outlines":
        """Box the shapes.

        Raises:
            MissingCRS: the CRS is missing or not in metres.
        """
        boxes = Boxes.build(shapes.bounds())
        return cls(np.ascontiguousarray(ids, np.int64), shapes, boxes, frame.metric(crs))

    def __len__(self) -> int:
        return len(self.ids)
