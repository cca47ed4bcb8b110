"""What an enterprise's system says and hears when it answers: the models of /api/v1/answers and /api/v1/codes.

The API and the conformance kit read and write with the same ones.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from geo.problems import Problem
from landready import answer_batches, answer_codes
from landready.answer_batches import Said
from landready.answer_rules import AnswerDraft
from landready.answers import AnswerVerdict
from landready.utilities import Utility


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PointIn(_In):
    """GeoJSON Point, longitude first, EPSG:4490."""

    type: Literal["Point"]
    coordinates: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]


class AnswerIn(_In):
    """One answer. Which fields a code needs stands in `GET /api/v1/codes`; those it has no use for are ignored."""

    plot: str = Field(max_length=80, description="`code` of the plot in the event")
    utility: Utility
    code: AnswerVerdict
    connection_point: PointIn | None = None
    spare_capacity: FiniteFloat | None = Field(None, description="in the unit of the utility")
    works: str = Field("", description="what must be built")
    ready_by: date | None = None
    reason: str = ""
    valid_until: date | None = Field(None, description="empty: valid without end")
    over_reason: str = Field(
        "", description="why it can be connected although the plot needs more than is left; asked for by `over_unconfirmed`"
    )  # fmt: skip


class AnswersIn(_In):
    push: uuid.UUID = Field(description="`push` of the event")
    answers: list[AnswerIn] = Field(min_length=1, max_length=answer_batches.LIMIT)

    def digest(self) -> str:
        """Return the SHA-256 of the content, by which a repetition is known."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()

    def said(self) -> list[Said]:
        return [Said(x.plot, _draft(x)) for x in self.answers]


class MadeOut(BaseModel):
    plot: str
    utility: str
    code: str
    version: int = Field(description="counts the answers to this plot and utility; the last holds")


class AnswersOut(BaseModel):
    """`outcome` is `same` when the very same batch had come before under this key; nothing was recorded twice."""

    push: str
    outcome: Literal["recorded", "same"]
    answers: list[MadeOut]
    open: int = Field(description="how many plots and utilities of the push still owe an answer")


class CodeOut(BaseModel):
    """One answer code; fields that are neither in `needs` nor in `may` are ignored."""

    code: str
    name: str
    meaning: str
    needs: list[str]
    may: list[str]
    opens_gate: bool = Field(description="counts as a condition for listing the plot")


class UtilityOut(BaseModel):
    code: str
    name: str
    unit: str = Field(description="of `spare_capacity`")


class CodesOut(BaseModel):
    """The closed list. A change of any code is a new `version`."""

    version: str
    codes: list[CodeOut]
    utilities: list[UtilityOut]


def codes(say: Callable[[str], str], utilities: Mapping[str, str]) -> CodesOut:
    """Return the closed list in the words that `say` makes of the Chinese ones; `utilities` names the utilities."""
    return CodesOut(
        version=answer_codes.VERSION,
        codes=[
            CodeOut(
                code=x.code.value,
                name=say(answer_codes.NAMES[x.code.value]),
                meaning=say(x.meaning),
                needs=list(x.needs),
                may=list(x.may),
                opens_gate=x.opens_gate,
            )
            for x in answer_codes.CODES
        ],
        utilities=[
            UtilityOut(code=u.value, name=say(utilities[u.value]), unit=answer_codes.UNITS[u])
            for u in Utility
        ],
    )


def _draft(x: AnswerIn) -> AnswerDraft:
    at = x.connection_point
    return AnswerDraft(
        0,
        x.utility.value,
        x.code,
        connection_point=(at.coordinates[0], at.coordinates[1]) if at else None,
        spare_capacity=x.spare_capacity,
        works=x.works.replace("\x00", "").strip(),
        ready_by=x.ready_by,
        reason=x.reason.replace("\x00", "").strip(),
        valid_until=x.valid_until,
        over=x.over_reason.replace("\x00", "").strip(),
    )


def where(problem: Problem) -> str:
    """Where in the body of the request a problem is."""
    if problem.code.startswith("key_"):
        return "Idempotency-Key"
    if problem.row is None:
        return "answers"
    field = answer_codes.field_of(problem.code)
    return f"answers[{problem.row - 1}]" + (f".{field}" if field else "")
