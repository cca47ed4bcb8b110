"""Overlaps measured without risk: what could take long is measured in the guarded child."""

import json
import tempfile
from pathlib import Path

import numpy as np
import shapely

from geo import overlaps
from geo.crs import Geometries
from geo.overlaps import Overlap, Pairs
from landready import child
from landready.settings import Upload

# Neighbours share boundary points that were rounded apart: up to a square metre is not supplying land twice [OWN].
LEAST_M2 = 1.0
# So many possible crossings of edges take well under a second.
_HERE = 200_000
_LIMITS = Upload()


def measured(ours: Geometries, theirs: Geometries, pairs: Pairs) -> list[Overlap] | None:
    """Measure pairs of (ours, theirs) in lon/lat; None: they are too intricate to be measured within the limits.

    Raises:
        OSError: this machine cannot start a process.
    """
    if overlaps.effort(ours, theirs, pairs) <= _HERE:
        return overlaps.measured(ours, theirs, pairs, LEAST_M2)
    with tempfile.TemporaryDirectory(prefix="landready-overlaps-") as folder:
        answer = Path(folder) / "answer.json"
        # Only what is in a pair travels.
        rows, first = np.unique(pairs[:, 0], return_inverse=True)
        columns, second = np.unique(pairs[:, 1], return_inverse=True)
        ending = child.run(
            {
                "task": "overlaps",
                "folder": folder,
                "answer": str(answer),
                "limits": {**_LIMITS.model_dump(), "answer_mb": 64},
                "ours": shapely.to_wkb(ours[rows], hex=True).tolist(),
                "theirs": shapely.to_wkb(theirs[columns], hex=True).tolist(),
                "pairs": np.column_stack([first, second]).tolist(),
                "least_m2": LEAST_M2,
            }
        )
        if ending.code != 0 or ending.late:
            return None
        found = json.loads(answer.read_text(encoding="utf-8"))
    return [
        Overlap(int(rows[i]), int(columns[j]), area, shapely.from_wkb(shape))
        for i, j, area, shape in found
    ]
