"""Which enterprises a project concerns, and for which utilities: the rule of a plan's release, for one place (R8)."""

from collections.abc import Mapping

from geoalchemy2 import WKBElement
from sqlalchemy import select
from sqlalchemy.orm import Session

from landready.concerned import Candidate, concerned
from landready.layers import Layer
from landready.organisations import Organisation
from landready.settings import Settings
from landready.surroundings import serving
from landready.utilities import Utility

Recipients = Mapping[int, tuple[Utility, ...]]
_PLACE = 0  # the rule names plots by id; here there is one place


def recipients(session: Session, settings: Settings, place: WKBElement, city: str) -> Recipients:
    """Return enterprise id → utilities, in id order, of everyone concerned by a place (EPSG:4490) in a city."""
    areas = select(Layer.enterprise_id, Layer.utility).where(
        Layer.kind == "service_areas", Layer.current
    )
    mapped = {(who, utility) for who, utility in session.execute(areas.distinct())}
    near = serving(session, settings, place)
    enterprises = session.scalars(
        select(Organisation).where(Organisation.kind == "enterprise").order_by(Organisation.id)
    )
    candidates = [
        Candidate(
            enterprise.id,
            enterprise.name,
            utility,
            local=enterprise.city in ("", city),
            mapped=(enterprise.id, utility.value) in mapped,
            touches=frozenset({_PLACE} if (enterprise.id, utility.value) in near else ()),
        )
        for enterprise in enterprises
        for utility in enterprise.utility_list
        if enterprise.city in ("", city) or (enterprise.id, utility.value) in near
    ]
    asked = {(a.enterprise_id, a.utility) for a in concerned(candidates, [_PLACE]) if a.plots}
    return {
        enterprise_id: tuple(u for u in Utility if (enterprise_id, u) in asked)
        for enterprise_id in sorted({enterprise_id for enterprise_id, _ in asked})
    }
