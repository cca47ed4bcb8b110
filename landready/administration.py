"""The administrator's work on organisations and their keys; accounts.py has the people's side.

None of it shows or touches a plan, an answer or a project: the administrator's role sees no business rows.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import annex, cities, identifiers, problems
from landready.db import Role
from landready.errors import Invalid, NotFound
from landready.organisations import Account, ApiKey, Organisation, issue_key
from landready.utilities import Utility

KINDS = ("office", "enterprise", "owner", "department", "supervisor", "admin", "exchange")
# Kinds that belong to one city or county; a supervisor may, and the others never do.
_LOCAL = {"office"}
_LOCAL_OR_PROVINCE = {"enterprise", "department", "supervisor"}


@dataclass(frozen=True, slots=True)
class OrganisationForm:
    """What the administrator writes of an organisation. `city`: adcode, empty for the whole province."""

    kind: str
    name: str
    name_en: str = ""
    city: str = ""
    credit_code: str = ""
    phone: str = ""
    utilities: Collection[str] = ()
    annex_items: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter over organisations; empty fields ask for nothing."""

    kind: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class OrganisationPage:
    """An organisation with the people and keys that act for it."""

    organisation: Organisation
    accounts: Sequence[Account]
    keys: Sequence[ApiKey]


def organisations(session: Session, wanted: Wanted) -> list[tuple[Organisation, int]]:
    """Return organisations with the number of their active accounts, by kind, city and name."""
    active = (
        select(Account.organisation_id, func.count().label("n"))
        .where(Account.active)
        .group_by(Account.organisation_id)
        .subquery()
    )
    query = (
        select(Organisation, func.coalesce(active.c.n, 0))
        .outerjoin(active, active.c.organisation_id == Organisation.id)
        .order_by(Organisation.kind, Organisation.city, Organisation.name, Organisation.id)
    )
    if wanted.kind:
        query = query.where(Organisation.kind == wanted.kind)
    if wanted.city:
        query = query.where(Organisation.city == wanted.city)
    return [(organisation, count) for organisation, count in session.execute(query)]


def organisation_page(session: Session, organisation_id: int) -> OrganisationPage:
    """Return one organisation with its accounts and keys.

    Raises:
        NotFound: there is none.
    """
    organisation = session.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound
    accounts = session.scalars(
        select(Account)
        .where(Account.organisation_id == organisation_id)
        .order_by(Account.active.desc(), Account.username)
    ).all()
    keys = session.scalars(
        select(ApiKey).where(ApiKey.organisation_id == organisation_id).order_by(ApiKey.id.desc())
    ).all()
    return OrganisationPage(organisation, accounts, keys)


def receiver_of(session: Session, organisation_id: int) -> Organisation:
    """Return an organisation whose system can be told of events: an enterprise, or a connected system (trading platform).

    Raises:
        NotFound: no such organisation, or one of another kind.
    """
    organisation = session.get(Organisation, organisation_id)
    if organisation is None or organisation.role not in (Role.ENTERPRISE, Role.EXCHANGE):
        raise NotFound
    return organisation


def create_organisation(session: Session, form: OrganisationForm) -> Organisation:
    """Register an organisation.

    Raises:
        Invalid: what cannot be right, a credit code that is registered for this kind already, or another's name.
    """
    code = identifiers.tidy(form.credit_code)
    if found := problems.errors(_organisation_problems(session, form, code)):
        raise Invalid(found)
    made = Organisation(
        kind=form.kind,
        name=form.name.strip(),
        name_en=form.name_en.strip(),
        city=form.city,
        credit_code=code or None,
        phone=form.phone.strip(),
        utilities=[u.value for u in Utility if u in form.utilities],
        annex_items=sorted(form.annex_items),
    )
    with _code_once(session):
        session.add(made)
    return made


def change_organisation(
    session: Session, organisation_id: int, form: OrganisationForm
) -> Organisation:
    """Correct what is written of an organisation: names, telephone, credit code, permit items.

    What it was asked as stays as it is, whatever the form says: its kind, city and utilities, and the credit code by which an
    owner's permits found it.

    Raises:
        NotFound: there is none.
        Invalid: what cannot be right, or a credit code or name of another organisation of this kind.
    """
    kept = session.get(Organisation, organisation_id)
    if kept is None:
        raise NotFound
    form = replace(form, kind=kept.kind, city=kept.city, utilities=kept.utilities)
    if kept.role is Role.OWNER:
        form = replace(form, credit_code=kept.credit_code or "")
    code = identifiers.tidy(form.credit_code)
    if found := problems.errors(_organisation_problems(session, form, code, kept.id)):
        raise Invalid(found)
    with _code_once(session):
        kept.name, kept.name_en = form.name.strip(), form.name_en.strip()
        kept.credit_code, kept.phone = code or None, form.phone.strip()
        kept.annex_items = sorted(form.annex_items)
    return kept


