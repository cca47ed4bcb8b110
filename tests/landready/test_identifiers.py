"""Codes are checked as far as their standard allows, and no further (domain facts §3)."""

import pytest

from landready import identifiers

SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def severities(problems) -> list[str]:
    return [p.severity for p in problems]


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T"])
def test_real_credit_codes_hold_without_a_doubt(code: str) -> None:
    assert identifiers.credit_code_problems(code) == ()


@pytest.mark.parametrize("code", ["91460000MA5RC0000N", "91460100MA5T00001L"])
def test_inner_organisation_code_only_warns(code: str) -> None:
    assert severities(identifiers.credit_code_problems(code)) == ["warning"]


@pytest.mark.parametrize(
    "code",
    ["91350100M000100Y4Z", "", "91350100M000100Y4", "91350100M000100Y433", "9135010OM000100Y43"],
)
def test_malformed_credit_code_is_an_error(code: str) -> None:
    (problem,) = identifiers.credit_code_problems(code, "owner.credit_code")
    assert (problem.code, problem.severity) == ("credit_code_shape", "error")
    assert problem.where == "owner.credit_code"


def test_every_wrong_last_sign_of_a_credit_code_is_found() -> None:
    wrong = [s for s in SIGNS if s != "3"]
    found = [identifiers.credit_code_problems("91350100M000100Y4" + s)[0].code for s in wrong]
    assert found == ["credit_code_check"] * 30


@pytest.mark.parametrize("code", ["2105-460100-04-01-123456", "2018-460105-70-03-012345"])
def test_project_codes_of_both_generations_hold(code: str) -> None:
    assert identifiers.project_code_problems(code) == ()


@pytest.mark.parametrize(
    "code",
    [
        "2105-460100-04-01-12345",
        "2113-460100-04-01-123456",
        "2100-460100-04-01-123456",
        "",
        "2105 460100",
    ],
)
def test_project_code_of_another_shape_is_an_error(code: str) -> None:
    assert severities(identifiers.project_code_problems(code)) == ["error"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("建字第460100202400123号", ("建", "460100", 2024, "", "00123")),
        ("建字第4601002024GG0012345号", ("建", "460100", 2024, "GG", "0012345")),
        ("建字第460100201800123-1号", ("建", "460100", 2018, "", "00123-1")),
        ("建字第 ４６０１００2024gg0012345 号", ("建", "460100", 2024, "GG", "0012345")),
    ],
)
def test_permit_numbers_of_both_generations_are_read(text: str, parts: tuple[object, ...]) -> None:
    found = identifiers.permit_number(text)
    assert found == identifiers.PermitNumber(*parts)
    assert identifiers.permit_number_problems(text, 2026) == ()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("PB-299", ["permit_no_shape"]),
        ("地字第4601002024YG0012345号", ["permit_no_kind"]),
        ("建字第460109202400123号", ["permit_no_adcode"]),
        ("建字第460100203400123号", ["permit_no_year"]),
        ("建字第460109199900123号", ["permit_no_adcode", "permit_no_year"]),
    ],
)
def test_odd_permit_numbers_warn_and_never_refuse(text: str, codes: list[str]) -> None:
    found = identifiers.permit_number_problems(text, 2026)
    assert [p.code for p in found] == codes
    assert set(severities(found)) == {"warning"}


@pytest.mark.parametrize(
    ("adcode", "city"),
    [
        ("460105", "460100"),
        ("460205", "460200"),
        ("460321", "460300"),
        ("460100", "460100"),
        ("460400", "460400"),
        ("469001", "469001"),
        ("469030", "469030"),
        ("025017", "025017"),  # not in the table: whoever runs it elsewhere names its own cities
    ],
)
def test_a_district_belongs_to_its_prefecture_and_a_county_to_itself(
    adcode: str, city: str
) -> None:
    assert identifiers.city_of(adcode) == city


@pytest.mark.parametrize("gone", ["469003", "469004", "469000", "460400499", ""])
def test_codes_that_no_longer_exist_are_unknown(gone: str) -> None:
    assert not identifiers.is_adcode(gone)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800000000", "13800000000"),
        ("+86 138 0000 0000", "13800000000"),
        ("86-138-0000-0000", "13800000000"),
        ("12800000000", None),
        ("1380000000", None),
        ("0898-66666666", None),
    ],
)
def test_mobile_numbers(text: str, number: str | None) -> None:
    assert identifiers.mobile(text) == number


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0898-66666666", True),
        ("（0898）6666 6666", True),
        ("66666666转801", True),
        ("13800000000", True),
        ("4001234567", True),
        ("12345", True),
        ("12800000000", False),
        ("无", False),
        ("", False),
    ],
)
def test_telephone_numbers_of_any_kind(text: str, is_one: bool) -> None:
    assert identifiers.telephone(text) == is_one


def test_telephones_are_masked_for_logs() -> None:
    assert identifiers.masked("13800000000") == "138****0000"
    assert identifiers.masked("110") == "****"
