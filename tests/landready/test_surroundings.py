"""What surrounds the site of a permit, by the engine that measures plots."""

import pytest

from landready.db import ENGINE, transaction
from landready.shapes import loaded, multi, stored
from landready.surroundings import nearest_facility, serving
from landready.utilities import Utility
from tests import factories as make
from tests.factories import point, square

SITE = stored([multi(square())])[0]


@pytest.fixture
def session(database):
    with transaction(database, ENGINE) as session:
        yield session


def test_nearest_facility_of_all_current_layers_of_the_enterprise_is_found(session, settings):
    water, other = make.make_enterprise(session, "water"), make.make_enterprise(session, "water")
    make.make_layer(session, water, point(400, 50))
    make.make_layer(session, water, point(300, 50), point(900, 50))
    make.make_layer(session, water, point(110, 50), current=False)
    make.make_layer(session, other, point(120, 50))
    found = nearest_facility(session, settings, SITE, water.id, Utility.WATER)
    assert loaded([found])[0].equals_exact(point(300, 50), 1e-12)


def test_facility_beyond_the_radius_is_not_found(session, settings):
    water = make.make_enterprise(session, "water")
    make.make_layer(session, water, point(3000, 50))
    assert nearest_facility(session, settings, SITE, water.id, Utility.WATER) is None
    assert nearest_facility(session, settings, SITE, water.id, Utility.GAS) is None


def test_enterprises_serve_a_site_that_lies_in_their_area_in_part(session, settings):
    inside, beside = make.make_enterprise(session, "water"), make.make_enterprise(session, "gas")
    make.make_layer(session, inside, square(50, 50, 500), kind="service_areas")
    make.make_layer(session, beside, square(100, 0, 500), kind="service_areas")
    assert serving(session, settings, SITE) == {(inside.id, "water")}
