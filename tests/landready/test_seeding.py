"""The joint application is filled in from what is known, each value with its source; the owner corrects and submits (R9)."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from shapely.geometry import mapping
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import DBAPIError

from landready import form
from landready.applications import Application, ApplicationField, Item
from landready.checks import Check
from landready.db import ENGINE, Actor, transaction
from landready.demand import DemandOverride
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.organisations import Account, Organisation
from landready.outbox import OutboxEvent
from landready.permit_fields import PermitFields
from landready.permit_receipt import receive_permit
from landready.project_pages import ApplicationPage, application_page, projects_of
from landready.settings import Settings
from landready.submission import correct, submit
from tests.factories import (
    HAIKOU,
    NOW,
    make_account,
    make_answer,
    make_enterprise,
    make_office,
    make_organisation,
    make_owner,
    make_plan,
    make_plot,
    make_push,
    square,
)

CODE = "91350100M000100Y43"
LATER = NOW + timedelta(hours=3)


class World:
    """An office, a water and a power enterprise with answers for one plot, a telecom one without, and a permit on the plot."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self.database, self.settings = database, settings
        with transaction(database, ENGINE) as session:
            self.office = make_office(session)
            self.source = make_organisation(session, "exchange", city="")
            self.owner = make_owner(session, credit_code=CODE, phone="0898-66660000")
            self.other_owner = make_owner(session)
            self.account: Account = make_account(session, self.owner)
            self.plan = make_plan(session, self.office, state="released")
            self.plot = make_plot(session, self.plan, code="P-A", area_m2=9999.5)
            self.water = make_enterprise(session, "water", "drainage")
            self.power = make_enterprise(session, "power")
            self.telecom = make_enterprise(session, "telecom", city="")
            push = make_push(session, self.plan, self.water)
            make_answer(
                session, push, utility="water", spare_capacity=300.0, valid_until=date(2026, 12, 31)
            )
            self.power_push = make_push(session, self.plan, self.power)
            make_answer(
                session,
                self.power_push,
                verdict="ready_by",
                works="电缆 800 米",
                ready_by=date(2026, 9, 1),
            )

    def permit(self, **given: object) -> int:
        fields = {
            "permit_no": "建字第4601002026GG0000001号",
            "XZQHDM": HAIKOU,
            "project_name": "测试厂房",
            "address": "测试路 1 号",
            "owner": {"name": "测试公司", "credit_code": CODE, "contact": "王女士", "phone": ""},
            "uses": ["厂房"],
            "floor_area_m2": 12000.5,
            "boundary": mapping(square(10, 10, 80)),
            **given,
        }
        with transaction(self.database, Actor(self.source.role, self.source.id)) as session:
            permit = receive_permit(session, self.settings, PermitFields.model_validate(fields), source_id=self.source.id, now=NOW)  # fmt: skip
        with transaction(self.database, ENGINE) as session:
            return session.scalar(select(Application.id).where(Application.permit_id == permit.id))

    def actor(self, who: Organisation) -> Actor:
        account = self.account.id if who is self.owner else None
        return Actor(who.role, who.id, account, who.city or None)

    def page(self, application_id: int, who: Organisation | None = None) -> ApplicationPage:
        with transaction(self.database, self.actor(who or self.owner)) as session:
            return application_page(session, application_id, LATER)

    def correct(
        self, application_id: int, name: str, value: str, who: Organisation | None = None
    ) -> None:
        with transaction(self.database, self.actor(who or self.owner)) as session:
            correct(session, application_id, name, value, now=LATER)

    def submit(
        self, application_id: int, who: Organisation | None = None, now: datetime = LATER
    ) -> None:
        with transaction(self.database, self.actor(who or self.owner)) as session:
            submit(session, self.settings.clocks, application_id, now=now)


@pytest.fixture
def world(database: Engine, settings: Settings) -> World:
    return World(database, settings)


def values(page: ApplicationPage) -> dict[str, tuple[str, str]]:
    return {f.name: (f.value, f.source.message) for f in page.fields}


