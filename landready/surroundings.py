"""What surrounds one place that no check has measured, the site of a permit, by the engine that measures plots."""

import numpy as np
import shapely
from geoalchemy2 import WKBElement
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo import coverage, flat
from geo.crs import to_working, working_crs
from geo.ground import Ground
from geo.outlines import Outlines
from geo.search import nearest
from landready import layer_indexes
from landready.layers import Facility, Layer, ServiceArea
from landready.settings import Settings
from landready.shapes import SRID, loaded
from landready.utilities import Utility


def serving(session: Session, settings: Settings, place: WKBElement) -> set[tuple[int, str]]:
    """Return (enterprise id, utility) of everyone with a current service area that a place (EPSG:4490) lies in, in part or whole.

    Needs to be the engine.
    """
    ground = _ground(settings, place)
    box = func.ST_MakeEnvelope(*(float(v) for v in shapely.total_bounds(loaded([place]))), SRID)
    rows = session.execute(
        select(
            Layer.enterprise_id, Layer.utility, func.ST_AsBinary(ServiceArea.geom).label("shape")
        )
        .join(ServiceArea, ServiceArea.layer_id == Layer.id)
        .where(Layer.current, ServiceArea.geom.op("&&")(box))
    ).all()
    shapes = layer_indexes.projected([row.shape for row in rows], ground.crs)
    _, area, _ = coverage.served(ground, Outlines.of(np.arange(len(rows)), shapes, ground.crs))
    return {(rows[i].enterprise_id, rows[i].utility) for i in area}


def nearest_facility(
    session: Session, settings: Settings, place: WKBElement, enterprise_id: int, utility: Utility
) -> WKBElement | None:
    """Return the shape of the enterprise's current facility nearest to a place, None beyond `check.radius_m`.

    Needs to be the engine.
    """
    ground = _ground(settings, place)
    layers = session.scalars(
        select(Layer)
        .where(
            Layer.current,
            Layer.kind == "facilities",
            Layer.utility == utility.value,
            Layer.enterprise_id == enterprise_id,
        )
        .order_by(Layer.id)
    )
    indexes = [layer_indexes.index_of(session, settings, layer, ground.crs) for layer in layers]
    found = nearest(ground, [(index, None) for index in indexes], settings.check.radius_m, 1)
    facility = int(found.facility[0, 0])
    return session.scalar(select(Facility.geom).where(Facility.id == facility))


def _ground(settings: Settings, place: WKBElement) -> Ground:
    shape = loaded([place])
    system = working_crs(float(shape[0].centroid.x), settings.region.working_crs)
    projected = shapely.make_valid(to_working(shape, system))
    return Ground.of(np.zeros(1, np.int64), flat.from_shapely(projected), system)
