"""The way of a connection line from a plot to a facility: the cheapest along roads and across open ground, else straight.

The line leaves the plot's boundary, reaches a road within `Terms.leg_m`, follows roads and leaves them for the facility. Open ground
costs `Terms.open_ground` a metre, and every road crossed on it its crossing cost. A straight line is always weighed
against the way along roads, so a road more never makes a line dearer unless the line has to cross it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from shapely import LineString
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring

from geo.crs import Geometries
from geo.road_graph import LEAST, Positions, RoadGraph
from geo.roads import Numbers

# Two lines that run side by side are nowhere nearer by more than this.
_SIDE_BY_SIDE_M = 1.0

Method = Literal["roads", "straight"]
# Why a line is straight: it has no length, no road is known, no road leads there, or a road would be the dearer way.
Why = Literal["", "touches", "no_roads", "no_path", "direct"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a metre of open ground costs (a metre along a street costs 1), and how far a road may be from either end."""

    open_ground: float
    leg_m: float


@dataclass(frozen=True, slots=True)
class Route:
    """A connection line. `along_m` of its `length_m` metres follow roads; `straight_m` is the shortest distance."""

    line: LineString
    length_m: float
    along_m: float
    straight_m: float
    cost: float
    method: Method
    why: Why = ""


@dataclass(frozen=True, slots=True)
class _Legs:
    """Ways over open ground between a shape and the lines near it."""

    legs: Geometries
    line: Positions
    at: Numbers
    cost: Numbers


@dataclass(frozen=True, slots=True)
class _Search:
    """What it costs to reach every node from the plot: by the node `came` from, -1 for the leg `by` that leads there."""

    graph: RoadGraph
    plot: BaseGeometry
    terms: Terms
    legs: _Legs
    distance: Numbers
    came: Positions
    by: Positions


def routes(
    graph: RoadGraph, plot: BaseGeometry, facilities: Sequence[BaseGeometry], terms: Terms
) -> list[Route]:
    """Find the cheapest line from a plot to each facility; all in the metres of the graph's CRS."""
    targets = np.array(facilities, dtype=object)
    links = shapely.shortest_line(plot, targets)
    direct = _cost(graph, links, terms)
    search = _spread(graph, plot, terms, float(direct.max(initial=0.0)))
    return [
        _route(search, target, link, price)
        for target, link, price in zip(targets, links, direct.tolist(), strict=True)
    ]


def _cost(graph: RoadGraph, legs: Geometries, terms: Terms) -> Numbers:
    """Open ground by the metre, and every road that is crossed on the way."""
    cost: Numbers = shapely.length(legs) * terms.open_ground
    if len(graph.lines) and len(legs):
        leg, line = graph.tree.query(legs, predicate="crosses")
        price = graph.roads.crossing[graph.road[line]]
        cost = cost + np.bincount(leg, weights=price, minlength=len(legs))
    return cost


def _legs(graph: RoadGraph, shape: BaseGeometry, terms: Terms) -> _Legs:
    """The shortest way to each line within reach; where shape and line run side by side, one at either end of that stretch."""
    near = np.zeros(0, dtype=np.intp)
    if len(graph.lines):
        near = np.sort(graph.tree.query(shape, predicate="dwithin", distance=terms.leg_m))
    lines = graph.lines[near]
    found, which = [shapely.shortest_line(shape, lines)], [np.arange(len(near))]
    if shape.geom_type != "Point" and len(near):
        gap = shapely.distance(shape, lines) + _SIDE_BY_SIDE_M
        tips = np.asarray(shapely.points(np.unique(shapely.get_coordinates(shape), axis=0)))
        tip, line = np.nonzero(shapely.distance(tips[:, None], lines[None, :]) <= gap)
        found.append(shapely.shortest_line(tips[tip], lines[line]))
        which.append(line)
        xy, line = shapely.get_coordinates(lines, return_index=True)
        bends = np.asarray(shapely.points(xy))
        close = shapely.distance(shape, bends) <= gap[line]
        found.append(shapely.shortest_line(shape, bends[close]))
        which.append(line[close])
    legs, line = np.concatenate(found), np.concatenate(which)
    at = shapely.line_locate_point(lines[line], shapely.get_point(legs, -1))
    return _Legs(legs, near[line], at, _cost(graph, legs, terms))


def _ends(graph: RoadGraph, legs: _Legs) -> tuple[Positions, Numbers]:
    """Nodes that legs lead to by the piece of road beyond them, and what each costs from the shape; two per leg."""
    before, after = graph.around(legs.line, legs.at)
    along = graph.roads.along[graph.road[legs.line]]
    back = along * np.maximum(legs.at - graph.at[before], 0) + graph.entry[before, 1]
    on = along * np.maximum(graph.at[after] - legs.at, 0) + graph.entry[after, 0]
    return np.concatenate((before, after)), np.concatenate((legs.cost + back, legs.cost + on))


