"""A GeoPackage written in the guarded child, which has GDAL: the web process never loads it. Only geo.child may run this."""

from typing import Any

import numpy as np
import pyogrio.raw

_KINDS = {"text": object, "number": np.float64, "whole": np.int64}


def answer(request: dict[str, Any]) -> None:
    """Write `request["shapes"]` (hexadecimal WKB, multipolygons in lon/lat of EPSG:4490) with their columns.

    `columns` name → `{"kind": "text" | "number" | "whole", "values": [...]}`, one value a shape; None is null but for whole numbers.
    """
    columns = request["columns"]
    pyogrio.raw.write(
        request["answer"],
        geometry=np.array([bytes.fromhex(one) for one in request["shapes"]], dtype=object),
        field_data=[np.array(c["values"], dtype=_KINDS[c["kind"]]) for c in columns.values()],
        fields=list(columns),
        layer=request["layer"],
        driver="GPKG",
        geometry_type="MultiPolygon",
        crs="EPSG:4490",
    )
