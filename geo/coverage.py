"""What surrounds plots: the nearest facilities, what the way to the nearest crosses, and the share inside service areas.

The product's only engine for it: batch files, a plan's release and a changed facility all come here. Planar measuring in one
projected CRS in metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from geo import crossings, flat, search
from geo import shares as trapezoids
from geo.flat import Ints, Numbers
from geo.frame import same
from geo.grid import Index
from geo.ground import Ground
from geo.network import Network
from geo.outlines import Outlines
from geo.search import Found

Pairs = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Reached:
    """One kind of facility around `n` plots, in the order of the plots.

    Attributes:
        near: the k nearest of each plot.
        crossed: by barrier (a name of the caller's), pairs of places: the plot, and the shape among the barrier's outlines that
            the straight connection to the nearest facility meets; ordered. A connection without length meets nothing.
    """

    near: Found
    crossed: Mapping[str, Pairs]


@dataclass(frozen=True, slots=True)
class Served:
    """Which part of each plot lies inside service areas.

    Attributes:
        plot, owner, share: shape (m,), place of the plot, owner, and share above 0 up to 1; ordered by plot and owner.
        of_all: shape (plots,), share inside the union of all areas.
    """

    plot: Ints
    owner: Ints
    share: Numbers
    of_all: Numbers


def reach(
    ground: Ground,
    network: Network,
    barriers: Mapping[str, Outlines],
    radius_m: float,
    k: int,
    *,
    threads: int = 1,
) -> Reached:
    """Find the `k` facilities nearest to each plot within `radius_m`, and what the way to the first crosses.

    Raises:
        CRSMismatch: plots, facilities and barriers are not all in one CRS.
    """
    same(ground.crs, network.base.crs, *(barrier.crs for barrier in barriers.values()))
    near = search.nearest(ground, network.layers, radius_m, k, threads=threads)
    return Reached(near, _crossed(near.link[:, 0], barriers, threads))


def served(ground: Ground, areas: Outlines, *, threads: int = 1) -> tuple[Ints, Ints, Numbers]:
    """Return place of the plot, place of the area, and the share of the plot inside it (more than 0), ordered by both.

    Raises:
        CRSMismatch: plots and areas are not in one CRS.
    """
    same(ground.crs, areas.crs)
    return trapezoids.shares(ground, areas, threads)


def served_by(ground: Ground, areas: Outlines, owners: Ints) -> Served:
    """Measure the share of each plot inside each owner's areas together, and inside all; where areas overlap they count once.

    `owners`: shape (areas,), whose each area is.

    Raises:
        CRSMismatch: plots and areas are not in one CRS.
    """
    plot, area, share = served(ground, areas)
    of_all = np.zeros(len(ground))
    every, together = _together(ground, areas, plot, area, share)
    of_all[every] = together
    found = []
    for owner in np.unique(owners[area]):
        own = owners[area] == owner
        places, part = _together(ground, areas, plot[own], area[own], share[own])
        found.append((places, np.full(len(places), owner), part))
    if not found:
        return Served(plot, area, share, of_all)
    plot, owner, share = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((owner, plot))
    return Served(plot[order], owner[order], share[order], of_all)


def _together(
    ground: Ground, areas: Outlines, plot: Ints, area: Ints, share: Numbers
) -> tuple[Ints, Numbers]:
    """The places of the plots, and their share inside the union of the areas they are paired with."""
    places, first, count = np.unique(plot, return_index=True, return_counts=True)
    found = share[first].copy()
    # Neighbours mostly lie in the same few areas, so each union is made once.
    unions: dict[tuple[int, ...], list[int]] = {}
    for i in np.flatnonzero(count > 1):
        unions.setdefault(tuple(area[first[i] : first[i] + count[i]]), []).append(int(i))
    for members, at in unions.items():
        shapes = areas.shapes.polygons(np.array(members))
        union = flat.from_shapely(np.array([shapely.union_all(shapely.make_valid(shapes))]))
        outline = Outlines.of(np.zeros(1, np.int64), union, areas.crs)
        chosen = np.array(at)
        inside, _, part = served(ground.take(places[chosen]), outline)
        found[chosen[inside]] = part
    return places, found


def touched(
    ground: Ground, near: Found, removed: Ints, added: Index | None, radius_m: float
) -> Ints:
    """Return the places of exactly those plots whose nearest facilities change; a changed facility is removed and added.

    `near`: what was found before the change. A plot counts when it loses one of its facilities, or when a new one ranks before
    its last (or comes within `radius_m` while a rank is empty).
    """
    lost = np.isin(near.facility, removed).any(axis=1)
    gains = np.zeros(len(ground), np.bool_)
    if added is not None and len(added.segments):
        reach_of = np.minimum(near.distance[:, -1], radius_m)
        may = np.flatnonzero(_gap(ground.bounds, _around(added)) <= reach_of)
        first = search.nearest(ground, [(added, None)], radius_m, 1, places=may)
        gap, last = first.distance[:, 0], near.distance[may, -1]
        earlier = (gap == last) & (first.facility[:, 0] < near.facility[may, -1])
        gains[may] = (first.facility[:, 0] >= 0) & ((gap < last) | earlier)
    return np.flatnonzero(lost | gains)


def redo(
    ground: Ground,
    before: Reached,
    network: Network,
    places: Ints,
    barriers: Mapping[str, Outlines],
    radius_m: float,
) -> Reached:
    """Return what `reach` would find with the changed network, measuring again only the given plots (see `touched`)."""
    k = before.near.facility.shape[1]
    anew = search.nearest(ground, network.layers, radius_m, k, places=places)
    old = before.near
    facility, distance, link = old.facility.copy(), old.distance.copy(), old.link.copy()
    facility[places], distance[places], link[places] = anew.facility, anew.distance, anew.link
    crossed = {}
    for name, (plot, shape) in _crossed(anew.link[:, 0], barriers, 1).items():
        old_plot, old_shape = before.crossed[name]
        stay = ~np.isin(old_plot, places)
        plot = np.concatenate((old_plot[stay], places[plot]))
        shape = np.concatenate((old_shape[stay], shape))
        order = np.lexsort((shape, plot))
        crossed[name] = plot[order], shape[order]
    return Reached(Found(facility, distance, link), crossed)


def _crossed(links: Numbers, barriers: Mapping[str, Outlines], threads: int) -> dict[str, Pairs]:
    return {
        name: crossings.crossings(links, barrier.shapes, barrier.boxes, threads)
        for name, barrier in barriers.items()
    }


def _around(index: Index) -> Numbers:
    ends = index.segments
    low, high = np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])
    return np.concatenate((low.min(axis=0), high.max(axis=0)))


def _gap(bounds: Numbers, box: Numbers) -> Numbers:
    """Distance between boxes, never more than between what they hold; infinite for a plot without a box."""
    x = np.maximum(np.maximum(bounds[:, 0] - box[2], box[0] - bounds[:, 2]), 0)
    y = np.maximum(np.maximum(bounds[:, 1] - box[3], box[1] - bounds[:, 3]), 0)
    return np.asarray(np.nan_to_num(np.hypot(x, y), nan=np.inf))
