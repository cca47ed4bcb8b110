"""The land side on real files up to the release, and what PostGIS says of the same distances."""

import io
import json
from pathlib import Path

import shapely
from sqlalchemy import select, text

from landready import uploads
from landready.checks import Check, NearFacility
from landready.db import ENGINE, Actor, transaction
from landready.drafts import draft_plan
from landready.layers import publish
from landready.release import release
from landready.shapes import geojson_of
from landready.utilities import Utility
from tests import factories as make

DATA = Path(__file__).parent.parent / "data"


def placed(settings, working_crs, extent):
    """The settings of an installation somewhere else on Earth."""
    here = {"working_crs": working_crs, "extent": extent, "land": ()}
    return settings.model_copy(update={"region": settings.region.model_copy(update=here)})


def _actor(organisation):
    return Actor(organisation.role, organisation.id, None, organisation.city)


def _receive(session, settings, organisation, kind, filename, data):
    return uploads.receive(
        session,
        settings,
        organisation_id=organisation.id,
        account_id=None,
        kind=kind,
        title=filename,
        filename=filename,
        stream=io.BytesIO(data),
        now=make.NOW,
    )


def hull(content, west_of):
    """The hull of the points of a file west of a longitude: what an enterprise says it serves."""
    points = [f["geometry"]["coordinates"] for f in json.loads(content)["features"]]
    area = shapely.MultiPoint([p for p in points if p[0] < west_of]).convex_hull
    return collection([({}, area)])


def collection(features):
    """A GeoJSON file of (properties, lon/lat geometry) pairs."""
    written = [
        {"type": "Feature", "properties": properties, "geometry": geojson_of(geometry)}
        for properties, geometry in features
    ]
    return json.dumps({"type": "FeatureCollection", "features": written}).encode()


def enterprise(database, settings, utilities, kind, filename, data, mapping=None):
    """An enterprise of these utilities that has published one file for each of them."""
    with transaction(database, ENGINE) as session:
        made = make.make_enterprise(session, *utilities)
    add_layer(database, settings, made, utilities, kind, filename, data, mapping)
    return made


def add_layer(database, settings, organisation, utilities, kind, filename, data, mapping=None):
    with transaction(database, _actor(organisation)) as session:
        for utility in utilities:
            upload = _receive(session, settings, organisation, kind, filename, data)
            uploads.remap(session, upload, mapping or {}, make.NOW)
            publish(session, upload, utility=Utility(utility), now=make.NOW)


def released_plan(database, settings, filename, data, mapping):
    """A plan of an office, uploaded, its columns named, and released."""
    with transaction(database, ENGINE) as session:
        office = make.make_office(session)
    with transaction(database, _actor(office)) as session:
        upload = _receive(session, settings, office, "plots", filename, data)
        uploads.remap(session, upload, mapping, make.NOW)
        plan = draft_plan(session, upload, office=office, now=make.NOW)
    with transaction(database, _actor(office)) as session:
        return release(session, settings, plan.id, make.NOW, None)


def plots_within(database, metres, *, rank=1):
    """By utility, how many plots have `rank` facilities within `metres`."""
    with transaction(database, ENGINE) as session:
        rows = session.execute(
            select(Check.utility, Check.plot_id)
            .join(NearFacility, NearFacility.check_id == Check.id)
            .where(NearFacility.rank == rank, NearFacility.distance_m <= metres)
        ).all()
    return {u: sum(row.utility == u for row in rows) for u in sorted({r.utility for r in rows})}


def plots_served(database, utility):
    """How many plots lie wholly, partly and not at all inside the service areas of a utility."""
    with transaction(database, ENGINE) as session:
        shares = session.scalars(select(Check.served_share).where(Check.utility == utility)).all()
    whole = sum(share > 1 - 1e-9 for share in shares)
    return whole, sum(0 < share <= 1 - 1e-9 for share in shares), shares.count(0)


def against_postgis(database, srid):
    """Every stored distance beside PostGIS's own on the stored geometries, projected by PostGIS."""
    with transaction(database, ENGINE) as session:
        rows = session.execute(
            text(
                "select n.distance_m, st_distance(st_transform(p.geom, :srid), st_transform(f.geom, :srid))"
                " from check_facility n join facility f on f.id = n.facility_id"
                " join coverage_check c on c.id = n.check_id join plot p on p.id = c.plot_id"
            ),
            {"srid": srid},
        ).all()
    return [tuple(row) for row in rows]
