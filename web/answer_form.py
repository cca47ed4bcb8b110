"""The answer form: what a person typed becomes a draft, and a draft becomes what the form shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import nan

from geo.problems import Problem
from landready.answer_rules import FIELDS, AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.shapes import to_geojson

# What a form carries besides the plot and the utility.
NAMES = (
    "verdict",
    "lon",
    "lat",
    "capacity",
    "works",
    "ready_by",
    "reason",
    "valid_until",
    "over",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """The texts in the fields, and the problems to show beside them."""

    values: Mapping[str, str]
    problems: Sequence[Problem] = field(default_factory=tuple)

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def faults(self, name: str) -> list[Problem]:
        """The problems of one field; a problem's code begins with its field."""
        return [p for p in self.problems if p.code.startswith(name + "_")]

    @property
    def point(self) -> str:
        """Longitude and latitude of the connection point; empty without one."""
        return ", ".join(filter(None, (self.value("lon"), self.value("lat"))))

    @property
    def general(self) -> list[Problem]:
        """The problems of no field of the answer itself."""
        return [
            p
            for p in self.problems
            if not any(p in self.faults(name) for name in (*FIELDS, "attachment"))
        ]


def read(form: Mapping[str, str], plot_id: int = 0, utility: str = "") -> AnswerDraft:
    """Return what a person typed. What cannot be read becomes NaN or `date.min`, which the rules tell as faults."""
    said = {name: form.get(name, "").replace("\x00", "").strip() for name in NAMES}
    verdict = said["verdict"]
    point = (_number(said["lon"]), _number(said["lat"])) if said["lon"] or said["lat"] else None
    return AnswerDraft(
        plot_id,
        utility,
        AnswerVerdict(verdict) if verdict in set(AnswerVerdict) else None,
        connection_point=point,
        spare_capacity=_number(said["capacity"]) if said["capacity"] else None,
        works=said["works"],
        ready_by=_day(said["ready_by"]),
        reason=said["reason"],
        valid_until=_day(said["valid_until"]),
        over=said["over"],
    )


def typed(form: Mapping[str, str], problems: Sequence[Problem]) -> Form:
    """Return the form as it was sent, so that nothing typed is lost."""
    return Form({name: form.get(name, "") for name in NAMES}, tuple(problems))


def of_draft(draft: AnswerDraft) -> Form:
    """Return the form filled with a proposal."""
    lon, lat = draft.connection_point or (None, None)
    return Form(
        {
            "verdict": draft.verdict.value if draft.verdict else "",
            "lon": f"{lon:.7f}" if lon is not None else "",
            "lat": f"{lat:.7f}" if lat is not None else "",
            "capacity": f"{draft.spare_capacity:.12g}" if draft.spare_capacity is not None else "",
            "works": draft.works,
            "ready_by": draft.ready_by.isoformat() if draft.ready_by else "",
            "reason": draft.reason,
            "valid_until": draft.valid_until.isoformat() if draft.valid_until else "",
            "over": draft.over,
        }
    )


def of_answer(answer: Answer, over: str = "") -> Form:
    """Return the form filled with an answer that is to be corrected; `over` is why it was reserved beyond what was stated."""
    at = to_geojson(answer.connection_point) if answer.connection_point is not None else None
    return of_draft(
        AnswerDraft(
            answer.plot_id,
            answer.utility,
            AnswerVerdict(answer.verdict),
            connection_point=(at["coordinates"][0], at["coordinates"][1]) if at else None,
            spare_capacity=answer.spare_capacity,
            works=answer.works,
            ready_by=answer.ready_by,
            reason=answer.reason,
            valid_until=answer.valid_until,
            over=over,
        )
    )


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "").replace("，", ""))
    except ValueError:
        return nan


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return date.min
