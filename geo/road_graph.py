"""Roads as a graph: where centre lines end, meet or cross, what lies between, and what each piece costs a line.

Centre lines are joined where they come within a metre of each other, because drawn junctions seldom meet to the millimetre.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from geo.crs import Geometries
from geo.roads import Numbers, Roads

SNAP_M = 1.0
# A weight of zero would be no edge to some of the library's algorithms.
LEAST = 1e-9
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class RoadGraph:
    """Nodes in the order of their line and place on it: the stretch between two neighbours on one line is an edge.

    Attributes:
        lines: shape (l,), single lines; `road`: shape (l,), the position of each line's road.
        line, at: shape (n,), the line of each node and its place on it in metres.
        first: shape (l + 1,), position of each line's first node.
        xy: shape (n, 2).
        entry: shape (n, 2), half the cost of crossing the junction at a node for the edge before and the one after it.
        weights: shape (n, n), cost of each edge and join.
    """

    roads: Roads
    lines: Geometries
    road: Positions
    line: Positions
    at: Numbers
    first: Positions
    xy: Numbers
    entry: Numbers
    weights: csr_array

    @cached_property
    def tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.lines)

    @cached_property
    def starts(self) -> Numbers:
        """Where each line begins when all are laid end to end, shape (l,)."""
        lengths = shapely.length(self.lines)
        begin: Numbers = np.concatenate(([0.0], np.cumsum(lengths + 1.0)))[:-1]
        return begin

    @cached_property
    def part(self) -> Positions:
        """Which connected part of the graph each node belongs to, shape (n,)."""
        label: Positions = connected_components(self.weights, directed=False)[1]
        return label

    def around(self, line: Positions, at: Numbers) -> tuple[Positions, Positions]:
        """Return the nodes before and after places `at` on lines."""
        keys = self.starts[self.line] + self.at
        after = np.searchsorted(keys, self.starts[line] + at, side="right")
        after = np.clip(after, self.first[line] + 1, self.first[line + 1] - 1)
        return after - 1, after


def build(roads: Roads) -> RoadGraph:
    """Join the centre lines of roads into a graph; land polygons carry no line."""
    lines, road = _single_lines(roads)
    line, at = _nodes(lines)
    first = np.searchsorted(line, np.arange(len(lines) + 1))
    points = shapely.line_interpolate_point(lines[line], at)
    xy = shapely.get_coordinates(points)
    joins = cKDTree(xy).query_pairs(SNAP_M, output_type="ndarray") if len(xy) else _no_pairs()
    before, after = _edges(line)
    entry = _entries(roads, road[line], joins, before, after)
    along = roads.along[road[line[before]]] * (at[after] - at[before])
    cost = along + entry[before, 1] + entry[after, 0]
    gaps = np.hypot(*(xy[joins[:, 0]] - xy[joins[:, 1]]).T)
    weights = _symmetric(
        len(line),
        np.concatenate((before, joins[:, 0])),
        np.concatenate((after, joins[:, 1])),
        np.concatenate((cost, gaps)),
    )
    return RoadGraph(roads, lines, road, line, at, first, xy, entry, weights)


def _no_pairs() -> Positions:
    return np.zeros((0, 2), dtype=np.intp)


def _single_lines(roads: Roads) -> tuple[Geometries, Positions]:
    parts, road = shapely.get_parts(roads.geometries, return_index=True)
    usable = (shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING) & (
        shapely.length(parts) > 0
    )
    return parts[usable], road[usable]


def _nodes(lines: Geometries) -> tuple[Positions, Numbers]:
    """Line and place of every node: ends, crossings, and where the end of another line comes near."""
    count = np.arange(len(lines))
    line = [count, count]
    at = [np.zeros(len(lines)), shapely.length(lines)]
    if len(lines):
        i, j = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=SNAP_M)
        i, j = i[i != j], j[i != j]
        once = i < j
        common = shapely.intersection(lines[i[once]], lines[j[once]])
        points, pair = shapely.get_coordinates(common, return_index=True)
        for side in (i[once], j[once]):
            line.append(side[pair])
            at.append(_located(lines, side[pair], np.asarray(shapely.points(points))))
        for end in (0, -1):
            tips = shapely.get_point(lines[i], end)
            near = shapely.dwithin(tips, lines[j], SNAP_M)
            line.append(j[near])
            at.append(_located(lines, j[near], tips[near]))
    found = np.column_stack((np.concatenate(line), np.concatenate(at)))
    # Two crossings within a micrometre are one.
    found[:, 1] = np.minimum(
        np.round(found[:, 1], 6), shapely.length(lines)[found[:, 0].astype(int)]
    )
    found = np.unique(found, axis=0)
    return found[:, 0].astype(np.intp), found[:, 1]


def _located(lines: Geometries, line: Positions, points: Geometries) -> Numbers:
    found: Numbers = shapely.line_locate_point(lines[line], points)
    return found


def _edges(line: Positions) -> tuple[Positions, Positions]:
    """Neighbouring nodes on one line."""
    before = np.flatnonzero(line[:-1] == line[1:])
    return before, before + 1


def _entries(
    roads: Roads, road: Positions, joins: Positions, before: Positions, after: Positions
) -> Numbers:
    """Half the cost of the junction at each end of an edge: of the costliest other class there, else of its own.

    Where only two pieces meet the road goes on, and nothing is crossed.
    """
    count = len(road)
    entry = np.zeros((count, 2))
    if not count:
        return entry
    links = coo_array((np.ones(len(joins)), (joins[:, 0], joins[:, 1])), shape=(count, count))
    junctions, junction = connected_components(links, directed=False)
    arms = np.bincount(junction[before], minlength=junctions) + np.bincount(
        junction[after], minlength=junctions
    )
    kinds, kind = np.unique(roads.kind[road], return_inverse=True)
    cost = np.full((junctions, len(kinds)), -1.0)
    for nodes in (before, after):
        np.maximum.at(cost, (junction[nodes], kind[nodes]), roads.crossing[road[nodes]])
    for k in range(len(kinds)):
        mine = kind == k
        others = np.delete(cost, k, axis=1).max(axis=1, initial=-1.0)
        price = np.where(others >= 0, others, np.maximum(cost[:, k], 0.0))
        price = np.where(arms > 2, price, 0.0) / 2
        entry[mine] = price[junction[mine], None]
    return entry


def _symmetric(count: int, i: Positions, j: Positions, cost: Numbers) -> csr_array:
    """The cheapest of parallel edges, both ways. The library would add them up."""
    rows, columns = np.concatenate((i, j)), np.concatenate((j, i))
    data = np.maximum(np.concatenate((cost, cost)), LEAST)
    order = np.lexsort((data, columns, rows))
    rows, columns, data = rows[order], columns[order], data[order]
    key = rows.astype(np.int64) * max(count, 1) + columns
    keep = np.concatenate(([True], key[1:] != key[:-1])) if len(key) else np.zeros(0, dtype=bool)
    return csr_array((data[keep], (rows[keep], columns[keep])), shape=(count, count))
