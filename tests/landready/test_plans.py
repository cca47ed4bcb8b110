"""Drafts of supply plans: which rows become plots, and what is said of the others."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from landready.db import ENGINE, Actor, Role, transaction
from landready.drafts import draft_plan, may_release, problems_of, redraft
from landready.errors import Conflict
from landready.landuse import code_of
from landready.listings import Listing
from landready.plans import Plot
from landready.shapes import from_geojson, loaded, to_geojson
from landready.uploads import remap
from tests import factories as make
from tests.factories import feature, square

COLUMNS = {"code": "code", "name": "name", "use": "use", "area": "area", "plot_ratio": "ratio"}


@pytest.fixture
def office(database):
    with transaction(database, ENGINE) as session:
        return make.make_office(session)


@pytest.fixture
def session(database, office):
    with transaction(database, Actor(Role.OFFICE, office.id, None, office.city)) as session:
        yield session


def row(number, x=0, **properties):
    given = {"code": f"A-{number}", "name": "", "use": "二类工业用地", "area": None, "ratio": None}
    return feature(square(x), number, **{**given, **properties})


def draft(session, office, *rows, mapping=COLUMNS):
    upload = make.make_upload(
        session, office, features=list(rows), mapping=mapping, fields=list(COLUMNS.values())
    )
    return draft_plan(session, upload, office=office, now=make.NOW)


def codes(plan):
    return [p.code for p in problems_of(plan)]


def test_valid_rows_are_plots_at_once(session, office):
    plan = draft(session, office, row(1, area=10_000, ratio="≤1.50"), row(2, 500, name="南地块"))
    first, second = plan.plots
    assert (plan.state, plan.city, plan.office_id) == ("draft", office.city, office.id)
    assert (first.code, first.use_code, first.plot_ratio, first.plot_ratio_value) == (
        "A-1", "100102", "≤1.50", 1.5,
    )  # fmt: skip
    assert first.area_m2 == pytest.approx(10_000, rel=0.01)
    assert second.name == "南地块"
    assert loaded([second.geom])[0].equals_exact(square(500), 1e-9) is False  # a multipolygon of it
    assert loaded([second.geom])[0].geoms[0].equals_exact(square(500), 1e-8)
    assert may_release(plan) == ()


def test_row_without_code_or_with_a_code_twice_is_an_error_and_no_plot(session, office):
    plan = draft(session, office, row(1), row(2, 500, code=None), row(3, 1000, code="A-1"))
    assert [p.code for p in plan.plots] == ["A-1"]
    assert [(p.code, p.row, p.severity) for p in problems_of(plan)] == [
        ("code_missing", 2, "error"),
        ("code_twice", 3, "error"),
    ]
    assert [p.row for p in may_release(plan)] == [2, 3]


def test_plan_without_a_column_for_the_code_says_so_once(session, office):
    plan = draft(session, office, row(1), row(2, 500), mapping={})
    errors = [p.code for p in problems_of(plan) if p.severity == "error"]
    assert errors == ["column_code"]
    assert plan.plots == []


def test_missing_and_unknown_use_are_warnings_and_kept_as_written(session, office):
    plan = draft(session, office, row(1, use=None), row(2, 500, use="商住混合"))
    assert codes(plan) == ["use_missing", "use_unknown"]
    assert [(p.use, p.use_code) for p in plan.plots] == [("", None), ("商住混合", None)]
    assert may_release(plan) == ()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("二类工业用地", "100102"),
        ("100102", "100102"),
        (" 100102 二类工业用地", "100102"),
        ("１００１０２（二类工业用地）", "100102"),
        ("1303", "1303"),
        ("07", None),  # GB/T 21010 counts with it too
        ("工业", None),
        ("100102 居住用地", None),
        ("999999", None),
        ("", None),
    ],
)
def test_use_is_recognised_by_code_or_exact_name(written, code):
    assert code_of(written) == code


def test_area_that_is_no_number_is_an_error(session, office):
    plan = draft(
        session, office, row(1, area="见附图"), row(2, 500, area="/"), row(3, 1000, area="")
    )
    assert [(p.code, p.row) for p in problems_of(plan)] == [("area_unreadable", 1)]
    assert may_release(plan)
    assert [p.declared_area_m2 for p in plan.plots] == [None, None, None]


def test_declared_area_is_read_in_its_unit_and_compared(session, office):
    mapping = {**COLUMNS, "area": "面积(公顷)"}
    rows = [row(1), row(2, 500)]
    rows[0]["properties"]["面积(公顷)"] = round(rows[0]["area_m2"] / 10_000, 5)
    rows[1]["properties"]["面积(公顷)"] = "2.5"
    plan = draft(session, office, *rows, mapping=mapping)
    assert plan.plots[0].declared_area_m2 == pytest.approx(rows[0]["area_m2"], rel=1e-4)
    assert plan.plots[1].declared_area_m2 == 25_000
    assert [(p.code, p.row, p.severity) for p in problems_of(plan)] == [
        ("area_differs", 2, "warning")
    ]
    more = (25_000 / plan.plots[1].area_m2 - 1) * 100
    assert problems_of(plan)[0].params["percent"] == f"{more:+.2f}"
    rows[1]["properties"]["面积(公顷)"] = "0.25"
    less = draft(session, office, *rows, mapping=mapping)
    (told,) = [p for p in problems_of(less) if p.code == "area_differs"]
    assert told.params["percent"].startswith("-")


def test_ratio_in_words_is_a_warning(session, office):
    plan = draft(session, office, row(1, ratio="按规划条件"), row(2, 500, ratio="/"))
    assert codes(plan) == ["ratio_unreadable"]
    assert [p.plot_ratio for p in plan.plots] == ["按规划条件", "/"]


def test_plots_of_one_plan_may_touch_but_not_overlap(session, office):
    plan = draft(session, office, row(1), row(2, 100), row(3, 150))
    (problem,) = problems_of(plan)
    assert (problem.code, problem.severity, problem.row) == ("overlap", "error", 3)
    assert problem.params["code"] == "A-2"
    assert problem.params["area"] == pytest.approx(5000, rel=0.01)
    common = square(100).intersection(square(150))
    assert common.contains(make.shapely.Point(problem.place))


def test_overlap_with_a_listed_plot_is_a_warning(database, session, office):
    with transaction(database, ENGINE) as engine:
        other = make.make_office(engine)
        older = make.make_plan(engine, other, plots=1, state="released")
        list_unchecked(engine, older)
    plan = draft(session, office, row(1, 50))
    (problem,) = problems_of(plan)
    assert (problem.code, problem.severity) == ("overlap_listed", "warning")
    assert may_release(plan) == ()


def list_unchecked(session, plan):
    """A listing with everything the database's gate asks for, without a gate rule in its way."""
    session.refresh(plan, ["plots"])
    (plot,) = plan.plots
    for utility in ("water", "power"):
        enterprise = make.make_enterprise(session, utility)
        make.make_answer(
            session, make.make_push(session, plan, enterprise, pushed_at=datetime.now(UTC))
        )
    certificate = make.make_certificate(session, plot, now=datetime.now(UTC))
    listing = Listing(
        plot_id=plot.id, office_id=plan.office_id, city=plan.city, certificate_id=certificate.id,
        state="listed", listed_at=make.NOW, changed_at=make.NOW,
    )  # fmt: skip
    session.add(listing)
    session.flush()


