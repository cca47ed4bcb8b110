"""Two changes that wait for each other: the database gives one up, and whoever made it is asked to try again."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from landready import planner
from landready.db import ENGINE, transaction
from landready.plans import SupplyPlan
from tests.factories import make_key, make_plan

RAISE = text("do $$ begin raise exception 'x' using errcode = '40P01'; end $$")
SAID = "请再试一次"


def give_up(session, *_):
    session.execute(RAISE)


@contextmanager
def at_the_commit(_monkeypatch):
    event.listen(Session, "before_commit", give_up)
    try:
        yield
    finally:
        event.remove(Session, "before_commit", give_up)


@contextmanager
def while_it_is_done(monkeypatch):
    done = planner.delete_draft

    def delete(session, plan_id):
        title = done(session, plan_id)
        give_up(session)
        return title

    with monkeypatch.context() as patched:
        patched.setattr(planner, "delete_draft", delete)
        yield


@pytest.mark.parametrize("colliding", [while_it_is_done, at_the_commit])
def test_change_that_the_database_gives_up_may_be_tried_again_and_nothing_of_it_is_kept(
    client, people, database, sign_in, monkeypatch, colliding
):
    with transaction(database, ENGINE) as session:
        plan_id = make_plan(session, session.merge(people.office.organisation)).id
    sign_in(client, people.office)
    token = client.token()
    with colliding(monkeypatch):
        answer = client.post(f"/plans/{plan_id}/delete", data={"csrf_token": token})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert SAID in answer.text
    with transaction(database, ENGINE) as session:
        assert session.get(SupplyPlan, plan_id) is not None
    assert client.send(f"/plans/{plan_id}/delete").status_code == 303


def test_system_is_told_by_problem_details_to_try_again(client, people, database, monkeypatch):
    with transaction(database, ENGINE) as session:
        key = make_key(session, session.merge(people.water.organisation))
    with at_the_commit(monkeypatch):
        answer = client.get("/api/v1/pushes", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.content_type == "application/problem+json"
    assert SAID in answer.json["detail"]
