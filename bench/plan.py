"""A plan of 2,000 plots in a made city: upload, release, answers, the board, and what one changed facility costs.

    .venv/bin/python bench/plan.py [--plots 2000] [--facilities 20000] [--seed 1]

Starts a PostgreSQL and a Redis of its own in a temporary folder. Everything a person does goes through the web application as
a request; what the sweep does is called as the sweep calls it. Eight enterprises: one for every utility, and a second one
for water and for power. Prints wall and processor seconds, those of the PostgreSQL and of the reading child included.
"""

import argparse
import io
import json
import os
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

# The folder of this file would hide the package of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import geopandas as gpd  # noqa: E402
import numpy as np  # noqa: E402
import shapely  # noqa: E402
import sqlalchemy  # noqa: E402
from sqlalchemy import func, select, text, update  # noqa: E402

from bench import province  # noqa: E402
from bench.loopback import Servers, installation  # noqa: E402
from landready import servers  # noqa: E402
from landready.answers import Answer  # noqa: E402
from landready.bulk import insert_rows  # noqa: E402
from landready.checks import Check  # noqa: E402
from landready.clock import today  # noqa: E402
from landready.db import ENGINE, Engine, Session, connect, transaction  # noqa: E402
from landready.layers import Facility, Layer, ServiceArea, seal  # noqa: E402
from landready.listings import Listing  # noqa: E402
from landready.organisations import Account, Organisation, hash_password  # noqa: E402
from landready.outbox import OutboxEvent  # noqa: E402
from landready.plans import Plot  # noqa: E402
from landready.pushes import Push, PushPlot  # noqa: E402
from landready.shapes import multi, stored  # noqa: E402
from landready.utilities import Utility  # noqa: E402
from push.sweep import remeasure  # noqa: E402
from web.app import create_app  # noqa: E402

CITY = "460100"
# Haikou's south, metres in EPSG:4546.
WITHIN = (425_000.0, 440_000.0, 2_188_000.0, 2_203_000.0)
PASSWORD = "a bench needs no secret"
# Utilities of a plot in the order of bench.province's kinds; water and power have a second enterprise.
KINDS = (
    Utility.WATER, Utility.DRAINAGE, Utility.POWER, Utility.GAS, Utility.TELECOM, Utility.CABLE_TV,
)  # fmt: skip
GOALS = {
    "upload to all pushes recorded": 20.0,
    "one facility changed": 1.0,
    "the page opens with its board": 1.0,
}
FILTER = "utility=water&blocked=1&sort=area"


@dataclass
class Clock:
    """Wall and processor seconds of this process, its children and the database's processes."""

    servers: Servers
    lines: list[tuple[str, float, float]] = field(default_factory=list)

    def time(self, name: str, do: Callable[[], object]) -> object:
        before, began = self._used(), perf_counter()
        found = do()
        took, used = perf_counter() - began, self._used() - before
        self.lines.append((name, took, used))
        print(f"{name:<58}{took:8.2f} s{used:9.2f} s", flush=True)
        return found

    def _used(self) -> float:
        """Those of living processes from /proc, so that the backend of a connection in use counts."""
        mine, total = os.getpid(), 0
        family = {mine, *(process.pid for process in self.servers.running.values())}
        seen = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    said = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
                except OSError:
                    continue
                seen[int(entry.name)] = (int(said[1]), sum(map(int, said[11:15])))
        for process in seen:
            above = process
            while above in seen and above not in family:
                above = seen[above][0]
            total += seen[process][1] if above in family else 0
        return total / os.sysconf("SC_CLK_TCK")


def city(plots: int, facilities: int, seed: int) -> dict[str, gpd.GeoDataFrame]:
    """The layers of bench.province around one city; plots of 0.1 to 3 hectares of which none lies on another."""
    made = province.build(plots * 3, facilities, seed, WITHIN)
    shapes = made["plots"].geometry.to_numpy()
    centre = shapely.centroid(shapes)
    at = np.repeat(shapely.get_coordinates(centre), shapely.get_num_coordinates(shapes), axis=0)
    small = shapely.set_coordinates(
        shapes.copy(), at + (shapely.get_coordinates(shapes) - at) * 0.4
    )
    pairs = shapely.STRtree(small).query(small, predicate="intersects").T
    taken = set(pairs[pairs[:, 0] > pairs[:, 1], 0].tolist())
    free = [i for i in range(len(small)) if i not in taken][:plots]
    if len(free) < plots:
        raise SystemExit(f"only {len(free)} plots lie apart; give more facilities")
    codes = [f"KC-{i:04d}" for i in range(1, plots + 1)]
    made["plots"] = gpd.GeoDataFrame(
        {"地块编号": codes, "用途": "工业用地", "计划供应时间": [f"2026年第{i % 4 + 1}季度" for i in range(plots)]},
        geometry=small[free],
        crs=province.CRS,
    )  # fmt: skip
    return {name: frame.to_crs(4490) for name, frame in made.items()}


