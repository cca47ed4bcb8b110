"""A supervisor's legal exceptions on their page: narrow, with a document, ended once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from landready import clock
from landready.db import ENGINE, transaction
from landready.rule_book import Rule
from tests.factories import HAIKOU, make_account, make_plan, make_supervisor


@pytest.fixture
def today():
    return clock.today(datetime.now(UTC))


@pytest.fixture
def exception(today):
    return {
        "city": HAIKOU, "lifts": ["title"], "start": today.isoformat(),
        "end": (today + timedelta(days=30)).isoformat(), "document": "琼府〔2026〕1号", "reason": "应急安置",
    }  # fmt: skip


def count(database) -> int:
    with transaction(database, ENGINE) as session:
        return session.scalar(select(func.count(Rule.id)).where(Rule.kind == "exemption"))


@pytest.mark.parametrize("codes", ["，", ",", "、", "none-such", "none-such, "])
def test_an_exception_for_plots_that_are_not_there_is_not_one_for_the_city(
    client, people, sign_in, database, exception, codes
):
    sign_in(client, people.supervisor)
    refused = client.send("/rules/exemptions", {**exception, "codes": codes})
    assert refused.status_code == 422
    assert "本市县没有这些地块编号" in refused.text
    assert count(database) == 0


def test_an_exception_names_its_plots_by_code(client, people, sign_in, database, exception):
    with transaction(database, ENGINE) as session:
        plan = make_plan(session, people.office.organisation, plots=2, state="released")
        codes, ids = [p.code for p in plan.plots], sorted(p.id for p in plan.plots)
    sign_in(client, people.supervisor)
    made = client.send("/rules/exemptions", {**exception, "codes": "、".join(codes)})
    assert made.status_code == 303, made.text
    with transaction(database, ENGINE) as session:
        assert session.scalar(select(Rule.plots).where(Rule.kind == "exemption")) == ids


@pytest.mark.parametrize(
    ("wrong", "said"), [({"end": "9999-12-31"}, "请核对年份"), ({"city": "999999"}, "没有这个市县")]
)
def test_an_exception_for_no_place_or_for_ever_is_refused(
    client, people, sign_in, database, exception, wrong, said
):
    with transaction(database, ENGINE) as session:
        province = make_account(session, make_supervisor(session, city=""))
    sign_in(client, province)
    refused = client.send("/rules/exemptions", {**exception, **wrong})
    assert refused.status_code == 422
    assert said in refused.text
    assert count(database) == 0


def test_an_exception_ends_once(client, people, sign_in, database, exception):
    sign_in(client, people.supervisor)
    assert client.send("/rules/exemptions", exception).status_code == 303
    with transaction(database, ENGINE) as session:
        number = session.scalar(select(Rule.id).where(Rule.kind == "exemption"))
    end = {"document": "琼府〔2026〕2号", "reason": "不再需要"}
    assert client.send(f"/rules/exemptions/{number}/end", end).status_code == 303
    again = client.send(f"/rules/exemptions/{number}/end", end)
    assert again.status_code == 409
    assert "已经终止" in again.text
