"""Plots, their problems and their surroundings as shapes of a map."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from geo.problems import Problem
from landready.plans import Plot
from landready.progress import PlotLine, UtilityPage
from landready.routes import RouteView
from landready.shapes import to_geojson
from web.filters import area, label, metres, place, sentence
from web.maps import Shape

# More than a page should draw at once; the page says so.
DRAWN = 2000


def draft_plot(found: Plot, *, wrong: bool) -> Shape:
    lines = (found.code, found.use and sentence(found.use), area(found.area_m2))
    return Shape(
        to_geojson(found.geom),
        "plot_error" if wrong else "plot",
        found.name or found.code,
        tuple(filter(None, lines)),
    )


def left_out(row: int, geometry: Mapping[str, Any]) -> Shape:
    return Shape(
        geometry,
        "plot_error",
        _("第 %(row)s 行", row=row),
        (_("还不是地块，见问题列表"),),
        dashed=True,
    )


def problem(problem: Problem) -> Shape:
    return Shape(
        problem.shape or {"type": "Point", "coordinates": problem.place},
        "problem",
        _("第 %(row)s 行", row=problem.row) if problem.row is not None else place(problem.where),
        (sentence(problem.text, problem.params),),
    )


def released_plot(line: PlotLine, *, link: bool = True) -> Shape:
    found = line.plot
    missing = [
        f"{label(c.utility, 'utility')}{_('：')}{label(c.standing, 'standing')}"
        for c in line.cells
        if c.blocks and not c.standing.good
    ]
    return Shape(
        to_geojson(found.geom),
        f"stage_{line.stage}",
        found.name or found.code,
        (label(line.stage, "stage"), *missing),
        url_for("plots.plot", plot_id=found.id) if link else "",
        dashed=line.stage == "blocked" and link,
    )


def surroundings(
    utilities: Sequence[UtilityPage],
) -> tuple[list[Shape], list[Shape]]:
    """Lines to the facilities that the checks found, and the connection points that were answered."""
    links, points = [], []
    for one in utilities:
        word = label(one.cell.utility, "utility")
        for near in one.check.facilities if one.check else ():
            title = f"{word} · {near.enterprise.name}"
            told = (near.name, metres(near.distance_m))
            links.append(
                Shape(to_geojson(near.link), one.cell.utility, title, tuple(filter(None, told)))
            )
        for asked in one.questions:
            if asked.answer and asked.answer.connection_point is not None:
                title = f"{word} · {asked.push.enterprise.name}"
                at = to_geojson(asked.answer.connection_point)
                points.append(Shape(at, one.cell.utility, title, (_("接入点"),)))
    return links, points


def routes(views: Iterable[RouteView]) -> list[Shape]:
    """Connection routes, and a point on each where an approval is needed or something is to be minded."""
    ways, places = [], []
    for v in views:
        if v.route.length_m == 0:
            continue
        title = f"{label(v.route.utility, 'utility')} · {v.route.enterprise.name}"
        told = (_("接入路线 %(length)s", length=metres(v.route.length_m)),)
        ways.append(Shape(to_geojson(v.route.geom), "route", title, told))
        reasons = [r for need in v.judgement.needs for r in need.reasons]
        of_place: dict[tuple[float, float], list[str]] = {}
        for r in (*reasons, *v.judgement.flags):
            if r.place:
                number = _("第 %(n)s 项", n=r.clause.item) + _("：") if r.clause.item else ""
                of_place.setdefault(r.place, []).append(number + sentence(r.text, r.params))
        places += [
            Shape({"type": "Point", "coordinates": place}, "route", title, tuple(words))
            for place, words in of_place.items()
        ]
    return ways + places


def connection_points(utilities: Sequence[UtilityPage]) -> dict[int, tuple[float, float]]:
    """Return longitude and latitude of the connection point of each answer that names one, by the answer's id."""
    answers = [q.answer for one in utilities for q in one.questions]
    return {
        a.id: tuple(to_geojson(a.connection_point)["coordinates"][:2])
        for a in answers
        if a is not None and a.connection_point is not None
    }
