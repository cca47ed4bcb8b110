"""The indexes of layer versions: built once for each working CRS, then shared by every process through memory maps.

They lie under `var/indexes` on each host and can be thrown away at any time: the layers in the database are the truth.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import shapely
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo import flat, grid
from geo.crs import to_working
from landready.db import as_engine
from landready.layers import Facility, Layer
from landready.settings import Settings

# Raised whenever geo.grid.Index changes its arrays: a kept index of another layout is not opened.
_LAYOUT = 1


def index_of(session: Session, settings: Settings, layer: Layer, crs: str) -> grid.Index:
    """Open the index of a layer version in a working CRS; the first who asks builds it."""
    folder = _folder(settings) / f"{layer.content}-{crs.replace(':', '')}-{_LAYOUT}"
    try:
        return grid.load(folder)
    except FileNotFoundError:
        grid.discard(folder)
        with as_engine(session):  # what is kept is for every asker
            made = _built(session, layer, crs)
        grid.save(made, folder)
        return made


def tidy(session: Session, settings: Settings, now: datetime) -> int:
    """Take away the indexes that no current layer needs and that are a day old; return how many."""
    current = set(session.scalars(select(Layer.content).where(Layer.current)))
    gone = [
        folder
        for folder in _folder(settings).glob("[!.]*")
        if folder.name.split("-")[0] not in current
        and now.timestamp() - folder.stat().st_mtime > timedelta(days=1).total_seconds()
    ]
    for folder in gone:
        grid.discard(folder)
    return len(gone)


def _folder(settings: Settings) -> Path:
    return settings.var / "indexes"


def _built(session: Session, layer: Layer, crs: str) -> grid.Index:
    rows = session.execute(
        select(Facility.id, func.ST_AsBinary(Facility.geom))
        .where(Facility.layer_id == layer.id)
        .order_by(Facility.id)
    ).all()
    ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    return grid.build(ids, projected([row[1] for row in rows], crs), crs)


def projected(stored: Sequence[bytes], crs: str) -> flat.Flat:
    """Bring stored shapes (well-known binary in EPSG:4490) into a working CRS.

    Far outside the frame a place becomes infinite; such a shape is left out: nothing of the frame is near it.
    """
    pieces = np.empty(len(stored), dtype=object)
    pieces[:] = [bytes(piece) for piece in stored]
    shapes = to_working(shapely.from_wkb(pieces), crs)
    shapes[~np.isfinite(shapely.bounds(shapes)).all(axis=1)] = None
    return flat.from_shapely(shapes)
