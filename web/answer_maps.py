"""What the maps of a push and of one plot show: plots, the enterprise's own facilities, and the ways between them."""

from collections.abc import Mapping, Sequence

from flask import url_for
from flask_babel import gettext as _

from landready.asked import Pair
from landready.inbox import Line, PlotPage, PushPage
from landready.layers import Facility
from landready.shapes import to_geojson
from web.filters import area, label, metres
from web.maps import Shape


def push_layers(page: PushPage) -> list[list[Shape]]:
    """Return the layers of a push: its plots, each a link to its answer, and the network around them."""
    push_id = page.entry.push.id
    plots = [_plot(line, plot_url(push_id, (line.plot.id, line.utility))) for line in page.lines]
    return [plots, _ways(page.lines), _facilities(page.lines, page.facilities)]


def plot_layers(page: PlotPage) -> list[list[Shape]]:
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
        (line.plot.use, area(line.plot.area_m2)),
        url,
    )


def _ways(lines: Sequence[Line]) -> list[Shape]:
    return [
        Shape(to_geojson(near.link), "link", near.name, (metres(near.distance_m),), dashed=True)
        for line in lines
        for near in line.proposal.near
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
