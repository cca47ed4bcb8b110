"""Land uses: every class carries its system, a number of two systems is asked about, and uses are read by share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landready.landuse import System, code_of, readings, settled
from landready.uses import uses_of


def systems(use: str, declared: System | None = None) -> list[str]:
    return [c.system.value for c in readings(use, declared)]


@pytest.mark.parametrize(
    ("use", "planning"),
    [
        ("0601 工业用地", "M"),
        ("1001 工业用地", "M"),
        ("1001铁路用地", "H21"),
        ("05 商业服务业用地", "B"),
        ("05商服用地", "B"),
        ("A33", "A33"),
        ("080403", "A33"),
        ("中小学用地(用地代码080403)", "A33"),
        ("二类城镇住宅用地(市场化商品住房)", "R2"),
        ("住宅用地", "R"),
    ],
)
def test_code_with_name_and_unambiguous_names_are_recognised(use, planning):
    (part,) = uses_of(use).parts
    assert (part.land_class, part.share) == (planning, 1.0)


@pytest.mark.parametrize("use", ["0701", "07", "1001", "0601", "05", "0801"])
def test_a_bare_number_of_two_systems_is_asked_about(use):
    found = uses_of(use)
    assert found.question.code == "use_system"
    assert found.uses == ()
    assert len({c.system for c in found.between}) > 1


def test_the_declared_system_answers_the_question():
    assert uses_of("1001", "", System.GUIDE).parts[0].land_class == "M"
    assert uses_of("1001", "", System.GBT21010).parts[0].land_class == "H21"
    assert uses_of("05", "", System.DRAFT).parts[0].land_class == "B"


def test_a_number_that_the_declared_system_does_not_have_stays_a_question():
    assert uses_of("100102", "", System.GBT21010).question.code == "use_elsewhere"


def test_a_number_known_to_one_table_is_still_asked_about_where_both_systems_count():
    assert systems("0602") == ["GBT21010-2017"]
    assert not settled(readings("0602"), "0602")


def test_code_and_name_of_two_classes_are_no_class():
    assert uses_of("100102 居住用地").question.code == "use_unknown"
    assert uses_of("05 湿地").parts[0].land_class == ""


@pytest.mark.parametrize(
    ("use", "shares"),
    [
        ("商业用地60%、居住用地40%", ""),
        ("商业用地（60％）、居住用地（40％）", ""),
        ("60%商业用地+40%居住用地", ""),
        ("商业用地、居住用地", "60,40"),
        ("商业用地/居住用地", "0.6/0.4"),
        ("商业用地\n居住用地", "60%：40%"),
    ],
)
def test_mixed_uses_are_read_by_share(use, shares):
    parts = uses_of(use, shares).parts
    assert [(p.land_class, round(p.share, 9)) for p in parts] == [("B1", 0.6), ("R", 0.4)]


@pytest.mark.parametrize(
    ("use", "shares", "code"),
    [
        ("", "", "use_missing"),
        ("、", "", "use_missing"),
        ("商住混合", "", "use_unknown"),
        ("商业60%、住宅40%", "", "use_unknown"),
        ("商业用地、居住用地", "", "shares_missing"),
        ("商业用地、居住用地", "/", "shares_missing"),
        ("商业用地、居住用地", "≤60，40", "shares_unclear"),
        ("商业用地、居住用地", "60", "shares_unclear"),
        ("商业用地、居住用地", "居住40%，商业60%", "shares_unclear"),
        ("商业用地约60%、居住用地40%", "", "shares_unclear"),
        ("商业用地60%、居住用地30%", "", "shares_sum"),
        ("二类工业用地", "50", "shares_sum"),
    ],
)
def test_what_cannot_be_told_for_sure_is_asked(use, shares, code):
    found = uses_of(use, shares)
    assert found.question.code == code
    assert found.question.message
    assert found.parts == ()


def test_only_a_settled_use_gets_a_code_of_the_guide():
    assert code_of("1303") == "1303"
    assert code_of("0701") is None
    assert code_of("0701", System.GUIDE) == "0701"
    assert code_of("0601 工业用地") is None


@given(st.text(max_size=40), st.text(max_size=20), st.sampled_from([None, *System]))
def test_whatever_is_written_gives_shares_of_one_or_a_question(use, shares, declared):
    found = uses_of(use, shares, declared)
    if found.question is None:
        assert sum(p.share for p in found.parts) == pytest.approx(1)
    else:
        assert found.uses == ()