def people(session: Session) -> tuple[Account, list[Organisation]]:
    office = Organisation(kind="office", name="海口市资规局", city=CITY, utilities=[])
    enterprises = [
        Organisation(kind="enterprise", name=f"{utility} {n}", city=CITY, utilities=[utility.value])
        for n in (1, 2)
        for utility in (KINDS if n == 1 else (Utility.WATER, Utility.POWER))
    ]
    session.add_all([office, *enterprises])
    session.flush()
    account = Account(
        organisation_id=office.id,
        username="bench",
        full_name="bench",
        password_hash=hash_password(PASSWORD),
        active=True,
        created_at=datetime.now(UTC),
    )
    session.add(account)
    return account, enterprises


def publish(session: Session, layer: Layer, shapes: np.ndarray, names: list[str]) -> None:
    """Store one version of a layer as an upload does, measured against already: what came before a release is no change."""
    layer.feature_count = len(shapes)
    session.add(layer)
    session.flush()
    rows = [
        {
            "layer_id": layer.id, "enterprise_id": layer.enterprise_id, "row": row, "name": name,
            "geom": shape,
        }
        for row, (name, shape) in enumerate(zip(names, stored(shapes), strict=True), 1)
    ]  # fmt: skip
    if layer.kind == "facilities":
        rows = [{**r, "spare_capacity": 1_000.0, "attributes": {}} for r in rows]
    insert_rows(session, Facility if layer.kind == "facilities" else ServiceArea, rows)
    seal(session, layer)


def layers(session: Session, made: dict[str, gpd.GeoDataFrame], who: list[Organisation]) -> None:
    shares = {u: [e for e in who if u.value in e.utilities] for u in KINDS}
    for kind, utility in enumerate(KINDS):
        for name in ("facilities", "service_areas"):
            frame = made[name][made[name]["kind"] == kind]
            for n, enterprise in enumerate(shares[utility]):
                shapes = frame.geometry.to_numpy()[n :: len(shares[utility])]
                if name == "service_areas":
                    shapes = np.array([multi(one) for one in shapes[:10]], dtype=object)
                names = [f"{utility} {i}" for i in range(len(shapes))]
                publish(session, _layer(enterprise, name, utility), shapes, names)


def _layer(enterprise: Organisation, kind: str, utility: Utility, version: int = 1) -> Layer:
    now = datetime.now(UTC)
    return Layer(
        enterprise_id=enterprise.id, kind=kind, utility=utility.value, title=kind, version=version,
        current=True, feature_count=0, created_at=now, remeasured_at=now if version == 1 else None,
    )  # fmt: skip


def answer(session: Session, seed: int) -> int:
    """What the enterprises say: six in ten ready, two with a date, one in ten not possible, one in ten silent."""
    random, now = np.random.default_rng(seed), datetime.now(UTC)
    asked = session.execute(
        select(
            PushPlot.push_id, PushPlot.plot_id, PushPlot.enterprise_id, PushPlot.office_id,
            PushPlot.utility, func.ST_AsEWKB(func.ST_PointOnSurface(Plot.geom)),
        ).join(Plot, Plot.id == PushPlot.plot_id)
    ).all()  # fmt: skip
    rows = []
    for push, plot, enterprise, office, utility, point in asked:
        verdict = random.choice(
            ["ready", "ready_by", "not_possible", ""], p=[0.6, 0.2, 0.1, 0.1]
        ).item()
        if verdict:
            days = int(random.integers(20, 700))
            rows.append(
                {
                    "push_id": push, "plot_id": plot, "plot_revision": 1, "enterprise_id": enterprise,
                    "office_id": office, "utility": utility, "version": 1, "verdict": verdict,
                    "connection_point": bytes(point).hex(), "works": "DN200 300 m",
                    "ready_by": (now + timedelta(days=days)).date() if verdict == "ready_by" else None,
                    "reason": "余量不足" if verdict == "not_possible" else "", "answered_at": now,
                }
            )  # fmt: skip
    insert_rows(session, Answer, rows)
    return len(rows)


def close_one(engine: Engine) -> int:
    """A new version of the first water enterprise's mains in which the one that most plots are near is missing."""
    with transaction(engine, ENGINE) as session:
        old = session.scalars(
            select(Layer)
            .where(Layer.kind == "facilities", Layer.utility == "water")
            .order_by(Layer.id)
        ).first()
        near = session.execute(
            text(
                "select facility_id, count(*) from check_facility where enterprise_id = :e"
                " group by 1 order by 2 desc, 1 limit 1"
            ),
            {"e": old.enterprise_id},
        ).one()
        left = session.execute(
            select(Facility.name, Facility.geom)
            .where(Facility.layer_id == old.id, Facility.id != near.facility_id)
            .order_by(Facility.row)
        ).all()
        session.execute(update(Layer).where(Layer.id == old.id).values(current=False))
        new = _layer(
            session.get_one(Organisation, old.enterprise_id), "facilities", Utility.WATER, 2
        )
        shapes = shapely.from_wkb([row.geom.desc for row in left])
        publish(session, new, shapes, [row.name for row in left])
        return near.count


