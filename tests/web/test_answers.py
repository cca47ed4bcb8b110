"""The engineer's pages: inbox, push, answer form, attachments (R4)."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text

from landready import clock
from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.measuring import measure
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push
from landready.settings import Settings
from landready.shapes import multi, stored
from tests.factories import (
    HAIKOU,
    make_answer,
    make_layer,
    make_plan,
    make_push,
    metres,
    point,
    square,
)
from tests.web.conftest import Browser, People, SignIn

NOW = datetime.now(UTC)
TODAY = clock.today(NOW)
PDF = b"%PDF-1.7\n"


@dataclass(frozen=True)
class Desk:
    """A plan of three plots pushed to water and power of Haikou, each with a network, and the water engineer's browser."""

    browser: Browser
    engine: Engine
    push: int
    power_push: int
    plots: tuple[int, ...]

    def url(self, plot: int = 0, utility: str = "water", push: int | None = None) -> str:
        return f"/pushes/{push or self.push}/plots/{self.plots[plot]}/{utility}"

    def answers(self) -> list[tuple[int, str, int]]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(Answer).order_by(Answer.id))
            return [(self.plots.index(a.plot_id), a.verdict, a.version) for a in rows]

    def pushed(self, push: int | None = None) -> Push:
        with transaction(self.engine, ENGINE) as session:
            return session.get_one(Push, push or self.push)


def ready(**given: object) -> dict[str, object]:
    lon, lat = metres(50, -20)
    return {"verdict": "ready", "lon": f"{lon:.7f}", "lat": f"{lat:.7f}", **given}


@pytest.fixture
def desk(
    app: object, database: Engine, settings: Settings, people: People, client: Browser, sign_in: SignIn
) -> Desk:  # fmt: skip
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        power = session.get_one(Organisation, people.power.organisation_id)
        plan = make_plan(session, office, plots=3, state="released", title="2026 年度供地计划")
        make_layer(session, water, point(50, -20), spare_capacity=1_250_000.0)
        make_layer(session, power, point(61, 131))
        due = TODAY + timedelta(days=7)
        push = make_push(session, plan, water, pushed_at=NOW, due_on=due)
        power_push = make_push(session, plan, power, pushed_at=NOW, due_on=due)
        measure(session, settings, plan.plots, NOW)
        ids = tuple(plot.id for plot in plan.plots)
    return Desk(sign_in(client, people.water), database, push.id, power_push.id, ids)


@pytest.fixture
def other(app: object, people: People, sign_in: SignIn) -> Callable[[str], Browser]:
    """A second browser, signed in as one of the people."""

    def make(who: str) -> Browser:
        return sign_in(app.test_client(), getattr(people, who))  # type: ignore[attr-defined]

    return make


# --- inbox ---------------------------------------------------------------------------------------------------------


def test_the_inbox_tells_title_progress_and_deadline(desk: Desk) -> None:
    desk.browser.send(desk.url(), ready())
    text = desk.browser.get("/inbox").text
    assert "2026 年度供地计划" in text
    assert "1 / 3" in text
    assert (TODAY + timedelta(days=7)).isoformat() in text


def test_an_empty_inbox_says_so(other: Callable[[str], Browser]) -> None:
    browser = other("other_water")
    assert "没有待答复的推送" in browser.get("/inbox").text
    assert "没有超期的推送" in browser.get("/inbox?show=late").text
    assert "还没有收到推送" in browser.get("/inbox?show=all").text


def test_the_inbox_filters_by_open_late_and_all(desk: Desk, people: People) -> None:
    with transaction(desk.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, title="旧计划", plots=1, state="released")
        make_push(session, plan, water, due_on=date(2024, 1, 5))
        done = make_plan(session, title="答完的计划", plots=1, state="released")
        make_push(session, done, water, answered_at=NOW)

    def shown(show: str) -> list[str]:
        text = desk.browser.get(f"/inbox?show={show}").text
        return re.findall(r'<a href="/pushes/\d+">([^<]+)</a>', text)

    assert shown("open") == ["旧计划", "2026 年度供地计划"]
    assert shown("late") == ["旧计划"]
    assert shown("all") == ["旧计划", "2026 年度供地计划", "答完的计划"]
    assert shown("nonsense") == shown("open")


