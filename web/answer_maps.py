"""What the maps of a push and of one plot show: plots, the enterprise's own facilities, and the ways between them."""

from collections.abc import Mapping, Sequence

from flask import url_for
from flask_babel import gettext as _

from landready.asked import Pair
from landready.inbox import Line, PlotPage, PushPage
from landready.layers import Facility
from landready.routes import RouteView
from landready.shapes import to_geojson
from web import plot_shapes
from web.filters import area, label, metres, sentence
from web.maps import COLOURS, Shape


def push_layers(page: PushPage) -> list[list[Shape]]:
    """Return the layers of a push: its plots, the shortest way of each (all of them are a tangle) and the network."""
    return [_plots(page), _ways(page.lines, 1), _facilities(page.lines, page.facilities)]


def _plots(page: PushPage) -> list[Shape]:
    """Each plot once, however many utilities are asked about it: a link to what is still open of it."""
    of_plot: dict[int, Line] = {}
    for line in page.lines:
        kept = of_plot.setdefault(line.plot.id, line)
        if line.open and not kept.open:
            of_plot[line.plot.id] = line
    push_id = page.entry.push.id
    return [
        _plot(line, plot_url(push_id, (line.plot.id, line.utility))) for line in of_plot.values()
    ]


def plot_layers(page: PlotPage, routes: Mapping[int, RouteView]) -> list[list[Shape]]:
    """Return the layers of one plot; the view fits it and the way to the nearest facility."""
    ways = _ways([page.line])
    others = [
        Shape(
            to_geojson(answer.connection_point),
            answer.utility,
            f"{label(answer.utility, 'utility')} · {answer.enterprise.name}",
            (_("接入点"),),
        )
        for answer in page.line.others
        if answer.connection_point is not None
    ]
    return [
        [_plot(page.line), *ways[:1]],
        ways[1:],
        plot_shapes.routes(routes.values()),
        _facilities([page.line], page.facilities),
        others,
    ]


def plot_url(push_id: int, pair: Pair) -> str:
    return url_for("answers.plot", push_id=push_id, plot_id=pair[0], utility=pair[1])


def _plot(line: Line, url: str = "") -> Shape:
    return Shape(
        to_geojson(line.plot.geom),
        "plot" if line.open else "plot_ready",
        line.plot.name or line.plot.code,
        (line.plot.use and sentence(line.plot.use), area(line.plot.area_m2)),
        url,
    )


def _ways(lines: Sequence[Line], most: int | None = None) -> list[Shape]:
    return [
        Shape(to_geojson(near.link), "link", near.name, (metres(near.distance_m),), dashed=True)
        for line in lines
        for near in line.proposal.near[:most]
        if near.distance_m > 0
    ]


def _facilities(lines: Sequence[Line], facilities: Mapping[int, Facility]) -> list[Shape]:
    utilities = {near.facility_id: line.utility for line in lines for near in line.proposal.near}
    return [
        Shape(
            to_geojson(facility.geom),
            utilities[facility.id],
            facility.name,
            (label(utilities[facility.id], "utility"),),
        )
        for facility in facilities.values()
    ]


def plot_legend(page: PlotPage) -> list[tuple[str, str]]:
    """Return colour and meaning of what is on the map of one plot."""
    said = dict.fromkeys(a.utility for a in page.line.others if a.connection_point is not None)
    return [
        (COLOURS["plot"], _("待答复地块"))
        if page.line.open
        else (COLOURS["plot_ready"], _("已答复地块")),
        (COLOURS[page.line.utility], _("本单位设施")),
        (COLOURS["link"], _("最短连线")),
        (COLOURS["route"], _("接入路线（系统测算）")),
        ("#ffd400", _("所选接入点")),
        *((COLOURS[u], _("%(utility)s企业的接入点", utility=label(u, "utility"))) for u in said),
    ]
