"""Answering by a link: this one push, no account, no more than that (R20)."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text

from landready import answer_links
from landready.answer_links import AnswerLink, AnswerLinkUse
from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push
from landready.shapes import multi, stored
from tests.factories import make_owner, make_plan, make_push, metres, square
from tests.web.conftest import Browser, People, SignIn
from web.access_log import masked

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Held:
    """A browser without a session, and the token somebody of the water company was sent."""

    browser: Browser
    engine: Engine
    token: str
    push: int
    plots: tuple[int, ...]

    def url(self, plot: int = 0, utility: str = "water") -> str:
        return f"/a/{self.token}/plots/{self.plots[plot]}/{utility}"

    def answers(self) -> list[tuple[str, str, int | None]]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(Answer).order_by(Answer.id))
            return [(a.utility, a.verdict, a.answered_by) for a in rows]

    def change(self, **given: object) -> None:
        with transaction(self.engine, ENGINE) as session:
            link = session.scalars(select(AnswerLink)).one()
            for name, value in given.items():
                setattr(link, name, value)

    def uses(self) -> list[str]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(AnswerLinkUse.action).order_by(AnswerLinkUse.id)))


def issued(engine: Engine, push_id: int, days: int = 3) -> str:
    token = secrets.token_urlsafe(32)
    with transaction(engine, ENGINE) as session:
        push = session.get_one(Push, push_id)
        answer_links.issue(session, push, token, "a@x.example", now=NOW, life=timedelta(days=days))
    return token


@pytest.fixture
def held(app: Flask, database: Engine, people: People, client: Browser) -> Held:
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, office, plots=2, state="released", title="二季度计划")
        push = make_push(session, plan, water)
        plots = tuple(p.id for p in plan.plots)
    return Held(client, database, issued(database, push.id), push.id, plots)


def test_the_bearer_sees_the_push_and_answers_it(held: Held) -> None:
    text_ = held.browser.get(f"/a/{held.token}").text
    assert "二季度计划" in text_
    assert "海口水务" in text_
    assert held.browser.get(held.url()).status_code == 200
    lon, lat = metres(50, -20)
    answer = held.browser.send(held.url(), {"verdict": "ready", "lon": f"{lon}", "lat": f"{lat}"})
    assert (answer.status_code, answer.location) == (303, f"/a/{held.token}")
    assert held.browser.send(held.url(1), {"verdict": "not_concerned"}).status_code == 303
    assert held.answers() == [("water", "ready", None), ("water", "not_concerned", None)]
    assert held.uses()[-1] == "answered"
    assert "2 / 2" in held.browser.get(f"/a/{held.token}").text


def test_reading_a_link_acknowledges_nothing(held: Held) -> None:
    """A mail program that looks at links is not the engineer."""
    held.browser.get(f"/a/{held.token}")
    held.browser.get(held.url())
    with transaction(held.engine, ENGINE) as session:
        assert session.get_one(Push, held.push).opened_at is None
    assert held.uses() == ["seen", "seen"]


def test_a_faulty_answer_is_shown_again_and_nothing_is_kept(held: Held) -> None:
    answer = held.browser.send(held.url(), {"verdict": "not_possible"})
    assert answer.status_code == 422
    assert "请写明原因" in answer.text
    assert 'name="attachment"' not in answer.text
    assert held.answers() == []


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_link_that_is_over_says_so_and_opens_nothing(held: Held, how: str) -> None:
    if how == "revoked":
        held.change(revoked_at=NOW)
        token = held.token
    else:
        token = issued(held.engine, held.push, days=-1)
    plot = held.url().replace(held.token, token)
    for answer in (
        held.browser.get(f"/a/{token}"),
        held.browser.get(plot),
        held.browser.send(plot, {"verdict": "not_concerned"}),
        held.browser.send(f"/a/{token}/contacted"),
    ):
        assert answer.status_code == 410
        assert "二季度计划" not in answer.text
    assert (held.answers(), held.uses()) == ([], [])


@pytest.mark.parametrize("token", ["", "x", "0" * 43, "%00" * 43, "a" * 500, "é" * 43])
def test_a_token_that_is_none_is_not_found(held: Held, token: str) -> None:
    assert held.browser.get(f"/a/{token}").status_code == 404


def test_every_changed_sign_of_a_token_makes_it_worthless(held: Held) -> None:
    for at in range(0, 43, 6):
        other = "A" if held.token[at] != "A" else "B"
        changed = held.token[:at] + other + held.token[at + 1 :]
        assert held.browser.get(f"/a/{changed}").status_code == 404


def test_guessing_is_slowed_down(held: Held) -> None:
    found = [held.browser.get(f"/a/{secrets.token_urlsafe(32)}").status_code for _ in range(25)]
    assert found[:20] == [404] * 20
    assert found[-1] == 429
    assert held.browser.get(f"/a/{held.token}").status_code == 429


def test_a_link_opens_no_other_push_of_the_enterprise(held: Held, people: People) -> None:
    with transaction(held.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, plots=1, state="released")
        make_push(session, plan, water)
        other = plan.plots[0].id
    assert held.browser.get(f"/a/{held.token}/plots/{other}/water").status_code == 404
    answer = held.browser.send(f"/a/{held.token}/plots/{other}/water", {"verdict": "not_concerned"})
    assert answer.status_code == 404
    assert held.browser.get(held.url(utility="power")).status_code == 404
    assert held.answers() == []


def test_a_link_opens_nothing_of_the_portal(held: Held) -> None:
    held.browser.get(f"/a/{held.token}")
    for page in ("/inbox", f"/pushes/{held.push}", "/layers", "/channels"):
        answer = held.browser.get(page)
        assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/signin")
    bearer = {"Authorization": f"Bearer {held.token}"}
    assert held.browser.get(f"/api/v1/answers?push={held.push}", headers=bearer).status_code == 401


def test_an_answer_needs_the_token_of_the_form(held: Held) -> None:
    assert held.browser.post(held.url(), data={"verdict": "not_concerned"}).status_code == 400
    assert held.answers() == []


def test_the_address_of_a_link_goes_nowhere(held: Held) -> None:
    for page in (f"/a/{held.token}", f"/a/{'0' * 43}"):
        headers = held.browser.get(page).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]
    line = f'"GET /a/{held.token}/plots/1/water HTTP/1.1" 200 "http://x/a/{held.token}"'
    assert held.token not in masked(line)
    assert masked("GET /attachments/12345678 /a/b") == "GET /attachments/12345678 /a/b"


def test_the_token_itself_is_stored_nowhere(held: Held, owner: Engine) -> None:
    held.browser.send(held.url(), {"verdict": "not_concerned"})
    with owner.connect() as connection:
        connection.execute(text("select set_config('app.role', 'engine', true)"))
        names = connection.scalars(
            text("select tablename from pg_tables where schemaname = 'public' and tablename <> 'spatial_ref_sys'")
        ).all()  # fmt: skip
        for name in names:
            found = connection.scalar(
                text(f"select count(*) from {name} t where t::text like :x"), {"x": f"%{held.token}%"}
            )  # fmt: skip
            assert found == 0, name


def test_contacting_the_owner_by_link(held: Held, people: People) -> None:
    with transaction(held.engine, ENGINE) as session:
        owner = make_owner(session)
        permit = Permit(
            permit_no="建字第1号", source_id=owner.id, office_id=people.office.organisation_id, owner_id=owner.id,
            city="460100", project_name="一号厂房", payload={"owner": {"contact": "王女士"}}, payload_sha256="",
            received_at=NOW, geom=stored([multi(square())])[0],
        )  # fmt: skip
        session.add(permit)
        session.flush()
        push = Push(
            kind="project", permit_id=permit.id, owner_id=owner.id, pushed_at=NOW, due_on=NOW.date(),
            enterprise_id=people.water.organisation_id, office_id=people.office.organisation_id,
        )  # fmt: skip
        session.add(push)
        session.flush()
    token = issued(held.engine, push.id)
    assert "王女士" in held.browser.get(f"/a/{token}").text
    assert held.browser.send(f"/a/{token}/contacted").status_code == 303
    with transaction(held.engine, ENGINE) as session:
        assert session.get_one(Push, push.id).answered_at is not None
    assert held.browser.get(f"/a/{token}/plots/{held.plots[0]}/water").status_code == 409
    assert held.browser.send(f"/a/{held.token}/contacted").status_code == 409


def test_the_enterprise_sees_the_uses_and_revokes(
    app: Flask, held: Held, people: People, sign_in: SignIn
) -> None:
    held.browser.get(f"/a/{held.token}")
    engineer = sign_in(app.test_client(), people.water)
    text_ = engineer.get("/channels").text
    assert "a@x.example" in text_
    assert "127.0.0.1" in text_
    with transaction(held.engine, ENGINE) as session:
        link = session.scalars(select(AnswerLink.id)).one()
    assert sign_in(app.test_client(), people.power).send(f"/links/{link}/revoke").status_code == 404
    assert engineer.send(f"/links/{link}/revoke").status_code == 303
    assert held.browser.get(f"/a/{held.token}").status_code == 410


def test_the_enterprise_chooses_its_channel_and_addresses(
    people: People, client: Browser, sign_in: SignIn
) -> None:
    sign_in(client, people.water)
    page = client.get("/channels").text
    assert "现在只放进收件箱" in page
    assert 'value="portal" checked' in page
    answer = client.send("/channels/addresses", {"kind": "email", "address": "a@water.example"})
    assert answer.status_code == 303
    assert "a@water.example" in client.get("/channels").text
    assert client.send("/channels", {"channel": "portal"}).status_code == 303
    assert "现在只放进收件箱" in client.get("/channels").text
    wrong = client.send("/channels/addresses", {"kind": "sms", "address": "不是号码"})
    assert wrong.status_code == 422
    assert "不是号码" in wrong.text
    assert client.send("/channels", {"channel": "pigeon"}).status_code == 422