def page(client: object, address: str) -> None:
    answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address}: {answer.status_code} {answer.data[:500]!r}")


def sent(answer: object, status: int = 303) -> str:
    if answer.status_code != status:
        raise SystemExit(f"{answer.status_code} {answer.text[:2000]}")
    return answer.location


def counted(session: Session, model: type, *where: object) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*where))


def run(given: argparse.Namespace, here: Servers) -> bool:
    engine, clock = connect(servers.database_url(here.settings)), Clock(here)
    made = city(given.plots, given.facilities, given.seed)
    with transaction(engine, ENGINE) as session:
        account, enterprises = people(session)
        layers(session, made, enterprises)
    file = json.dumps(json.loads(made["plots"].to_json(drop_id=True)), ensure_ascii=False).encode()
    app = create_app(here.settings)
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    sent(client.post("/signin", data={"username": account.username, "password": PASSWORD}), 302)
    print(
        f"{given.plots} plots, {len(made['facilities'])} facilities, {len(enterprises)} enterprises;"
        f" file {len(file) / 1e6:.1f} MB; Python {platform.python_version()}, numpy {np.__version__},"
        f" shapely {shapely.__version__}, SQLAlchemy {sqlalchemy.__version__}; {os.cpu_count()} cores,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':58}{'wall':>10}{'processor':>11}")
    plan = clock.time("upload: read, checked, the draft is made", lambda: upload(client, file))
    clock.time(
        "release: checks measured, pushes and outbox recorded",
        lambda: sent(client.post(f"{plan}/release")),
    )
    with transaction(engine, ENGINE) as session:
        checks, pushes, events, questions = (
            counted(session, model) for model in (Check, Push, OutboxEvent, PushPlot)
        )
        if not checks or pushes != events != len(enterprises):
            raise SystemExit(f"{checks} checks, {pushes} pushes, {events} events")
        said = answer(session, given.seed)
    print(
        f"  ({checks} checks, {pushes} pushes, {events} events, {questions} questions; {said} answers)"
    )
    clock.time("the page opens, no plot was judged yet", lambda: page(client, plan))
    clock.time("its board comes: every plot judged", lambda: page(client, f"{plan}/board"))
    clock.time("the page opens with its board", lambda: page(client, plan))
    clock.time("  filtered and sorted", lambda: page(client, f"{plan}/board/rows?{FILTER}"))
    clock.time("  the plots of its map", lambda: page(client, f"{plan}/board/map"))
    clock.time("  XLSX", lambda: page(client, f"{plan}/board.xlsx"))
    clock.time("  PDF", lambda: page(client, f"{plan}/board.pdf"))
    clock.time("  GeoPackage", lambda: page(client, f"{plan}/board.gpkg"))
    clear = {"clear": "1", "document": "净地1号", "document_date": today(datetime.now(UTC))}
    clock.time(
        "clear title is stated of all", lambda: sent(client.post(f"{plan}/title", data=clear))
    )
    page(client, f"{plan}/board")
    clock.time("every ready plot is listed", lambda: sent(client.post(f"{plan}/list")))
    with transaction(engine, ENGINE) as session:
        print(f"  ({counted(session, Listing, Listing.state == 'listed')} plots are on offer)")
    page(client, f"{plan}/board")
    near = close_one(engine)
    clock.time("one facility closed: found, measured, judged again", lambda: again(engine, here))
    print(f"  (among the nearest of {near} plots)")
    clock.time("the page opens after that", lambda: page(client, plan))
    return verdict(clock)


def verdict(clock: Clock) -> bool:
    """Print the goals beside what was reached; whether all were, in wall seconds."""
    took = {name: np.array(used) for name, *used in clock.lines}
    reached = {
        "upload to all pushes recorded": took["upload: read, checked, the draft is made"]
        + took["release: checks measured, pushes and outbox recorded"],
        "one facility changed": took["one facility closed: found, measured, judged again"],
        "the page opens with its board": took["the page opens with its board"],
    }
    for name, (wall, used) in reached.items():
        fine = "reached" if wall < GOALS[name] else "MISSED"
        print(f"{name}: {wall:.2f} s ({used:.2f} s of processor), goal {GOALS[name]:.0f} s: {fine}")
    return all(wall < GOALS[name] for name, (wall, _) in reached.items())


def upload(client: object, file: bytes) -> str:
    data = {"title": "城", "file": (io.BytesIO(file), "plots.geojson")}
    return sent(client.post("/plans/upload", data=data))


def again(engine: Engine, here: Servers) -> None:
    remeasure(engine, here.settings, threading.Event(), set())


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--plots", type=int, default=2000)
    words.add_argument("--facilities", type=int, default=20_000)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    with installation() as here:
        return 0 if run(given, here) else 1


if __name__ == "__main__":
    raise SystemExit(main())
