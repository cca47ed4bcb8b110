"""The demo province: real facts, made-up boundaries, one story, loaded once."""

import csv
import json
import os
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
import shapely
from shapely.geometry import shape
from sqlalchemy import Engine, func, select, text

from geo.crs import geodesic_area_m2
from landready import cities, demo, gate, intake, items, rule_book
from landready.annex import items as annex_items
from landready.answers import Answer, AnswerVerdict
from landready.applications import Application, Item, ItemMove
from landready.checks import Check
from landready.clock import today
from landready.db import ENGINE, Base, Session, transaction
from landready.demo_people import PASSWORD
from landready.demo_world import HAIKOU, NOTICES, SANYA, SEWERLESS, WAITING, WATERLESS, notices
from landready.drafts import may_release
from landready.files import on_disk
from landready.layers import Facility, Layer, ServiceArea
from landready.listings import Listing
from landready.organisations import Account, Organisation, organisation_of_key, sign_in
from landready.permits import Permit
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushState
from landready.settings import Settings
from landready.shapes import loaded
from landready.utilities import Utility
from tests.conftest import REFERENCE_TABLES
from tests.factories import NOW, make_office


@pytest.fixture(scope="module")
def loading(settings: Settings, engine: Engine, owner: Engine) -> Iterator[float]:
    """The demo once for this module; returns the seconds of processor it took, those of the reading children included."""
    _truncate(owner, settings)
    before = os.times()
    demo.load(settings)
    after = os.times()
    yield sum(after[:4]) - sum(before[:4])
    _truncate(owner, settings)


def _truncate(owner: Engine, settings: Settings) -> None:
    ours = [t.name for t in Base.metadata.sorted_tables if t.name not in REFERENCE_TABLES]
    with owner.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(ours)} RESTART IDENTITY CASCADE"))
        rule_book.write(connection, settings.gate)


@pytest.fixture
def session(loading: float, engine: Engine) -> Iterator[Session]:
    with transaction(engine, ENGINE) as session:
        yield session


def _plot(session: Session, code: str) -> Plot:
    return session.scalars(select(Plot).where(Plot.code == code)).one()


def test_demo_loads_in_under_thirty_seconds(loading: float) -> None:
    # Processor time, so that whatever else this machine does while testing does not count; the database takes 2 s more.
    assert loading < 25


def test_demo_plot_areas_equal_the_notices(session: Session) -> None:
    with NOTICES.open(encoding="utf-8", newline="") as file:
        stated = [float(row["area_m2"]) for row in csv.DictReader(file)]
    assert len(stated) == 7
    for area, real in zip(stated, notices(), strict=True):
        plot = _plot(session, real.code)
        drawn = shapely.from_wkb(plot.geom.desc)
        assert abs(geodesic_area_m2(drawn) - area) < 0.01
        assert abs(plot.area_m2 - area) < 0.01
        assert plot.declared_area_m2 == area
        assert plot.illustrative


def test_every_demo_boundary_is_marked_illustrative(session: Session) -> None:
    assert set(session.scalars(select(Plot.illustrative))) == {True}


def test_real_plots_lie_in_their_city_and_apart(session: Session) -> None:
    outlines = {
        f["properties"]["name"]: shape(f["geometry"]) for f in cities.outlines()["features"]
    }
    plots = [_plot(session, real.code) for real in notices()]
    shapes = loaded(plot.geom for plot in plots)
    for plot, drawn in zip(plots, shapes, strict=True):
        assert outlines[cities.name(plot.city)].contains(drawn), plot.code
    for one, other in combinations(shapes, 2):
        assert one.disjoint(other)


def test_released_demo_plots_do_not_overlap(session: Session) -> None:
    plots = session.scalars(select(Plot).join(SupplyPlan).where(SupplyPlan.state == "released"))
    for one, other in combinations(loaded(plot.geom for plot in plots), 2):
        assert one.disjoint(other)


def test_every_demo_organisation_says_that_it_is_one(session: Session) -> None:
    """Nobody can take a demo organisation for a real one."""
    names = session.scalars(select(Organisation.name)).all()
    assert names
    assert all("演示" in name for name in names)


