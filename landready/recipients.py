"""Which enterprises a place concerns, and for which utilities (R2, R8)."""

from collections.abc import Mapping

from geoalchemy2 import WKBElement
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from landready.layers import Layer, ServiceArea
from landready.organisations import Organisation
from landready.utilities import Utility

Recipients = Mapping[int, tuple[Utility, ...]]


def recipients(session: Session, place: WKBElement, city: str) -> Recipients:
    """Return enterprise id → utilities, in id order, of everyone whose service the place touches.

    With a current service area for a utility the area decides, wherever the enterprise sits; without one for that utility the
    enterprises of the city and those of the whole province are asked, for silence about a boundary is no reason not to ask.
    """
    areas = select(Layer.enterprise_id, Layer.utility).where(
        Layer.kind == "service_areas", Layer.current
    )
    bounded = set(session.execute(areas.distinct()).tuples())
    touching = areas.join(ServiceArea, ServiceArea.layer_id == Layer.id).where(
        func.ST_Intersects(ServiceArea.geom, place)
    )
    served = set(session.execute(touching.distinct()).tuples())
    enterprises = session.scalars(
        select(Organisation).where(Organisation.kind == "enterprise").order_by(Organisation.id)
    )
    found = {
        enterprise.id: tuple(
            utility
            for utility in enterprise.utility_list
            if (enterprise.id, utility) in served
            or ((enterprise.id, utility) not in bounded and enterprise.city in (city, ""))
        )
        for enterprise in enterprises
    }
    return {enterprise_id: utilities for enterprise_id, utilities in found.items() if utilities}
