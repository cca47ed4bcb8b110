"""Where a draft's plots lie: on other plans', in another city, shifted; and what is too intricate to be measured."""

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from geo import overlaps, shift
from landready import cities, overlapping, planner
from landready.db import ENGINE, Actor, Role, transaction
from landready.drafts import draft_plan, may_release, problems_of
from landready.plot_checks import _outlines
from landready.settings import Settings
from tests import factories as make
from tests.factories import feature, square

COLUMNS = {"code": "code", "use": "use"}


@pytest.fixture
def office(database):
    with transaction(database, ENGINE) as session:
        return make.make_office(session)


@pytest.fixture
def session(database, office):
    with transaction(database, Actor(Role.OFFICE, office.id, None, office.city)) as session:
        yield session


def draft(session, office, *shapes):
    rows = [feature(s, n, code=f"A-{n}", use="二类工业用地") for n, s in enumerate(shapes, 1)]
    upload = make.make_upload(
        session, office, features=rows, mapping=COLUMNS, fields=list(COLUMNS.values())
    )
    return draft_plan(session, upload, office=office, now=make.NOW)


def test_overlap_with_another_plan_of_the_office_is_shown_with_area_and_shape(session, office):
    earlier = draft(session, office, square())
    plan = draft(session, office, square(60))
    (problem,) = problems_of(plan)
    assert (problem.code, problem.severity) == ("overlap_plan", "warning")
    assert (problem.params["code"], problem.params["plan"]) == ("A-1", earlier.title)
    assert problem.params["area"] == pytest.approx(4000, rel=0.01)
    common = square(60).intersection(square())
    assert shape(problem.shape).symmetric_difference(common).area < common.area * 1e-5
    assert may_release(plan) == ()


def test_plans_of_another_office_are_not_told_of(database, session, office):
    with transaction(database, ENGINE) as engine:
        other = make.make_office(engine, city=office.city)
        make.make_plan(engine, other, plots=1, state="released")
    assert problems_of(draft(session, office, square(60))) == ()


def test_neighbours_that_only_touch_are_no_overlap(session, office):
    draft(session, office, square())
    assert problems_of(draft(session, office, square(100))) == ()


def test_a_plot_in_another_city_is_named_with_the_area_there(session, office):
    outline = _outlines()["469023"]  # 澄迈, west of 海口
    inner = outline.representative_point()
    there = shapely.box(inner.x, inner.y, inner.x + 0.001, inner.y + 0.001)
    plan = draft(session, office, there, square(500))
    (problem,) = problems_of(plan)
    assert (problem.code, problem.severity, problem.row) == ("outside_city", "warning", 1)
    assert problem.params["city"] == cities.name("469023")
    assert problem.params["percent"] == "100.0"


def test_a_plot_far_out_at_sea_is_named_with_its_distance(session, office):
    plan = draft(session, office, shapely.box(110.4, 20.16, 110.401, 20.161))
    (problem,) = problems_of(plan)
    assert problem.code == "outside_city"
    assert float(str(problem.params["km"])) > 1


def test_places_elsewhere_on_earth_have_no_outline(session, office):
    assert problems_of(draft(session, office, shapely.box(-71.1, 42.3, -71.099, 42.301))) == ()


def test_shifted_plots_are_asked_about_and_the_answer_is_kept(session, office, settings: Settings):
    known = [square(200 * n, side=100 + 5 * n) for n in range(4)]
    draft(session, office, *known)
    shifted = shapely.transform(np.array(known, dtype=object), shift.to_gcj02)
    plan = draft(session, office, *shifted)
    (problem,) = may_release(plan)
    assert (problem.code, problem.params["frame"], problem.params["count"]) == (
        "shift_suspected", "GCJ-02", 4,
    )  # fmt: skip
    planner.confirm(session, settings, plan.id, "shift", make.NOW)
    assert may_release(plan) == ()
    assert [p.severity for p in problems_of(plan) if p.code == "shift_suspected"] == ["warning"]
    assert plan.upload.purpose["confirmed"]["shift"]["at"] == make.NOW.isoformat()


def test_plots_on_the_citys_own_roads_are_asked_about(session, office):
    step = 0.0014
    middle = [-0.0002 + n * step for n in range(-9, 20)]
    lines = [shapely.LineString([(110.35 + m, 20.0), (110.35 + m, 20.06)]) for m in middle]
    lines += [shapely.LineString([(110.33, 20.02 + m), (110.39, 20.02 + m)]) for m in middle]
    make.make_base_layer(session, office, *((line, {}) for line in lines))
    plots = np.array(
        [
            shapely.box(110.35 + i * step, 20.02 + j * step, 110.351 + i * step, 20.021 + j * step)
            for i in range(4)
            for j in range(3)
        ],
        dtype=object,
    )
    (problem,) = may_release(draft(session, office, *shapely.transform(plots, shift.to_gcj02)))
    assert (problem.code, problem.params["what"]) == ("shift_suspected", "道路")


def comb(teeth: int, *, upright: bool) -> shapely.Polygon:
    points = [(0.0, 0.0)]
    for i in range(teeth):
        points += [(i + 0.1, 1.0 * teeth), (i + 0.6, 1.0 * teeth), (i + 0.7, 0.0)]
    points += [(teeth, -1.0), (0.0, -1.0)]
    return shapely.Polygon(
        [
            (110.35 + a / 1e5, 20.02 + b / 1e5) if upright else (110.35 + b / 1e5, 20.02 + a / 1e5)
            for a, b in points
        ]
    )


def test_combs_are_measured_in_the_guarded_child_and_not_for_ever(session, office, monkeypatch):
    small = [np.array([comb(60, upright=up)], dtype=object) for up in (True, False)]
    pairs = overlaps.between(*small)
    here = overlaps.measured(*small, pairs, 1.0)
    monkeypatch.setattr(overlapping, "_HERE", 0)
    (there,) = overlapping.measured(*small, pairs) or []
    assert there.area_m2 == pytest.approx(here[0].area_m2)
    monkeypatch.undo()
    monkeypatch.setattr(overlapping, "_LIMITS", overlapping._LIMITS.model_copy(update={"cpu_s": 1}))
    plan = draft(session, office, comb(1500, upright=True), comb(1500, upright=False))
    assert [p.code for p in may_release(plan)] == ["overlap_unmeasured"]


def test_plots_that_all_lie_on_one_place_are_counted_not_paired_for_ever(session, office):
    same = np.array([square()] * 3000, dtype=object)
    pairs = overlaps.among(same)
    assert len(pairs) == overlaps.MOST
    plan = draft(session, office, *[square()] * 40)
    found = may_release(plan)
    assert len(found) == 301
    assert (found[0].code, found[0].params["count"]) == ("more_overlaps", 40 * 39 // 2 - 300)
