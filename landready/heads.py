"""Heads of the chains: once a day the newest digest of every city is signed and leaves the database.

Whoever rewrites certificates, or cuts the newest ones off, contradicts a head that stands elsewhere: in the folder of
`certificates.heads_url` and with everybody who reads the public list. Nobody changes or deletes one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Date, Integer, String, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from geo.problems import Problem
from landready import files
from landready.certificates import Certificate
from landready.chain import Entry, Head, faults
from landready.clock import today
from landready.db import Base, Id
from landready.evidence import head_line, sign_head
from landready.seal import Seal
from landready.settings import Settings


class CertificateHead(Base):
    """The chain of a city at the end of what was issued when it was signed; `key` is the public key."""

    __tablename__ = "certificate_head"
    id: Mapped[Id]
    city: Mapped[str] = mapped_column(String(6))
    day: Mapped[date] = mapped_column(Date)
    sequence: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(43))
    key_id: Mapped[str] = mapped_column(String(16))
    signature: Mapped[str] = mapped_column(String(86))
    signed_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("city", "day"),)

    @property
    def head(self) -> Head:
        return Head(self.city, self.day, self.sequence, self.sha256, self.key, self.signature)


@dataclass(frozen=True, slots=True)
class Period:
    """A public key and the days of the first and the last head that it signed (None: none yet)."""

    key: str
    first: date | None
    last: date | None


def unsound(session: Session, day: date) -> dict[str, list[Problem]]:
    """Return what is wrong, by city, with the chains since their newest heads: what no head of a day must be signed of.

    Cities with a head of that day are not looked at. Needs the engine.
    """
    rows = session.scalars(
        select(CertificateHead)
        .ext(distinct_on(CertificateHead.city))
        .order_by(CertificateHead.city, CertificateHead.day.desc())
    )
    newest = {row.city: row.head for row in rows}
    found = {}
    for city in {*newest, *session.scalars(select(Certificate.city).distinct())}:
        head = newest.get(city)
        if head and head.day == day:
            continue
        first = head.sequence if head else 1
        issued = session.execute(
            select(Certificate.body, Certificate.sha256)
            .where(Certificate.city == city, Certificate.sequence >= first)
            .order_by(Certificate.sequence)
        )
        entries = [Entry(row.body.encode(), row.sha256) for row in issued]
        if wrong := faults(entries, [head] if head else [], first=first):
            found[city] = wrong
    return found


def sign(session: Session, seal: Seal, now: datetime, broken: Collection[str] = ()) -> int:
    """Sign today's head of every city that has certificates and none for today; return of how many. Needs the engine.

    Of no chain that is `broken` (`unsound`): a head says that all since the one before it held.
    """
    day = today(now)
    newest = session.execute(
        select(Certificate.city, Certificate.sequence, Certificate.sha256)
        .ext(distinct_on(Certificate.city))
        .where(
            Certificate.city.not_in(select(CertificateHead.city).where(CertificateHead.day == day)),
            Certificate.city.not_in(broken),
        )
        .order_by(Certificate.city, Certificate.sequence.desc())
    ).all()
    heads = [sign_head(row.city, day, row.sequence, row.sha256, seal) for row in newest]
    if not heads:
        return 0
    rows = [
        {
            "city": head.city,
            "day": head.day,
            "sequence": head.sequence,
            "sha256": head.sha256,
            "key": head.key,
            "key_id": seal.key_id,
            "signature": head.signature,
            "signed_at": now,
        }
        for head in heads
    ]
    # Two hosts may sweep at once: the first has signed.
    statement = insert(CertificateHead).on_conflict_do_nothing().returning(CertificateHead.id)
    return len(session.scalars(statement, rows).all())


def export(session: Session, settings: Settings) -> int:
    """Write every head that has no file yet into the folder outside the database; return how many.

    A file that is there is never overwritten: it is the witness.
    """
    folder = files.heads_folder(settings)
    there = files.names(folder)
    written = 0
    for row in session.scalars(select(CertificateHead).order_by(CertificateHead.id)):
        name = f"{row.city}-{row.day.isoformat()}.json"
        if name not in there:
            written += files.keep(folder, name, head_line(row.head))
    return written


def published(
    session: Session, city: str = "", after: int = 0, *, limit: int = 500
) -> Sequence[CertificateHead]:
    """Return heads in the order in which they were signed, of one city or all, after the one with the id `after`."""
    query = select(CertificateHead).where(CertificateHead.id > after)
    if city:
        query = query.where(CertificateHead.city == city)
    return session.scalars(query.order_by(CertificateHead.id).limit(limit)).all()


def keys(session: Session, current: str) -> list[Period]:
    """Return every public key that a head was signed with, and the one in use, newest first."""
    rows = session.execute(
        select(CertificateHead.key, func.min(CertificateHead.day), func.max(CertificateHead.day))
        .group_by(CertificateHead.key)
        .order_by(func.max(CertificateHead.id).desc())
    ).all()
    known = {key: Period(key, first, last) for key, first, last in rows}
    now = known.pop(current, Period(current, None, None))
    return [now, *known.values()]
