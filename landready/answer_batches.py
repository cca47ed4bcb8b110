"""Answers that came in together: from a system, a filled-in sheet, a link or the portal, each batch taken exactly once (R20).

The sender names a batch by a key. The same key with the same content gives the first result again and records nothing; with
other content it is refused. A batch that is refused uses no key up: the sender corrects it and sends it again.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from geo.problems import N_, Problem
from landready import answering
from landready.answer_rules import AnswerDraft
from landready.answers import Answer, latest_answers
from landready.asked import Pair
from landready.db import Base, Id, actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.plans import Plot
from landready.pushes import Push, PushPlot
from landready.settings import Check, Gate, Region

Channel = Literal["portal", "link", "api", "sheet"]
# As many answers come in one batch; a larger plan is answered in several.
LIMIT = 5000
_KEY_LENGTH = 100


class AnswerBatch(Base):
    """One batch as it was taken, with the versions it made: `result` holds plot, utility, code and version of each."""

    __tablename__ = "answer_batch"
    id: Mapped[Id]
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    channel: Mapped[str] = mapped_column(String(10))
    key: Mapped[str] = mapped_column(String(100))
    body_sha256: Mapped[str] = mapped_column(String(64))
    result: Mapped[list[Any]]
    received_at: Mapped[datetime]
    received_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        UniqueConstraint("enterprise_id", "key"),
        CheckConstraint("channel in ('portal','link','api','sheet')", name="channel"),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a batch: a plot by its code in the plan, and a draft whose plot is not known yet."""

    plot_code: str
    draft: AnswerDraft


@dataclass(frozen=True, slots=True)
class Incoming:
    """A batch as it arrived. `digest` is the SHA-256 of its content, by which a repetition is known."""

    push_id: int
    channel: Channel
    key: str
    digest: str
    answers: Sequence[Said]


def push_of(session: Session, uid: uuid.UUID) -> Push:
    """Return the asker's push by the name it has outside.

    Raises:
        NotFound: it is not the asker's.
    """
    found = session.scalar(
        select(Push).where(Push.uid == uid, Push.enterprise_id == actor_of(session).organisation_id)
    )
    if found is None:
        raise NotFound
    return found


def take(
    session: Session,
    batch: Incoming,
    *,
    check: Check,
    region: Region,
    gate: Gate,
    account_id: int | None,
    now: datetime,
) -> tuple[AnswerBatch, bool]:
    """Record a batch, all of it or nothing; return it and whether it is new (False: the very same had come before).

    Raises:
        NotFound: the push is not the asker's.
        Conflict: the key was used for other content, or for another push.
        Invalid: with every fault; a problem's `row` counts the answers from 1 (None: about the whole batch).
    """
    key = usable_key(batch.key)
    if (known := before(session, batch.push_id, key, batch.digest)) is not None:
        return known, False
    drafts = drafts_of(batch.answers, _asked(session, batch.push_id))
    made = answering.answer_each(
        session,
        batch.push_id,
        drafts,
        check=check,
        region=region,
        gate=gate,
        account_id=account_id,
        now=now,
    )
    push = session.get_one(Push, batch.push_id)
    kept = AnswerBatch(
        push_id=push.id,
        enterprise_id=push.enterprise_id,
        office_id=push.office_id,
        channel=batch.channel,
        key=key,
        body_sha256=batch.digest,
        result=[
            {
                "plot": said.plot_code,
                "utility": answer.utility,
                "code": answer.verdict,
                "version": answer.version,
            }
            for said, answer in zip(batch.answers, made, strict=True)
        ],
        received_at=now,
        received_by=account_id,
    )
    session.add(kept)
    session.flush()
    return kept, True