def test_a_provisional_deadline_is_marked(desk: Desk, people: People) -> None:
    assert "暂定" not in desk.browser.get("/inbox").text
    with transaction(desk.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        make_push(session, None, water, due_provisional=True)
    assert "暂定" in desk.browser.get("/inbox").text


# --- one push ------------------------------------------------------------------------------------------------------


def test_opening_a_push_is_noted(desk: Desk) -> None:
    assert desk.pushed().opened_at is None
    assert desk.browser.get(f"/pushes/{desk.push}").status_code == 200
    assert desk.pushed().opened_at is not None


def test_a_push_shows_own_facilities_and_never_anothers(desk: Desk) -> None:
    for page in (f"/pushes/{desk.push}", desk.url()):
        text = desk.browser.get(page).text
        lon, _ = metres(50, -20)
        assert f"{lon:.6f}"[:9] in text
        elsewhere, _ = metres(61, 131)
        assert f"{elsewhere:.9f}"[:10] not in text


def test_plots_of_one_utility_can_be_shown_alone(desk: Desk, people: People, owner: Engine) -> None:
    with owner.begin() as link:
        link.execute(text("select set_config('app.role', 'engine', true)"))
        given = {"id": people.water.organisation_id}
        link.execute(
            text("update organisation set utilities = '{water,drainage}' where id = :id"), given
        )
    with transaction(desk.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, plots=2, state="released")
        push = make_push(session, plan, water).id

    def shown(query: str) -> list[str]:
        text = desk.browser.get(f"/pushes/{push}{query}").text
        return re.findall(r'name="asked" value="\d+:(\w+)"', text)

    assert shown("") == ["drainage", "water", "drainage", "water"]
    assert shown("?utility=water") == ["water", "water"]
    assert shown("?utility=nonsense") == shown("")
    both = desk.browser.get(f"/pushes/{push}").text
    assert both.count(f'"url": "/pushes/{push}/plots/') == 2  # one shape a plot
    plot = re.findall(r'value="([0-9]+):water"', both)[0]
    form = {"asked": f"{plot}:water", "utility": "water"}
    kept = desk.browser.send(f"/pushes/{push}/answers", form)
    assert re.findall(r'value="\d+:(\w+)"', kept.text) == ["water", "water"]


def test_many_plots_are_answered_with_one_form(desk: Desk) -> None:
    asked = [f"{plot}:water" for plot in desk.plots]
    form = {"asked": asked, "verdict": "ready", "attachment": (io.BytesIO(PDF), "a.pdf")}
    answer = desk.browser.send(f"/pushes/{desk.push}/answers", form)
    assert answer.status_code == 303
    assert desk.answers() == [(0, "ready", 1), (1, "ready", 1), (2, "ready", 1)]
    assert desk.pushed().answered_at is not None
    assert desk.browser.get(desk.url(2)).text.count("a.pdf") == 1


def test_many_plots_with_a_fault_keep_what_was_typed_and_chosen(desk: Desk) -> None:
    form = {"asked": f"{desk.plots[1]}:water", "verdict": "ready_by", "works": "新建 DN200 <管>"}
    answer = desk.browser.send(f"/pushes/{desk.push}/answers", form)
    assert answer.status_code == 422
    assert "请填写完成日期" in answer.text
    assert "新建 DN200 &lt;管&gt;</textarea>" in answer.text
    boxes = re.findall(r'value="(\d+):water" (checked)?', answer.text)
    assert [plot for plot, ticked in boxes if ticked] == [str(desk.plots[1])]
    assert desk.answers() == []


@pytest.mark.parametrize("asked", ["", "x:water", f"{10**30}:water", "-1:water"])
def test_many_with_a_plot_that_was_not_asked_is_not_found(desk: Desk, asked: str) -> None:
    form = {"asked": asked, "verdict": "not_concerned"}
    assert desk.browser.send(f"/pushes/{desk.push}/answers", form).status_code == 404


def test_many_without_a_choice_is_told(desk: Desk) -> None:
    answer = desk.browser.send(f"/pushes/{desk.push}/answers", {"verdict": "not_concerned"})
    assert (answer.status_code, "请至少选择一个地块" in answer.text) == (422, True)


# --- one plot ------------------------------------------------------------------------------------------------------


def field(text: str, name: str) -> str:
    found = re.search(rf'<input[^>]* name="{name}"[^>]* value="([^"]*)"', text)
    assert found, name
    return found[1]


def chosen(text: str) -> str | None:
    found = re.search(r'name="verdict" value="(\w+)" checked', text)
    return found[1] if found else None


def test_the_form_starts_with_the_draft_of_the_check_marked_as_computed(desk: Desk) -> None:
    text = desk.browser.get(desk.url()).text
    lon, lat = metres(50, -20)
    assert "系统测算" in text
    assert chosen(text) == "ready"
    assert float(field(text, "lon")) == pytest.approx(lon, abs=1e-6)
    assert float(field(text, "lat")) == pytest.approx(lat, abs=1e-6)
    assert field(text, "capacity") == "1250000"
    assert desk.answers() == []


def test_the_draft_can_be_sent_as_it_stands(desk: Desk) -> None:
    text = desk.browser.get(desk.url()).text
    form = {name: field(text, name) for name in ("lon", "lat", "capacity", "valid_until")}
    answer = desk.browser.send(desk.url(), {"verdict": "ready", **form})
    assert answer.status_code == 303
    assert desk.answers() == [(0, "ready", 1)]


def test_the_point_can_be_taken_from_a_listed_facility(desk: Desk) -> None:
    text = desk.browser.get(desk.url(2)).text
    near = re.search(r'href="([^"]+near=\d+)"', text)
    assert near
    assert field(desk.browser.get(near[1]).text, "lon") == field(text, "lon")


def test_sending_onward_leads_to_the_next_open_plot(desk: Desk) -> None:
    answer = desk.browser.send(desk.url(0), ready(onward="1"))
    assert answer.location == desk.url(1)
    assert desk.browser.send(desk.url(0), ready()).location == f"/pushes/{desk.push}"


def test_a_refused_answer_names_each_field_and_loses_nothing(desk: Desk) -> None:
    form = {
        "verdict": "ready_by", "lon": "110,35a", "lat": "20.02", "capacity": "many",
        "ready_by": "31.12.2099", "valid_until": "soon", "reason": "<b>说明</b>",
        "attachment": (io.BytesIO(b"<html>"), "x.pdf"),
    }  # fmt: skip
    answer = desk.browser.send(desk.url(), form)
    assert answer.status_code == 422
    for told in (
        "接入点经纬度应是数字", "可用余量应是", "请写明要建设的工程", "完成日期应是", "有效期应是", "按内容判断",
    ):  # fmt: skip
        assert told in answer.text
    assert field(answer.text, "lon") == "110,35a"
    assert "&lt;b&gt;说明&lt;/b&gt;</textarea>" in answer.text
    assert chosen(answer.text) == "ready_by"
    assert desk.answers() == []


def test_signs_that_postgresql_has_no_room_for_are_left_out(desk: Desk) -> None:
    form = {"verdict": "not_possible", "reason": "管\x00网已满"}
    assert desk.browser.send(desk.url(), form).status_code == 303
    assert "管网已满" in desk.browser.get(desk.url()).text


def test_a_correction_shows_both_versions(desk: Desk) -> None:
    desk.browser.send(desk.url(), ready())
    desk.browser.send(desk.url(), {"verdict": "not_possible", "reason": "管道停用"})
    text = desk.browser.get(desk.url()).text
    assert desk.answers() == [(0, "ready", 1), (0, "not_possible", 2)]
    assert chosen(text) == "not_possible"
    assert chosen(desk.browser.get(desk.url() + "?proposed=1").text) == "ready"
    history = text[text.index("本单位的答复记录") :]
    assert history.index("管道停用") < history.index("已具备条件")


def test_other_enterprises_answers_are_shown(desk: Desk) -> None:
    with transaction(desk.engine, ENGINE) as session:
        make_answer(session, session.get_one(Push, desk.power_push), works="新建 10 kV 线路")
    text = desk.browser.get(desk.url()).text
    assert "海口供电局" in text
    assert "新建 10 kV 线路" in text


# --- whose it is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["power", "other_water"])
def test_another_enterprise_gets_404_for_page_post_and_attachment(
    desk: Desk, other: Callable[[str], Browser], who: str
) -> None:
    desk.browser.send(desk.url(), ready(attachment=(io.BytesIO(PDF), "a.pdf")))
    stranger = other(who)
    for page in (f"/pushes/{desk.push}", desk.url(), "/attachments/1", "/attachments/99"):
        assert stranger.get(page).status_code == 404, page
    for path in (desk.url(), f"/pushes/{desk.push}/contacted", f"/pushes/{desk.push}/answers"):
        form = ready(asked=f"{desk.plots[0]}:water")
        assert stranger.send(path, form).status_code == 404, path
    assert desk.answers() == [(0, "ready", 1)]


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
def test_a_number_beyond_the_database_is_not_found(desk: Desk, number: int) -> None:
    for page in (
        f"/pushes/{number}", f"/pushes/{desk.push}/plots/{number}/water", f"/attachments/{number}",
    ):  # fmt: skip
        assert desk.browser.get(page).status_code == 404, page


def test_a_utility_that_was_not_asked_is_not_found(desk: Desk) -> None:
    for utility in ("gas", "nonsense", "WATER"):
        assert desk.browser.get(desk.url(0, utility)).status_code == 404
        assert desk.browser.send(desk.url(0, utility), ready()).status_code == 404


@pytest.mark.parametrize("who", ["owner", "department", "admin"])
def test_roles_without_answers_may_not_see_them(
    desk: Desk, other: Callable[[str], Browser], who: str
) -> None:
    person = other(who)
    for page in ("/inbox", f"/pushes/{desk.push}", desk.url(), "/attachments/1"):
        assert person.get(page).status_code == 403, page


# --- attachments ---------------------------------------------------------------------------------------------------


def test_an_attachment_is_only_ever_saved_never_shown(
    desk: Desk, other: Callable[[str], Browser]
) -> None:
    desk.browser.send(desk.url(), ready(attachment=(io.BytesIO(PDF), "总平面图.pdf")))
    for browser in (desk.browser, other("office")):
        answer = browser.get("/attachments/1")
        assert answer.headers["Cache-Control"] == "no-store"
        assert (answer.status_code, answer.data) == (200, PDF)
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.mimetype == "application/pdf"


def test_a_page_named_pdf_is_refused_and_nothing_is_answered(desk: Desk) -> None:
    answer = desk.browser.send(desk.url(), ready(attachment=(io.BytesIO(b"<html>"), "a.pdf")))
    assert (answer.status_code, "按内容判断" in answer.text) == (422, True)
    assert desk.answers() == []


# --- projects ------------------------------------------------------------------------------------------------------


def make_project(desk: Desk, people: People) -> int:
    with transaction(desk.engine, ENGINE) as session:
        permit = Permit(
            permit_no="建字第460100202600001号", source_id=people.office.organisation_id,
            office_id=people.office.organisation_id, owner_id=people.owner.organisation_id,
            city=HAIKOU, project_name="码头仓库", address="滨海大道 1 号",
            payload={"owner": {"name": "海港公司", "contact": "林工", "phone": "0898-6666"},
                     "floor_area_m2": None, "uses": []},
            payload_sha256="0" * 64, received_at=NOW, geom=stored([multi(square())])[0],
        )  # fmt: skip
        session.add(permit)
        session.flush()
        push = Push(
            kind="project", enterprise_id=people.water.organisation_id, office_id=permit.office_id,
            owner_id=permit.owner_id, permit_id=permit.id, pushed_at=NOW, due_on=TODAY,
        )  # fmt: skip
        session.add(push)
        session.flush()
        return push.id


def test_a_project_shows_whom_to_call_and_the_call_answers_it(desk: Desk, people: People) -> None:
    push = make_project(desk, people)
    assert "未联系建设单位" in desk.browser.get("/inbox").text
    text = desk.browser.get(f"/pushes/{push}").text
    for told in ("码头仓库", "林工", "tel:0898-6666", "滨海大道 1 号", 'href="/items"'):
        assert told in text
    assert desk.browser.send(f"/pushes/{push}/contacted").status_code == 303
    assert desk.pushed(push).answered_at is not None
    assert "/contacted" not in desk.browser.get(f"/pushes/{push}").text
    assert "码头仓库" not in desk.browser.get("/inbox").text


def test_a_plan_cannot_be_marked_as_contacted(desk: Desk) -> None:
    assert desk.browser.send(f"/pushes/{desk.push}/contacted").status_code == 409


def test_a_projects_push_takes_no_answers_of_plots(desk: Desk, people: People) -> None:
    push = make_project(desk, people)
    path = f"/pushes/{push}/plots/{desk.plots[0]}/water"
    assert desk.browser.get(path).status_code == 404
    assert desk.browser.send(path, ready()).status_code == 404


def test_longitude_and_latitude_in_each_others_place_are_told_as_that(desk: Desk) -> None:
    form = ready()
    form["lon"], form["lat"] = form["lat"], form["lon"]
    answer = desk.browser.send(desk.url(), form)
    assert answer.status_code == 422
    assert "接入点的经度、纬度好像填反了" in answer.text
    assert "应是数字" not in answer.text
