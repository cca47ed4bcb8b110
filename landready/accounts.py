"""Accounts and passwords: given, disabled and reset by the administrator, changed by each person."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import servers
from landready.db import ENGINE, Role, actor_of, as_engine, connect, transaction
from landready.errors import Conflict, Invalid, NotFound
from landready.organisations import Account, Organisation, hash_password, sign_in
from landready.settings import Settings

# Length is what counts (NIST SP 800-63B-4 §3.1.1.2); the upper bound keeps a refusal cheap.
MIN_PASSWORD, MAX_PASSWORD = 12, 200
_USERNAME = set("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def account_of(session: Session, account_id: int) -> Account:
    """Return an account that the asker may see.

    Raises:
        NotFound: there is none.
    """
    account = session.scalar(select(Account).where(Account.id == account_id))
    if account is None:
        raise NotFound
    return account


def create_account(
    session: Session,
    organisation_id: int,
    *,
    username: str,
    full_name: str,
    password: str,
    repeated: str,
    now: datetime,
) -> Account:
    """Give a person of an organisation a way in.

    Raises:
        NotFound: no such organisation.
        Conflict: connected systems have keys, not people.
        Invalid: name or password cannot be used, or the user name is taken.
    """
    organisation = session.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound
    if organisation.role is Role.EXCHANGE:
        raise Conflict(N_("对接系统使用接口密钥，不设个人账号。"))
    username, full_name = username.strip().lower(), full_name.strip()
    found = [*_username_problems(username), *password_problems(username, password, repeated)]
    if not 0 < len(full_name) <= 80:
        found.append(_fault("full_name", N_("请填写姓名，不超过 80 个字。")))
    if session.scalar(select(Account.id).where(Account.username == username)):
        found.append(_fault("username", N_("用户名“{name}”已被使用。"), name=username))
    if found:
        raise Invalid(tuple(found))
    account = Account(
        organisation_id=organisation_id,
        username=username,
        full_name=full_name,
        password_hash=hash_password(password),
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError as error:  # the same name at the same moment
        taken = _fault("username", N_("用户名“{name}”已被使用。"), name=username)
        raise Invalid((taken,)) from error
    return account


def set_active(session: Session, account_id: int, *, active: bool) -> Account:
    """Disable an account, ending its open sessions, or enable it again.

    Raises:
        NotFound: no such account.
        Conflict: the asker's own account.
    """
    account = account_of(session, account_id)
    if account.id == actor_of(session).account_id and not active:
        raise Conflict(N_("不能停用自己的账号。"))
    if account.active != active:
        account.active = active
        account.session_epoch += 1
        session.flush()
    return account


def reset_password(session: Session, account_id: int, *, password: str, repeated: str) -> Account:
    """Give an account a new password; its open sessions end at their next request.

    Raises:
        NotFound: no such account.
        Invalid: the password cannot be used.
    """
    account = account_of(session, account_id)
    if found := password_problems(account.username, password, repeated):
        raise Invalid(found)
    _change(account, password)
    session.flush()
    return account


def change_own_password(session: Session, *, old: str, new: str, repeated: str) -> Account:
    """Let the asker change the password; the other sessions of the account end.

    Raises:
        NotFound: nobody is signed in.
        Invalid: the old password is wrong, or the new one cannot be used.
    """
    account_id = actor_of(session).account_id
    if account_id is None:
        raise NotFound
    with as_engine(session):
        account = account_of(session, account_id)
        found = list(password_problems(account.username, new, repeated))
        if sign_in(session, account.username, old) is None:
            found.insert(0, _fault("old", N_("现在的密码不对。")))
        elif new == old:
            found.append(_fault("password", N_("新密码与现在的密码相同。")))
        if not found:
            _change(account, new)
    if found:
        raise Invalid(tuple(found))
    return account


def create_administrator(
    settings: Settings, *, username: str, full_name: str, password: str, now: datetime
) -> str:
    """Give an installation a person who can register everybody else; returns the user name. For the command line.

    Raises:
        Invalid: name or password cannot be used, or the user name is taken.
    """
    engine = connect(servers.database_url(settings))
    try:
        with transaction(engine, ENGINE) as session:
            account = create_account(
                session,
                _administration(session).id,
                username=username,
                full_name=full_name,
                password=password,
                repeated=password,
                now=now,
            )
            return account.username
    finally:
        engine.dispose()


def _administration(session: Session) -> Organisation:
    query = select(Organisation).where(Organisation.kind == Role.ADMIN).order_by(Organisation.id)
    found = session.scalars(query).first()
    if found is None:
        found = Organisation(kind=Role.ADMIN, name="系统管理", name_en="Administration", city="")
        session.add(found)
        session.flush()
    return found


def password_problems(username: str, password: str, repeated: str) -> tuple[Problem, ...]:
    """Say why a password cannot be used. No rule of letters and signs: length is what helps."""
    found = []
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        text = N_("密码应有 {least} 到 {most} 个字符。")
        found.append(_fault("password", text, least=MIN_PASSWORD, most=MAX_PASSWORD))
    elif len(set(password)) < 4 or (username and username == password.lower()):
        found.append(_fault("password", N_("密码太容易猜：不要重复同几个字符，也不要用用户名。")))
    if password != repeated:
        found.append(_fault("repeated", N_("两次输入的密码不一致。")))
    return tuple(found)


def _username_problems(username: str) -> list[Problem]:
    if 3 <= len(username) <= 80 and set(username) <= _USERNAME:
        return []
    text = N_("用户名应为 3 到 80 个小写字母、数字、点、减号或下划线。")
    return [_fault("username", text)]


def _change(account: Account, password: str) -> None:
    account.password_hash = hash_password(password)
    account.session_epoch += 1


def _fault(where: str, text: str, /, **params: object) -> Problem:
    return Problem(f"{where}_unusable", "error", text, params, where=where)
