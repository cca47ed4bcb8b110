"""Files for the stories, and what was measured of them, beside what PostGIS says of the same."""

import json
from pathlib import Path

import shapely
from sqlalchemy import select, text

from landready.checks import Check, NearFacility
from landready.db import ENGINE, transaction
from landready.plans import Plot
from landready.shapes import geojson_of

DATA = Path(__file__).parent.parent / "data"


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


def assert_as_postgis(database, srid, *, distances):
    """Every stored distance, so many, is PostGIS's own on the stored geometries, projected by PostGIS, to a micrometre."""
    with transaction(database, ENGINE) as session:
        assert set(session.scalars(select(Check.working_crs))) == {f"EPSG:{srid}"}
        rows = session.execute(
            text(
                "select n.distance_m, st_distance(st_transform(p.geom, :srid), st_transform(f.geom, :srid))"
                " from check_facility n join facility f on f.id = n.facility_id"
                " join coverage_check c on c.id = n.check_id join plot p on p.id = c.plot_id"
            ),
            {"srid": srid},
        ).all()
    assert len(rows) == distances
    assert max(abs(ours - postgis) for ours, postgis in rows) < 1e-6


def codes_within(database, srid, metres, utilities):
    """The codes of the plots that have, as PostGIS finds it, a facility of each of these utilities within `metres`."""
    near = (
        "exists (select from facility f join layer l on l.id = f.layer_id where l.current and l.utility = '{}'"
        " and st_dwithin(st_transform(p.geom, :srid), st_transform(f.geom, :srid), :metres))"
    )
    every = " and ".join(near.format(utility) for utility in utilities)
    with transaction(database, ENGINE) as session:
        found = session.scalars(
            text(f"select p.code from plot p where {every}"), {"srid": srid, "metres": metres}
        )
        return set(found)


def permits_on_plots(database):
    """The numbers of the permits that lie, as PostGIS finds it, by more than half on one plot."""
    half = (
        "select distinct m.permit_no from permit m join plot p on st_intersects(p.geom, m.geom)"
        " where st_area(st_intersection(p.geom, m.geom)) > st_area(m.geom) / 2"
    )
    with transaction(database, ENGINE) as session:
        return set(session.scalars(text(half)))


def paths(database):
    """The page of every plot by its code."""
    with transaction(database, ENGINE) as session:
        return {code: f"/plots/{id_}" for code, id_ in session.execute(select(Plot.code, Plot.id))}
