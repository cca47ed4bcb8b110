"""Plots as a GeoPackage in EPSG:4490, written in the guarded child (geo.packing): this process never loads GDAL."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geo.problems import N_
from landready import child
from landready.errors import Busy
from landready.settings import Upload


def geopackage(
    layer: str, shapes: Sequence[str], columns: Mapping[str, Mapping[str, Any]], limits: Upload
) -> bytes:
    """Return a file with one layer; `shapes` and `columns` as geo.packing says.

    Raises:
        Busy: it could not be written within the limits of reading.
    """
    with tempfile.TemporaryDirectory(prefix="landready-package-") as folder:
        answer = Path(folder) / "plots.gpkg"
        ending = child.run(
            {
                "task": "pack",
                "folder": folder,
                "answer": str(answer),
                "limits": {**limits.model_dump(), "answer_mb": 256},
                "layer": layer,
                "shapes": list(shapes),
                "columns": columns,
            }
        )
        if ending.code != 0 or ending.late:
            raise Busy(N_("GeoPackage 没有生成，请减少地块后再试，或联系系统管理员。"))
        return answer.read_bytes()