@pytest.mark.parametrize("city", [HAIKOU, SANYA])
def test_each_city_has_six_enterprises_with_network_and_service_area(
    session: Session, city: str
) -> None:
    for utility in Utility:
        enterprise = session.scalars(
            select(Organisation).where(
                Organisation.kind == "enterprise",
                Organisation.city == city,
                Organisation.utilities.contains([utility.value]),
            )
        ).one()
        kinds = session.scalars(
            select(Layer.kind).where(Layer.enterprise_id == enterprise.id, Layer.version == 1)
        )
        assert sorted(kinds) == ["facilities", "service_areas"]
        areas = select(ServiceArea).where(ServiceArea.enterprise_id == enterprise.id)
        assert session.scalars(areas).all()
        count = session.scalar(select(func.count()).where(Facility.enterprise_id == enterprise.id))
        assert (count or 0) > 40


@pytest.mark.parametrize("city", [HAIKOU, SANYA])
@pytest.mark.parametrize("number", [5, 7, 8, 9, 10, 11])
def test_each_permit_item_has_a_department(session: Session, city: str, number: int) -> None:
    assert annex_items()[number].kind == "permit"
    assert session.scalar(
        select(Organisation.id).where(
            Organisation.kind == "department",
            Organisation.city == city,
            Organisation.annex_items.contains([number]),
        )
    )


@pytest.mark.usefixtures("loading")
def test_every_printed_login_works(settings: Settings, engine: Engine) -> None:
    people = [x for x in demo.load(settings) if x.username != "Authorization: Bearer"]
    assert {x.password for x in people} == {PASSWORD}
    with transaction(engine, ENGINE) as session:
        accounts = {a.username: a for a in session.scalars(select(Account))}
        assert set(accounts) == {one.username for one in people}
        # Checking a password is slow on purpose, and all have the same hash: one of them speaks for all.
        assert len({a.password_hash for a in accounts.values()}) == 1
        assert sign_in(session, people[0].username, people[0].password)


def test_the_printed_key_is_the_exchange_systems(session: Session, settings: Settings) -> None:
    (key,) = [x.password for x in demo.load(settings) if x.username == "Authorization: Bearer"]
    system = organisation_of_key(session, key)
    assert system
    assert system.kind == "exchange"


def test_haikou_lists_three_plots_and_sold_one(session: Session) -> None:
    states = session.scalars(select(Listing.state).where(Listing.city == HAIKOU)).all()
    assert sorted(states) == ["listed", "listed", "listed", "sold"]


def test_a_plot_without_sewer_and_network_is_listed_with_warnings(session: Session) -> None:
    """The case of the Wuzhishan notice: water and power decide, the others warn (domain facts §6.2)."""
    plot = _plot(session, SEWERLESS.code)
    listing = session.scalars(select(Listing).where(Listing.plot_id == plot.id)).one()
    assert listing.state == "listed"
    warned = {w["utility"] for w in listing.certificate.warnings}
    assert {"drainage", "telecom"} <= warned


def test_a_plot_without_water_is_shut_out_with_the_reason(
    session: Session, settings: Settings
) -> None:
    plot = _plot(session, WATERLESS.code)
    found = gate.readiness_of(session, [plot.id], settings.gate, plot.plan.released_at or NOW)
    (blocker,) = [b for b in found[plot.id].blockers if b.utility == "water"]
    assert blocker.enterprise == "海口演示供水有限公司"
    assert "供水管网最近处在 2 公里以外" in blocker.message
    assert not session.scalar(select(Listing.id).where(Listing.plot_id == plot.id))


def test_the_waterless_plot_really_has_no_water_within_reach(session: Session) -> None:
    plot = _plot(session, WATERLESS.code)
    check = session.scalars(
        select(Check).where(Check.plot_id == plot.id, Check.utility == "water")
    ).one()
    assert not check.facilities
    assert check.served_share == 0


def test_a_waiting_plot_has_a_due_date_ahead(session: Session) -> None:
    plot = _plot(session, WAITING[1].code)
    pushes = session.scalars(select(Push).where(Push.plan_id == plot.plan_id)).all()
    day = today(max(p.pushed_at for p in pushes))
    assert len(pushes) == 6
    states = {p.enterprise.name: p.state(day) for p in pushes}
    assert states["海口演示供水有限公司"] is PushState.OPENED
    assert states["海口演示通信有限公司"] is PushState.ANSWERED
    assert all(p.due_on > day for p in pushes)


