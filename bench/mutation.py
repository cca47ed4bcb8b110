"""Mutants of what decides, killed or not: runs mutmut over AREAS and prints the table of docs/mutation.md.

    .venv/bin/python -m bench.mutation [--children 2]

Exit 1 when an area scores under 95 %. Survivors follow the table, each as its change.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from bench.loopback import installation
from landready import places, servers

# What decides; the rest of these modules moves rows.
AREAS = {
    "readiness": (
        "landready.readiness.*",
        "landready.rule_sets.*",
        "landready.gaps.*",
    ),
    "clocks": (
        "landready.clock.*",
        "landready.notices.*",
        "landready.deadlines.x__faults*",
        "landready.deadlines.xǁDeadlineǁlate*",
    ),
    "permissions": (
        "landready.tenancy.*",
        "push.models.*",
        "web.auth.x_only*",
        "web.auth.x__admit*",
        "web.auth.x_local_path*",
    ),
    "signing": ("landready.frozen.*", "landready.chain.*", "landready.seal.*", "push.signing.*"),
}
FLOOR = 0.95
KILLED = {"killed", "timeout"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=2)
    wanted = [pattern for patterns in AREAS.values() for pattern in patterns]
    children = str(parser.parse_args().children)
    with named_servers() as environment:
        mutmut("run", "--max-children", children, *wanted, environment=environment)
    found = dict(
        re.findall(r"^\s+(\S+): (\w[\w ]*)$", mutmut("results", "--all", "true"), re.MULTILINE)
    )
    counted: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    survivors = []
    for name, status in found.items():
        area = next(
            (a for a, patterns in AREAS.items() if any(map(name.startswith, bare(patterns)))), None
        )
        if area is None:
            continue
        counted[area, name.rpartition(".")[0]][status in KILLED] += 1
        if status not in KILLED:
            survivors.append((name, status))
    print("| area | module | mutants | killed | score |\n|---|---|---|---|---|")
    low = False
    for area in AREAS:
        own = {module: n for (a, module), n in sorted(counted.items()) if a == area}
        for module, n in {**own, "all": sum(own.values(), Counter())}.items():
            print(f"| {area} | {module} | {n.total()} | {n[True]} | {n[True] / n.total():.1%} |")
        low |= n[True] / n.total() < FLOOR
    for name, status in survivors:
        change = [
            line for line in mutmut("show", name).splitlines() if re.match(r"[-+](?![-+])", line)
        ]
        print(f"\n{name}: {status}", *change, sep="\n")
    return int(low)


def bare(patterns: tuple[str, ...]) -> list[str]:
    return [pattern.rstrip("*") for pattern in patterns]


@contextmanager
def named_servers() -> Iterator[dict[str, str]]:
    """An environment that names servers of this run; each new database is a copy of one that is migrated already."""
    outside = dict(os.environ)
    with installation() as own:
        owner = make_url(servers.owner_url(own.settings))
        address = owner.set(
            drivername="postgresql", username=places.SUPERUSER, database="postgres"
        ).render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as link:
            link.execute("ALTER SYSTEM SET fsync = off")  # nothing here need outlast a power cut
            link.execute("SELECT pg_reload_conf()")
            link.execute(f"ALTER ROLE {servers.OWNER_ROLE} CREATEDB")
            link.execute("ALTER DATABASE template1 IS_TEMPLATE false")
            link.execute("DROP DATABASE template1")
            link.execute(f"ALTER DATABASE {servers.DATABASE} RENAME TO template1")
        urls = {
            "LANDREADY_DATABASE_URL": make_url(servers.database_url(own.settings)),
            "LANDREADY_OWNER_URL": owner,
        }
        yield {
            **outside,
            **{name: str(url.set(database="postgres")) for name, url in urls.items()},
            "LANDREADY_REDIS_URL": servers.redis_url(own.settings),
        }


def mutmut(*words: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *words],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout


if __name__ == "__main__":
    shutil.rmtree("mutants", ignore_errors=True)
    try:
        sys.exit(main())
    finally:
        shutil.rmtree("mutants")
