"""A plan that was pushed to two enterprises, to try answers on."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from landready import answering
from landready.answering import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.db import ENGINE, Actor, transaction
from landready.errors import Invalid
from landready.organisations import Organisation
from landready.settings import Settings
from tests.factories import NOW, metres

TODAY = date(2026, 3, 2)
SOON = TODAY + timedelta(days=60)
LATER = NOW + timedelta(hours=3)
AT = metres(50, -20)
READY = AnswerVerdict.READY
READY_BY = AnswerVerdict.READY_BY
NOT_POSSIBLE = AnswerVerdict.NOT_POSSIBLE
NOT_CONCERNED = AnswerVerdict.NOT_CONCERNED


@dataclass(frozen=True)
class Case:
    """A plan of two plots 200 m apart, pushed to a water and a power company; the water main lies 20 m south of the first."""

    engine: Engine
    settings: Settings
    office: Actor
    water: Actor
    power: Actor
    push: int
    power_push: int
    plots: tuple[int, int]

    def draft(self, **given: object) -> AnswerDraft:
        values: dict[str, object] = {"verdict": READY, "connection_point": AT}
        return AnswerDraft(self.plots[0], "water", **{**values, **given})  # type: ignore[arg-type]

    def answer(self, session: Session, draft: AnswerDraft, push: int | None = None) -> Answer:
        return answering.answer(session, push or self.push, draft, **self._terms)

    def answer_many(
        self, session: Session, pairs: list[tuple[int, str]], draft: AnswerDraft
    ) -> list[Answer]:
        return answering.answer_many(session, self.push, pairs, draft, **self._terms)

    @property
    def _terms(self) -> dict[str, Any]:
        """Under which rules and when it is answered."""
        rules = {name: getattr(self.settings, name) for name in ("check", "region", "gate")}
        return {**rules, "account_id": None, "now": LATER}

    def codes(self, draft: AnswerDraft) -> list[str]:
        """The codes of everything that is wrong with a draft."""
        with transaction(self.engine, self.water) as session, pytest.raises(Invalid) as refused:
            self.answer(session, draft)
        with transaction(self.engine, ENGINE) as session:
            assert session.scalar(select(func.count()).select_from(Answer)) == 0
        return [problem.code for problem in refused.value.problems]

    def stored(self, session: Session) -> list[tuple[str, int, str]]:
        rows = session.scalars(select(Answer).order_by(Answer.id))
        return [(answer.utility, answer.version, answer.verdict) for answer in rows]


def actor(organisation: Organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city)
