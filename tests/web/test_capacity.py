"""What plots need and what is left, on the planner's and the engineer's pages (issue 3)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from landready.answers import Answer
from landready.db import ENGINE, transaction
from landready.demand import DemandOverride
from landready.measuring import measure
from landready.organisations import Organisation
from landready.plans import SupplyPlan
from landready.reservations import Reservation
from landready.settings import Settings
from tests.factories import make_layer, make_plan, make_plot, make_push, metres, point, square
from tests.web.conftest import Browser, People, SignIn

NOW = datetime.now(UTC)
UNVERIFIED = "指标未经核实"


@dataclass(frozen=True)
class Town:
    """Three plots of 1 hm² of industry beside a hydrant of 300 m³/d, and one whose use nobody can tell; people at their pages."""

    engine: Engine
    plan: int
    push: int
    plots: tuple[int, ...]
    codes: tuple[str, ...]
    planner: Browser
    engineer: Browser

    def answer(self, plot: int, **given: object) -> object:
        lon, lat = metres(50, -20)
        form = {"verdict": "ready", "lon": f"{lon:.7f}", "lat": f"{lat:.7f}", **given}
        return self.engineer.send(f"/pushes/{self.push}/plots/{self.plots[plot]}/water", form)

    def page(self, path: str, who: Browser | None = None) -> str:
        found = (who or self.planner).get(path)
        assert found.status_code == 200, found.text
        return re.sub(r"\s+", " ", found.text)


@pytest.fixture
def town(
    app: object, database: Engine, settings: Settings, people: People, client: Browser, sign_in: SignIn
) -> Town:  # fmt: skip
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, office, plots=3, state="released")
        make_plot(session, plan, geometry=square(600), use="1001", use_code=None)
        session.refresh(plan, ["plots"])
        stated = NOW - timedelta(days=40)
        make_layer(session, water, point(50, -20), spare_capacity=300.0, created_at=stated)
        push = make_push(session, plan, water, pushed_at=NOW, due_on=NOW.date())
        measure(session, settings, plan.plots, NOW)
        return Town(
            database, plan.id, push.id, tuple(p.id for p in plan.plots),
            tuple(p.code for p in plan.plots), sign_in(client, people.office),
            sign_in(app.test_client(), people.water),  # type: ignore[attr-defined]
        )  # fmt: skip


def test_the_plot_page_tells_range_rows_and_that_nobody_checked_them(town: Town) -> None:
    text = town.page(f"/plots/{town.plots[0]}")
    assert "30–150 m³/d" in text
    assert "400–1,200 kW" in text  # by floor area: the plot ratio is known
    assert text.count(UNVERIFIED) >= 6
    assert "GB 50282-2016 表 4.0.3-3" in text
    assert "这项服务没有按用地面积的指标，请填写项目自己的用量。" in text


def test_a_correction_that_gives_the_reservation_up_says_so_once(town: Town) -> None:
    town.answer(0)
    assert "已释放" not in town.page(f"/pushes/{town.push}", town.engineer)
    lon, lat = metres(50, 60)
    for told in (1, 0):
        town.answer(0, lon=f"{lon:.7f}", lat=f"{lat:.7f}")
        text = town.page(f"/pushes/{town.push}", town.engineer)
        assert text.count("预留的 150 m³/d 已释放，这一版没有预留") == told
    town.answer(0, verdict="not_possible", reason="无容量")
    assert "已释放" not in town.page(f"/pushes/{town.push}", town.engineer)


def test_capacity_is_shown_with_its_age(town: Town) -> None:
    for text in (
        town.page(f"/plots/{town.plots[0]}"),
        town.page(f"/pushes/{town.push}/plots/{town.plots[0]}/water", town.engineer),
        town.page(f"/plans/{town.plan}/capacity"),
    ):
        assert '300 m³/d</span> <span class="source">40 天前申明</span>' in text
        assert "过期，请企业更新" not in text
        assert UNVERIFIED in text
    assert UNVERIFIED in town.page(f"/pushes/{town.push}", town.engineer)


def test_an_old_capacity_is_flagged(town: Town, people: People) -> None:
    with transaction(town.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        long_ago = NOW - timedelta(days=181)
        make_layer(session, water, point(240, -20), spare_capacity=10.0, created_at=long_ago)
        make_layer(session, water, point(440, -20))
        plan = session.get_one(SupplyPlan, town.plan)
        measure(session, town_settings(town), plan.plots, NOW + timedelta(seconds=1))
    text = town.page(f"/plans/{town.plan}/capacity")
    assert "181 天前申明" in text
    assert "过期，请企业更新" in text
    assert "企业没有申明余量" in text


def town_settings(town: Town) -> Settings:
    from flask import Flask

    app = town.planner.application
    assert isinstance(app, Flask)
    found = app.extensions["landready"].settings
    assert isinstance(found, Settings)
    return found


def test_the_planner_states_an_own_figure_with_a_reason_and_the_history_stays(town: Town) -> None:
    at = f"/plots/{town.plots[0]}/demand/gas"
    assert town.planner.send(at, {"low": "80", "high": "1,200", "why": "可研"}).status_code == 303
    assert town.planner.send(at, {"low": "90", "high": "100", "why": "施工图"}).status_code == 303
    text = town.page(f"/plots/{town.plots[0]}")
    assert "90–100 m³/h" in text
    assert "规划填报" in text
    assert "80–1,200 m³/h" in text
    assert "填报记录（2）" in text
    assert town.planner.send(at, {"index": "1", "why": "数字有误"}).status_code == 303
    assert "改回按指标测算" in town.page(f"/plots/{town.plots[0]}")


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"low": "5", "high": "4", "why": "x"}, "最小值大于最大值"),
        ({"low": "5", "high": "", "why": "x"}, "都填上"),
        ({"low": "", "high": "", "why": "x"}, "不小于 0 的数字"),
        ({"low": "abc", "high": "4", "why": "x"}, "不小于 0 的数字"),
        ({"low": "-1", "high": "4", "why": "x"}, "不小于 0 的数字"),
        ({"low": "1", "high": "inf", "why": "x"}, "不小于 0 的数字"),
        ({"low": "1", "high": "2", "why": " "}, "请写明理由"),
        ({"low": "1", "high": "2", "why": "长" * 501}, "最多 500 个字"),
    ],
)
def test_a_figure_that_cannot_be_used_is_told_and_nothing_typed_is_lost(
    town: Town, form: dict[str, str], told: str
) -> None:
    answer = town.planner.send(f"/plots/{town.plots[0]}/demand/gas", form)
    assert answer.status_code == 422
    assert told in answer.text
    if form["high"]:
        assert f'value="{form["high"]}"' in answer.text
    with transaction(town.engine, ENGINE) as session:
        assert session.scalars(select(DemandOverride)).all() == []


def test_there_is_no_demand_of_a_utility_that_does_not_exist(town: Town) -> None:
    sent = town.planner.send(f"/plots/{town.plots[0]}/demand/steam", {"low": "1", "high": "2"})
    assert sent.status_code == 404


def test_a_number_of_two_classifications_is_asked_about_and_the_answer_counts(town: Town) -> None:
    at = f"/plans/{town.plan}/capacity"
    text = town.page(at)
    assert "用途还不清楚的地块（1）" in text
    assert "工业用地" in text
    assert "铁路用地" in text
    assert "用量未知" in town.page(f"/plots/{town.plots[3]}")
    sent = town.planner.send(f"/plans/{town.plan}/use-system", {"system": "2023"})
    assert sent.status_code == 303
    assert "用途还不清楚的地块" not in town.page(at)
    assert "30–150 m³/d" in town.page(f"/plots/{town.plots[3]}")
    assert (
        town.planner.send(f"/plans/{town.plan}/use-system", {"system": "1999"}).status_code == 422
    )


def test_the_engineer_is_warned_before_and_asked_for_a_reason(
    town: Town, people: People, sign_in: Callable[[Browser, object], Browser]
) -> None:
    for number in (0, 1):
        assert town.answer(number).status_code == 303
    path = f"/pushes/{town.push}/plots/{town.plots[2]}/water"
    before = town.page(path, town.engineer)
    assert "超出 150 m³/d" in before
    assert f"{town.codes[0]}、{town.codes[1]}" in before
    refused = town.answer(2)
    assert refused.status_code == 422
    assert 'name="over"' in refused.text
    assert "超出 150 m³/d" in refused.text
    with transaction(town.engine, ENGINE) as session:
        assert len(session.scalars(select(Answer)).all()) == 2
    assert town.answer(2, over="泵站扩容已安排").status_code == 303
    with transaction(town.engine, ENGINE) as session:
        made = session.scalars(select(Reservation).order_by(Reservation.id)).all()
        assert [one.exception for one in made] == ["", "", "泵站扩容已安排"]
    again = town.page(path, town.engineer)
    assert "泵站扩容已安排</textarea>" in again  # a correction starts from what was said


def test_the_plan_names_the_plots_that_fit_alone_and_not_together(town: Town) -> None:
    assert town.answer(2).status_code == 303
    text = town.page(f"/plans/{town.plan}/capacity")
    assert "单独放得下，合在一起放不下" in text
    named = re.search(r"合在一起放不下：(.*?)</p>", text)
    assert named
    assert set(named[1].split("、")) == set(town.codes[:3])
    rows = re.findall(r"<th scope=\"row\"><a href=\"/plots/(\d+)\">", text)
    order = [int(x) for x in rows if int(x) in town.plots]
    assert order.index(town.plots[2]) < order.index(town.plots[0])  # who reserved comes first
    assert "1 处设施放不下" in text
    assert "已预留" in text
    assert "未预留" in text


def test_a_draft_has_no_capacity_page(town: Town, people: People) -> None:
    with transaction(town.engine, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        draft = make_plan(session, office, plots=1).id
    assert town.planner.get(f"/plans/{draft}/capacity").status_code == 404
