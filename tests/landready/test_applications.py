"""Items are chosen with a reason, moved only as the table allows, and every step stays (R10, R14)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest
from shapely.geometry import mapping
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from landready import reminders
from landready.applications import Application, Item, ItemMove
from landready.db import ENGINE, Actor, transaction
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.permit_fields import PermitFields
from landready.permit_items import add_item, remove_item
from landready.permit_receipt import receive_permit
from landready.project_pages import application_page, item_page, items_of, projects_of
from landready.reminders import Reminder
from landready.settings import Settings
from landready.submission import submit
from landready.tracker import declare_external_works, give_first_design, move
from tests.factories import (
    NOW,
    SANYA,
    make_account,
    make_department,
    make_enterprise,
    make_office,
    make_owner,
    make_supervisor,
    square,
)

CODE = "91350100M000100Y43"


class World:
    """One application with a water and a power item, departments for the permit items, and others who have no part in it."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self.database, self.settings = database, settings
        with transaction(database, ENGINE) as session:
            self.office = make_office(session, annex_items=[10])
            self.other_office = make_office(session, city=SANYA)
            self.owner = make_owner(session, credit_code=CODE)
            self.other_owner = make_owner(session)
            self.water = make_enterprise(session, "water")
            self.power = make_enterprise(session, "power")
            self.police = make_department(session, annex_items=[8])
            self.roads = make_department(session, city="", annex_items=[8, 9])
            self.sanya_water = make_department(session, city=SANYA, annex_items=[5])
            self.supervisor = make_supervisor(session)
            self.accounts = {
                o.id: make_account(session, o).id
                for o in (self.office, self.owner, self.water, self.power, self.police)
            }
        fields = {
            "permit_no": "建字第4601002026GG0000001号",
            "XZQHDM": "460100",
            "project_name": "测试厂房",
            "address": "测试路 1 号",
            "owner": {
                "name": "测试公司",
                "credit_code": CODE,
                "contact": "王女士",
                "phone": "13800000000",
            },
            "boundary": mapping(square()),
        }
        with transaction(database, self.actor(self.office)) as session:
            permit = receive_permit(session, settings, PermitFields.model_validate(fields), source_id=self.office.id, now=NOW)  # fmt: skip
        with transaction(database, ENGINE) as session:
            self.id = session.scalar(
                select(Application.id).where(Application.permit_id == permit.id)
            )
            self.items = {
                item.annex_no: item.id for item in session.scalars(select(Item).order_by(Item.id))
            }

    def actor(self, who: Organisation) -> Actor:
        return Actor(who.role, who.id, self.accounts.get(who.id), who.city or None)

    def submit(self, now: datetime = NOW) -> None:
        with transaction(self.database, self.actor(self.owner)) as session:
            submit(session, self.settings.clocks, self.id, now=now)

    def add(
        self, annex_no: int, who: Organisation | None = None, reason: str = "外线穿越道路"
    ) -> int:
        with transaction(self.database, self.actor(who or self.owner)) as session:
            return add_item(session, self.id, annex_no, reason, now=NOW).id

    def remove(self, item_id: int, who: Organisation | None = None) -> None:
        with transaction(self.database, self.actor(who or self.owner)) as session:
            remove_item(session, item_id)

    def move(
        self, annex_no: int, state: int, who: Organisation, note: str = "", now: datetime = NOW
    ) -> None:
        with transaction(self.database, self.actor(who)) as session:
            move(session, self.items[annex_no], state, note, now=now)

    def view(self, annex_no: int, who: Organisation | None = None, now: datetime = NOW):
        with transaction(self.database, self.actor(who or self.owner)) as session:
            page = application_page(session, self.id, now)
        return next(v for v in page.items if v.item.annex_no == annex_no)

    def events(self, kind: str) -> list[tuple[int, dict[str, object]]]:
        with transaction(self.database, ENGINE) as session:
            rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type == kind)).all()
        return [(row.enterprise_id, json.loads(row.body)["data"]) for row in rows]


@pytest.fixture
def world(database: Engine, settings: Settings) -> World:
    return World(database, settings)


# --- choosing items ------------------------------------------------------------------------------------------


def test_owner_and_officer_add_permit_items_with_a_reason_for_the_department_of_the_city(
    world: World,
) -> None:
    world.add(8)
    world.add(9, world.office, "位于公路控制区")
    world.add(10)
    eight, nine, ten = world.view(8), world.view(9), world.view(10)
    assert (eight.handler, eight.item.reason) == (world.police.name, "外线穿越道路")
    assert (nine.handler, nine.item.reason) == (world.roads.name, "位于公路控制区")
    assert ten.handler == world.office.name  # the office itself decides planning permits
    assert (ten.name, ten.department) == ("建筑工程规划许可", "省自然资源和规划厅")