def issue_api_key(session: Session, organisation_id: int, name: str, now: datetime) -> str:
    """Give a system of an organisation a key and return it; it is shown this once.

    Raises:
        NotFound: no such organisation.
        Invalid: the key has no name.
    """
    if session.get(Organisation, organisation_id) is None:
        raise NotFound
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise Invalid((_fault("key_name", N_("请填写密钥的用途，不超过 80 个字。")),))
    key = issue_key(session, organisation_id, name, now)
    session.flush()
    return key


def revoke_key(session: Session, key_id: int, now: datetime) -> ApiKey:
    """Make a key worthless from now on; repeating it changes nothing.

    Raises:
        NotFound: no such key.
    """
    key = session.get(ApiKey, key_id)
    if key is None:
        raise NotFound
    key.revoked_at = key.revoked_at or now
    session.flush()
    return key


@contextmanager
def _code_once(session: Session) -> Iterator[None]:
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:  # the same credit code at the same moment
        text = N_("统一社会信用代码已经登记过。")
        raise Invalid((_fault("credit_code", text),)) from error


def _organisation_problems(
    session: Session, form: OrganisationForm, code: str, own: int | None = None
) -> list[Problem]:
    found = []
    if form.kind not in KINDS:
        found.append(_fault("kind", N_("请选择单位类别。")))
    if not 0 < len(form.name.strip()) <= 200:
        found.append(_fault("name", N_("请填写单位名称，不超过 200 个字。")))
    elif form.kind != "owner" and _namesake(session, form, own):
        text = N_("同一市县已有同类单位叫“{name}”，请核对，不要重复登记。")
        found.append(_fault("name", text, name=form.name.strip()))
    if len(form.name_en.strip()) > 200:
        found.append(_fault("name_en", N_("英文名称不超过 200 个字符。")))
    found += _city_problems(form)
    found += _duty_problems(form)
    if form.phone.strip() and not identifiers.telephone(form.phone):
        found.append(_fault("phone", N_("“{phone}”不像电话号码。"), phone=form.phone[:40]))
    if code:
        found += identifiers.credit_code_problems(code, "credit_code")
        same = select(Organisation.name).where(
            Organisation.kind == form.kind,
            Organisation.credit_code == code,
            Organisation.id.is_distinct_from(own),
        )
        if name := session.scalar(same):
            text = N_("这个信用代码已经登记给“{name}”。")
            found.append(_fault("credit_code", text, name=name))
    elif form.kind == "owner":
        text = N_("建设单位按信用代码与规划许可匹配，请填写统一社会信用代码。")
        found.append(_fault("credit_code", text))
    return found


def _namesake(session: Session, form: OrganisationForm, own: int | None) -> bool:
    """Is there another of this kind, city and name? Owners may share a name: their credit code tells them apart."""
    same = select(Organisation.id).where(
        Organisation.kind == form.kind,
        Organisation.city == form.city,
        func.lower(Organisation.name) == form.name.strip().lower(),
        Organisation.id.is_distinct_from(own),
    )
    return session.scalar(same.limit(1)) is not None


def _city_problems(form: OrganisationForm) -> list[Problem]:
    if form.city and form.city not in cities.names():
        return [_fault("city", N_("没有这个市县。"))]
    if not form.city and form.kind in _LOCAL:
        return [_fault("city", N_("自然资源和规划部门属于一个市县，请选择。"))]
    if form.city and form.kind in set(KINDS) - _LOCAL - _LOCAL_OR_PROVINCE:
        return [_fault("city", N_("这类单位不按市县登记，请选择“全省”。"))]
    return []


def _duty_problems(form: OrganisationForm) -> list[Problem]:
    found = []
    if form.kind == "enterprise" and not form.utilities:
        found.append(_fault("utilities", N_("请选择企业提供的公用服务。")))
    if form.utilities and (
        form.kind != "enterprise" or not set(form.utilities) <= {u.value for u in Utility}
    ):
        found.append(_fault("utilities", N_("只有市政公用服务企业登记公用服务。")))
    permits = {n for n, item in annex.items().items() if item.kind == "permit"}
    if form.annex_items and (
        form.kind not in ("department", "office") or not set(form.annex_items) <= permits
    ):
        found.append(_fault("annex_items", N_("只有部门登记附件 2 中的许可事项。")))
    if form.kind == "department" and not form.annex_items:
        found.append(_fault("annex_items", N_("请选择部门办理的事项。")))
    return found


def _fault(where: str, text: str, /, **params: object) -> Problem:
    return Problem(f"{where}_unusable", "error", text, params, where=where)
