"""At which facility of the enterprise the connection point of an answer lies."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import shapely
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo import crs
from landready import capacity
from landready.answer_rules import POSITIVE, AnswerDraft
from landready.layers import Facility, Layer
from landready.pushes import Push
from landready.settings import Check, Region
from landready.shapes import SRID, loaded

_LonLat = tuple[float, float]


def facilities_at(
    session: Session,
    push: Push,
    drafts: Sequence[AnswerDraft],
    check: Check,
    region: Region,
) -> dict[int, int]:
    """By the number of the draft, the lasting id of the enterprise's facility at its connection point.

    The nearest within `check.connect_m`; of several at one spot the one whose capacity is stated.
    """
    asked: dict[tuple[str, str], list[tuple[int, _LonLat]]] = defaultdict(list)
    for number, draft in enumerate(drafts):
        at = draft.connection_point
        if draft.verdict in POSITIVE and at and abs(at[0]) <= 180 and abs(at[1]) <= 90:
            try:
                system = crs.working_crs(at[0], region.working_crs)
            except ValueError:
                continue  # told as a fault of the point itself
            asked[draft.utility, system].append((number, at))
    found: dict[int, int] = {}
    for (utility, system), points in asked.items():
        spots = np.array([shapely.Point(at) for _, at in points], dtype=object)
        found |= {
            points[i][0]: facility
            for i, facility in _nearest(session, push, utility, system, spots, check.connect_m)
        }
    return found


def _nearest(
    session: Session, push: Push, utility: str, system: str, spots: crs.Geometries, reach_m: float
) -> list[tuple[int, int]]:
    west, south, east, north = (float(v) for v in shapely.total_bounds(spots))
    # Degrees that hold the reach at any latitude of the country.
    wide = reach_m / 50_000
    box = func.ST_MakeEnvelope(west - wide, south - wide, east + wide, north + wide, SRID)
    rows = session.execute(
        select(capacity.root().label("root"), Facility.spare_capacity, Facility.geom)
        .join(Layer, Layer.id == Facility.layer_id)
        .where(
            Layer.current,
            Layer.utility == utility,
            Facility.enterprise_id == push.enterprise_id,
            Facility.geom.op("&&")(box),
        )
    ).all()
    if not rows:
        return []
    shapes = crs.to_working(loaded(row.geom for row in rows), system)
    places = crs.to_working(spots, system)
    tree = shapely.STRtree(shapes)
    best: dict[int, tuple[float, bool, int]] = {}
    for i, j in tree.query(places, predicate="dwithin", distance=reach_m).T:
        metres = round(float(shapely.distance(places[i], shapes[j])), 3)
        one = (metres, rows[j].spare_capacity is None, rows[j].root)
        best[int(i)] = min(best.get(int(i), one), one)
    return [(i, one[2]) for i, one in best.items()]
