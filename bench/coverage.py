"""The coverage engine beside shapely and PostGIS on the same data, in one run: answers first, then times.

    .venv/bin/python -m bench.coverage --size S|M|L [--peers shapely,postgis] [--rounds 3] [--shapes]

PostGIS is a cluster of its own in a temporary folder. `--shapes` adds what generated data lack: rings of thousands of vertices,
holes, parts, mains of 10 km, a crowd. Prints a table in Markdown for docs/performance.md.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import shapely

from bench import peers, province
from geo import coverage, flat, grid
from landready import batch, places, servers

THREADS = 2
SERVER = (
    "shared_buffers=4GB", "max_parallel_workers=2", "fsync=off", "autovacuum=off", "jit=off",
    "synchronous_commit=off", "max_wal_size=4GB",
)  # fmt: skip


class Engine:
    """What `landready coverage` does, stage by stage."""

    name = f"geo.coverage ({THREADS} threads)"

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        self.layers = batch.read(folder, THREADS)
        self.loaded = time.perf_counter() - began
        began = time.perf_counter()
        self.data = batch.index(self.layers, THREADS)
        self.indexed = time.perf_counter() - began

    def query(self):
        tables = batch.query(self.data, self.layers.kinds, 2000.0, 3, THREADS)
        near, cross, cover = (
            [column.to_numpy() for column in tables[name].columns] for name in tables
        )
        codes = {name: code for code, name in enumerate(peers.BARRIERS)}
        cross[2] = np.array([codes[name] for name in cross[2]])
        return near, peers.ordered(cross, 4), cover


@contextmanager
def cluster() -> Iterator[str]:
    """A PostgreSQL with PostGIS of its own, as tuned as peers.md says."""
    binaries = servers._postgres_bin()
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as folder:
        os.chmod(folder, 0o755)
        data, user = Path(folder) / "data", places.account()
        if user:
            subprocess.run(["chown", user, folder], check=True)

        def run(*words: str) -> None:
            subprocess.run(words, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)

        run(f"{binaries}/initdb", "-D", str(data), "-U", "bench", "--auth=trust", "--no-sync")
        options = " ".join(f"-c {option}" for option in SERVER)
        settings = f"-k {folder} -c listen_addresses='' {options}"
        run(
            f"{binaries}/pg_ctl",
            "-D",
            str(data),
            "-w",
            "-l",
            f"{folder}/log",
            "-o",
            settings,
            "start",
        )
        conninfo = f"host={folder} user=bench dbname=postgres"
        try:
            with peers.psycopg.connect(conninfo, autocommit=True) as session:
                session.execute("create extension postgis")
            yield conninfo
        finally:
            run(f"{binaries}/pg_ctl", "-D", str(data), "-m", "immediate", "stop")


def timed(peer, rounds):
    """Answer, and the median of the times of the query stage."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        answer = peer.query()
        took.append(getattr(peer, "took", None) or time.perf_counter() - began)
    return answer, statistics.median(took)


def whole(folder: Path, rounds: int) -> str:
    """The whole way from Parquet to Parquet as a process of its own, ours and shapely's: medians."""
    python = Path(sys.executable)
    ours = [python.parent / "landready", "coverage", "--threads", str(THREADS), "--data", folder]
    took = []
    for words in ([*ours, "--out"], [python, "-m", "bench.peers", folder]):
        times = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as out:
                began = time.perf_counter()
                subprocess.run([*words, out], check=True, stdout=subprocess.DEVNULL)
                times.append(time.perf_counter() - began)
        took.append(statistics.median(times))
    return f"Parquet to Parquet {took[0]:.2f} s, shapely {took[1]:.2f} s: {took[1] / took[0]:.1f} ×"


def one_change(folder: Path, cases: int = 200) -> str:
    """Close a facility, and add one beside it: milliseconds to know the plots it touches and to redo them."""
    layers = batch.read(folder, THREADS)
    data = batch.index(layers, THREADS)
    rng, closed, added, counts = np.random.default_rng(0), [], [], []
    network = data.networks[0]
    before = coverage.reach(data.ground, network, data.barriers, 2000.0, 3, threads=THREADS)
    known = np.unique(before.near.facility[before.near.facility >= 0])
    nothing = np.zeros(0, np.int64)
    for facility in rng.choice(known, cases):
        gone, none = np.array([facility]), flat.from_pieces([])
        for times, removed, ids, shapes in (
            (closed, gone, nothing, none),
            (added, nothing, np.array([10**9]), _moved(network.base, facility)),
        ):
            began = time.perf_counter()
            after = network.changed(removed, ids, shapes, layers.crs)
            touched = coverage.touched(data.ground, before.near, removed, after.added, 2000.0)
            coverage.redo(data.ground, before, after, touched, data.barriers, 2000.0)
            times.append((time.perf_counter() - began) * 1e3)
            counts.append(len(touched))
    said = [
        f"{n} {statistics.median(t):.2f} ms (p95 {np.quantile(t, 0.95):.2f})"
        for n, t in (("closed", closed), ("added", added))
    ]
    return f"one facility {', '.join(said)}; plots touched {np.mean(counts):.1f} on average"


def _moved(index, facility):
    one = index.shapes.take(np.flatnonzero(index.ids == facility))
    return flat.Flat(one.x + 40.0, one.y, one.part_start, one.part_kind, one.start)