@pytest.mark.parametrize("annex_no", [1, 2, 3, 4, 6, 0, 12, -1])
def test_connection_items_and_unknown_numbers_cannot_be_added(world: World, annex_no: int) -> None:
    with pytest.raises(Invalid):
        world.add(annex_no)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_an_item_needs_a_reason_of_reasonable_length(world: World, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        world.add(8, reason=reason)
    assert caught.value.problems[0].where == "reason"


def test_an_item_nobody_in_the_city_handles_is_refused_by_name(world: World) -> None:
    with pytest.raises(Conflict, match="排水许可"):  # only Sanya has a department for it
        world.add(5)


def test_an_item_is_added_once(world: World) -> None:
    world.add(8)
    with pytest.raises(Conflict, match="涉路施工"):
        world.add(8, world.office)


def test_nobody_else_chooses_items(world: World) -> None:
    for who in (world.other_owner, world.other_office, world.water):
        with pytest.raises(NotFound):
            world.add(8, who)
    with pytest.raises(NotAllowed):
        world.add(8, world.supervisor)
    item = world.add(8)
    for who, error in (
        (world.other_owner, NotFound),
        (world.police, NotFound),
        (world.supervisor, NotAllowed),
    ):
        with pytest.raises(error):
            world.remove(item, who)


def test_a_permit_item_leaves_a_draft_and_a_connection_item_never(world: World) -> None:
    world.remove(world.add(8), world.office)
    with transaction(world.database, ENGINE) as session:
        assert [i.annex_no for i in session.scalars(select(Item).order_by(Item.id))] == [1, 2]
    with pytest.raises(Conflict):
        world.remove(world.items[1])


def test_after_submission_items_are_added_at_work_and_not_removed(world: World) -> None:
    early = world.add(8)
    world.submit()
    world.add(9, world.office)
    assert world.view(9).state_name == "接件"
    assert [m.mover.name for m in world.view(9).moves] == [world.office.name]
    with pytest.raises(Conflict):
        world.remove(early)


# --- moving items --------------------------------------------------------------------------------------------


def test_an_item_is_accepted_and_finished_and_the_owner_sees_every_step(world: World) -> None:
    world.submit()
    for hours, state in enumerate((3, 8, 11), 1):
        world.move(1, state, world.water, now=NOW + timedelta(hours=hours))
    view = world.view(1)
    assert view.state_name == "办结（通过）"
    assert [(m.from_state, m.to_state, m.mover_id) for m in view.moves] == [
        (None, 1, world.owner.id),
        (1, 3, world.water.id),
        (3, 8, world.water.id),
        (8, 11, world.water.id),
    ]
    assert {m.moved_by for m in view.moves[1:]} == {world.accounts[world.water.id]}
    assert not view.open
    with transaction(world.database, world.actor(world.owner)) as session:
        assert [(r.items, r.closed) for r in projects_of(session)] == [(2, 1)]


def test_a_move_that_is_not_allowed_changes_nothing_and_names_what_is(world: World) -> None:
    world.submit()
    with pytest.raises(Conflict) as caught:
        world.move(1, 11, world.water)
    assert str(caught.value) == (
        "事项现在是“接件”，不能这样办理；可以办理的是：窗口受理、不受理、不予受理。"
    )
    for nonsense in (0, 16, -1, 1):
        with pytest.raises(Conflict):
            world.move(1, nonsense, world.water)
    assert len(world.view(1).moves) == 1


def test_owner_and_handler_have_different_moves(world: World) -> None:
    world.submit()
    assert [c.state for c in world.view(1).choices] == [2]
    assert [c.state for c in world.view(1, world.water).choices] == [3, 4, 5]
    assert world.view(1, world.office).choices == ()
    with pytest.raises(Conflict):
        world.move(1, 3, world.owner)
    world.move(1, 2, world.owner)
    assert world.view(1, world.water).choices == ()


def test_a_decision_against_the_applicant_needs_a_note(world: World) -> None:
    world.submit()
    world.move(1, 3, world.water)
    for note in ("", "   ", "x" * 2001):
        with pytest.raises(Invalid) as caught:
            world.move(1, 6, world.water, note)
        assert caught.value.problems[0].where == "note"
    world.move(1, 6, world.water, "请补充用水量计算书")
    assert world.view(1).moves[-1].note == "请补充用水量计算书"
    assert [c.needs_note for c in world.view(1, world.water).choices] == [False]


def test_an_enterprise_is_told_of_moves_it_did_not_make(world: World) -> None:
    world.submit()
    world.move(1, 3, world.water)
    world.move(1, 6, world.water, "请补充")
    assert world.events("item.moved") == []
    world.move(1, 7, world.owner, "已补充")
    assert world.events("item.moved") == [
        (world.water.id, {"item": world.items[1], "annex_no": 1, "state": 7, "note": "已补充"})
    ]


def test_no_event_is_written_for_a_departments_item(world: World) -> None:
    world.items[8] = world.add(8)
    world.submit()
    world.move(8, 2, world.owner)
    assert world.events("item.moved") == []


def test_nobody_moves_an_item_that_is_not_theirs(world: World) -> None:
    world.submit()
    for who, error in (
        (world.power, NotFound),
        (world.other_owner, NotFound),
        (world.police, NotFound),
        (world.other_office, NotFound),
        (world.office, NotAllowed),
        (world.supervisor, NotAllowed),
    ):
        with pytest.raises(error):
            world.move(1, 3, who)
    assert len(world.view(1).moves) == 1


def test_an_item_does_not_move_before_submission(world: World) -> None:
    with pytest.raises(NotFound):
        world.move(1, 3, world.water)
    with pytest.raises(NotFound):
        world.move(1, 2, world.owner)


def test_two_hands_at_once_make_one_move(world: World) -> None:
    world.submit()

    def attempt(who: Organisation) -> bool:
        try:
            world.move(1, 2 if who is world.owner else 3, who)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(attempt, [world.owner, world.water] * 3))
    moves = [m.to_state for m in world.view(1).moves]
    # Whoever comes first decides: taken back, or accepted (after which taking back is no longer offered).
    assert moves in ([1, 2], [1, 3])
    assert won.count(True) == 1


