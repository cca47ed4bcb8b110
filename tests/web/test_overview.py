"""How far things are: each sees the figures of its own city, and lateness has a name."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from landready.clock import today
from landready.db import ENGINE, Actor, Role, transaction
from landready.gate import list_plot
from landready.overview import overview
from landready.plans import SupplyPlan
from landready.settings import Settings
from tests.factories import (
    HAIKOU,
    NOW,
    SANYA,
    make_answer,
    make_enterprise,
    make_office,
    make_organisation,
    make_plan,
    make_push,
)
from tests.web.conftest import Browser, People, SignIn


@pytest.fixture
def two_cities(database: Engine, people: People) -> tuple[int, int]:
    """A released plan in Haikou, one in Sanya that nobody answered in time; returns their ids."""
    with transaction(database, ENGINE) as session:
        haikou = make_plan(
            session, people.office.organisation, plots=2, state="released", title="海口计划"
        )
        make_push(session, haikou, people.water.organisation, due_on=date(2999, 1, 1))
        sanya = make_plan(
            session, people.other_office.organisation, plots=3, state="released", title="三亚计划"
        )
        make_push(session, sanya, people.other_water.organisation, due_on=date(2026, 3, 9))
        make_plan(session, people.other_office.organisation, title="三亚草稿")
        return haikou.id, sanya.id


def test_a_provincial_supervisor_sees_every_city(
    client: Browser, database: Engine, two_cities: tuple[int, int], settings: Settings
) -> None:
    with transaction(database, ENGINE) as session:
        province = make_organisation(session, "supervisor", city="").id
    with transaction(database, Actor(Role.SUPERVISOR, province)) as session:
        found = overview(session, settings.gate, NOW)
        only = overview(session, settings.gate, NOW, city=SANYA)
    assert set(found.cities) == {HAIKOU, SANYA}
    assert found.total.plans == {"released": 2, "draft": 1}
    assert found.total.plots.total() == 5
    assert set(only.cities) == {SANYA}
    assert only.total.plots.total() == 3


def test_a_citys_supervisor_sees_that_city_alone(
    client: Browser, people: People, sign_in: SignIn, two_cities: tuple[int, int]
) -> None:
    page = sign_in(client, people.supervisor).get("/overview").text
    assert "海口计划" in page
    assert "三亚" not in page
    assert "三亚计划" not in client.get(f"/overview?city={SANYA}").text


def test_an_office_sees_its_own_figures(
    client: Browser, people: People, sign_in: SignIn, two_cities: tuple[int, int]
) -> None:
    page = sign_in(client, people.other_office).get("/overview").text
    assert "三亚计划" in page
    assert "三亚草稿" in page
    assert "海口计划" not in page


def test_a_listed_plot_of_another_city_is_not_counted_as_ones_own(
    database: Engine, people: People, two_cities: tuple[int, int], settings: Settings
) -> None:
    """Everybody sees a listed plot, but figures are by plan."""
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=1, north=1000, state="released")
        for utility in ("water", "power"):
            enterprise, now = make_enterprise(session, utility), datetime.now(UTC)
            make_answer(session, make_push(session, plan, enterprise, pushed_at=now))
        plot_id = session.get_one(SupplyPlan, plan.id).plots[0].id
    with transaction(database, Actor(Role.OFFICE, office.id, None, HAIKOU)) as session:
        # The listing trigger goes by the database's clock.
        list_plot(session, plot_id, settings.gate, account_id=None, now=datetime.now(UTC))
    with transaction(database, people.other_office.actor) as session:
        found = overview(session, settings.gate, NOW)
    assert set(found.cities) == {SANYA}
    assert not found.total.plots["listed"]


def test_late_enterprises_are_named_with_their_days(
    database: Engine, people: People, two_cities: tuple[int, int], settings: Settings
) -> None:
    with transaction(database, people.other_office.actor) as session:
        on_time = overview(session, settings.gate, NOW)
        late = overview(session, settings.gate, NOW + timedelta(days=10))
    assert on_time.late == []
    assert on_time.total.pushes == {"sent": 1}
    (one,) = late.late
    assert (one.enterprise, one.title, one.plan_id) == ("三亚水务", "三亚计划", two_cities[1])
    assert one.days == (today(NOW + timedelta(days=10)) - one.due_on).days == 3
    assert late.total.pushes == {"late": 1}


def test_plots_are_told_by_what_the_gate_says_today(
    database: Engine, people: People, settings: Settings
) -> None:
    with transaction(database, ENGINE) as session:
        office = people.office.organisation
        ready, refused, waiting = (
            make_plan(session, office, plots=1, north=1000 * n, state="released") for n in range(3)
        )
        for plan, verdict in ((ready, "ready"), (refused, "not_possible"), (waiting, None)):
            for enterprise in (people.water.organisation, people.power.organisation):
                push = make_push(session, plan, enterprise)
                if verdict:
                    make_answer(session, push, verdict=verdict, reason="没有余量")
    with transaction(database, people.office.actor) as session:
        found = overview(session, settings.gate, NOW)
        later = overview(session, settings.gate, NOW + timedelta(days=30))
    assert found.total.plots == {"ready": 1, "blocked": 1, "waiting": 1}
    assert later.total.plots == {"ready": 1, "blocked": 2}, "silence is no longer only waiting"


def test_a_supervisor_opens_plans_from_the_overview_read_only(
    client: Browser, people: People, sign_in: SignIn, two_cities: tuple[int, int]
) -> None:
    page = sign_in(client, people.supervisor).get("/overview").text
    path = f"/plans/{two_cities[0]}"
    assert f'href="{path}"' in page
    assert client.get(path).status_code == 200
    assert client.send(f"{path}/release").status_code == 403


@pytest.mark.parametrize("who", ["water", "owner", "department", "admin"])
def test_the_overview_is_for_offices_and_supervisors(
    client: Browser, people: People, sign_in: SignIn, who: str
) -> None:
    assert sign_in(client, getattr(people, who)).get("/overview").status_code == 403


def test_every_bar_has_a_table_of_the_same_numbers(
    client: Browser, people: People, sign_in: SignIn, two_cities: tuple[int, int]
) -> None:
    page = sign_in(client, people.office).get("/overview").text
    assert page.count('<svg viewBox="0 0 400 22"') == 3, (
        "plans, plots, pushes; nothing to draw for the others"
    )
    assert '<caption class="visually-hidden">已下发计划中的地块</caption>' in page
    assert page.count('class="panel chart"') == 5
