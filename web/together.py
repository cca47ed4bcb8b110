"""What can be served of a plan together: the allocation, what is short, and which facilities to extend."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready import allocations, progress, supplies
from landready.allocations import PlotLine, Together
from landready.db import Role
from landready.shapes import to_geojson
from landready.supplies import Supply
from web import maps, plot_shapes
from web.auth import only
from web.filters import label, metres, quantity
from web.maps import Shape
from web.plans import page_of
from web.session import capacity_words, database, now, settings

pages = Blueprint("together", __name__)
_COLOURS = {Supply.GIVEN: "stage_ready", Supply.SHORT: "stage_blocked"}


@pages.get("/plans/<int:plan_id>/together")
@only(Role.OFFICE, Role.SUPERVISOR)
def plan(plan_id: int) -> ResponseReturnValue:
    found = progress.plan_of(database(), plan_id)
    result = allocations.together(database(), found, settings(), now())
    drawn = result.lines[: plot_shapes.DRAWN]
    lines = supplies.links(database(), [line.plot.id for line in drawn])
    links = {key: to_geojson(line) for key, line in lines.items()}
    return render_template(
        "plans/together.html",
        plan=found,
        mine=g.actor.role is Role.OFFICE,
        result=result,
        outcomes=_outcomes(result),
        colours=maps.COLOURS,
        drawn=plot_shapes.DRAWN,
        map=maps.draw(
            settings(),
            [
                [_plot(line) for line in drawn],
                [shape for line in drawn for shape in _links(line, links)],
                _extensions(result, links),
            ],
            label=_("能同时接入的地块和接入设施地图"),
        ),
        **page_of(result.lines),
        **capacity_words(),
    )


def _outcomes(result: Together) -> dict[Supply, tuple[int, float]]:
    """Plots and hectares by how they come out, in the order of the words."""
    found = {}
    for outcome in Supply:
        here = [line.plot.area_m2 for line in result.lines if line.outcome is outcome]
        if here:
            found[outcome] = (len(here), sum(here) / 10_000)
    return found


def _plot(line: PlotLine) -> Shape:
    told = [
        f"{label(cell.utility, 'utility')}{_('：')}{label(cell.supply, 'supply')}"
        + (f" · {cell.source.name} · {metres(cell.distance_m)}" if cell.source else "")
        for cell in line.cells
    ]
    return Shape(
        to_geojson(line.plot.geom),
        _COLOURS.get(line.outcome, "stage_waiting"),
        line.plot.name or line.plot.code,
        (label(line.outcome, "supply"), *told),
        dashed=line.outcome is Supply.SHORT,
    )


def _links(line: PlotLine, links: Mapping[tuple[int, int], dict[str, Any]]) -> list[Shape]:
    """From a served plot to where each utility comes from."""
    found = []
    for cell in line.cells if line.outcome is Supply.GIVEN else ():
        if cell.source and (link := links.get((line.plot.id, cell.source.facility_id))):
            title = f"{label(cell.utility, 'utility')} · {cell.source.enterprise}"
            told = (cell.source.name, line.plot.code, metres(cell.distance_m))
            found.append(Shape(link, cell.utility, title, tuple(filter(None, told))))
    return found


def _extensions(result: Together, links: Mapping[tuple[int, int], dict[str, Any]]) -> list[Shape]:
    """Facilities to extend, each where the first line to it ends."""
    ends = {root: link["coordinates"][-1] for (_plot, root), link in links.items()}
    steps = [*result.steps, *([result.for_all] if result.for_all else [])]
    more = {s.facility_id: (s, by) for step in steps for s, by in step.more}
    return [
        Shape(
            {"type": "Point", "coordinates": ends[root]},
            "plot_blocked",
            f"{label(s.utility, 'utility')} · {s.enterprise}",
            (
                s.name,
                _("扩容 %(by)s %(unit)s", by=quantity(by), unit=label(s.utility, "unit")),
            ),
        )
        for root, (s, by) in more.items()
        if root in ends
    ]