def _spread(graph: RoadGraph, plot: BaseGeometry, terms: Terms, limit: float) -> _Search:
    """Search from the plot; what costs more than `limit` is not reached."""
    count, legs = len(graph.line), _legs(graph, plot, terms)
    if not len(legs.line):
        nothing = np.full(count, -1, dtype=np.intp)
        return _Search(graph, plot, terms, legs, np.full(count, np.inf), nothing, nothing)
    nodes, cost = _ends(graph, legs)
    order = np.lexsort((cost, nodes))
    order = order[np.concatenate(([True], np.diff(nodes[order]) > 0))]
    by = np.full(count, -1, dtype=np.intp)
    by[nodes[order]] = order % len(legs.line)
    base = graph.weights
    # The plot is one more node, with edges only away from it.
    with_plot = csr_array(
        (
            np.concatenate((base.data, np.maximum(cost[order], LEAST))),
            np.concatenate((base.indices, nodes[order])),
            np.concatenate((base.indptr, [base.indptr[-1] + len(order)])),
        ),
        shape=(count + 1, count + 1),
    )
    distance, came = dijkstra(
        with_plot, indices=count, return_predecessors=True, limit=limit + LEAST
    )
    came = np.where(came[:count] == count, -1, came[:count])
    return _Search(graph, plot, terms, legs, distance[:count], came, by)


def _route(search: _Search, target: BaseGeometry, link: LineString, direct: float) -> Route:
    straight = float(link.length)

    def as_the_crow_flies(why: Why) -> Route:
        return Route(link, straight, 0.0, straight, direct, "straight", why)

    if straight == 0:
        return as_the_crow_flies("touches")
    if not len(search.graph.lines):
        return as_the_crow_flies("no_roads")
    goal = _legs(search.graph, _within_reach(target, search.plot, direct), search.terms)
    if not (len(goal.line) and len(search.legs.line)):
        return as_the_crow_flies("no_path")
    cost, pieces, first, last = _cheapest(search, goal)
    if cost >= direct:
        return as_the_crow_flies("direct" if _connected(search, goal) else "no_path")
    away, home = search.legs.legs[first], goal.legs[last].reverse()
    line = _joined([away, *pieces, home])
    along = float(line.length) - float(away.length) - float(home.length)
    return Route(line, float(line.length), along, straight, cost, "roads")


def _within_reach(target: BaseGeometry, plot: BaseGeometry, reach: float) -> BaseGeometry:
    """The part of a long main to which a line may lead at all: a metre costs at least one, so the rest is too far."""
    west, south, east, north = plot.bounds
    far = reach + 1.0
    return shapely.clip_by_rect(target, west - far, south - far, east + far, north + far)


def _connected(search: _Search, goal: _Legs) -> bool:
    """Is there a way along roads at all, however dear?"""
    graph = search.graph
    ours = graph.part[graph.around(search.legs.line, search.legs.at)[0]]
    theirs = graph.part[graph.around(goal.line, goal.at)[0]]
    return bool(np.isin(theirs, ours).any())


def _cheapest(search: _Search, goal: _Legs) -> tuple[float, list[LineString], int, int]:
    """Cost, the pieces of road in their order, and the legs at either end."""
    nodes, cost = _ends(search.graph, goal)
    total = search.distance[nodes] + cost
    k = int(np.argmin(total))
    one, a, b = _on_one_piece(search, goal)
    if one <= total[k]:
        return one, _pieces(search, goal, a, b, []), a, b
    if not np.isfinite(total[k]):
        return np.inf, [], 0, 0
    path = [int(nodes[k])]
    while (previous := int(search.came[path[-1]])) >= 0:
        path.append(previous)
    path.reverse()
    first, last = int(search.by[path[0]]), k % len(goal.line)
    return float(total[k]), _pieces(search, goal, first, last, path), first, last


def _on_one_piece(search: _Search, goal: _Legs) -> tuple[float, int, int]:
    """The cheapest way that joins and leaves one line without passing a node of it."""
    graph, start = search.graph, search.legs
    _, leaving = graph.around(start.line, start.at)
    _, arriving = graph.around(goal.line, goal.at)
    a, b = np.nonzero(leaving[:, None] == arriving[None, :])
    if not len(a):
        return np.inf, 0, 0
    along = graph.roads.along[graph.road[start.line[a]]]
    total = start.cost[a] + goal.cost[b] + along * np.abs(start.at[a] - goal.at[b])
    best = int(np.argmin(total))
    return float(total[best]), int(a[best]), int(b[best])


def _pieces(
    search: _Search, goal: _Legs, first: int, last: int, path: list[int]
) -> list[LineString]:
    """The stretches of road from the leg `first` over the nodes of `path` to the leg `last`."""
    graph, start = search.graph, search.legs
    stops = [
        (int(start.line[first]), float(start.at[first])),
        *((int(graph.line[node]), float(graph.at[node])) for node in path),
        (int(goal.line[last]), float(goal.at[last])),
    ]
    # Joins between lines have no stretch: the drawn line simply goes over.
    return [
        cast("LineString", substring(graph.lines[here], begin, end))
        for (here, begin), (there, end) in pairwise(stops)
        if here == there and begin != end
    ]


def _joined(pieces: list[LineString]) -> LineString:
    xy = np.concatenate([shapely.get_coordinates(piece) for piece in pieces])
    moved = np.concatenate(([True], (np.diff(xy, axis=0) != 0).any(axis=1)))
    return LineString(xy[moved])