def test_submission_and_a_removal_at_once_leave_no_half(world: World) -> None:
    item = world.add(8)

    def remove() -> str:
        try:
            world.remove(item)
        except Conflict:
            return "refused"
        return "removed"

    with ThreadPoolExecutor(2) as pool:
        removed, _ = pool.submit(remove), pool.submit(world.submit).result()
        outcome = removed.result()
    with transaction(world.database, ENGINE) as session:
        left = session.scalars(select(Item).where(Item.annex_no == 8)).all()
        orphans = session.scalars(select(ItemMove).where(ItemMove.item_id == item)).all()
    assert (len(left), len(orphans)) == ((0, 0) if outcome == "removed" else (1, 1))


# --- the first design ----------------------------------------------------------------------------------------


def test_external_works_said_later_still_count_from_the_submission(world: World) -> None:
    world.submit()
    world.move(1, 3, world.water, now=NOW + timedelta(days=3))
    with transaction(world.database, world.actor(world.owner)) as session:
        declare_external_works(session, world.settings.clocks, world.items[1])
    view = world.view(1)
    assert (view.item.external_works, view.due.day) == (True, date(2026, 3, 16))
    with pytest.raises(Conflict), transaction(world.database, world.actor(world.water)) as session:
        declare_external_works(session, world.settings.clocks, world.items[1])


@pytest.mark.parametrize("said", ["before", "meanwhile", "after"])
def test_the_time_for_the_first_design_rests_while_papers_are_corrected(world, said) -> None:
    def external() -> None:
        with transaction(world.database, world.actor(world.water)) as session:
            declare_external_works(session, world.settings.clocks, world.items[1])

    world.submit()
    world.move(1, 3, world.water, now=NOW + timedelta(days=1))
    if said == "before":
        external()
    world.move(1, 6, world.water, "缺用水量计算书", now=NOW + timedelta(days=2))
    if said == "meanwhile":
        external()
    assert (world.view(1, now=NOW + timedelta(days=60)).late, told_of(world, 18)) == (False, 0)
    # Wednesday to Tuesday: four working days.
    world.move(1, 7, world.owner, now=NOW + timedelta(days=8))
    if said == "after":
        external()
    view = world.view(1, now=NOW + timedelta(days=8))
    assert view.due.day == date(2026, 3, 20)
    assert {"first": date(2026, 3, 5), "last": date(2026, 3, 10), "name": "缺用水量计算书"} in [
        note.params for note in view.due.explained
    ]
    assert (view.rests, view.late) == (False, False)
    assert world.view(1, now=NOW + timedelta(days=19)).late
    assert told_of(world, 21) > 0


def told_of(world: World, days: int) -> int:
    """How many notices of the first design stand after so many days."""
    with transaction(world.database, ENGINE) as session:
        reminders.send(session, world.settings.clocks, NOW + timedelta(days=days))
        return len(session.scalars(select(Reminder).where(Reminder.clock == "first_design")).all())


