"""The other ways to the same answers: shapely's best form and PostGIS's, on the layers of `bench.province`.

Each returns its tables as sorted lists of arrays, so that answers can be compared before times are.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

BARRIERS = ("roads", "zones", "greens")
RINGS = (150.0, 400.0, 1000.0, 2000.0)


def layers(folder: Path) -> dict[str, gpd.GeoDataFrame]:
    names = ("plots", "facilities", "service_areas", *BARRIERS)
    return {name: gpd.read_parquet(folder / f"{name}.parquet") for name in names}


class Shapely:
    """Growing radius; the tree is asked for boxes only, each thread takes half of the plots."""

    name = "shapely (growing radius, boxes only, 2 threads)"

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        data = layers(folder)
        self.plots = data["plots"].geometry.to_numpy()
        self.plot_ids = data["plots"]["id"].to_numpy()
        self.areas, self.barriers = data["service_areas"].geometry.to_numpy(), {}
        self.barriers = {name: data[name].geometry.to_numpy() for name in BARRIERS}
        facilities = data["facilities"]
        self.kinds = {}
        for kind in range(6):
            own = facilities[facilities["kind"] == kind]
            self.kinds[kind] = own["id"].to_numpy(), own.geometry.to_numpy()
        self.loaded = time.perf_counter() - began
        began = time.perf_counter()
        self.trees = {kind: shapely.STRtree(shapes) for kind, (_, shapes) in self.kinds.items()}
        self.barrier_trees = {n: shapely.STRtree(shapes) for n, shapes in self.barriers.items()}
        self.area_tree = shapely.STRtree(self.areas)
        for tree in (*self.trees.values(), *self.barrier_trees.values(), self.area_tree):
            tree.query(self.plots[0])  # a tree is built by the first who asks
        self.indexed = time.perf_counter() - began

    def query(self):
        halves = np.array_split(np.arange(len(self.plots)), 2)
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(self._half, halves))
        near, cross, cover = (
            [np.concatenate(c) for c in zip(*t, strict=True)] for t in zip(*parts, strict=True)
        )
        return ordered(near, 3), ordered(cross, 4), ordered(cover, 2)

    def _half(self, places):
        near, cross = [], []
        for kind, (ids, shapes) in self.kinds.items():
            i, j, rank, distance = self._nearest(places, self.trees[kind], ids, shapes)
            near.append((self.plot_ids[i], np.full(len(i), kind), rank, ids[j], distance))
            first = (rank == 1) & (distance > 0)
            link = shapely.shortest_line(self.plots[i[first]], shapes[j[first]])
            for code, (name, tree) in enumerate(self.barrier_trees.items()):
                a, b = tree.query(link)
                met = shapely.intersects(link[a], self.barriers[name][b])
                plot = self.plot_ids[i[first]][a[met]]
                cross.append((plot, np.full(len(plot), kind), np.full(len(plot), code), b[met] + 1))
        i, j = self.area_tree.query(self.plots[places])
        i = places[i]
        area = shapely.area(shapely.intersection(self.plots[i], self.areas[j]))
        part = area > 0
        cover = self.plot_ids[i[part]], j[part] + 1, area[part] / shapely.area(self.plots[i[part]])
        together = [np.concatenate(c) for c in zip(*near, strict=True)]
        return together, [np.concatenate(c) for c in zip(*cross, strict=True)], cover

    def _nearest(self, waiting, tree, ids, shapes, k=3):
        found = []
        for radius in RINGS:
            west, south, east, north = shapely.bounds(self.plots[waiting]).T
            boxes = shapely.box(west - radius, south - radius, east + radius, north + radius)
            i, j = tree.query(boxes)
            i = waiting[i]
            distance = shapely.distance(self.plots[i], shapes[j])
            within = distance <= radius
            i, j, distance = i[within], j[within], distance[within]
            enough = np.bincount(i, minlength=len(self.plots))[waiting] >= k
            done = waiting if radius == RINGS[-1] else waiting[enough]
            mine = np.isin(i, done)
            found.append((i[mine], j[mine], distance[mine]))
            waiting = np.setdiff1d(waiting, done)
            if not len(waiting):
                break
        i, j, distance = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((ids[j], distance, i))
        i, j, distance = i[order], j[order], distance[order]
        rank = np.arange(len(i)) - np.searchsorted(i, i) + 1
        first = rank <= k
        return i[first], j[first], rank[first], distance[first]


NEAR = """
insert into {schema}.near
select p.id, {kind}, row_number() over (partition by p.id order by n.d, n.id), n.id, n.d,
  case when row_number() over (partition by p.id order by n.d, n.id) = 1 and n.d > 0
    then st_shortestline(p.geom, n.geom) end
from {schema}.plots p cross join lateral (
  select id, d, geom from (
    select f.id, f.geom <-> p.geom as d, f.geom from {schema}.facilities_{kind} f
    order by f.geom <-> p.geom fetch first 3 rows with ties) nearest
  where d <= 2000 order by d, id limit 3) n
where p.id % 2 = {half}
"""
CROSS = """
insert into {schema}.crossed
select n.plot, n.kind, {code}, b.id from {schema}.near n join {schema}.{barrier} b on st_intersects(n.link, b.geom)
where n.link is not null and n.plot % 2 = {half}
"""
COVER = """
insert into {schema}.cover
select p.id, a.id, case when st_covers(a.geom, p.geom) then 1.0
  else st_area(st_intersection(a.geom, p.geom)) / st_area(p.geom) end
