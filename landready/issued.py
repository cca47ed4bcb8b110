"""Certificates that were issued, found by number: for everybody whether one exists and still counts, for its readers all of it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo.problems import N_
from landready.certificates import Certificate
from landready.chain import Entry
from landready.clock import today
from landready.db import as_engine
from landready.errors import Conflict, NotFound
from landready.evidence import chain_file, sign_head
from landready.heads import CertificateHead
from landready.listings import Listing
from landready.organisations import Organisation
from landready.seal import Seal

_NUMBER = re.compile(r"\d{6}-\d{6,9}")
_WITHOUT_DASH = re.compile(r"(\d{6})(\d{6,9})")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


class State(StrEnum):
    """What a certificate is worth now."""

    CURRENT = "current"  # the plot is on offer by it
    SUSPENDED = "suspended"  # the plot's listing rests on it and is suspended
    SOLD = "sold"  # the plot was sold by it
    EXPIRED = "expired"
    REPLACED = "replaced"  # the plot has a newer one
    UNUSED = "unused"  # no listing rests on it

    @property
    def word(self) -> str:
        return _WORDS[self][0]

    @property
    def meaning(self) -> str:
        return _WORDS[self][1]


_WORDS: Mapping[State, tuple[str, str]] = {
    State.CURRENT: (N_("现行有效"), N_("地块正凭它上架。")),
    State.SUSPENDED: (
        N_("上架已暂停"),
        N_("签发时成立；上架后来暂停，原因见地块的上架经过。"),
    ),
    State.SOLD: (N_("地块已成交"), N_("地块凭它成交。")),
    State.EXPIRED: (N_("已过有效期"), N_("签发时成立，但有效期已过，不能再凭它上架。")),
    State.REPLACED: (N_("已有新凭证"), N_("签发时成立；同一地块后来签发了新的凭证。")),
    State.UNUSED: (N_("未用于上架"), N_("签发时成立；地块现在没有凭它上架。")),
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it was issued. `certificate` is None for whoever may know only that it exists and what it is worth."""

    number: str
    city: str
    sha256: str
    issued_at: datetime
    valid_until: datetime
    office: str
    state: State
    certificate: Certificate | None


def number_in(text: str) -> str:
    """Return what somebody typed as a certificate's number is written: no blanks, plain digits, hyphen after the city."""
    number = "".join(unicodedata.normalize("NFKC", text).translate(_DASHES).split())
    parts = _WITHOUT_DASH.fullmatch(number)
    return "-".join(parts.groups()) if parts else number


def find(session: Session, number: str, now: datetime) -> Issued:
    """Return a certificate by its number.

    Raises:
        NotFound: no certificate has this number.
    """
    if not _NUMBER.fullmatch(number):
        raise NotFound(N_("没有这个编号的准入凭证。请核对编号，例如 460100-000001。"))
    with as_engine(session):
        row = session.execute(
            select(
                Certificate.id, Certificate.plot_id, Certificate.city, Certificate.sha256,
                Certificate.issued_at, Certificate.valid_until, Organisation.name.label("office"),
            )
            .join(Organisation, Organisation.id == Certificate.office_id)
            .where(Certificate.number == number)
        ).first()  # fmt: skip
        if row is None:
            raise NotFound(N_("没有这个编号的准入凭证。请核对编号，例如 460100-000001。"))
        listing = session.scalar(
            select(Listing.state)
            .where(Listing.certificate_id == row.id)
            .order_by(Listing.id.desc())
            .limit(1)
        )
        newest = session.scalar(
            select(func.max(Certificate.id)).where(Certificate.plot_id == row.plot_id)
        )
    state = _state(listing, expired=row.valid_until < now, newest=newest == row.id)
    seen = session.scalar(select(Certificate).where(Certificate.id == row.id))
    return Issued(
        number, row.city, row.sha256, row.issued_at, row.valid_until, row.office, state, seen
    )


def readable(session: Session, number: str) -> Certificate:
    """Return a certificate that the asker may read.

    Raises:
        NotFound: there is none of this number, or it is not the asker's to read.
    """
    row = session.scalar(select(Certificate).where(Certificate.number == number))
    if row is None:
        raise NotFound
    return row


def office_of(session: Session, row: Certificate) -> str:
    """Return the name of the office that a certificate was issued for."""
    return session.get_one(Organisation, row.office_id).name


def chain_of(session: Session, city: str, seal: Seal, now: datetime) -> bytes:
    """Return the whole chain of a city as a file that `landready verify` reads.

    Raises:
        NotFound: the asker sees no certificate of the city.
        Conflict: another office of the city issued some of it: the supervisor sees it all.
    """
    rows = session.scalars(
        select(Certificate).where(Certificate.city == city).order_by(Certificate.sequence)
    ).all()
    if not rows:
        raise NotFound
    with as_engine(session):
        last = session.scalar(
            select(func.max(Certificate.sequence)).where(Certificate.city == city)
        )
    if len(rows) != last:
        raise Conflict(N_("这条链中有其他单位签发的凭证，请由监督单位下载整条链。"))
    heads = session.scalars(
        select(CertificateHead).where(CertificateHead.city == city).order_by(CertificateHead.id)
    ).all()
    here = sign_head(city, today(now), rows[-1].sequence, rows[-1].sha256, seal)
    return chain_file(here, _entries(rows), [row.head for row in heads], seal)


def entry_of(row: Certificate) -> Entry:
    return Entry(row.body.encode(), row.sha256)


def _entries(rows: Sequence[Certificate]) -> list[Entry]:
    return [entry_of(row) for row in rows]


def _state(listing: str | None, *, expired: bool, newest: bool) -> State:
    if listing == "sold":
        return State.SOLD
    if expired:
        return State.EXPIRED
    if listing == "listed":
        return State.CURRENT
    if listing == "suspended":
        return State.SUSPENDED
    return State.UNUSED if newest else State.REPLACED
