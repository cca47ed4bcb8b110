"""Mutants of what decides, killed or not: runs mutmut over AREAS and prints the table of docs/mutation.md.

    .venv/bin/python -m bench.mutation [--children 2]

Exit 1 when an area scores under 95 %. Survivors follow the table, each as its change.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

# What is judged without a database; the rest of these modules moves rows and is tested with them.
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
    "permissions": ("web.auth.x_only*", "web.auth.x__admit*", "web.auth.x_local_path*"),
    "signing": ("landready.frozen.*", "landready.chain.*", "landready.seal.*", "push.signing.*"),
}
FLOOR = 0.95
KILLED = {"killed", "timeout"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=2)
    wanted = [pattern for patterns in AREAS.values() for pattern in patterns]
    mutmut("run", "--max-children", str(parser.parse_args().children), *wanted)
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


def mutmut(*words: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *words], capture_output=True, text=True
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
