"""The pages of works: the Gantt page, moving an end with its effects shown first, evidence, and the record beside promises."""

import io
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from landready import clock
from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.listings import Listing
from landready.organisations import Organisation
from landready.timeline import Line, Progress
from landready.works import Commitment, Milestone, Works
from tests.factories import make_answer, make_layer, make_plan, make_push, metres, point
from tests.web.conftest import Browser, People, SignIn
from web.gantt import chart

TODAY = clock.today(datetime.now(UTC))
SOON, LATER = TODAY + timedelta(days=60), TODAY + timedelta(days=90)
FAR = TODAY + timedelta(days=400)


@dataclass(frozen=True)
class Desk:
    """A plot with power, listed on the promise of the water engineer whose browser it is."""

    app: Flask
    browser: Browser
    planner: Browser
    engine: Engine
    plot: int
    works: int
    step: int

    def days(self) -> list[date]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Commitment.due_on).order_by(Commitment.id)))

    def said(self) -> list[str]:
        with transaction(self.engine, ENGINE) as session:
            query = select(Answer.verdict).where(Answer.utility == "water").order_by(Answer.version)
            return list(session.scalars(query))


@pytest.fixture
def desk(app: Flask, database: Engine, people: People, client: Browser, sign_in: SignIn) -> Desk:
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        power = session.get_one(Organisation, people.power.organisation_id)
        plan = make_plan(session, office, plots=1, state="released")
        make_layer(session, water, point(50, -20), title="给水管")
        now = datetime.now(UTC)
        push = make_push(session, plan, water, pushed_at=now)
        make_answer(session, make_push(session, plan, power, pushed_at=now))
        plot = plan.plots[0].id
    sign_in(client, people.water)
    lon, lat = metres(50, -20)
    said = {
        "verdict": "ready_by",
        "lon": f"{lon}",
        "lat": f"{lat}",
        "works": "新建泵站",
        "ready_by": SOON,
    }
    assert client.send(f"/pushes/{push.id}/plots/{plot}/water", said).status_code == 303
    planner = sign_in(app.test_client(), people.office)  # type: ignore[arg-type]
    assert planner.send(f"/plots/{plot}/list").status_code == 303
    with transaction(database, ENGINE) as session:
        works, step = session.scalars(select(Works.id)).one(), session.scalars(select(Milestone.id)).one()  # fmt: skip
    return Desk(app, client, planner, database, plot, works, step)


def test_the_gantt_page_shows_works_to_engineer_and_planner_and_only_the_engineer_drags(desk: Desk) -> None:  # fmt: skip
    for browser, drags in ((desk.browser, True), (desk.planner, False)):
        text = browser.get("/works").text
        assert "新建泵站" in text
        assert SOON.isoformat() in text
        assert ('role="slider"' in text) is drags


def test_the_effect_of_a_day_is_shown_and_nothing_is_saved(desk: Desk) -> None:
    answer = desk.browser.get(
        f"/works/{desk.works}/replan?ends_on={FAR}", headers={"HX-Request": "true"}
    )
    assert "<html" not in answer.text
    assert "1 个上架地块会被暂停" in answer.text
    assert f"{FAR - timedelta(days=365)} 起可以" in answer.text
    assert desk.days() == [SOON]
    with transaction(desk.engine, ENGINE) as session:
        assert session.scalars(select(Listing.state)).all() == ["listed"]


@pytest.mark.parametrize(("wish", "told"), [("", "请填写新的完工日期"), ("2020-01-01", "完工日期不能早于"), (SOON, "完工日期没有变化")])  # fmt: skip
def test_a_day_that_cannot_be_is_told(desk: Desk, wish: object, told: str) -> None:
    assert told in desk.browser.get(f"/works/{desk.works}/replan?ends_on={wish}").text