def test_each_value_is_filled_in_with_its_source(world: World) -> None:
    page = world.page(world.permit())
    number = "建字第4601002026GG0000001号"
    found = values(page)
    by_permit = f"来自建设工程规划许可证 {number}"
    assert found["owner_name"] == ("测试公司", by_permit)
    assert found["owner_credit_code"] == (CODE, by_permit)
    assert found["contact_phone"] == ("0898-66660000", f"来自单位登记信息 {CODE}")
    assert found["floor_area_m2"] == ("12000.5", by_permit)
    assert found["land_use"] == ("二类工业用地", "来自供地计划中的地块 P-A")
    assert found["site_area_m2"] == ("9999.50", "来自供地计划中的地块 P-A")
    assert found["project_code"] == ("", "尚无来源")
    assert found[f"water.{world.water.id}.spare_capacity"] == ("300", "来自企业的接入情况反馈")
    assert found[f"power.{world.power.id}.standing"][0] == "ready_by 2026-09-01"
    assert found["water.demand"] == ("", "尚无来源")
    by_name = {f.name: f for f in page.fields}
    assert (
        by_name[f"power.{world.power.id}.standing"].standing.message == "企业承诺 2026-09-01 前具备"
    )
    assert by_name[f"power.{world.power.id}.standing"].enterprise == world.power.name
    assert by_name[f"telecom.{world.telecom.id}.standing"].standing is None
    assert by_name["land_use"].source_at == NOW
    assert by_name["project_code"].source_at is None


def test_the_connection_point_is_longitude_and_latitude(world: World) -> None:
    value, _ = values(world.page(world.permit()))[f"water.{world.water.id}.connection_point"]
    lon, lat = (float(part) for part in value.split(","))
    assert (round(lon, 4), round(lat, 4)) == (110.3505, 20.0205)


@pytest.mark.parametrize("lapse", ["validity", "revision"])
def test_an_answer_that_no_longer_holds_fills_nothing_in(world: World, lapse: str) -> None:
    with transaction(world.database, ENGINE) as session:
        older = {"valid_until": date(2026, 3, 1)} if lapse == "validity" else {"plot_revision": 0}
        make_answer(session, world.power_push, version=2, **older)
    found = values(world.page(world.permit()))
    assert found[f"power.{world.power.id}.standing"] == ("", "尚无来源")
    assert found[f"water.{world.water.id}.standing"][0] == "ready"


def test_demand_comes_from_the_newest_check(world: World) -> None:
    with transaction(world.database, ENGINE) as session:
        for minutes, low, high in ((0, 1, 2), (5, 100.5, 260)):
            session.add(
                Check(
                    plot_id=world.plot.id, office_id=world.office.id, utility="water", plot_revision=1,
                    measured_at=NOW + timedelta(minutes=minutes), working_crs="EPSG:4546", radius_m=2000,
                    served_share=1, demand_min=low, demand_max=high, demand_unit="m³/d",
                )
            )  # fmt: skip
    assert values(world.page(world.permit()))["water.demand"] == (
        "100.5–260 m³/d",
        "由系统按地块 P-A 的用地估算，指标未经核实",
    )


def test_what_the_planner_stated_goes_before_the_index(world: World) -> None:
    with transaction(world.database, ENGINE) as session:
        session.add(
            DemandOverride(
                plot_id=world.plot.id, plot_revision=1, office_id=world.office.id, utility="power",
                low=80, high=120, reason="可研", stated_at=NOW,
            )
        )  # fmt: skip
    found = values(world.page(world.permit()))
    assert found["power.demand"] == ("80–120 kW", "由规划部门就地块 P-A 填报")


def test_without_a_plot_the_permit_says_what_it_can(world: World) -> None:
    found = values(world.page(world.permit(boundary=mapping(square(3000)))))
    assert found["land_use"][0] == "厂房"
    assert float(found["site_area_m2"][0]) == pytest.approx(10_000, rel=0.01)
    assert found["plot_code"] == ("", "尚无来源")
    assert found[f"water.{world.water.id}.standing"][0] == ""


def test_connection_items_are_always_there_one_per_enterprise_and_utility(world: World) -> None:
    page = world.page(world.permit())
    assert [(v.item.annex_no, v.item.assignee_id, v.item.external_works) for v in page.items] == [
        (1, world.water.id, False),
        (2, world.power.id, True),  # its answer names works
        (4, world.telecom.id, False),
    ]
    assert {v.state_name for v in page.items} == {"待提交"}
    assert {v.choices for v in page.items} == {()}


