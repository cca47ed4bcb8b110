"""Deterministic synthetic towns, networks and plots in EPSG:4546 metres (Hainan extent), at any size.

    .venv/bin/python -m bench.province --plots 2000 --facilities 50000 --seed 1 --out DIR

Density is held constant (about 250 facilities per km² of town), so towns grow in number and size with the facilities, as a real
province would when more of it is surveyed. The same numbers and the same numpy give the same shapes.
"""

import argparse
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

CRS = 4546
# Inside 108.6-111.1E, 18.1-20.2N with a margin of 10 km.
WEST, EAST, SOUTH, NORTH = 262_000.0, 500_000.0, 2_012_000.0, 2_222_000.0
WHOLE = (WEST, EAST, SOUTH, NORTH)
POINTS = ("valve_well", "manhole", "transformer", "pressure_station", "fibre_box", "catv_node")
SHARES = np.array([0.24, 0.22, 0.18, 0.12, 0.16, 0.08])
OFFSETS = (-9.0, -5.0, 7.0, 4.0, 10.0, 13.0)
SIZES = {"S": (2_000, 50_000), "M": (20_000, 500_000), "L": (100_000, 2_000_000)}


class Towns:
    """Towns with a street grid each; the larger, the more of everything lies in them."""

    def __init__(self, facilities: int, rng: np.random.Generator, within=WHOLE) -> None:
        area_km2 = facilities / 250.0
        self.rng = rng
        self.count = count = int(np.clip(round(area_km2**0.6), 4, 400))
        weight = 1.0 / np.arange(1, count + 1) ** 0.6
        self.weight = weight / weight.sum()
        self.radius = np.sqrt(area_km2 * self.weight / np.pi) * 1000.0
        west, east, south, north = within
        self.x, self.y = rng.uniform(west, east, count), rng.uniform(south, north, count)
        self.angle = rng.uniform(0, np.pi / 2, count)
        self.block_x, self.block_y = rng.uniform(80, 160, count), rng.uniform(80, 160, count)

    def choose(self, n):
        return self.rng.choice(self.count, n, p=self.weight)

    def place(self, town, u, v):
        """Town coordinates to the map's."""
        c, s = np.cos(self.angle[town]), np.sin(self.angle[town])
        return (
            np.clip(self.x[town] + u * c - v * s, WEST - 9000, EAST + 9000),
            np.clip(self.y[town] + u * s + v * c, SOUTH - 9000, NORTH + 9000),
        )

    def disc(self, n, town, spread):
        """Places in town, denser in the middle."""
        r = self.radius[town] * spread * self.rng.uniform(0, 1, n) ** 0.62
        a = self.rng.uniform(0, 2 * np.pi, n)
        return r * np.cos(a), r * np.sin(a)

    def lines(self, n, offset, fewest, most, jitter, spread=1.0):
        """Lines along streets, 30-200 m between vertices."""
        rng = self.rng
        town = self.choose(n)
        u, v = self.disc(n, town, spread)
        along = rng.random(n) < 0.5
        count = rng.integers(fewest, most + 1, n)
        street_v = np.round(v / self.block_y[town]) * self.block_y[town]
        street_u = np.round(u / self.block_x[town]) * self.block_x[town]
        cross = np.where(along, street_v, street_u) + offset + rng.normal(0, 1.2, n)
        start = np.where(along, u, v)
        off = np.concatenate([[0], np.cumsum(count)])
        line = np.repeat(np.arange(n), count)
        step = rng.uniform(30, 200, off[-1])
        step[off[:-1]] = 0
        run = np.cumsum(step)
        half = np.repeat((run[off[1:] - 1] - run[off[:-1]]) / 2, count)
        position = start[line] + run - run[off[:-1]][line] - half
        aside = cross[line] + rng.normal(0, jitter, off[-1])
        x, y = self.place(
            town[line],
            np.where(along[line], position, aside),
            np.where(along[line], aside, position),
        )
        return shapely.linestrings(np.column_stack([x, y]), indices=line)

    def blobs(self, cx, cy, radius, fewest, most, rough):
        """Polygons around places; those of 50 vertices and more with smooth lobes."""
        rng, n = self.rng, len(cx)
        count = rng.integers(fewest, most + 1, n)
        off = np.concatenate([[0], np.cumsum(count)])
        p = np.repeat(np.arange(n), count)
        i = np.arange(off[-1]) - off[:-1][p]
        a = (i + rng.uniform(0, 0.6, off[-1])) / count[p] * 2 * np.pi
        r = radius[p] * (1 + rng.uniform(-rough, rough, off[-1]))
        if fewest >= 50:
            r *= 1 + 0.25 * np.sin(3 * a + rng.uniform(0, 2 * np.pi, n)[p])
        ring = np.column_stack([cx[p] + r * np.cos(a), cy[p] + r * np.sin(a)])
        return shapely.polygons(shapely.linearrings(ring, indices=p))