def test_a_date_is_moved_with_its_reason_and_the_slip_is_seen_by_everybody(desk: Desk, app: Flask) -> None:  # fmt: skip
    url = f"/works/{desk.works}/replan"
    refused = desk.browser.send(url, {"ends_on": LATER, "reason": " "})
    assert refused.status_code == 422
    assert f'value="{LATER}"' in refused.text
    assert desk.browser.send(url, {"ends_on": LATER, "reason": "管线迁改"}).status_code == 303
    assert desk.days() == [SOON, LATER]
    assert "管线迁改" in desk.planner.get(f"/works/{desk.works}").text
    first = f"首次承诺 {SOON}"
    plot = desk.planner.get(f"/plots/{desk.plot}").text
    listing = app.test_client().get(re.search(r"/land/\d+", plot)[0]).text  # type: ignore[index]
    for page in (desk.browser.get("/inbox").text, plot, listing):
        assert first in page
        assert "延期中位数 30 天" in page
    assert "延期中位数" in desk.planner.get("/overview").text


def test_completion_without_evidence_is_refused_and_with_a_file_the_answer_is_ready(desk: Desk) -> None:  # fmt: skip
    url = f"/milestones/{desk.step}/done"
    refused = desk.browser.send(url, {"done_on": TODAY, "document_no": "只有编号"})
    assert refused.status_code == 422
    assert "没有依据不能登记完成" in refused.text
    assert 'value="只有编号"' in refused.text
    assert desk.said() == ["ready_by"]
    file = (io.BytesIO(b"%PDF-1.7\n"), "验收.pdf")
    today = clock.today(datetime.now(UTC))  # the works began on the day the fixture ran
    assert desk.browser.send(url, {"done_on": today, "attachment": file}).status_code == 303
    assert desk.said() == ["ready_by", "ready"]
    page = desk.planner.get(f"/works/{desk.works}").text
    found = re.search(r"/attachments/\d+", page)
    assert found
    assert desk.planner.get(found[0]).data == b"%PDF-1.7\n"


def test_a_milestone_outside_the_works_is_refused(desk: Desk) -> None:
    url = f"/works/{desk.works}/milestones"
    refused = desk.browser.send(url, {"title": "开挖", "planned_on": FAR})
    assert refused.status_code == 422
    assert 'value="开挖"' in refused.text
    assert desk.browser.send(url, {"title": "开挖", "planned_on": SOON}).status_code == 303
    assert "开挖" in desk.planner.get(f"/works/{desk.works}").text


def test_the_chart_holds_every_bar_and_today() -> None:
    made = [
        Line(Works(starts_on=TODAY + timedelta(a)), (), Progress.PLANNED, TODAY, TODAY + timedelta(b), None)
        for a, b in ((-100, -3), (-1, 30), (200, 700))
    ]  # fmt: skip
    drawn = chart(made, TODAY)
    for line in made:
        start, end = drawn.at(line.works.starts_on), drawn.at(line.last)
        assert 0 <= start < end < 100
    assert 0 < drawn.at(TODAY) < 100
    assert drawn.months[0].left == 0


def test_a_bar_beyond_the_chart_says_until_when_it_goes(desk: Desk) -> None:
    far = TODAY + timedelta(days=5 * 366)
    answer = desk.browser.send(f"/works/{desk.works}/replan", {"ends_on": far, "reason": "停工"})
    assert answer.status_code == 303
    page = desk.planner.get("/works").text
    assert f"{far} →" in page
    assert 'class="gantt-step last"' not in page


@pytest.mark.parametrize("days", [100, 500, 1000])
def test_every_january_on_the_chart_is_labelled_where_its_name_fits(days: int) -> None:
    line = Line(Works(starts_on=TODAY), (), Progress.PLANNED, TODAY, TODAY + timedelta(days), None)
    drawn = chart([line], TODAY)
    januaries = [m for m in drawn.months if m.day.month == 1 and m.left < 90]
    assert all(m.labelled for m in januaries)
    assert sum(m.labelled for m in drawn.months) <= 14