def test_a_correction_stands_beside_the_original(world: World) -> None:
    application = world.permit()
    world.correct(application, "contact_phone", " 13912345678 ")
    field = next(f for f in world.page(application).fields if f.name == "contact_phone")
    assert (field.value, field.original) == ("13912345678", "0898-66660000")
    with transaction(world.database, ENGINE) as session:
        row = session.scalar(
            select(ApplicationField).where(ApplicationField.name == "contact_phone")
        )
        assert (row.value, row.corrected_at, row.corrected_by) == (
            "0898-66660000",
            LATER,
            world.account.id,
        )


def test_the_original_written_again_takes_the_correction_back(world: World) -> None:
    application = world.permit()
    world.correct(application, "address", "别处")
    world.correct(application, "address", "测试路 1 号")
    field = next(f for f in world.page(application).fields if f.name == "address")
    assert (field.value, field.original) == ("测试路 1 号", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("owner_credit_code", "91350100M000100Y4Z"),
        ("contact_phone", "没有"),
        ("floor_area_m2", "-1"),
        ("floor_area_m2", "nan"),
        ("floor_area_m2", "很大"),
        ("permit_issued_on", "2026-02-30"),
        ("project_code", "123"),
        ("address", "x" * 501),
        ("address", "a\x00b"),
        ("address", "a\nb"),
    ],
)
def test_a_correction_that_cannot_be_right_is_refused(world: World, name: str, value: str) -> None:
    application = world.permit()
    with pytest.raises(Invalid) as caught:
        world.correct(application, name, value)
    assert caught.value.problems[0].where == name
    assert next(f for f in world.page(application).fields if f.name == name).original is None


def test_what_an_enterprise_answered_is_not_the_owners_to_change(world: World) -> None:
    application = world.permit()
    for name in (f"water.{world.water.id}.spare_capacity", "permit_no", "plot_code"):
        with pytest.raises(Conflict):
            world.correct(application, name, "1")
    with pytest.raises(NotFound):
        world.correct(application, "water.999.standing", "ready")


def test_an_own_demand_may_be_stated(world: World) -> None:
    application = world.permit()
    world.correct(application, "water.demand", "120 m³/d")
    assert values(world.page(application))["water.demand"][0] == "120 m³/d"


def test_submission_starts_every_item_and_tells_each_enterprise_its_own(world: World) -> None:
    application = world.permit()
    world.correct(application, "contact_phone", "13912345678")
    world.submit(application)
    page = world.page(application)
    assert page.application.state == "submitted"
    assert {(v.item.state, v.state_name) for v in page.items} == {(1, "接件")}
    assert [len(v.moves) for v in page.items] == [1, 1, 1]
    with transaction(world.database, ENGINE) as session:
        events = session.scalars(
            select(OutboxEvent).where(OutboxEvent.type == "application.submitted")
        ).all()
    told = {event.enterprise_id: json.loads(event.body)["data"] for event in events}
    assert set(told) == {world.water.id, world.power.id, world.telecom.id}
    assert all(event.push_id for event in events)
    power = told[world.power.id]
    assert [(i["annex_no"], i["first_design_due"]) for i in power["items"]] == [(2, "2026-03-16")]
    form_ = {f["name"]: f for f in power["form"]}
    assert (form_["contact_phone"]["value"], form_["contact_phone"]["original"]) == (
        "13912345678",
        "0898-66660000",
    )
    assert f"power.{world.power.id}.standing" in form_
    assert f"water.{world.water.id}.standing" not in form_


def test_the_first_design_is_due_ten_working_days_after_submission_and_explains_itself(
    world: World,
) -> None:
    application = world.permit()
    # Friday evening in London is Saturday 14 February in Hainan, which is worked before Spring Festival.
    world.submit(application, now=datetime(2026, 2, 13, 17, tzinfo=UTC))
    water, power, _ = world.page(application).items
    assert water.due is None
    assert (power.due.day, power.due.provisional) == (date(2026, 3, 6), False)
    assert power.late is False
    assert any("春节放假" in note.message for note in power.due.explained)
    with transaction(world.database, world.actor(world.owner)) as session:
        late = application_page(session, application, datetime(2026, 3, 8, tzinfo=UTC))
    assert [v.late for v in late.items] == [False, True, False]