def test_sanya_has_late_enterprises(session: Session) -> None:
    pushes = session.scalars(
        select(Push).join(SupplyPlan, SupplyPlan.id == Push.plan_id).where(SupplyPlan.city == SANYA)
    ).all()
    newest = session.scalars(select(func.max(Listing.changed_at))).one()
    late = {p.enterprise.name for p in pushes if p.state(today(newest)) is PushState.LATE}
    assert late == {"三亚演示供电局", "三亚演示燃气有限公司", "三亚演示有线网络有限公司"}


def test_sanyas_draft_cannot_be_released_before_its_errors_are_mended(session: Session) -> None:
    draft = session.scalars(select(SupplyPlan).where(SupplyPlan.state == "draft")).one()
    assert draft.city == SANYA
    assert {p.code for p in may_release(draft)} >= {"overlap", "area_unreadable"}


def test_a_seeded_application_waits_for_its_owner(session: Session) -> None:
    drafts = session.scalars(select(Application).where(Application.state == "draft")).all()
    (draft,) = drafts
    sources = {f.source for f in draft.fields if f.value}
    assert {"permit", "plot", "answer"} <= sources
    pushed = session.scalars(select(Push).where(Push.permit_id == draft.permit_id)).all()
    assert len(pushed) == 6


def test_the_submitted_application_has_items_under_way(session: Session) -> None:
    application = session.scalars(select(Application).where(Application.state == "submitted")).one()
    states = {item.annex_no: item.state for item in application.items}
    assert states == {1: 11, 2: 8, 3: 6, 4: 1, 5: 8, 6: 1, 7: 1, 8: 1, 10: 1}
    for item in application.items:
        history = [move.to_state for move in item.moves]
        assert history[0] == 1
        for before, after in pairwise(history):
            assert any(after in found for found in items.MOVES[items.State(before)].values())


def test_permits_come_from_the_exchange_system(session: Session) -> None:
    kinds = session.scalars(
        select(Organisation.kind).join(Permit, Permit.source_id == Organisation.id)
    )
    assert set(kinds) == {"exchange"}


@pytest.mark.usefixtures("loading")
def test_demo_twice_changes_nothing(settings: Settings, engine: Engine) -> None:
    before = _everything(engine)
    assert demo.load(settings) == demo.load(settings) != []
    assert _everything(engine) == before


def _everything(engine: Engine) -> dict[str, list[str]]:
    with transaction(engine, ENGINE) as session:
        return {
            table.name: sorted(
                session.scalars(text(f"SELECT md5(t::text) FROM {table.name} t")).all()
            )
            for table in Base.metadata.sorted_tables
        }


def test_a_layers_file_reads_as_the_layer_that_was_published(
    session: Session, settings: Settings
) -> None:
    """Layers skip the reading child when the demo loads; what it would have read is the same."""
    layer = session.scalars(
        select(Layer).where(Layer.kind == "facilities", Layer.utility == "gas").order_by(Layer.id)
    ).first()
    assert layer
    (stored_as, kept) = session.execute(
        text("SELECT stored_as, features FROM upload WHERE id = :id"), {"id": layer.upload_id}
    ).one()
    with on_disk(settings, stored_as) as path:
        reading = intake.read_file(
            path, settings.upload, region=settings.region, crs=None, kind="facilities"
        )
    assert reading.accepted
    assert not [p for p in reading.problems if p.severity == "error"]
    read = [
        (f.row, json.loads(json.dumps(f.geometry)), dict(f.properties)) for f in reading.features
    ]
    assert read == [(f["row"], f["geometry"], f["properties"]) for f in kept]


def test_positive_answers_name_their_connection_point(session: Session) -> None:
    positive = session.scalars(
        select(Answer).where(Answer.verdict.in_((AnswerVerdict.READY, AnswerVerdict.READY_BY)))
    ).all()
    assert len(positive) > 30
    assert all(a.connection_point is not None for a in positive)


def test_every_move_was_made_by_somebody(session: Session) -> None:
    assert session.scalar(select(func.count(Item.id)))
    assert not session.scalar(select(ItemMove.id).where(ItemMove.moved_by.is_(None)))


def test_an_installation_of_its_own_gets_no_demo(database: Engine, settings: Settings) -> None:
    """The demo's password is known to everybody."""
    with transaction(database, ENGINE) as session:
        make_office(session)
    assert demo.load(settings) == []
    with transaction(database, ENGINE) as session:
        assert session.scalar(select(func.count(Organisation.id))) == 1
