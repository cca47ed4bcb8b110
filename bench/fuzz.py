"""Mutated files through the guarded reader: `make fuzz` (2,000), `make fuzz FILES=100000` (nightly), `SEED=n` for others.

    .venv/bin/python -m bench.fuzz [--files 2000] [--seed 0] [--keep var/fuzz]

First every hostile payload we know under every name, then the bred ones. Exits 1 if the parent raised, a reader crashed, a
shape that is none was accepted, a foreign file was opened, a socket was connected, or a limit was passed.
"""

import argparse
import sys
import tempfile
from itertools import chain
from pathlib import Path

from landready.settings import ROOT, Upload
from tests.fuzz import harness, hostile

WALL_S, MEMORY_MB = 30.0, 1536.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "var" / "fuzz")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-canary-") as folder,
        harness.canary(Path(folder)) as canary,
    ):
        known = list(hostile.everything(canary.file, canary.url))
        files = chain(known, harness.bred(given.files, given.seed, known[::40]))
        report = harness.run(files, canary, given.keep)
    print(report)
    for fault in report.bad[:50]:
        print(fault)
    limits = Upload()
    held = report.slowest_s <= min(WALL_S, limits.wall_s + 5) and report.largest_mb <= MEMORY_MB
    sys.exit(0 if held and not (report.bad or report.foreign_reads or report.connections) else 1)


if __name__ == "__main__":
    main()
