"""Service areas are approved before they count, and count from their day on; the receipt says who was left out for that."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from landready import layers, service_areas
from landready.concerned import Reason
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, NotFound
from landready.layers import Layer
from landready.release import Receipt, release
from landready.settings import Settings
from landready.utilities import Utility
from tests import factories as make
from tests.factories import NOW, feature, square

TODAY = date(2026, 3, 2)
FAR = square(50_000, 0)


@dataclass(frozen=True)
class Case:
    engine: Engine
    settings: Settings
    office: Actor
    water: Actor
    name: str

    def publish(self, shape=None, valid_from: date | None = None, title: str = "area") -> int:
        with transaction(self.engine, ENGINE) as session:
            enterprise = session.get_one(layers.Organisation, self.water.organisation_id)
            upload = make.make_upload(
                session, enterprise, kind="service_areas", title=title, features=[feature(shape or square())]
            )  # fmt: skip
        with transaction(self.engine, self.water) as session:
            upload = session.merge(upload)
            return layers.publish(
                session, upload, utility=Utility.WATER, now=NOW, valid_from=valid_from
            ).id

    def approve(self, layer_id: int, by: Actor | None = None) -> Layer:
        with transaction(self.engine, by or self.office) as session:
            return service_areas.approve(session, layer_id, account_id=None, now=NOW)

    def current(self) -> list[int]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Layer.id).where(Layer.current).order_by(Layer.id)))

    def release(self) -> Receipt:
        with transaction(self.engine, ENGINE) as session:
            office = session.get_one(layers.Organisation, self.office.organisation_id)
            plan = make.make_plan(session, office, plots=1).id
        with transaction(self.engine, self.office) as session:
            return release(session, self.settings, plan, NOW, None)

    def why(self) -> dict[str, Reason]:
        receipt = self.release()
        return {a.enterprise: a.reason for a in (*receipt.asked, *receipt.not_asked)}


def actor(organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city or None)


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office, water = make.make_office(session), make.make_enterprise(session, "water")
        other = make.make_enterprise(session, "water", name="另一家")
        make.make_layer(session, other, square(), kind="service_areas")
        with_all = session.scalars(select(Layer).where(Layer.enterprise_id == other.id)).one()
        with_all.approved_at = NOW
        return Case(database, settings, actor(office), actor(water), water.name)


def test_an_area_waits_for_its_approval(case: Case) -> None:
    first = case.publish()
    assert first not in case.current()
    assert case.approve(first).current
    second = case.publish(FAR)
    assert first in case.current()
    case.approve(second)
    assert first not in case.current()
    assert second in case.current()


def test_an_approved_area_counts_from_its_day_on(case: Case) -> None:
    case.approve(first := case.publish())
    later = TODAY + timedelta(days=10)
    layer = case.approve(second := case.publish(FAR, later))
    assert not layer.current
    for day, current in ((later - timedelta(days=1), first), (later, second)):
        with transaction(case.engine, ENGINE) as session:
            service_areas.enter_into_force(session, day)
        assert current in case.current()
    with transaction(case.engine, ENGINE) as session:
        assert service_areas.enter_into_force(session, later + timedelta(days=1)) == []


def test_an_older_version_never_comes_back_over_a_newer(case: Case) -> None:
    case.approve(case.publish(FAR, TODAY + timedelta(days=5)))
    case.approve(newest := case.publish())
    with transaction(case.engine, ENGINE) as session:
        assert service_areas.enter_into_force(session, TODAY + timedelta(days=6)) == []
    assert newest in case.current()


def test_a_refused_area_never_counts(case: Case) -> None:
    layer_id = case.publish()
    with transaction(case.engine, case.office) as session:
        with pytest.raises(Conflict):
            service_areas.refuse(session, layer_id, " ")
        service_areas.refuse(session, layer_id, "与登记的特许经营范围不符")
        assert service_areas.proposed(session) == []
    with pytest.raises(Conflict):
        case.approve(layer_id)
    with transaction(case.engine, ENGINE) as session:
        service_areas.enter_into_force(session, date(2027, 1, 1))
    assert layer_id not in case.current()


@pytest.mark.parametrize(
    ("role", "city", "may"),
    [
        (Role.OFFICE, "460100", True),
        (Role.OFFICE, "460200", False),
        (Role.SUPERVISOR, "460100", True),
        (Role.SUPERVISOR, "460200", False),
        (Role.SUPERVISOR, None, True),
        (Role.ENTERPRISE, "460100", False),
    ],
)
def test_the_office_of_the_city_or_its_supervisors_decide(case: Case, role, city, may) -> None:
    layer_id = case.publish()
    asker = Actor(role, 999, None, city)
    if may:
        assert case.approve(layer_id, asker).current
    else:
        with pytest.raises(NotFound):
            case.approve(layer_id, asker)


def test_an_area_is_decided_once(case: Case) -> None:
    case.approve(layer_id := case.publish())
    with pytest.raises(Conflict):
        case.approve(layer_id)


@pytest.mark.parametrize("change", ["current = true", "current = false"])
def test_no_enterprise_puts_its_area_in_force_itself(case: Case, change: str) -> None:
    case.approve(case.publish())
    case.publish(FAR)
    with (
        pytest.raises(DBAPIError, match="approved before"),
        transaction(case.engine, case.water) as session,
    ):
        session.execute(text(f"update layer set {change} where kind = 'service_areas'"))


def test_the_receipt_says_whose_area_is_not_yet_in_force(case: Case) -> None:
    case.approve(case.publish(FAR))
    assert case.why()[case.name] is Reason.ELSEWHERE
    newer = case.publish()
    assert case.why()[case.name] is Reason.NOT_YET
    case.approve(newer)
    assert case.why()[case.name] is Reason.SERVES


def test_an_area_that_will_only_touch_a_plots_edge_will_not_serve_it(case: Case) -> None:
    case.approve(case.publish(FAR))
    case.publish(square(100))
    assert case.why()[case.name] is Reason.ELSEWHERE


def test_who_has_no_area_in_force_is_asked_about_everything(case: Case) -> None:
    case.publish(FAR)
    assert case.why()[case.name] is Reason.NO_MAP
