"""May this plot be traded now? Asked by the trading platform at the hammer, answered live through the gate, fails closed.

The answer rests on readiness as it is at this moment, not on what the listing's state says: conditions that lapsed a second ago
mean no, whether or not the sweep has suspended the listing yet. Whatever cannot be read, is unclear or raises means no.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from geo.problems import N_
from landready.db import as_engine
from landready.gate import readiness_of
from landready.listings import Listing
from landready.plans import Plot, SupplyPlan
from landready.settings import Settings

Format = Literal["landready-tradable-1"]
FORMAT: Format = "landready-tradable-1"
_NO = {
    "not_offered": N_("这个地块没有上架。"),
    "ambiguous": N_("有多个地块使用这个编号，请按上架编号查询。"),
    "suspended": N_("上架已暂停：{reason}"),
    "withdrawn": N_("上架已撤回：{reason}"),
    "sold": N_("地块已成交。"),
    "certificate_expired": N_("准入判定已过有效期。"),
    "plot_changed": N_("地块在判定之后修改过。"),
    "fault": N_("系统无法完成核验，按不可交易处理。"),
}
_EXAMPLE = Path(__file__).parent / "data" / "tradable_example.json"
log = logging.getLogger(__name__)


class Reason(BaseModel):
    """Why not: `code` is stable, `message` a Chinese sentence."""

    code: str
    utility: str = ""
    enterprise: str = ""
    message: str


class Answer(BaseModel):
    """What is signed. Integers, texts, booleans and null only, so that its canonical form (RFC 8785) is plain sorted JSON."""

    format: Format = FORMAT
    question: str = Field(description="what was asked: plot:… or listing:…")
    nonce: str = Field(description="as it was sent")
    tradable: bool = Field(description="only true means yes")
    reasons: list[Reason] = Field(description="everything that is missing; empty when tradable")
    listing_id: int | None
    plot_id: int | None
    plot_code: str | None
    plot_revision: int | None
    certificate: str | None = Field(
        description="number of the certificate that the listing rests on"
    )
    rule_version: str | None
    issued_at: str = Field(description="ISO 8601, UTC")
    expires_at: str = Field(description="ISO 8601, UTC; the answer may be used before")

    def canonical(self) -> bytes:
        """The bytes that are signed: keys sorted, no blanks, UTF-8."""
        plain = self.model_dump(mode="json")
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Question:
    """A plot by its code, or else its id, or a listing by its id; `nonce` ties the answer to the question."""

    plot: str = ""
    listing_id: int | None = None
    nonce: str = ""

    def __str__(self) -> str:
        return f"plot:{self.plot}" if self.listing_id is None else f"listing:{self.listing_id}"


def example() -> dict[str, Any]:
    """Return the answer that the documentation shows."""
    found: dict[str, Any] = json.loads(_EXAMPLE.read_text(encoding="utf-8"))
    return found


def answer(session: Session, question: Question, settings: Settings, now: datetime) -> Answer:
    """Answer a question. Never raises: a fault is a no of its own, and is logged."""
    found: Sequence[Listing] = ()
    plots: Sequence[int] = ()
    try:
        with session.begin_nested(), as_engine(session):
            plots = _plots(session, question)
            found = _listings(session, question, plots)
            reasons = (
                [_no("ambiguous")] if len(plots) > 1 else _reasons(session, found, settings, now)
            )
    except Exception:
        log.exception("%s cannot be judged", question)
        reasons = [_no("fault")]
    listing = found[0] if found and len(plots) < 2 else None
    certificate = listing.certificate if listing else None
    return Answer(
        question=str(question),
        nonce=question.nonce,
        tradable=not reasons,
        reasons=reasons,
        listing_id=listing.id if listing else None,
        plot_id=listing.plot_id if listing else None,
        plot_code=listing.plot.code if listing else None,
        plot_revision=listing.plot.revision if listing else None,
        certificate=certificate.number if certificate else None,
        rule_version=certificate.rule_version if certificate else None,
        issued_at=now.isoformat(),
        expires_at=(now + timedelta(seconds=settings.market.answer_seconds)).isoformat(),
    )


def _plots(session: Session, question: Question) -> Sequence[int]:
    """Return the plots that a code may mean: those of released plans, on offer or not, but for what was taken off the market.

    Only where no plot has the code it is a plot's id.
    """
    if question.listing_id is not None:
        return ()
    newest = (
        select(Listing.state)
        .where(Listing.plot_id == Plot.id)
        .order_by(Listing.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Plot.id, newest.label("state"))
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(Plot.code == question.plot, SupplyPlan.state == "released")
    ).all()
    if rows:
        return [row.id for row in rows if row.state != "withdrawn"] or [rows[-1].id]
    # Longer is no id of ours, and no number that PostgreSQL takes.
    plain = question.plot.isascii() and question.plot.isdigit() and len(question.plot) < 19
    return [int(question.plot)] if plain else ()


def _listings(session: Session, question: Question, plots: Sequence[int]) -> Sequence[Listing]:
    """Return the listing meant: of a plot its newest."""
    query = select(Listing).options(joinedload(Listing.plot), joinedload(Listing.certificate))
    if question.listing_id is not None:
        return session.scalars(query.where(Listing.id == question.listing_id)).all()
    of_plot = query.where(Listing.plot_id.in_(plots)).order_by(Listing.id.desc()).limit(1)
    return session.scalars(of_plot).all()


def _reasons(
    session: Session, found: Sequence[Listing], settings: Settings, now: datetime
) -> list[Reason]:
    if not found:
        return [_no("not_offered")]
    listing = found[0]
    reasons = []
    if listing.state != "listed":
        reasons.append(_no(listing.state, reason=listing.state_reason))
    certificate = listing.certificate
    if not (certificate and certificate.ready and certificate.valid_until > now):
        reasons.append(_no("certificate_expired"))
    if certificate and certificate.plot_revision != listing.plot.revision:
        reasons.append(_no("plot_changed"))
    judged = readiness_of(session, [listing.plot_id], settings.gate, now)[listing.plot_id]
    return reasons + [
        Reason(
            code=blocker.code,
            utility=blocker.utility or "",
            enterprise=blocker.enterprise,
            message=blocker.message,
        )
        for blocker in judged.blockers
    ]


def _no(code: str, **params: str) -> Reason:
    return Reason(code=code, message=_NO[code].format(**params))
