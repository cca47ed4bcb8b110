"""Demand: the vectors of the domain facts, ranges that add up by share, and classes without a row left without a figure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo import demand
from geo.demand import Demand, Index, Lack, Part
from landready.demand import indices

ROWS = indices()
KD = (1.1, 1.5)


def found(result: Demand | Lack) -> tuple[float, float, str]:
    assert isinstance(result, Demand), result
    return round(result.low, 1), round(result.high, 1), result.unit


@pytest.mark.parametrize(
    ("land", "hectares", "expected"),
    [("R", 2.0, (100, 260, "m³/d")), ("A33", 6.0031, (240.1, 600.3, "m³/d"))],
)
def test_water_follows_the_vectors(land, hectares, expected):
    assert found(demand.water([Part(land, 1)], hectares * 10_000, ROWS)) == expected


def test_power_by_land_and_by_floor_follow_the_vectors():
    industry = [Part("M", 1)]
    by_land = demand.power(industry, 18_731, None, ROWS)
    by_floor = demand.power(industry, 18_731, 1.0, ROWS)
    assert found(by_land) == (374.6, 1498.5, "kW")
    assert found(by_floor) == (749.2, 2247.7, "kW")
    assert by_floor.used[0].amount_unit == "m2"


def test_sewage_is_average_day_water_times_its_coefficient():
    drained = demand.drainage([Part("M", 1)], 20_000, ROWS, KD)
    assert found(drained) == (round(60 / 1.5 * 0.6, 1), round(300 / 1.1 * 0.8, 1), "m³/d")
    assert [u.index.description for u in drained.used] == ["工业用地", "城市工业废水"]


@pytest.mark.parametrize(
    ("land", "row"),
    [("R2", "R"), ("A33", "A3"), ("S41", "S3-S9"), ("S1", "S1"), ("U12", "U"), ("B11", "B1")],
)
def test_a_class_takes_the_row_of_the_nearest_class_above(land, row):
    rows = [i for i in ROWS if i.utility == "water"]
    assert demand.row_for(land, rows).land_class == row


@pytest.mark.parametrize("land", ["A", "A6", "B3", "H14", ""])
def test_a_class_without_a_row_has_no_figure_and_is_named(land):
    assert demand.water([Part("R", 0.5), Part(land, 0.5)], 10_000, ROWS) == Lack((land,))


def test_floor_index_is_left_for_land_where_a_class_has_none():
    mixed = demand.power([Part("R2", 0.9), Part("G1", 0.1)], 10_000, 2.0, ROWS)
    assert [u.amount_unit for u in mixed.used] == ["m2", "hm2"]


def test_every_number_of_the_table_says_that_nobody_checked_it():
    assert {row.verified for row in ROWS} == {False}
    assert not demand.water([Part("R", 1)], 1, ROWS).verified


def test_a_row_with_one_end_missing_makes_no_range():
    row = Index("water", "s", "t", "R", "d", 50, None, "m3/(hm2.d)", "", "", verified=True)
    assert demand.water([Part("R", 1)], 10_000, [row]) == Lack(("R",))


@pytest.mark.parametrize(
    ("written", "ratio"),
    [
        ("≤1.00", 1.0), ("1.0", 1.0), ("1.0-2.5", 2.5), ("1.0＜容积率≤2.0", 2.0), ("不高于1.8", 1.8),
        ("≥1.0", None), ("不低于1.2", None), ("", None), ("/", None), ("按规划", None), ("0", None),
        ("2000", None), ("1.0、1.5、2.0", None),
    ],
)  # fmt: skip
def test_only_a_highest_plot_ratio_tells_the_floor_area(written, ratio):
    assert demand.plot_ratio(written) == ratio


CLASSES = st.sampled_from(["R2", "A33", "B11", "B2", "M1", "W1", "S42", "U11", "G1"])


@given(
    st.lists(st.tuples(CLASSES, st.floats(0.01, 1)), min_size=1, max_size=5),
    st.floats(1, 1e6),
    st.one_of(st.none(), st.floats(0.1, 10)),
)
def test_demand_by_share_is_the_sum_of_the_shares(weights, area, ratio):
    total = sum(w for _, w in weights)
    parts = [Part(c, w / total) for c, w in weights]
    for compute in (
        lambda p, a: demand.water(p, a, ROWS),
        lambda p, a: demand.drainage(p, a, ROWS, KD),
        lambda p, a: demand.power(p, a, ratio, ROWS),
    ):
        whole = compute(parts, area)
        alone = [compute([Part(p.land_class, 1)], area * p.share) for p in parts]
        assert whole.low == pytest.approx(sum(one.low for one in alone))
        assert whole.high == pytest.approx(sum(one.high for one in alone))
        assert 0 <= whole.low <= whole.high