def test_an_application_is_submitted_once_and_frozen_then(world: World) -> None:
    application = world.permit()
    world.submit(application)
    with pytest.raises(Conflict):
        world.submit(application)
    with pytest.raises(Conflict):
        world.correct(application, "address", "别处")
    with transaction(world.database, ENGINE) as session:
        kinds = session.scalars(
            select(OutboxEvent.type).where(OutboxEvent.type == "application.submitted")
        )
        assert len(kinds.all()) == 3


def test_what_is_required_must_be_there_before_submission(world: World) -> None:
    owner = {"name": "测试公司", "credit_code": CODE}
    application = world.permit(owner=owner, address="")
    with pytest.raises(Invalid) as caught:
        world.submit(application)
    assert {p.where for p in caught.value.problems} == {"contact_name", "address"}
    world.correct(application, "contact_name", "李先生")
    world.correct(application, "address", "测试路 1 号")
    world.correct(application, "contact_phone", "")
    with pytest.raises(Invalid):
        world.submit(application)
    world.correct(application, "contact_phone", "13912345678")
    world.submit(application)


def test_an_application_without_items_is_not_submitted(
    database: Engine, settings: Settings, owner: Engine
) -> None:
    world = World(database, settings)
    with owner.begin() as link:
        link.execute(text("select set_config('app.role', 'engine', true)"))
        link.execute(
            text("update organisation set utilities = '{drainage}' where kind = 'enterprise'")
        )
    application = world.permit()
    with pytest.raises(Conflict):
        world.submit(application)


def test_nobody_but_the_owner_corrects_or_submits(world: World) -> None:
    application = world.permit()
    for who, error in (
        (world.office, NotAllowed),
        (world.other_owner, NotFound),
        (world.water, NotFound),
        (world.source, NotFound),
    ):
        with pytest.raises(error):
            world.correct(application, "address", "别处", who)
        with pytest.raises(error):
            world.submit(application, who)


def test_an_owner_never_sees_anothers_project(world: World) -> None:
    application = world.permit()
    with pytest.raises(NotFound):
        world.page(application, world.other_owner)
    with transaction(world.database, world.actor(world.other_owner)) as session:
        assert projects_of(session) == []
        for table in ("permit", "application", "application_field", "item", "item_move", "push"):
            assert session.execute(text(f"select count(*) from {table}")).scalar() == 0
    with transaction(world.database, world.actor(world.owner)) as session:
        assert [(r.application.id, r.items, r.closed) for r in projects_of(session)] == [
            (application, 3, 0)
        ]


def test_an_enterprise_sees_application_and_item_only_after_submission(world: World) -> None:
    application = world.permit()
    with pytest.raises(NotFound):
        world.page(application, world.water)
    with transaction(world.database, world.actor(world.water)) as session:
        assert session.execute(text("select count(*) from item")).scalar() == 0
        assert session.scalars(select(Item)).all() == []
    world.submit(application)
    page = world.page(application, world.water)
    assert [v.item.annex_no for v in page.items] == [1]


def test_the_database_itself_refuses_another_owners_hand(world: World) -> None:
    application = world.permit()
    with transaction(world.database, world.actor(world.other_owner)) as session:
        changed = session.execute(
            text("update application set state = 'submitted', submitted_at = now()")
        )
        assert changed.rowcount == 0
    with (
        pytest.raises(DBAPIError),
        transaction(world.database, world.actor(world.owner)) as session,
    ):
        session.execute(
            text("update application_field set value = 'x' where application_id = :a"),
            {"a": application},
        )


def test_labels_of_the_form_are_those_of_the_file() -> None:
    assert tuple(field.label for field in form.fields().values()) == form.LABELS


def test_a_page_takes_the_same_number_of_queries_for_any_number_of_items(world: World) -> None:
    def queries() -> int:
        seen: list[str] = []

        def note(*said: object) -> None:
            seen.append(str(said[2]))

        event.listen(world.database, "before_cursor_execute", note)
        world.page(application)
        event.remove(world.database, "before_cursor_execute", note)
        return len(seen)

    application = world.permit()
    few = queries()
    with transaction(world.database, ENGINE) as session:
        for _ in range(10):
            make_enterprise(session, "gas")
    application = world.permit(permit_no="2")
    assert len(world.page(application).items) == 13
    assert queries() == few > 0
