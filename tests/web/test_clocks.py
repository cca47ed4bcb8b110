"""The pages of deadlines: reckoning, pauses, notices and escalation."""

from datetime import UTC, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from landready import clock, reminders
from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from landready.pushes import Push
from landready.reminders import Reminder
from landready.settings import Settings
from tests.factories import make_plan, make_push
from tests.web.conftest import Browser, People, SignIn

NOW = datetime.now(UTC)
TODAY = clock.today(NOW)


@pytest.fixture
def push(app: Flask, database: Engine, people: People) -> int:
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, office, plots=1, state="released", title="二季度计划")
        due = clock.due(TODAY, 5).day
        return make_push(session, plan, water, pushed_at=NOW, due_on=due).id


def test_the_office_pauses_and_the_enterprise_sees_why(
    app: Flask, database: Engine, people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.office)
    days = {"first": TODAY.isoformat(), "last": (TODAY + timedelta(days=13)).isoformat()}
    answer = client.send(f"/pushes/{push}/pauses", {**days, "reason": "台风“摩羯”停工"})
    assert answer.status_code == 303
    with transaction(database, ENGINE) as session:
        assert session.get_one(Push, push).due_on > TODAY + timedelta(days=13)
    assert "今天结束暂停" in client.get(answer.location).text
    other = sign_in(app.test_client(), people.water)
    text = other.get(f"/pushes/{push}/clock").text
    assert "台风“摩羯”停工" in text
    assert "的次日起算，第 5 个工作日是" in text
    assert "今天结束暂停" not in text


def test_a_pause_without_a_reason_is_shown_again_with_what_was_typed(
    people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    sign_in(client, people.office)
    answer = client.send(f"/pushes/{push}/pauses", {"first": "2026-01-01", "last": "牛"})
    assert answer.status_code == 422
    assert "请写明暂停的理由" in answer.text
    assert 'value="2026-01-01"' in answer.text


def test_the_supervisor_writes_what_was_done(
    database: Engine, settings: Settings, people: People, client: Browser, sign_in: SignIn, push: int
) -> None:  # fmt: skip
    with transaction(database, ENGINE) as session:
        session.get_one(Push, push).due_on = TODAY - timedelta(days=20)
        day = TODAY
        while not clock.ANNOUNCED.is_working(day):
            day += timedelta(days=1)
        morning = datetime.combine(day, time(9), clock.SHANGHAI)
        assert reminders.send(session, settings.clocks, morning) >= 2
        found = session.scalar(select(Reminder.id).where(Reminder.notice == "escalated"))
    sign_in(client, people.supervisor)
    assert "二季度计划" in client.get("/escalations").text
    answer = client.send(f"/escalations/{found}", {"note": "已电话督办，明日答复"})
    assert answer.status_code == 303
    assert "已电话督办，明日答复" in client.get("/escalations").text
    assert "没有待督办的事项" in client.get("/escalations").text
    text = client.get(f"/pushes/{push}/clock").text
    assert "转督办" in text
    assert "超期催办" in text


def test_a_late_answer_shows_what_was_computed_in_its_stead(
    app: Flask, database: Engine, people: People, client: Browser, sign_in: SignIn, push: int
) -> None:
    with transaction(database, ENGINE) as session:
        pushed = session.get_one(Push, push)
        plan, plot = pushed.plan_id, pushed.plots[0].plot_id
    sign_in(client, people.office)
    assert "暂定（系统测算）" not in client.get(f"/plans/{plan}").text
    with transaction(database, ENGINE) as session:
        session.get_one(Push, push).due_on = TODAY - timedelta(days=1)
    for page in (f"/plans/{plan}", f"/plots/{plot}"):
        text = client.get(page).text
        assert "超期未答复" in text
        assert "暂定（系统测算）：附近没有找到设施" in text


def test_who_waits_for_notices_is_told_when_they_go_out(
    people: People, client: Browser, sign_in: SignIn, push: int, settings: Settings
) -> None:
    said = f"通知在工作日 {settings.clocks.notices_from} 时起发出"
    sign_in(client, people.office)
    for page in ("/escalations", f"/pushes/{push}/clock"):
        assert said in client.get(page).text