def opening(folder: Path) -> str:
    """Keep every index of the folder, and open them again."""
    data = batch.index(batch.read(folder, THREADS), THREADS)
    with tempfile.TemporaryDirectory() as kept:
        for i, network in enumerate(data.networks):
            grid.save(network.base, Path(kept) / str(i))
        size = sum(f.stat().st_size for f in Path(kept).rglob("*.npy")) / 2**20
        began = time.perf_counter()
        for i in range(len(data.networks)):
            grid.load(Path(kept) / str(i))
        return f"{len(data.networks)} kept indexes ({size:.0f} MiB) opened in {(time.perf_counter() - began) * 1e3:.0f} ms"


def real_shapes() -> None:
    """Time per vertex on shapes that the generator does not make, against generated ones of the same number."""
    rng = np.random.default_rng(5)
    at = np.array([430_000.0, 2_210_000.0])

    def ring(middle, radius, n):
        a = np.sort(rng.uniform(0, 2 * np.pi, n))
        r = radius * rng.uniform(0.9, 1.1, n)
        return shapely.Polygon(middle + np.column_stack((r * np.cos(a), r * np.sin(a))))

    def mains(n, length):
        start, turn = at + rng.uniform(-8e3, 8e3, (n, 2)), rng.uniform(0, 2 * np.pi, n)
        step = np.linspace(0, length, 12)[:, None]
        return [
            shapely.LineString(s + step * [np.cos(t), np.sin(t)] + rng.normal(0, 2, (12, 2)))
            for s, t in zip(start, turn, strict=True)
        ]

    def middles(n):
        return at + rng.uniform(-8e3, 8e3, (n, 2))

    plain = [ring(m, 120, 33) for m in middles(3000)]
    network = mains(20_000, 900)
    cases = {
        "generated kind": (plain, network),
        "rings of 3,000 vertices": ([ring(m, 400, 3000) for m in middles(60)], network),
        "holes": ([ring(m, 160, 40).difference(ring(m, 60, 20)) for m in middles(2000)], network),
        "multiparts": (
            [
                shapely.union_all([ring(m + d, 50, 20) for d in ((0, 0), (300, 0), (0, 300))])
                for m in middles(1500)
            ],
            network,
        ),
        "mains of 10 km": (plain, mains(4000, 10_000)),
        "a crowd in one place": (
            plain,
            [
                shapely.LineString(at + rng.normal(0, 400, 2) + rng.normal(0, 20, (12, 2)))
                for _ in range(20_000)
            ],
        ),
    }
    print(
        "\n| shapes | plots | vertices | µs a vertex of the plots | against generated |\n|---|---|---|---|---|"
    )
    base = None
    for name, (plots, facilities) in cases.items():
        ground = coverage.Ground.of(
            np.arange(len(plots)), flat.from_shapely(np.array(plots, dtype=object)), "EPSG:4546"
        )
        index = grid.build(
            np.arange(len(facilities)),
            flat.from_shapely(np.array(facilities, dtype=object)),
            "EPSG:4546",
        )
        network = coverage.Network.of(index)
        took = []
        for _ in range(5):
            began = time.perf_counter()
            coverage.reach(ground, network, {}, 2000.0, 3)
            took.append(time.perf_counter() - began)
        each = statistics.median(took) / len(ground.shapes.x) * 1e6
        base = base or each
        print(
            f"| {name} | {len(plots)} | {len(ground.shapes.x)} | {each:.2f} | {each / base:.2f} |"
        )


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} × {model}; Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__},"
        f" shapely {shapely.__version__} (GEOS {shapely.geos_version_string}); load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=province.SIZES, default="S")
    parser.add_argument("--peers", default="shapely,postgis")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shapes", action="store_true")
    given = parser.parse_args()
    if given.shapes:
        print(machine())
        real_shapes()
        return
    with tempfile.TemporaryDirectory(prefix="bench-coverage-") as place:
        folder = Path(place)
        province.write(folder, *province.SIZES[given.size], given.seed)
        print(f"size {given.size}, seed {given.seed}; {machine()}\n")
        _compare(folder, given)


def _compare(folder: Path, given: argparse.Namespace) -> None:
    engine = Engine(folder)
    engine.query()
    ours, best = timed(engine, given.rounds)
    rows = [(engine, best)]
    if "shapely" in given.peers:
        peer = peers.Shapely(folder)
        rows.append((peer, _checked(peer, ours, given.rounds)))
    if "postgis" in given.peers:
        with cluster() as conninfo:
            peer = peers.PostGIS(folder, conninfo)
            rows.append((peer, _checked(peer, ours, given.rounds)))
    print("| | load s | index s | query s | against the engine |\n|---|---|---|---|---|")
    for peer, took in rows:
        print(
            f"| {peer.name} | {peer.loaded:.2f} | {peer.indexed:.2f} | {took:.2f} | {took / best:.1f} × |"
        )
    plots = province.SIZES[given.size][0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{best / plots * 1e6:.1f} µs a plot; this process {memory:.2f} GiB at most")
    print(whole(folder, given.rounds))
    print(one_change(folder))
    print(opening(folder))


def _checked(peer, ours, rounds) -> float:
    answer, took = timed(peer, rounds)
    wrong = peers.differences(ours, answer)
    if wrong:
        raise SystemExit(f"{peer.name} answers otherwise: {'; '.join(wrong)}")
    print(
        f"{peer.name}: the same {len(answer[0][0])} neighbours, {len(answer[1][0])} crossings and {len(answer[2][0])} shares"
    )
    return took


if __name__ == "__main__":
    main()