def test_a_first_design_is_of_a_connection_with_external_works(world: World) -> None:
    world.submit()
    with pytest.raises(Conflict), transaction(world.database, world.actor(world.water)) as session:
        give_first_design(session, world.items[1], now=NOW)


def test_the_handler_gives_the_first_design_once(world: World) -> None:
    world.submit()
    with transaction(world.database, world.actor(world.water)) as session:
        declare_external_works(session, world.settings.clocks, world.items[1])
    for who, error in (
        (world.owner, NotAllowed),
        (world.power, NotFound),
        (world.office, NotAllowed),
    ):
        with pytest.raises(error), transaction(world.database, world.actor(who)) as session:
            give_first_design(session, world.items[1], now=NOW)
    with transaction(world.database, world.actor(world.water)) as session:
        item = give_first_design(session, world.items[1], now=NOW)
        assert (item.first_design_at, item.first_design_by) == (NOW, world.accounts[world.water.id])
    with pytest.raises(Conflict), transaction(world.database, world.actor(world.water)) as session:
        give_first_design(session, world.items[1], now=NOW)


def test_nothing_is_owed_on_an_item_that_is_over(world: World) -> None:
    world.submit()
    world.move(1, 2, world.owner)
    with pytest.raises(Conflict), transaction(world.database, world.actor(world.water)) as session:
        give_first_design(session, world.items[1], now=NOW)
    with pytest.raises(Conflict), transaction(world.database, world.actor(world.owner)) as session:
        declare_external_works(session, world.settings.clocks, world.items[1])


def test_a_design_that_was_given_is_never_late(world: World) -> None:
    world.submit()
    with transaction(world.database, world.actor(world.water)) as session:
        declare_external_works(session, world.settings.clocks, world.items[1])
    after = NOW + timedelta(days=30)
    assert world.view(1, now=after).late
    with transaction(world.database, world.actor(world.water)) as session:
        give_first_design(session, world.items[1], now=after)
    assert not world.view(1, now=after).late


# --- who sees what -------------------------------------------------------------------------------------------


def test_a_department_sees_only_its_items_and_only_after_submission(world: World) -> None:
    world.add(8)
    for now_visible in (False, True):
        if now_visible:
            world.submit()
        with transaction(world.database, world.actor(world.police)) as session:
            assert [v.item.annex_no for v in items_of(session, NOW)] == ([8] if now_visible else [])
            raw = session.execute(text("select annex_no from item")).scalars().all()
            assert raw == ([8] if now_visible else [])
            assert session.execute(text("select count(*) from application")).scalar() == now_visible
    with transaction(world.database, world.actor(world.police)) as session:
        page = application_page(session, world.id, NOW)
    assert [v.item.annex_no for v in page.items] == [8]
    assert page.permit.permit_no == "建字第4601002026GG0000001号"


def test_handlers_find_open_items_first_and_each_with_its_application(world: World) -> None:
    world.submit()
    with transaction(world.database, world.actor(world.water)) as session:
        (view,) = items_of(session, NOW)
    with transaction(world.database, world.actor(world.water)) as session:
        page, same = item_page(session, view.item.id, NOW)
    assert view.item.application.permit.project_name == "测试厂房"
    assert (page.application.id, same.item.id) == (world.id, view.item.id)
    with transaction(world.database, world.actor(world.power)) as session, pytest.raises(NotFound):
        item_page(session, view.item.id, NOW)


def test_the_database_keeps_steps_as_they_were(world: World) -> None:
    world.submit()
    for statement in ("update item_move set to_state = 11", "delete from item_move"):
        with (
            pytest.raises(DBAPIError),
            transaction(world.database, world.actor(world.water)) as session,
        ):
            session.execute(text(statement))


def test_the_database_lets_nobody_sign_a_step_with_anothers_name(world: World) -> None:
    world.submit()
    forged = text(
        "insert into item_move (item_id, to_state, note, moved_at, mover_id) values (:i, 11, '', now(), :o)"
    )
    with (
        pytest.raises(DBAPIError),
        transaction(world.database, world.actor(world.water)) as session,
    ):
        session.execute(forged, {"i": world.items[1], "o": world.owner.id})


def test_a_supervisor_of_another_city_sees_nothing_of_it(world: World) -> None:
    world.submit()
    elsewhere = Actor(world.supervisor.role, world.supervisor.id, None, SANYA)
    with transaction(world.database, elsewhere) as session:
        assert projects_of(session) == []
    with transaction(world.database, world.actor(world.supervisor)) as session:
        assert len(projects_of(session)) == 1
