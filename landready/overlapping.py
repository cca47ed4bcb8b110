"""Overlaps measured without risk: what could take long is measured in the guarded child."""

import json
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import shapely

from geo import attributes, overlaps
from geo.crs import Geometries
from geo.overlaps import Overlap, Pairs
from geo.problems import N_, Problem, at_shape
from landready import child
from landready.intake import Reading
from landready.settings import Upload

# Neighbours share boundary points that were rounded apart: up to a square metre is not supplying land twice [OWN].
LEAST_M2 = 1.0
# As many overlaps of a kind as a person reads.
LISTED = 300
ON_ANOTHER = N_("与第 {other} 个地块“{code}”重叠 {area} 平方米。")
INTRICATE = N_("图形过于复杂，无法在限定时间内量出重叠面积。请简化边界后再上传。")
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


def in_file(reading: Reading) -> list[Problem]:
    """Return the overlaps among the plots of a file, which a draft made of it would have as errors."""
    shapes = np.empty(len(reading.features), dtype=object)
    shapes[:] = [shapely.geometry.shape(dict(one.geometry)) for one in reading.features]
    found = measured(shapes, shapes, overlaps.among(shapes))
    if found is None:
        return [Problem("overlap_unmeasured", "error", INTRICATE)]
    column = attributes.guess(reading.fields).get("code", "")
    problems = []
    for one in found[:LISTED]:
        plot, other = reading.features[one.first], reading.features[one.second]
        at = one.shape.representative_point()
        params = {
            "other": other.row,
            "code": attributes.text(other.properties.get(column)),
            "area": round(one.area_m2, 1),
        }
        problems.append(
            Problem(
                "overlap", "error", ON_ANOTHER, params, plot.row, at_shape(plot.row), (at.x, at.y)
            )
        )
    return problems + more(len(found) - LISTED, "error")


def more(count: int, severity: Literal["error", "warning"]) -> list[Problem]:
    """Say how many overlaps were left out of a list."""
    if count <= 0:
        return []
    text = N_("还有 {count} 处重叠没有列出。")
    return [Problem("more_overlaps", severity, text, {"count": count})]
