"""Organisations, the accounts of their people and the API keys of their systems."""

import hashlib
import secrets
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    SmallInteger,
    String,
    UniqueConstraint,
    false,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from landready.db import Actor, Base, Id, Role
from landready.utilities import Utility

_hasher = PasswordHasher()
# Hashed once so that an unknown name costs as long as a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))


class Organisation(Base):
    """An office, enterprise, owner, department, supervisor, administration or connected system."""

    __tablename__ = "organisation"
    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    name_en: Mapped[str] = mapped_column(String(200), default="")
    # adcode of the city or county; empty: the whole province
    city: Mapped[str] = mapped_column(String(6), default="")
    # 统一社会信用代码 GB 32100; owners are matched by it when a permit arrives. A water company that builds is an owner
    # beside being an enterprise, so a code is unique within a kind.
    credit_code: Mapped[str | None] = mapped_column(String(18))
    utilities: Mapped[list[str]] = mapped_column(ARRAY(String(20)), default=list)
    # Numbers of the permit items of annex 2 that a department or office handles in its city
    annex_items: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), default=list)
    phone: Mapped[str] = mapped_column(String(40), default="")
    # A trading platform: told of every change of a listing since its first receiving address was registered.
    told_of_listings: Mapped[bool] = mapped_column(default=False, server_default=false())
    __table_args__ = (
        CheckConstraint(
            "kind in ('office','enterprise','owner','department','supervisor','admin','exchange')",
            name="kind",
        ),
        UniqueConstraint("kind", "credit_code"),
    )

    @property
    def role(self) -> Role:
        return Role(self.kind)

    @property
    def utility_list(self) -> tuple[Utility, ...]:
        return tuple(Utility(u) for u in self.utilities)


class Account(Base):
    """One person's way in. The role is that of the organisation."""

    __tablename__ = "account"
    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    full_name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    # Changed with the password or on disabling, so that open sessions end at their next request.
    session_epoch: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    organisation: Mapped[Organisation] = relationship(lazy="joined")

    @property
    def actor(self) -> Actor:
        return Actor(
            self.organisation.role,
            self.organisation_id,
            self.id,
            self.organisation.city or None,
        )


class ApiKey(Base):
    """The key of one connected system; only its hash is kept."""

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    organisation: Mapped[Organisation] = relationship(lazy="joined")


def hash_password(password: str) -> str:
    """Return the argon2id hash of `password`."""
    return _hasher.hash(password)


def sign_in(session: Session, username: str, password: str) -> Account | None:
    """Return the active account of that name and password; needs a transaction of the engine."""
    account = session.scalar(select(Account).where(Account.username == username))
    try:
        _hasher.verify(account.password_hash if account else _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return None
    return account if account and account.active else None


def account_of_session(session: Session, account_id: int, epoch: int) -> Account | None:
    """Return the account of a signed-in browser, or None once it was disabled or its password changed."""
    account = session.get(Account, account_id)
    return account if account and account.active and account.session_epoch == epoch else None


def end_sessions(session: Session, account_id: int) -> None:
    """Let no browser be signed in to the account any longer, copies of its cookie included; needs a transaction of the engine."""
    session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(session_epoch=Account.session_epoch + 1)
    )


def issue_key(session: Session, organisation_id: int, name: str, now: datetime) -> str:
    """Create an API key and return it; it is shown this once and kept as a hash only."""
    key = "lr_" + secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            organisation_id=organisation_id,
            name=name,
            key_sha256=hashlib.sha256(key.encode()).hexdigest(),
            created_at=now,
        )
    )
    return key


def organisation_of_key(session: Session, key: str) -> Organisation | None:
    """Return whose system sent `key`; needs a transaction of the engine."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    found = session.scalar(
        select(ApiKey).where(ApiKey.key_sha256 == digest, ApiKey.revoked_at.is_(None))
    )
    return found.organisation if found else None
