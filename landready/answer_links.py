"""Answer links: a way to answer one push without an account, for as long as it is needed and as far as it was logged (R20).

The token is made by the sender and stands in the message alone; here is only its hash. Whoever holds it may see and answer this
one push in the name of its enterprise, until the link expires or the enterprise revokes it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, String, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from geo.problems import N_
from landready.db import Actor, Base, Id, Role, acting, as_engine
from landready.errors import Conflict, NotFound
from landready.pushes import Push

# 32 bytes from HMAC-SHA256 in URL-safe base64 without padding.
TOKEN_LENGTH = 43


class LinkOver(Conflict):
    """The link was good once."""

    text = N_("这个答复链接已过期或被撤销。请登录门户答复，或请推送部门重新发送。")


class AnswerLink(Base):
    """A link that was sent to somebody of an enterprise, for one push."""

    __tablename__ = "answer_link"
    id: Mapped[Id]
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    sent_to: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    push: Mapped[Push] = relationship()
    uses: Mapped[list["AnswerLinkUse"]] = relationship(order_by="AnswerLinkUse.id")

    def over(self, now: datetime) -> bool:
        return self.revoked_at is not None or self.expires_at <= now


class AnswerLinkUse(Base):
    """One use of a link: it was looked at, or answers came through it."""

    __tablename__ = "answer_link_use"
    id: Mapped[Id]
    link_id: Mapped[int] = mapped_column(ForeignKey("answer_link.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    action: Mapped[str] = mapped_column(String(10))
    address: Mapped[str] = mapped_column(String(45))
    used_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("action in ('seen','answered')", name="action"),)


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue(
    session: Session, push: Push, token: str, sent_to: str, *, now: datetime, life: timedelta
) -> None:
    """Make a token good for one push; repeating it changes nothing. Needs the engine."""
    session.execute(
        insert(AnswerLink)
        .values(
            push_id=push.id,
            enterprise_id=push.enterprise_id,
            office_id=push.office_id,
            token_sha256=hashed(token),
            sent_to=sent_to[:254],
            created_at=now,
            expires_at=now + life,
        )
        .on_conflict_do_nothing()
    )


@contextmanager
def entered(session: Session, token: str, now: datetime) -> Iterator[AnswerLink]:
    """Let the bearer of a token act as the enterprise for the block; the caller bounds what they do by the link's push.

    Raises:
        NotFound: no such link.
        LinkOver: it expired or was revoked.
    """
    if len(token) != TOKEN_LENGTH:
        raise NotFound
    with as_engine(session):
        link = session.scalar(select(AnswerLink).where(AnswerLink.token_sha256 == hashed(token)))
    if link is None:
        raise NotFound
    if link.over(now):
        raise LinkOver
    with acting(session, Actor(Role.ENTERPRISE, link.enterprise_id)):
        yield link


def log_use(session: Session, link: AnswerLink, action: str, address: str, now: datetime) -> None:
    """Write down that a link was used, and from where."""
    with as_engine(session):
        session.add(
            AnswerLinkUse(
                link_id=link.id,
                enterprise_id=link.enterprise_id,
                action=action,
                address=address[:45],
                used_at=now,
            )
        )


def links_of(session: Session) -> Sequence[AnswerLink]:
    """Return the newest links of the asking enterprise, with their uses."""
    return session.scalars(select(AnswerLink).order_by(AnswerLink.id.desc()).limit(100)).all()


def revoke(session: Session, link_id: int, *, account_id: int | None, now: datetime) -> None:
    """Make a link worthless from now on; repeating it changes nothing.

    Raises:
        NotFound: not a link of the asking enterprise.
    """
    link = session.scalar(select(AnswerLink).where(AnswerLink.id == link_id))
    if link is None:
        raise NotFound
    if link.revoked_at is None:
        link.revoked_at, link.revoked_by = now, account_id
        session.flush()
