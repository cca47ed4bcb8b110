"""The rules as they are kept: appended, never changed. The owner role writes the configuration's, a supervisor a legal exception."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    Date,
    ForeignKey,
    String,
    Text,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Mapped, Session, aliased, joinedload, mapped_column, relationship

from geo.problems import N_, Problem
from landready import cities, clock
from landready.clock import today as local_date
from landready.db import Base, Id, Role, actor_of, as_engine
from landready.errors import BadSettings, Conflict, Invalid, NotFound
from landready.organisations import Account, Organisation
from landready.plans import Plot
from landready.rule_sets import REQUIREMENTS, Exemption, Gate
from landready.uploads import storable

DOCUMENT, REASON = 200, 500


class Rule(Base):
    """One entry: a standard set of the configuration, a supervisor's exemption from it, or the end of an exemption.

    `effects` are "block" or "warn" by requirement, `body` the whole set; `lifts` names the requirements that only warn while an
    exemption holds, for the whole `city` or for `plots` alone.
    """

    __tablename__ = "rule_set"
    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(10))
    version: Mapped[str] = mapped_column(String(40), default="")
    city: Mapped[str] = mapped_column(String(6))
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)
    effects: Mapped[dict[str, Any]] = mapped_column(default=dict)
    horizon_days: Mapped[int | None]
    check_days: Mapped[int | None]
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)
    plots: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list)
    lifts: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    revokes: Mapped[int | None] = mapped_column(ForeignKey("rule_set.id"), unique=True)
    document: Mapped[str] = mapped_column(String(DOCUMENT), default="")
    reason: Mapped[str] = mapped_column(String(REASON), default="")
    issuer_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    issued_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    issued_at: Mapped[datetime]
    issuer: Mapped[Organisation | None] = relationship()
    __table_args__ = (
        CheckConstraint("kind in ('standard','exemption','revocation')", name="kind"),
        CheckConstraint(
            "kind <> 'standard' or (version <> '' and horizon_days > 0 and check_days > 0 and cardinality(lifts) = 0)",
            name="standard",
        ),
        CheckConstraint(
            "kind <> 'exemption' or (cardinality(lifts) > 0 and city <> '' and ends_on >= starts_on and revokes is null)",
            name="exemption",
        ),
        CheckConstraint("kind <> 'revocation' or revokes is not null", name="revocation"),
        CheckConstraint(
            "kind = 'standard' or (document <> '' and reason <> '' and issuer_id is not null)",
            name="issued",
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What a supervisor wants to except: which requirements, of which city, from when to when, for which plots (codes)."""

    city: str
    lifts: tuple[str, ...]
    start: date | None
    end: date | None
    document: str
    reason: str
    codes: tuple[str, ...] = ()


def write(connection: Connection, gate: Gate) -> None:
    """Append the configuration's rules where they are not the newest of their city and day; needs the owner role.

    Raises:
        BadSettings: a version that was written before has other contents now.
    """
    rows = connection.execute(
        select(Rule.version, Rule.city, Rule.starts_on, Rule.body)
        .where(Rule.kind == "standard")
        .order_by(Rule.id)
    ).all()
    # What the migration took over from before has a version too, and is not in this form.
    known = {(row.version, row.city): row.body for row in rows if "migrated" not in row.body}
    newest = {(row.city, row.starts_on): row.body for row in rows}
    for one in gate.all():
        body = one.model_dump(mode="json", by_alias=True)
        if known.get((one.version, one.city), body) != body:
            raise BadSettings(
                f"gate: version {one.version} was in force with other contents; give changed rules a new version"
            )
        if newest.get((one.city, one.start)) == body:
            continue
        effects = {
            name: one.requirement(name).effect
            for name in REQUIREMENTS
            if name in one.utilities or name not in _UTILITIES
        }
        connection.execute(
            insert(Rule).values(
                kind="standard", version=one.version, city=one.city, starts_on=one.start,
                effects=effects, horizon_days=one.commitment_horizon_days, check_days=one.check_days,
                body=body, plots=[], lifts=[], document="", reason="", issued_at=func.now(),
            )
        )  # fmt: skip


_UTILITIES = frozenset(REQUIREMENTS[:6])
# Raised by the trigger of migration 0010.
_REFUSED = "LR002"


def exemptions(session: Session, cities: Collection[str]) -> tuple[Exemption, ...]:
    """Return the exemptions of cities that nobody ended, whatever their days."""
    end = aliased(Rule)
    rows = session.scalars(
        select(Rule)
        .where(
            Rule.kind == "exemption",
            Rule.city.in_(cities),
            ~exists().where(end.revokes == Rule.id),
        )
        .options(joinedload(Rule.issuer))
        .order_by(Rule.id)
    )
    return tuple(
        Exemption(
            id=row.id,
            document=row.document,
            reason=row.reason,
            issuer=row.issuer.name if row.issuer else "",
            issued_on=local_date(row.issued_at),
            lifts=tuple(row.lifts),
            city=row.city,
            plots=tuple(row.plots),
            start=row.starts_on,
            end=row.ends_on or row.starts_on,
        )
        for row in rows
    )


