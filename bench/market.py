"""The land supermarket with 10,000 listings: the trading platform's feed, its question, the public pages and the open data.

    .venv/bin/python -m bench.market [--listings 10000] [--times 15]

An installation of its own in a temporary folder. The plots are those of bench.province; six enterprises were asked about each, four
of them answered. The rows are written by the owner of the tables, past the gate: what is measured is reading. Requests run through
the application as it is served, network apart.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import shapely
from sqlalchemy import create_engine, select, text

from bench import province
from bench.loopback import installation
from landready import certificates, plot_facts, servers
from landready.db import ENGINE, transaction
from landready.facts import PlotFacts
from landready.organisations import Organisation, issue_key
from landready.plans import Plot
from landready.readiness import Readiness
from landready.settings import Settings, load
from landready.utilities import Utility
from web.app import create_app

GOAL_S = 0.3
_CITIES = ("460100", "460200", "460300", "460400", "469001")
_ANSWERED = ("water", "power", "drainage", "gas")


def build(settings: Settings, listings: int) -> str:
    """Fill an empty installation; return the key of a trading platform."""
    shapes = province.build(listings, 50 * listings, 1)["plots"].to_crs(4490).geometry
    now = datetime.now(UTC)
    owner = create_engine(servers.owner_url(settings))
    with transaction(owner, ENGINE) as session:
        offices = [_organisation(session, "office", city) for city in _CITIES]
        enterprises = {u: _organisation(session, "enterprise", "", [u.value]) for u in Utility}
        platform_ = _organisation(session, "exchange", "")
        key = issue_key(session, platform_.id, "bench", now)
        session.execute(text("alter table listing disable trigger listing_gate"))
        for number, office in enumerate(offices):
            _plan(session, office, shapes[number :: len(offices)], enterprises, now)
        session.execute(text("alter table listing enable trigger listing_gate"))
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as link:
        link.execute(text("analyze"))
    owner.dispose()
    return key


def _organisation(session, kind, city, utilities=()):
    row = Organisation(
        kind=kind, name=f"{kind} {city}{utilities}", city=city, utilities=list(utilities)
    )
    session.add(row)
    session.flush()
    return row


def _plan(session, office, shapes, enterprises, now) -> None:
    """One released plan with everything that hangs on its plots, in one statement per table."""
    values = {"office": office.id, "city": office.city, "now": now}
    values["upload"] = session.scalar(
        text(
            "insert into upload (organisation_id, kind, title, filename, stored_as, sha256, source_crs, fields, mapping, features,"
            " problems, purpose, created_at) values (:office, 'plots', '', '', '', '', '', '[]', '{}', '[]', '[]', '{}', :now) returning id"
        ),
        values,
    )
    values["plan"] = session.scalar(
        text(
            "insert into supply_plan (office_id, upload_id, city, title, state, created_at, released_at, asked)"
            " values (:office, :upload, :city, 'bench', 'released', :now, :now, '[]') returning id"
        ),
        values,
    )
    session.execute(
        text(
            "insert into plot (plan_id, office_id, city, row, code, name, use, use_code, area_m2, plot_ratio, quarter, supply_mode,"
            " source_crs, illustrative, revision, geom) select :plan, :office, :city, n, 'B-' || n, '地块 ' || n, '二类工业用地',"
            " (array['100102','070102','090101'])[1 + n % 3], st_area(g::geography), '≤1.5', '2026Q' || 1 + n % 4, '挂牌出让',"
            " 'EPSG:4490', false, 1, g from unnest(cast(:shapes as text[])) with ordinality as t(w, n),"
            " lateral (select st_setsrid(st_multi(w::geometry), 4490) as g) s"
        ),
        {**values, "shapes": [shapely.to_wkb(one, hex=True) for one in shapes]},
    )
    for utility, enterprise in enterprises.items():
        asked = {**values, "enterprise": enterprise.id, "utility": utility.value}
        asked["push"] = session.scalar(
            text(
                "insert into push (uid, kind, enterprise_id, office_id, plan_id, pushed_at, due_on, due_provisional)"
                " values (gen_random_uuid(), 'plan', :enterprise, :office, :plan, :now, current_date + 7, false) returning id"
            ),
            asked,
        )
        session.execute(
            text(
                "insert into push_plot (push_id, plot_id, enterprise_id, office_id, utility)"
                " select :push, id, :enterprise, :office, :utility from plot where plan_id = :plan"
            ),
            asked,
        )
        session.execute(
            text(
                "insert into coverage_check (plot_id, office_id, utility, plot_revision, measured_at, working_crs, radius_m,"
                " served_share, layers, demand_unit) select id, :office, :utility, 1, :now, 'EPSG:4546', 2000, 1, '[]', ''"
                " from plot where plan_id = :plan"
            ),
            asked,
        )
        if utility in _ANSWERED:
            session.execute(
                text(
                    "insert into answer (push_id, plot_id, plot_revision, enterprise_id, office_id, utility, version, verdict,"
                    " connection_point, spare_capacity, works, reason, answered_at) select :push, id, 1, :enterprise, :office,"
                    " :utility, 1, 'ready', st_pointonsurface(geom), 1200, '', '', :now from plot where plan_id = :plan"
                ),
                asked,
            )
    _list(session, values)


def _list(session, values) -> None:
    session.execute(
        text(
            "insert into title_statement (plot_id, plot_revision, office_id, clear, document, document_date, note, stated_at)"
            " select id, 1, :office, true, 'bench', '2026-01-01', '', :now from plot where plan_id = :plan"
        ),
        values,
    )
    plots = session.scalars(select(Plot).where(Plot.plan_id == values["plan"])).all()
    found = Readiness(rules=load().gate.all()[0])
    judged = [(plot, PlotFacts(1, released=True), found) for plot in plots]
    now = values["now"]
    certificates.issue(session, judged, plot_facts.calendar(), now.date(), now)
    session.execute(
        text(
            "insert into listing (plot_id, office_id, city, certificate_id, state, state_reason, listed_at, changed_at)"
            " select v.plot_id, v.office_id, :city, v.id, 'listed', '', :now, clock_timestamp() from certificate v"
            " join plot p on p.id = v.plot_id where p.plan_id = :plan"
        ),
        values,
    )


def timed(call: Callable[[], object], times: int) -> tuple[float, float, float]:
    """Return least and median seconds of a call, and the processor's of this process; the first call is left out."""
    taken, busy = [], []
    for _turn in range(times + 1):
        start, began = time.perf_counter(), time.process_time()
        call()
        taken.append(time.perf_counter() - start)
        busy.append(time.process_time() - began)
    return min(taken[1:]), statistics.median(taken[1:]), min(busy[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=15)
    given = parser.parse_args()
    with installation():
        settings = load()
        start = time.perf_counter()
        key = build(settings, given.listings)
        print(
            f"{platform.machine()}, load {os.getloadavg()[0]:.0f}, Python {platform.python_version()}: {given.listings} listings built in {time.perf_counter() - start:.0f} s"
        )
        client = create_app(settings).test_client()
        first = client.get("/api/v1/listings")
        middle = client.get("/api/v1/listings")
        for _page in range(given.listings // 1000):
            middle = client.get("/api/v1/listings", query_string={"after": middle.json["next"]})
        assert len(first.json["listings"]) == min(500, given.listings)
        unchanged = {"If-None-Match": first.headers["ETag"]}
        asking = {"Authorization": f"Bearer {key}"}
        after = middle.json["next"]
        number = first.json["listings"][0]["id"]
        calls = {
            "feed, first page of 500": (lambda: client.get("/api/v1/listings"), GOAL_S),
            "feed, a page in the middle": (lambda: client.get(f"/api/v1/listings?after={after}"), GOAL_S),
            "feed, not modified": (lambda: client.get("/api/v1/listings", headers=unchanged), GOAL_S),
            "search page": (lambda: client.get("/"), GOAL_S),
            "search page, four filters": (lambda: client.get("/?city=460200&use=10&quarter=2026Q2&min_ha=1"), GOAL_S),
            "page of a listing": (lambda: client.get(f"/land/{number}"), GOAL_S),
            "may it be traded now": (lambda: client.get(f"/api/v1/listings/{number}/tradable", headers=asking), GOAL_S),
            "open data, everything as GeoJSON": (lambda: client.get("/land/offers.geojson"), 0),
            "open data, everything as CSV": (lambda: client.get("/land/offers.csv"), 0),
        }  # fmt: skip
        missed = 0
        for name, (call, goal) in calls.items():
            least, median, busy = timed(call, given.times if goal else 1)
            missed += bool(goal) and least > goal
            print(
                f"{name:34} {least * 1000:7.0f} ms at best, {median * 1000:.0f} in the middle, {busy * 1000:.0f} of it Python's"
            )
        print(f"one page of the feed: {len(first.data) / 1000:.0f} kB")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
