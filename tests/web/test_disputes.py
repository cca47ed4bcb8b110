"""The pages and the API of disputes: challenge, answer, decide, and the mark that everybody sees."""

import io
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.disputes import Dispute, DisputeFile, DisputeStep
from landready.organisations import Account, Organisation
from landready.pushes import Push
from tests.factories import make_answer, make_key, make_plan, make_push, metres
from tests.web.conftest import Browser, People, SignIn

PDF = b"%PDF-1.4 evidence"
MARK = "\n".join("{:.7f}, {:.7f}".format(*metres(x, 120)) for x in (0, 60))


@dataclass(frozen=True)
class Line:
    """A plot that water answered and power was asked about too."""

    app: Flask
    engine: Engine
    people: People
    sign_in: SignIn
    plan: int
    plot: int
    push: int
    answer: int
    key: str

    def as_(self, who: Account) -> Browser:
        client = self.app.test_client()
        assert isinstance(client, Browser)
        return self.sign_in(client, who)

    def form(self, **given: object) -> dict[str, object]:
        return {"ground": "facility", "reason": "路边就有管", "mark": MARK, **given}

    def opened(self) -> str:
        """The address of a dispute of the office."""
        answer = self.as_(self.people.office).send(f"/answers/{self.answer}/dispute", self.form())
        assert answer.status_code == 303, answer.text
        return str(answer.location)

    def count(self, model: type) -> int:
        with transaction(self.engine, ENGINE) as session:
            return session.scalar(select(func.count()).select_from(model)) or 0

    def post(self, body: dict[str, str]):
        with transaction(self.engine, ENGINE) as session:
            uid = session.scalars(select(Dispute.uid)).one()
        return self.app.test_client().post(
            f"/api/v1/disputes/{uid}/answer",
            json=body,
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def corrected(self) -> None:
        with transaction(self.engine, ENGINE) as session:
            push = session.get_one(Push, self.push)
            make_answer(session, push, version=2, verdict="not_concerned", connection_point=None)


@pytest.fixture
def line(app: Flask, database: Engine, people: People, sign_in: SignIn) -> Line:
    with transaction(database, ENGINE) as session:
        office, water, power = (
            session.get_one(Organisation, one.organisation_id)
            for one in (people.office, people.water, people.power)
        )
        plan = make_plan(session, office, plots=1, state="released")
        push = make_push(session, plan, water)
        answer = make_answer(session, push)
        make_push(session, plan, power)
        return Line(
            app, database, people, sign_in, plan.id, answer.plot_id, push.id, answer.id,
            make_key(session, water),
        )  # fmt: skip


def test_the_planner_challenges_from_the_plots_page_with_files(line: Line) -> None:
    office = line.as_(line.people.office)
    assert f'href="/answers/{line.answer}/dispute"' in office.get(f"/plots/{line.plot}").text
    page = office.get(f"/answers/{line.answer}/dispute").text
    assert "异议本身不打开也不关闭上架" in page
    files = [(io.BytesIO(PDF), "现场.pdf"), (io.BytesIO(PDF), "图.pdf")]
    answer = office.send(f"/answers/{line.answer}/dispute", line.form(files=files))
    page = office.get(answer.location).text
    assert "路边就有管" in page
    assert "现场.pdf" in page
    with transaction(line.engine, ENGINE) as session:
        file = session.scalars(select(DisputeFile.id).order_by(DisputeFile.id)).first()
    water = line.as_(line.people.water)
    given = water.get(f"/disputes/files/{file}")
    assert given.data == PDF
    assert given.headers["Content-Disposition"].startswith("attachment")
    assert line.as_(line.people.power).get(f"/disputes/files/{file}").status_code == 404


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mark": "110.35"}, "第 1 行应是经度、纬度"),
        ({"mark": ""}, "要在地图上标出位置"),
        ({"files": [(io.BytesIO(b"MZ"), "x.exe")]}, "按内容判断"),
        ({"files": [(io.BytesIO(PDF), "x.pdf") for _ in range(6)]}, "一次最多 5 个附件"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_stays(
    line: Line, given: dict[str, object], told: str
) -> None:
    office = line.as_(line.people.office)
    answer = office.send(f"/answers/{line.answer}/dispute", line.form(**given))
    assert answer.status_code == 422
    assert told in answer.text
    assert "路边就有管</textarea>" in answer.text
    assert line.count(Dispute) == line.count(DisputeFile) == 0


def test_the_enterprise_upholds_and_the_supervisor_decides(line: Line) -> None:
    address = line.opened()
    water = line.as_(line.people.water)
    assert "待企业答复" in water.get("/disputes").text
    assert '<span class="state state-wait">1</span>' in water.get("/inbox").text
    assert water.send(f"{address}/answer", {"response": "upheld"}).status_code == 422
    evidence = [(io.BytesIO(PDF), "竣工图.pdf")]
    words = {"response": "upheld", "reason": "未通水", "files": evidence}
    assert water.send(f"{address}/answer", words).status_code == 303
    assert '<span class="state state-wait">' not in water.get("/inbox").text.partition("<main")[0]
    supervisor = line.as_(line.people.supervisor)
    page = supervisor.get(address).text
    assert "未通水" in page
    assert "竣工图.pdf" in page
    decision = {"decision": "rejected", "reason": "核实未通水"}
    assert supervisor.send(f"{address}/decision", decision).status_code == 303
    assert supervisor.send(f"{address}/decision", decision).status_code == 409
    assert "异议不成立" in line.as_(line.people.office).get(address).text


def test_a_correction_through_the_answer_form_is_linked(line: Line) -> None:
    address = line.opened()
    dispute = address.rpartition("/")[2]
    water = line.as_(line.people.water)
    form = f"/pushes/{line.push}/plots/{line.plot}/water"
    assert f'value="{dispute}" checked' in water.get(f"{form}?dispute={dispute}").text
    assert f'value="{dispute}" >' in water.get(form).text
    words = {"verdict": "not_possible", "reason": "管线未通", "dispute": dispute}
    assert water.send(form, words).status_code == 303
    page = line.as_(line.people.office).get(address).text
    assert "更正答复" in page
    assert "管线未通" in page
    with transaction(line.engine, ENGINE) as session:
        step = session.scalars(select(DisputeStep)).one()
        assert session.get_one(Answer, step.answer_id).version == 2


def test_a_version_that_came_another_way_is_named_as_the_correction(line: Line) -> None:
    address = line.opened()
    water = line.as_(line.people.water)
    assert "登记为更正" not in water.get(address).text
    line.corrected()
    assert "登记为更正" in water.get(address).text
    assert water.send(f"{address}/answer", {"response": "corrected"}).status_code == 303
    assert line.count(DisputeStep) == 1


def test_an_answer_in_dispute_is_marked_without_naming_anybody(line: Line) -> None:
    line.opened()
    office = line.as_(line.people.office)
    assert "有异议" in office.get(f"/plots/{line.plot}").text
    assert "有异议" in office.get(f"/plans/{line.plan}").text
    power = line.as_(line.people.power)
    with transaction(line.engine, ENGINE) as session:
        push = session.scalars(
            select(Push.id).where(Push.enterprise_id == line.people.power.organisation_id)
        ).one()
    page = power.get(f"/pushes/{push}/plots/{line.plot}/power").text
    assert "有异议" in page
    assert "提出异议" in page
    assert "路边就有管" not in page


def test_an_error_page_counts_nothing(line: Line) -> None:
    line.opened()
    page = line.as_(line.people.water).get("/disputes/999999")
    assert page.status_code == 404
    assert '<span class="state state-wait">' not in page.text


def test_an_enterprises_system_upholds_once(line: Line) -> None:
    line.opened()
    first, again = (line.post({"response": "upheld", "reason": "已核实"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert (first.json["outcome"], again.json["outcome"]) == ("recorded", "same")
    assert again.json["state"] == "answered"
    assert line.post({"response": "upheld", "reason": "另一个说法"}).status_code == 409
    assert line.count(DisputeStep) == 1


def test_an_enterprises_system_names_its_correction(line: Line) -> None:
    line.opened()
    assert line.post({"response": "corrected"}).status_code == 409
    line.corrected()
    answer = line.post({"response": "corrected"})
    assert (answer.status_code, answer.json["version"]) == (201, 2)


def test_a_response_that_says_nothing_is_refused(line: Line) -> None:
    line.opened()
    for body in ({}, {"response": "upheld"}, {"response": "sustained", "reason": "x"}):
        assert line.post(body).status_code == 422
    assert line.count(DisputeStep) == 0


def test_a_mark_with_longitude_and_latitude_swapped_is_told_as_that(line: Line) -> None:
    swapped = "\n".join(", ".join(reversed(at.split(", "))) for at in MARK.splitlines())
    browser = line.as_(line.people.office)
    answer = browser.send(f"/answers/{line.answer}/dispute", line.form(mark=swapped))
    assert answer.status_code == 422
    assert "标记的第 1 行经度、纬度好像填反了" in answer.text
    assert line.count(Dispute) == 0
