"""Seconds per connection route on a graph of a whole city, made and real.

    .venv/bin/python bench/routes.py [--routes 400] [--blocks 100]

The made city has blocks of 120 m with a centre line from crossing to crossing, every tenth street a county road and one national
road across; the real one are the 2,643 street centre lines of tests/data/cambridge. A plot of 60 by 60 m is connected to six mains of
40 m within 2 km, as six utilities would be; the time is per line, with what the line meets and the items that follow.
"""

import argparse
import json
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import shapely
from shapely import LineString, box
from shapely.geometry import shape

from geo.crs import to_working
from landready.base_ground import Feature, Ground
from landready.external_lines import judge
from landready.road_classes import RoadClass
from landready.settings import Route

CAMBRIDGE = Path(__file__).parents[1] / "tests/data/cambridge/TRANS_Centerlines.geojson"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
UTILITIES = 6


def made(blocks: int, size: float = 120.0) -> list[Feature]:
    """Streets of a square city, one feature from crossing to crossing."""
    found = []
    for i in range(blocks + 1):
        name = RoadClass.COUNTY if i % 10 == 5 else RoadClass.STREET
        if i == blocks // 2:
            name = RoadClass.NATIONAL
        for j in range(blocks):
            a, b, at = j * size, (j + 1) * size, i * size
            found.append(Feature(LineString([(a, at), (b, at)]), f"纬{i}", name, 24.0))
            found.append(Feature(LineString([(at, a), (at, b)]), f"经{i}", name, 24.0))
    return found


def real() -> list[Feature]:
    features = json.loads(CAMBRIDGE.read_text(encoding="utf-8"))["features"]
    lines = np.array([shape(f["geometry"]) for f in features if f["geometry"]], dtype=object)
    names = [f["properties"].get("Street") or "" for f in features if f["geometry"]]
    moved = to_working(lines, "EPSG:32619")
    return [Feature(line, name, RoadClass.STREET) for line, name in zip(moved, names, strict=True)]


def measure(title: str, roads: list[Feature], count: int) -> None:
    began = time.process_time()
    ground = Ground("EPSG:4546", {"roads": roads}, [])
    built = time.process_time() - began
    west, south, east, north = shapely.total_bounds([r.geometry for r in roads])
    rng = np.random.default_rng(1)
    took, methods, lengths = [], {}, []
    for _ in range(count // UTILITIES + 1):
        x, y = rng.uniform(west, east), rng.uniform(south, north)
        turn, far = rng.uniform(0, 2 * np.pi, UTILITIES), rng.uniform(100, 2000, UTILITIES)
        mains = [
            LineString(
                [
                    (x + r * np.cos(a), y + r * np.sin(a)),
                    (x + r * np.cos(a) + 40, y + r * np.sin(a)),
                ]
            )
            for a, r in zip(turn, far, strict=True)
        ]
        began = time.process_time()
        lines = ground.lines(box(x - 30, y - 30, x + 30, y + 30), mains, Route())
        for line in lines:
            judge(line.met, ground.features, line.route.length_m, NOW)
        took.append((time.process_time() - began) / UTILITIES)
        for line in lines:
            key = line.route.why or line.route.method
            methods[key] = methods.get(key, 0) + 1
            lengths.append(line.route.length_m)
    ms = sorted(1000 * t for t in took)
    print(
        f"{title}: {len(roads):,} roads, {len(ground.graph.line):,} nodes; built once in {built:.2f} s;"
        f" per line median {statistics.median(ms):.1f} ms, 95 % {ms[int(len(ms) * 0.95)]:.1f} ms, worst {ms[-1]:.1f} ms;"
        f" median length {statistics.median(lengths):.0f} m; {methods}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=400)
    parser.add_argument("--blocks", type=int, default=100)
    given = parser.parse_args()
    print(platform.machine(), platform.python_version(), "shapely", shapely.__version__)
    measure("made city", made(given.blocks), given.routes)
    measure("Cambridge", real(), given.routes)
    # What one page needs: the base layers within a kilometre of plot and facilities.
    measure("around one plot", made(25), given.routes)