def build(plots: int, facilities: int, seed: int, within=WHOLE) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers by name, each with an integer id from 1; the towns lie `within` west, east, south, north."""
    rng = np.random.default_rng(seed)
    towns = Towns(facilities, rng, within)
    kinds, sub, shapes = _facilities(towns, facilities)
    parcels = _plots(towns, plots)
    service = _service_areas(towns)
    owner = rng.integers(0, 6, len(service)).astype(np.int16)
    streets = towns.lines(facilities // 10, 0.0, 2, 20, 0.3, 1.05)
    highways = _highways(towns)
    n = facilities // 25
    town = towns.choose(n)
    x, y = towns.place(town, *towns.disc(n, town, 1.2))
    greens = towns.blobs(x, y, rng.uniform(15, 120, n), 6, 40, 0.2)
    enterprise = [f"ent{i % 37:02d}" for i in range(len(service))]
    return {
        "plots": _frame(parcels),
        "facilities": _frame(shapes, kind=kinds, sub=sub),
        "service_areas": _frame(service, kind=owner, enterprise=enterprise),
        "roads": _frame(np.concatenate([streets, highways])),
        "zones": _frame(shapely.buffer(highways, 50.0, quad_segs=4)),
        "greens": _frame(greens),
    }


def _frame(shapes, **columns):
    ids = np.arange(1, len(shapes) + 1, dtype=np.int64)
    return gpd.GeoDataFrame({"id": ids, **columns}, geometry=shapes, crs=CRS)


def _facilities(towns, count):
    rng, mains = towns.rng, int(count * 0.82)
    kinds, shapes, subs = [], [], []
    for kind in range(6):
        n = int(mains * SHARES[kind])
        shapes.append(towns.lines(n, OFFSETS[kind], 2, 12, 0.8))
        kinds.append(np.full(n, kind))
        subs.append(np.full(n, "main", dtype=object))
        n = int((count - mains) * SHARES[kind])
        town = towns.choose(n)
        u, v = towns.disc(n, town, 1.05)
        v = np.round(v / towns.block_y[town]) * towns.block_y[town] + rng.uniform(-18, 18, n)
        shapes.append(shapely.points(*towns.place(town, u, v)))
        kinds.append(np.full(n, kind))
        subs.append(np.full(n, POINTS[kind], dtype=object))
    kinds, shapes, subs = np.concatenate(kinds), np.concatenate(shapes), np.concatenate(subs)
    order = rng.permutation(len(shapes))
    return kinds[order].astype(np.int16), subs[order], shapes[order]


def _plots(towns, count):
    rng = towns.rng
    town = towns.choose(count)
    far = rng.random(count) < 0.15
    u, v = towns.disc(count, town, 1.15)
    a, r = rng.uniform(0, 2 * np.pi, count), towns.radius[town] + rng.uniform(200, 6000, count)
    u, v = np.where(far, r * np.cos(a), u), np.where(far, r * np.sin(a), v)
    x, y = towns.place(town, u, v)
    hectares = np.exp(rng.uniform(np.log(0.55), np.log(18), count))
    return towns.blobs(x, y, np.sqrt(hectares * 1e4 / np.pi), 4, 60, 0.12)


def _service_areas(towns, count=500):
    few = np.arange(min(towns.count, count))
    town = np.tile(few, count // len(few) + 1)[:count]
    x, y = towns.place(town, *towns.disc(count, town, 0.5))
    radius = towns.radius[town] * towns.rng.uniform(0.35, 0.9, count)
    return towns.blobs(x, y, radius, 50, 500, 0.03)


def _highways(towns):
    """From each town to the three nearest, in pieces of 12 segments."""
    rng, made = towns.rng, []
    for i in range(towns.count):
        for j in np.argsort((towns.x - towns.x[i]) ** 2 + (towns.y - towns.y[i]) ** 2)[1:4]:
            dx, dy = towns.x[j] - towns.x[i], towns.y[j] - towns.y[i]
            count = max(3, int(np.hypot(dx, dy) / 400))
            q = np.linspace(0, 1, count)
            x = towns.x[i] + dx * q + rng.normal(0, 40, count)
            y = towns.y[i] + dy * q + rng.normal(0, 40, count)
            for b in range(0, count - 1, 12):
                piece = np.column_stack([x[b : b + 13], y[b : b + 13]])
                if len(piece) > 1:
                    made.append(shapely.linestrings(piece))
    return np.array(made, dtype=object)


def write(folder: Path, plots: int, facilities: int, seed: int) -> None:
    """Write every layer as GeoParquet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in build(plots, facilities, seed).items():
        frame.to_parquet(folder / f"{name}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plots", type=int, required=True)
    parser.add_argument("--facilities", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    write(given.out, given.plots, given.facilities, given.seed)


if __name__ == "__main__":
    main()
