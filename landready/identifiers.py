"""The codes by which China names organisations, projects, permits, places and people's telephones.

What a standard lets us prove wrong is an error. What rests on custom, or on a list that may have moved on, is a warning: the
code is kept as written and the doubt is said (domain facts §3).
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from geo.problems import N_, Problem

ADCODES = Path(__file__).parent / "data" / "adcode.csv"

# GB 32100-2015: 31 signs (no I O S V Z), weight 3^i mod 31.
_CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT = re.compile(rf"[{_CREDIT_SIGNS}]{{2}}\d{{6}}[{_CREDIT_SIGNS}]{{10}}")
# GB 11714: the organisation code inside a credit code, signs 9 to 17.
_INNER_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_INNER_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_PROJECT = re.compile(r"(\d{4})-(\d{6})-\d{2}-\d{2}-\d{6}")
_PERMIT = re.compile(r"([建地乡用])字第(\d{6})(\d{4})(GG|YG|XG|XS)?(\d{5,7})(-\d+)?号?")
_MOBILE = re.compile(r"(?:\+?86)?(1[3-9]\d{9})")
_LANDLINE = re.compile(r"(?:(?:0\d{2,3})?[2-9]\d{6,7}|[48]00\d{7}|1\d{4})(?:转\d+)?")
_FIRST_PERMIT_YEAR = 2008  # the law behind today's permits came into force that year
_OLD_PROJECT_YEARS = range(2013, 2021)


def tidy(text: str) -> str:
    """Return an identifier without blanks, full-width signs as half-width, letters as capitals."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def credit_code_problems(code: str, where: str = "") -> tuple[Problem, ...]:
    """Check a 统一社会信用代码 (GB 32100-2015); the organisation code inside (GB 11714) only ever warns."""
    if not _CREDIT.fullmatch(code):
        text = N_("统一社会信用代码“{code}”应为 18 位数字和大写字母（不含 I、O、S、V、Z）。")
        return (Problem("credit_code_shape", "error", text, {"code": code[:40]}, where=where),)
    values = [_CREDIT_SIGNS.index(sign) for sign in code]
    total = sum(value * pow(3, i, 31) for i, value in enumerate(values[:17]))
    if values[17] != -total % 31:
        text = N_("统一社会信用代码“{code}”的校验码不对，请核对是否抄错。")
        return (Problem("credit_code_check", "error", text, {"code": code}, where=where),)
    if not _inner_holds(code[8:17]):
        text = N_("统一社会信用代码“{code}”中的主体标识码校验不符，请留意。")
        return (Problem("organisation_code_check", "warning", text, {"code": code}, where=where),)
    return ()


def _inner_holds(code: str) -> bool:
    total = sum(_INNER_SIGNS.index(s) * w for s, w in zip(code[:8], _INNER_WEIGHTS, strict=True))
    return code[8] == "0123456789X0"[11 - total % 11]


def project_code_problems(code: str, where: str = "") -> tuple[Problem, ...]:
    """Check the shape of a 投资项目统一代码 (GB/T 40058-2021); its check digit's rule is not published."""
    found = _PROJECT.fullmatch(code)
    year = found[1] if found else ""
    if not year or not (1 <= int(year[2:]) <= 12 or int(year) in _OLD_PROJECT_YEARS):
        text = N_(
            "项目代码“{code}”的格式应为 年月-区划-04-01-六位数，例如 2105-460100-04-01-123456。"
        )
        return (Problem("project_code_shape", "error", text, {"code": code[:40]}, where=where),)
    return ()


@dataclass(frozen=True, slots=True)
class PermitNumber:
    """The parts of a permit number; `kind` is 建, 地, 乡 or 用, `series` GG, YG, XG, XS or empty (before about 2023)."""

    kind: str
    adcode: str
    year: int
    series: str
    sequence: str


def permit_number(text: str) -> PermitNumber | None:
    """Take a permit number apart; None when it is written in a way we do not know."""
    found = _PERMIT.fullmatch(tidy(text))
    if not found:
        return None
    kind, adcode, year, series, sequence, part = found.groups()
    return PermitNumber(kind, adcode, int(year), series or "", sequence + (part or ""))


def permit_number_problems(text: str, year: int, where: str = "") -> tuple[Problem, ...]:
    """Say what is odd about a permit number in the year `year`: warnings only, the number is a key as written."""
    found = permit_number(text)
    if found is None:
        said = N_("许可证编号“{number}”的写法与常见格式不同，已按原样保存。")
        return (Problem("permit_no_shape", "warning", said, {"number": text[:80]}, where=where),)
    problems = []
    if found.kind != "建":
        said = N_("编号“{number}”不是建设工程规划许可证（建字第…号）的编号，请核对。")
        problems.append(Problem("permit_no_kind", "warning", said, {"number": text}, where=where))
    if not is_adcode(found.adcode):
        said = N_("许可证编号中的行政区划代码 {code} 不在代码表中，请核对。")
        problems.append(
            Problem("permit_no_adcode", "warning", said, {"code": found.adcode}, where=where)
        )
    if not _FIRST_PERMIT_YEAR <= found.year <= year + 1:
        said = N_("许可证编号中的年份 {year} 不合常理，请核对。")
        problems.append(
            Problem("permit_no_year", "warning", said, {"year": found.year}, where=where)
        )
    return tuple(problems)


@cache
def _parents() -> dict[str, str]:
    with ADCODES.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if re.fullmatch(r"\d{6}", row["code"])]
    return {row["code"]: row["parent"][:6] for row in rows}


def is_adcode(code: str) -> bool:
    """Is `code` a county, city or the province in the table (GB/T 2260)?"""
    return code in _parents()


def city_of(adcode: str) -> str:
    """Return the city or county that plans for `adcode`: a district's prefecture, any other code itself.

    Counties directly under the province share the prefix 4690 and no prefecture, so the table decides, not the digits.
    """
    parent = _parents().get(adcode, "")
    return parent if parent and _parents().get(parent) else adcode


def mobile(text: str) -> str | None:
    """Return the eleven digits of a mainland mobile number, or None."""
    found = _MOBILE.fullmatch(tidy(text).replace("-", ""))
    return found[1] if found else None


def telephone(text: str) -> bool:
    """Does this look like a telephone number of the mainland: mobile, landline with or without area code, service line?"""
    digits = re.sub(r"[-()]", "", tidy(text))
    return mobile(text) is not None or _LANDLINE.fullmatch(digits) is not None


def masked(number: str) -> str:
    """Return a telephone number fit for a log: 138****0000."""
    return f"{number[:3]}****{number[-4:]}" if len(number) > 7 else "****"
