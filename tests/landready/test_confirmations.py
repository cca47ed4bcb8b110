"""What a person confirms of an upload is kept with it, and nothing is taken for confirmed that was not."""

import io
import json

import pytest
import shapely
from shapely import Polygon

from landready import layer_uploads, planner, uploads
from landready.db import ENGINE, Actor, Role, transaction
from landready.drafts import may_release
from landready.errors import Invalid
from tests import factories as make
from tests.factories import square
from tests.readings import collection

HOLE = Polygon(square().exterior, [square(300).exterior])  # a part written as a hole


@pytest.fixture
def office(database):
    with transaction(database, ENGINE) as session:
        return make.make_office(session)


@pytest.fixture
def session(database, office):
    with transaction(database, Actor(Role.OFFICE, office.id, None, office.city)) as session:
        yield session


def plan_of(session, settings, *shapes):
    return planner.upload_plan(
        session,
        settings,
        title="计划",
        filename="plots.geojson",
        stream=io.BytesIO(json.dumps(collection(*shapes, use="二类工业用地")).encode()),
        crs="",
        now=make.NOW,
    )


def test_a_repair_that_changes_the_area_is_released_only_with_consent(session, settings):
    plan = plan_of(session, settings, HOLE)
    assert [p.code for p in may_release(plan)] == ["repair_consent"]
    planner.confirm(session, settings, plan.id, "repairs", make.NOW)
    assert may_release(plan) == ()
    # A new file has its own repairs.
    planner.replace_file(
        session, settings, plan.id, filename="b.geojson", crs="", now=make.NOW,
        stream=io.BytesIO(json.dumps(collection(HOLE, use="二类工业用地")).encode()),
    )  # fmt: skip
    session.refresh(plan)
    assert [p.code for p in may_release(plan)] == ["repair_consent"]


def test_axes_are_turned_on_the_planners_word_and_back(session, settings):
    turned = shapely.transform(square(), lambda xy: xy[:, ::-1])
    plan = plan_of(session, settings, turned)
    assert "axes_swapped" in [p.code for p in may_release(plan)]
    planner.confirm(session, settings, plan.id, "axes", make.NOW)
    session.refresh(plan)
    assert (len(plan.plots), may_release(plan)) == (1, ())
    assert [p.code for p in uploads.problems_of(plan.upload)] == ["axes_turned"]
    # The system named afterwards is read with the axes as they were confirmed.
    planner.name_crs(session, settings, plan.id, "EPSG:4490")
    session.refresh(plan)
    assert len(plan.plots) == 1
    planner.confirm(session, settings, plan.id, "axes", make.NOW)
    session.refresh(plan)
    assert (plan.plots, plan.upload.purpose["confirmed"]) == ([], {})


def test_other_words_are_no_confirmation(session, settings):
    plan = plan_of(session, settings, square())
    with pytest.raises(Invalid):
        planner.confirm(session, settings, plan.id, "everything", make.NOW)


def test_a_layer_with_a_changed_area_is_published_only_with_consent(database, settings):
    with transaction(database, ENGINE) as engine:
        enterprise = make.make_enterprise(engine, "water")
    actor = Actor(Role.ENTERPRISE, enterprise.id, None, enterprise.city)
    with transaction(database, actor) as session:
        upload = layer_uploads.upload_layer(
            session, settings, kind="service_areas", utility="water", title="边界",
            filename="a.geojson", stream=io.BytesIO(json.dumps(collection(HOLE)).encode()),
            crs="", now=make.NOW,
        )  # fmt: skip
        with pytest.raises(Invalid) as refused:
            layer_uploads.publish(session, upload.id, make.NOW)
        assert [p.code for p in refused.value.problems] == ["repair_consent"]
        layer_uploads.confirm(session, settings, upload.id, "repairs", make.NOW)
        assert layer_uploads.publish(session, upload.id, make.NOW).version == 1
