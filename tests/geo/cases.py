"""Small cases of allocation and extension, and every way to solve them, one at a time."""

from itertools import product

import numpy as np
from hypothesis import strategies as st

from geo.connections import Case


def case(hectares, capacity, connections, needs=1):
    """A case from rows (plot, need, facility, demand, length)."""
    columns = list(zip(*connections, strict=True)) or [()] * 5
    plot, need, facility = (np.array(c, dtype=np.int64) for c in columns[:3])
    demand, length = (np.array(c, dtype=float) for c in columns[3:])
    return Case(
        np.array(hectares, dtype=float), np.array(capacity, dtype=float),
        plot, need, facility, demand, length, needs,
    )  # fmt: skip


@st.composite
def cases(draw, plots=4, facilities=2):
    """Whole numbers make ties and exactly full facilities common. Each facility belongs to one of the needs."""
    needs = draw(st.integers(1, 2))
    n = draw(st.integers(1, plots if needs == 1 else plots - 1))
    hectares = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    capacity = draw(
        st.lists(st.integers(0, 12), min_size=facilities * needs, max_size=facilities * needs)
    )
    rows = [
        (p, f // facilities, f, demand, draw(st.integers(0, 20)))
        for p in range(n)
        for f in range(facilities * needs)
        for demand in [draw(st.integers(0, 8))]
        if draw(st.booleans()) or draw(st.booleans())
    ]
    return case(hectares, capacity, rows, needs)


def every_choice(given):
    """Every way to serve some plots wholly, as lists of connections."""
    ways = []
    for p in range(len(given.hectares)):
        mine = [
            [
                c
                for c in range(len(given.plot))
                if given.plot[c] == p and given.need[c] == need
            ]
            for need in range(given.needs)
        ]  # fmt: skip
        ways.append([(), *product(*mine)])
    for chosen in product(*ways):
        yield [c for part in chosen for c in part]


def worth(given, chosen):
    """Hectares, length and load of a choice."""
    served = {int(given.plot[c]) for c in chosen}
    load = np.zeros(len(given.capacity))
    for c in chosen:
        load[given.facility[c]] += given.demand[c]
    hectares = sum(given.hectares[p] for p in served)
    return hectares, sum(given.length_m[c] for c in chosen), load
