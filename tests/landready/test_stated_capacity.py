"""Stated capacity: the unit of a column, its day, and which facility is which in the next version. Pure."""

import pytest

from geo.attributes import parse
from geo.problems import Problem
from landready import stated_capacity
from landready.clock import SHANGHAI, today
from landready.shapes import stored
from landready.utilities import Utility
from tests.factories import NOW, point


@pytest.mark.parametrize(
    ("column", "utility", "times"),
    [
        ("可供容量", Utility.WATER, 1.0),
        ("可供容量(m3/d)", Utility.WATER, 1.0),
        ("可供容量（万m³/d）", Utility.WATER, 10_000.0),
        ("余量_万吨/日", Utility.DRAINAGE, 10_000.0),
        ("spare kW", Utility.POWER, 1.0),
        ("可供容量(MW)", Utility.POWER, 1000.0),
        ("可供容量 万千瓦", Utility.POWER, 10_000.0),
        ("纤芯余量", Utility.TELECOM, 1.0),
    ],
)
def test_a_column_in_another_unit_is_converted(column, utility, times):
    assert stated_capacity.factor(column, utility) == times


@pytest.mark.parametrize(
    ("column", "utility"),
    [
        ("可供容量(kVA)", Utility.POWER),
        ("变压器余量 MVA", Utility.POWER),
        ("余量（m3/h）", Utility.WATER),
        ("余量 L/s", Utility.DRAINAGE),
        ("余量(Nm3/d)", Utility.GAS),
    ],
)
def test_a_unit_that_cannot_be_compared_is_refused_by_name(column, utility):
    found = stated_capacity.factor(column, utility)
    assert isinstance(found, Problem)
    assert (found.code, found.severity) == ("capacity_unit", "error")
    assert column in found.message


def test_nothing_written_is_not_stated_and_no_number_is_no_zero():
    assert stated_capacity.amount(parse(""), 1, 1) is None
    assert stated_capacity.amount(parse("0"), 1, 1) == 0.0
    assert stated_capacity.amount(parse("1.5"), 10_000, 1) == 15_000.0
    assert stated_capacity.amount(parse("充足"), 1, 7).row == 7
    assert "太大" in stated_capacity.amount(parse("1e10"), 1, 7).message
    assert "太大" in stated_capacity.amount(parse("1e6"), 10_000, 7).message
    assert stated_capacity.amount(parse("-3"), 1, 1).code == "capacity_unreadable"


@pytest.mark.parametrize("written", ["2026-02-28", "2026/2/28", "20260228", "2026年2月28日"])
def test_the_day_of_a_statement_is_read_as_people_write_it(written):
    found = stated_capacity.moment(parse(written), 1, NOW)
    assert found.astimezone(SHANGHAI).date().isoformat() == "2026-02-28"


def test_a_capacity_may_be_stated_today_but_not_tomorrow():
    assert stated_capacity.moment(parse(today(NOW).isoformat()), 1, NOW) <= NOW
    for odd in ("2026-03-03", "2026-02-30", "去年", "2026"):
        assert stated_capacity.moment(parse(odd), 1, NOW).code == "capacity_date"


def row(name: str, x: float) -> dict[str, object]:
    return {"name": name, "geom": stored([point(x, 0)])[0]}


def shape(x: float) -> str:
    return stored([point(x, 0)])[0].desc.lower()


def test_a_facility_is_known_again_by_its_name_else_by_its_place():
    rows = [row("泵站", 5), row("新名", 10), row("新", 30), row("双", 50), row("双", 60)]
    found = stated_capacity.same_facilities(
        rows, {"泵站": 1, "双": 4}, {shape(10): 2, shape(50): 4}
    )
    assert found == [1, 2, None, 4, None]


def test_two_rows_never_become_one_facility():
    rows = [row("泵站", 5), row("", 10)]
    assert stated_capacity.same_facilities(rows, {"泵站": 1}, {shape(10): 1}) == [1, None]