from {schema}.plots p join {schema}.service_areas a on st_intersects(a.geom, p.geom) where p.id % 2 = {half}
"""


class PostGIS:
    """LATERAL `<->` with the ties inside and their break outside; a table per kind in Hilbert order, two sessions."""

    name = "PostGIS (LATERAL <->, 2 sessions)"

    def __init__(self, folder: Path, conninfo: str, schema: str = "bench_coverage") -> None:
        self.conninfo, self.schema = conninfo, schema
        began = time.perf_counter()
        with self._session() as session:
            session.execute(f"drop schema if exists {schema} cascade")
            session.execute(f"create schema {schema}")
            for name, frame in layers(folder).items():
                parts = {name: frame}
                if name == "facilities":
                    parts = {f"{name}_{k}": frame[frame["kind"] == k] for k in range(6)}
                for table, part in parts.items():
                    self._load(session, f"{schema}.{table}", part)
            self.loaded = time.perf_counter() - began
            began = time.perf_counter()
            for table in self._tables(session):
                session.execute(f"create index on {schema}.{table} using gist (geom)")
                session.execute(f"analyze {schema}.{table}")
            self.indexed = time.perf_counter() - began

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.conninfo, autocommit=True) as session:
            session.execute("set jit = off")
            session.execute("set work_mem = '256MB'")
            session.execute("set maintenance_work_mem = '512MB'")
            session.execute("set random_page_cost = 1.1")
            yield session

    def _tables(self, session):
        rows = session.execute(
            "select tablename from pg_tables where schemaname = %s", [self.schema]
        )
        return [name for (name,) in rows.fetchall()]

    def _load(self, session, table, frame):
        session.execute("create temp table draft (id bigint, geom geometry)")
        with session.cursor().copy("copy draft from stdin") as copy:
            wkb = shapely.to_wkb(frame.geometry.to_numpy(), hex=True)
            for row in zip(frame["id"].tolist(), wkb, strict=True):
                copy.write_row(row)
        # PostGIS sorts geometries along a Hilbert curve.
        session.execute(f"create table {table} as select * from draft order by geom")
        session.execute("drop table draft")

    def query(self):
        with self._session() as session:
            for name, columns in (
                ("near", "plot bigint, kind int, rank int, fac bigint, dist float8, link geometry"),
                ("crossed", "plot bigint, kind int, btype int, bid bigint"),
                ("cover", "plot bigint, area bigint, share float8"),
            ):
                session.execute(f"drop table if exists {self.schema}.{name}")
                session.execute(f"create unlogged table {self.schema}.{name} ({columns})")
        steps = [
            [NEAR.format(schema=self.schema, kind=k, half="{half}") for k in range(6)],
            [
                CROSS.format(schema=self.schema, code=code, barrier=b, half="{half}")
                for code, b in enumerate(BARRIERS)
            ],
            [COVER.format(schema=self.schema, half="{half}")],
        ]
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            for step in steps:
                list(pool.map(self._run, [step, step], range(2)))
        self.took = time.perf_counter() - began
        with self._session() as session:
            return tuple(
                [np.array(c) for c in zip(*session.execute(sql).fetchall(), strict=True)]
                for sql in (
                    f"select plot, kind, rank, fac, dist from {self.schema}.near order by 1, 2, 3",
                    f"select * from {self.schema}.crossed order by 1, 2, 3, 4",
                    f"select * from {self.schema}.cover order by 1, 2",
                )
            )

    def _run(self, statements, half):
        with self._session() as session:
            for statement in statements:
                session.execute(statement.format(half=half))

    def drop(self) -> None:
        with self._session() as session:
            session.execute(f"drop schema {self.schema} cascade")


def ordered(columns, keys):
    order = np.lexsort(columns[:keys][::-1])
    return [column[order] for column in columns]


def differences(ours, theirs) -> list[str]:
    """What two answers (near, cross, cover) do not agree on, in words; ids of equal distances may stand either way."""
    found = []
    for name, a, b in zip(("near", "cross", "cover"), ours, theirs, strict=True):
        if [len(c) for c in a] != [len(c) for c in b]:
            found.append(f"{name}: {len(a[0])} rows, not {len(b[0])}")
            continue
        exact = a if name == "cross" else a[:-1]
        for column, (x, y) in enumerate(zip(exact, b, strict=False)):
            if wrong := int((x != y).sum()):
                found.append(f"{name}: column {column} differs in {wrong} rows")
        if (
            name != "cross"
            and len(a[0])
            and (gap := np.abs(a[-1] - b[-1]).max()) > (1e-6 if name == "near" else 1e-9)
        ):
            found.append(f"{name}: differs by {gap}")
    return found


def main() -> None:
    """`python -m bench.peers FOLDER OUT`: shapely from Parquet to Parquet, as `landready coverage` does it."""
    tables = Shapely(Path(sys.argv[1])).query()
    for name, table in zip(("near", "cross", "cover"), tables, strict=True):
        columns = {str(i): column for i, column in enumerate(table)}
        pq.write_table(pa.table(columns), Path(sys.argv[2]) / f"{name}.parquet")


if __name__ == "__main__":
    main()
