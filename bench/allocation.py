"""Served hectares of a plan of 2,000 plots and 300 facilities, the best together against first come, first served.

    .venv/bin/python bench/allocation.py [--plots 2000] [--facilities 300] [--seeds 3] [--seconds 4]

Plots lie in clumps over 20 km × 20 km; half of the facilities give water, half power; a plot needs both, each from one of the
three nearest within 2 km. `scarcity` is what all facilities of a utility have over what all plots in their reach want of it.
First come: plots in their order, each at once to the nearest facilities that still have enough.
"""

import argparse
import os
import platform
from time import perf_counter

import numpy as np
import scipy
from scipy.spatial import cKDTree

from geo.allocation import Allocation, allocate
from geo.connections import Case
from geo.extension import curve

_SIZE_M, _RADIUS_M, _NEAREST, _NEEDS = 20_000.0, 2_000.0, 3, 2


def city(*, seed: int, plots: int, facilities: int, scarcity: float) -> Case:
    """A case by chance: areas and capacities lognormal, demand 30 to 130 per hectare."""
    random = np.random.default_rng(seed)
    # The ground grows with the plan, so that as many facilities are in reach of a plot whatever its size.
    size = _SIZE_M * (facilities / 300) ** 0.5
    centres = random.random((max(plots // 80, 1), 2)) * size
    places = centres[random.integers(len(centres), size=plots)] + random.normal(0, 1500, (plots, 2))
    hectares = np.exp(random.normal(np.log(2.5), 0.9, plots)).round(4)
    columns: list[tuple[np.ndarray, ...]] = []
    capacities = []
    n = facilities // _NEEDS
    for need in range(_NEEDS):
        at = places[random.integers(plots, size=n)] + random.normal(0, 800, (n, 2))
        wanted = (hectares * random.uniform(30, 130, plots)).round(1)
        distance, facility = cKDTree(at).query(places, k=_NEAREST, distance_upper_bound=_RADIUS_M)
        near = np.isfinite(distance)
        plot = np.nonzero(near)[0]
        share = random.lognormal(0, 0.7, n)
        total = wanted[near.any(axis=1)].sum() * scarcity
        capacities.append((share / share.sum() * total).round())
        columns.append(
            (
                plot, np.full(len(plot), need), facility[near] + need * n, wanted[plot],
                distance[near].round(1),
            )
        )  # fmt: skip
    plot, needs, facility, demand, length = (np.concatenate(c) for c in zip(*columns, strict=True))
    return Case(
        hectares, np.concatenate(capacities), plot.astype(np.int64), needs.astype(np.int64),
        facility.astype(np.int64), demand, length, _NEEDS,
    )  # fmt: skip


def first_come(case: Case) -> float:
    """Hectares when each plot in turn takes the nearest that still fit, and nothing if one of its needs does not."""
    room = case.room.copy()
    hectares = 0.0
    for plot in range(len(case.hectares)):
        mine = np.flatnonzero(case.plot == plot)
        mine = mine[np.argsort(case.length_m[mine], kind="stable")]
        taken = {}
        for c in mine:
            if case.demand[c] <= room[case.facility[c]]:
                taken.setdefault(int(case.need[c]), c)
        if len(taken) == case.needs:
            for c in taken.values():
                room[case.facility[c]] -= case.demand[c]
            hectares += case.hectares[plot]
    return float(hectares)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--plots", type=int, default=2000)
    words.add_argument("--facilities", type=int, default=300)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=4.0)
    given = words.parse_args()
    print(
        f"{given.plots} plots, {given.facilities} facilities; Python {platform.python_version()},"
        f" numpy {np.__version__}, scipy {scipy.__version__}; {os.cpu_count()} cores,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print("scarcity seed    s  plots      ha   at most   gap    first come  ratio  extend 1")
    for scarcity in (0.5, 1.0, 2.0):
        for seed in range(given.seeds):
            case = city(
                seed=seed, plots=given.plots, facilities=given.facilities, scarcity=scarcity
            )
            began = perf_counter()
            found: Allocation = allocate(case, time_limit_s=given.seconds)
            took = perf_counter() - began
            greedy = first_come(case)
            began = perf_counter()
            more = next(curve(case, found, 1, time_limit_s=given.seconds), None)
            freed = f"{more.hectares - found.hectares:.0f} ha" if more else "nothing"
            print(
                f"{scarcity:8} {seed:4} {took:4.1f} {found.served.sum():6} {found.hectares:7.1f}"
                f" {found.hectares_bound:9.1f} {found.gap:6.2%} {greedy:12.1f}"
                f" {found.hectares / greedy:6.3f}  {freed} in {perf_counter() - began:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