def history(session: Session) -> tuple[Sequence[Rule], dict[int, Rule]]:
    """Return everything that was ever in force, newest first, and the ends of exemptions by the exemption's id."""
    rows = session.scalars(
        select(Rule).options(joinedload(Rule.issuer)).order_by(Rule.id.desc())
    ).all()
    ended = {row.revokes: row for row in rows if row.revokes}
    return [row for row in rows if row.kind != "revocation"], ended


def issue(session: Session, wish: Wish, now: datetime) -> Rule:
    """Record a legal exception of the asking supervisor's. Nothing else makes a plot ready that the rules say is not.

    Raises:
        NotFound: the asker is no supervisor of that city.
        Invalid: document, reason, days, requirements or plots are missing or wrong.
    """
    asker = actor_of(session)
    if asker.role is not Role.SUPERVISOR or asker.city not in (None, "", wish.city):
        raise NotFound
    document, reason = storable(wish.document).strip(), storable(wish.reason).strip()
    plots, unknown = _plots(session, wish)
    if found := tuple(_problems(wish, document, reason, unknown, local_date(now))):
        raise Invalid(found)
    row = Rule(
        kind="exemption", city=wish.city, starts_on=wish.start, ends_on=wish.end, lifts=list(wish.lifts),
        plots=plots, document=document, reason=reason, issuer_id=asker.organisation_id,
        issued_by=asker.account_id, issued_at=now,
    )  # fmt: skip
    session.add(row)
    try:
        session.flush()
    except DBAPIError as error:  # the day turned since the request came
        if getattr(error.orig, "sqlstate", "") != _REFUSED:
            raise
        raise Invalid((_days(),)) from error
    return row


def revoke(session: Session, exemption_id: int, document: str, reason: str, now: datetime) -> Rule:
    """End an exemption from now on.

    Raises:
        NotFound: there is none of the asker's city.
        Conflict: it has ended.
        Invalid: document or reason is missing.
    """
    asker = actor_of(session)
    row = session.scalar(select(Rule).where(Rule.id == exemption_id, Rule.kind == "exemption"))
    if row is None or asker.role is not Role.SUPERVISOR or asker.city not in (None, "", row.city):
        raise NotFound
    if session.scalar(select(Rule.id).where(Rule.revokes == row.id)):
        raise Conflict(N_("这项例外已经终止。"))
    document, reason = storable(document).strip(), storable(reason).strip()
    if found := tuple(_words(document, reason)):
        raise Invalid(found)
    end = Rule(
        kind="revocation", city=row.city, starts_on=local_date(now), revokes=row.id, document=document,
        reason=reason, issuer_id=asker.organisation_id, issued_by=asker.account_id, issued_at=now,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(end)
    except IntegrityError as error:  # somebody else ended it at the same moment
        raise Conflict(N_("这项例外已经终止。")) from error
    return end


def issued_by(session: Session, rows: Sequence[Rule]) -> dict[int, str]:
    """Return the names of the people who wrote entries, by account."""
    with as_engine(session):
        people = select(Account.id, Account.full_name).where(
            Account.id.in_({row.issued_by for row in rows if row.issued_by})
        )
        return dict(session.execute(people).all())


def _plots(session: Session, wish: Wish) -> tuple[list[int], list[str]]:
    """Ids of the plots named by their codes in the city, and the codes that name none."""
    if not wish.codes:
        return [], []
    with as_engine(session):
        rows = session.execute(
            select(Plot.id, Plot.code).where(Plot.city == wish.city, Plot.code.in_(wish.codes))
        ).all()
    known = {row.code for row in rows}
    return sorted(row.id for row in rows), [code for code in wish.codes if code not in known]


def _words(document: str, reason: str) -> list[Problem]:
    found = []
    if not document or len(document) > DOCUMENT:
        text = N_("请填写文号，最多 {limit} 个字。")
        found.append(Problem("exemption_document", "error", text, {"limit": DOCUMENT}))
    if not reason or len(reason) > REASON:
        text = N_("请写明理由，最多 {limit} 个字；公众会看到它。")
        found.append(Problem("exemption_reason", "error", text, {"limit": REASON}))
    return found


def _days() -> Problem:
    return Problem("exemption_days", "error", N_("请填写起止日期：不早于今天，截止不早于开始。"))


def _problems(
    wish: Wish, document: str, reason: str, unknown: Sequence[str], today: date
) -> list[Problem]:
    found = _words(document, reason)
    if not wish.lifts or set(wish.lifts) - set(REQUIREMENTS):
        found.append(Problem("exemption_lifts", "error", N_("请选择例外涉及的条件。")))
    if wish.start is None or wish.end is None or wish.start < today or wish.end < wish.start:
        found.append(_days())
    elif clock.too_far(wish.end, today):
        day = {"day": wish.end.isoformat()}
        found.append(Problem("exemption_days", "error", clock.TOO_FAR, day))
    if wish.city not in cities.names():
        found.append(Problem("exemption_city", "error", N_("没有这个市县。")))
    if unknown:
        text = N_("本市县没有这些地块编号：{codes}。")
        found.append(Problem("exemption_plots", "error", text, {"codes": "、".join(unknown[:10])}))
    return found