def before(session: Session, push_id: int, key: str, digest: str) -> AnswerBatch | None:
    """Return the batch that came under this key before, or None; whoever brings the same key waits for its turn.

    Raises:
        Conflict: it had other content.
    """
    enterprise_id = actor_of(session).organisation_id
    turn = func.hashtextextended(f"answers {enterprise_id} {key}", 0)
    session.execute(select(func.pg_advisory_xact_lock(turn)))
    known = session.scalar(
        select(AnswerBatch).where(
            AnswerBatch.enterprise_id == enterprise_id, AnswerBatch.key == key
        )
    )
    if known and (known.body_sha256, known.push_id) != (digest, push_id):
        raise Conflict(N_("这个幂等键已用于另一份内容，没有记录任何答复。新的内容请用新的键。"))
    return known


def batches_of(session: Session, push_id: int) -> Sequence[AnswerBatch]:
    """Return what came in for a push that the asker may see, newest first."""
    return session.scalars(
        select(AnswerBatch).where(AnswerBatch.push_id == push_id).order_by(AnswerBatch.id.desc())
    ).all()


def usable_key(key: str) -> str:
    """Return the name a sender gave a batch.

    Raises:
        Invalid: it is none.
    """
    key = key.strip()
    if not (0 < len(key) <= _KEY_LENGTH and key.isascii() and key.isprintable()):
        text = N_("请给出幂等键（Idempotency-Key）：1 到 {limit} 个可打印的 ASCII 字符。")
        raise Invalid((Problem("key_unusable", "error", text, {"limit": _KEY_LENGTH}),))
    return key


def drafts_of(answers: Sequence[Said], asked: Mapping[tuple[str, str], Pair]) -> list[AnswerDraft]:
    """Give each answer the id of its plot; `asked` names plot and utility by the plot's code and utility.

    Raises:
        Invalid: with every answer to something that was not asked, or that is answered twice.
    """
    if not 0 < len(answers) <= LIMIT:
        text = N_("一批应有 1 到 {limit} 项答复。")
        raise Invalid((Problem("batch_size", "error", text, {"limit": LIMIT}),))
    counted = Counter((said.plot_code, said.draft.utility) for said in answers)
    found: list[Problem] = []
    drafts = []
    for row, said in enumerate(answers, 1):
        params = {"plot": said.plot_code[:80]}
        pair = asked.get((said.plot_code, said.draft.utility))
        if pair is None:
            text = N_("这次推送没有就这项服务询问地块“{plot}”。")
            found.append(Problem("plot_not_asked", "error", text, params, row))
        elif counted[said.plot_code, said.draft.utility] > 1:
            text = N_("地块“{plot}”的同一项服务在一批里答复了两次。")
            found.append(Problem("plot_twice", "error", text, params, row))
        else:
            drafts.append(replace(said.draft, plot_id=pair[0]))
    if found:
        raise Invalid(tuple(found), N_("答复没有保存，请按提示补充。"))
    return drafts


def _asked(session: Session, push_id: int) -> Mapping[tuple[str, str], Pair]:
    rows = session.execute(
        select(Plot.code, PushPlot.utility, Plot.id)
        .join(Plot, Plot.id == PushPlot.plot_id)
        .where(PushPlot.push_id == push_id)
    )
    return {(code, utility): (plot_id, utility) for code, utility, plot_id in rows}


@dataclass(frozen=True, slots=True)
class AskedLine:
    """One plot and utility of a push and the asker's newest answer; `open`: an answer is owed for the plot as it is now."""

    plot: Plot
    utility: str
    answer: Answer | None

    @property
    def open(self) -> bool:
        return self.answer is None or self.answer.plot_revision != self.plot.revision


def asked_lines(session: Session, push: Push) -> list[AskedLine]:
    """Return everything that a push asks about, in the order of the plan."""
    rows = session.execute(
        select(Plot, PushPlot.utility)
        .join(PushPlot, PushPlot.plot_id == Plot.id)
        .where(PushPlot.push_id == push.id)
        .order_by(Plot.row, Plot.id, PushPlot.utility)
    ).all()
    said = latest_answers(session, list({plot.id for plot, _ in rows}))
    own = {(a.plot_id, a.utility): a for a in said if a.enterprise_id == push.enterprise_id}
    return [AskedLine(plot, utility, own.get((plot.id, utility))) for plot, utility in rows]
