"""Layers of enterprises: one version measures, the older ones are kept."""

import pytest
from sqlalchemy import select

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotAllowed
from landready.layers import Facility, Layer, ServiceArea, layers_of, publish
from landready.utilities import Utility
from tests import factories as make
from tests.factories import feature, point, square


@pytest.fixture
def enterprise(database):
    with transaction(database, ENGINE) as session:
        return make.make_enterprise(session, "water", "drainage")


@pytest.fixture
def session(database, enterprise):
    actor = Actor(Role.ENTERPRISE, enterprise.id, None, enterprise.city)
    with transaction(database, actor) as session:
        yield session


def upload(session, enterprise, *features, kind="facilities", **given):
    values = {"kind": kind, "title": "mains", "features": list(features)}
    return make.make_upload(session, enterprise, **{**values, **given})


def test_facilities_carry_chosen_name_and_capacity(session, enterprise):
    sent = upload(
        session,
        enterprise,
        feature(point(0, 0), 1, n="井 1", q="12.5", x="kept"),
        feature(point(5, 0), 2, n=None, q=None),
        mapping={"name": "n", "spare_capacity": "q"},
    )
    layer = publish(session, sent, utility=Utility.WATER, now=make.NOW)
    assert (layer.version, layer.current, layer.feature_count) == (1, True, 2)
    first, second = session.scalars(select(Facility).order_by(Facility.row))
    assert (first.name, first.spare_capacity, first.attributes["x"]) == ("井 1", 12.5, "kept")
    assert (second.name, second.spare_capacity) == ("", None)


def test_next_version_is_current_and_the_older_is_kept(session, enterprise):
    for _ in range(2):
        sent = upload(session, enterprise, feature(point(0, 0)))
        publish(session, sent, utility=Utility.WATER, now=make.NOW)
    other = upload(session, enterprise, feature(point(0, 0)), title="valves")
    publish(session, other, utility=Utility.WATER, now=make.NOW)
    session.expire_all()
    assert [(x.title, x.version, x.current) for x in layers_of(session, enterprise.id)] == [
        ("mains", 2, True),
        ("mains", 1, False),
        ("valves", 1, True),
    ]
    assert len(session.scalars(select(Facility)).all()) == 3


def test_service_areas_are_polygons(session, enterprise):
    sent = upload(session, enterprise, feature(square()), kind="service_areas")
    publish(session, sent, utility=Utility.DRAINAGE, now=make.NOW)
    assert session.scalars(select(ServiceArea)).one().name == ""


@pytest.mark.parametrize("written", ["many", "-3"])
def test_capacity_that_is_no_number_refuses_the_whole_version(session, enterprise, written):
    sent = upload(
        session,
        enterprise,
        feature(point(0, 0), 1, q=5),
        feature(point(5, 0), 2, q=written),
        mapping={"spare_capacity": "q"},
    )
    with pytest.raises(Invalid) as refused:
        publish(session, sent, utility=Utility.WATER, now=make.NOW)
    assert [(p.code, p.row) for p in refused.value.problems] == [("capacity_unreadable", 2)]
    assert session.scalars(select(Layer)).all() == []


def test_error_in_the_file_refuses_the_whole_version(session, enterprise):
    fault = {
        "stage": "reading", "code": "geometry_missing", "severity": "error", "text": "x",
        "params": {}, "row": 2, "where": "", "place": None,
    }  # fmt: skip
    sent = upload(session, enterprise, feature(point(0, 0)), problems=[fault])
    with pytest.raises(Invalid):
        publish(session, sent, utility=Utility.WATER, now=make.NOW)
    assert session.scalars(select(Layer)).all() == []


def test_file_without_shapes_is_no_version(session, enterprise):
    with pytest.raises(Invalid):
        publish(session, upload(session, enterprise), utility=Utility.WATER, now=make.NOW)


def test_upload_is_published_once(session, enterprise):
    sent = upload(session, enterprise, feature(point(0, 0)))
    publish(session, sent, utility=Utility.WATER, now=make.NOW)
    with pytest.raises(Conflict):
        publish(session, sent, utility=Utility.WATER, now=make.NOW)


def test_utility_that_is_not_registered_is_refused(session, enterprise):
    with pytest.raises(NotAllowed):
        publish(
            session,
            upload(session, enterprise, feature(point(0, 0))),
            utility=Utility.GAS,
            now=make.NOW,
        )