def test_plan_without_plots_may_not_be_released(session, office):
    plan = draft(session, office)
    assert [p.code for p in may_release(plan)] == ["plan_empty"]


def test_new_mapping_replaces_plots_and_their_problems_but_not_what_the_reader_said(
    session, office
):
    plan = draft(session, office, row(1), row(2, 500), mapping={"code": "use"})
    upload = plan.upload
    upload.problems = [
        *upload.problems,
        {
            "stage": "reading", "code": "rings_rebuilt", "severity": "warning", "text": "x",
            "params": {}, "row": 1, "where": "", "place": None,
        },
    ]  # fmt: skip
    assert "code_twice" in codes(plan)
    remap(session, upload, COLUMNS, make.NOW)
    again = draft_plan(session, upload, office=office, now=make.NOW)
    assert again.id == plan.id
    assert [p.code for p in again.plots] == ["A-1", "A-2"]
    assert codes(again) == ["rings_rebuilt"]


def test_new_file_replaces_the_plots_of_the_draft(session, office):
    plan = draft(session, office, row(1), row(2, 500))
    upload = make.make_upload(
        session, office, features=[row(1, code="B-1")], mapping=COLUMNS, title="corrected"
    )
    redraft(session, plan, upload)
    assert [p.code for p in plan.plots] == ["B-1"]
    assert (plan.title, plan.upload.id) == ("corrected", upload.id)
    assert session.scalar(select(func.count(Plot.id))) == 1


def test_released_plan_is_not_drawn_again(session, office):
    plan = draft(session, office, row(1))
    plan.state, plan.released_at = "released", make.NOW
    session.flush()
    with pytest.raises(Conflict):
        draft_plan(session, plan.upload, office=office, now=make.NOW)
    with pytest.raises(Conflict):
        redraft(session, plan, plan.upload)
    assert [p.code for p in plan.plots] == ["A-1"]


def test_geometry_survives_the_way_to_the_database_and_back():
    written = to_geojson(from_geojson({"type": "Point", "coordinates": [110.123456789, 19.5, 7.0]}))
    assert written == {"type": "Point", "coordinates": [110.123456789, 19.5]}
