"""Rule sets (准入规则): what keeps a plot off the market, in which city and from which day. Data with a source; pure.

There is no switch past the gate. A legal exception is a change of the rules with a document number (`Exemption`): for a time, in
one city or for single plots, what it names warns instead of blocking, and the listing says so to everybody.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from geo.problems import N_
from landready.utilities import Utility

Effect = Literal["block", "warn"]
# What may be required besides the utilities, as a person calls it; the trigger of the database knows the same names.
OTHERS: Mapping[str, str] = {
    "title": N_("净地"),
    "overlap": N_("与已上架、成交土地重叠"),
    "overlap_plan": N_("与先下发计划重叠"),
    "capacity": N_("容量预留有效"),
    "check": N_("测算有效"),
}
REQUIREMENTS: tuple[str, ...] = (*Utility, *OTHERS)
# The source of a requirement for which an installation names none.
UNDECIDED = "本系统暂定，待省里明确"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Requirement(_Frozen):
    """What a missing condition does to a listing, with who decided it and since when."""

    effect: Effect
    source: str = Field(min_length=1)
    since: date | None = None


class Exemption(_Frozen):
    """A supervisor's change of the rules for a time: what `lifts` names warns. Without `plots` it holds for the whole city."""

    id: int
    document: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    issuer: str
    issued_on: date
    lifts: tuple[str, ...] = Field(min_length=1)
    city: str
    plots: tuple[int, ...] = ()
    start: date
    end: date

    def holds(self, city: str, plot_id: int, day: date) -> bool:
        return (
            self.start <= day <= self.end
            and self.city == city
            and (not self.plots or plot_id in self.plots)
        )


class Rules(_Frozen):
    """What is required, from the first day `start` on."""

    version: str = Field(min_length=1, max_length=40)
    start: date = Field(default=date(2024, 5, 1), alias="from")
    commitment_horizon_days: PositiveInt
    verdict_days: PositiveInt
    check_days: PositiveInt = 365
    utilities: Mapping[Utility, Requirement]
    title: Requirement = Requirement(effect="block", source=UNDECIDED)
    overlap: Requirement = Requirement(effect="block", source=UNDECIDED)
    overlap_plan: Requirement = Requirement(effect="block", source=UNDECIDED)
    capacity: Requirement = Requirement(effect="warn", source=UNDECIDED)
    check: Requirement = Requirement(effect="block", source=UNDECIDED)

    def requirement(self, name: str) -> Requirement:
        """Return what is required under a name of REQUIREMENTS.

        Raises:
            KeyError: these rules say nothing of it.
        """
        own: Requirement = getattr(self, name) if name in OTHERS else self.utilities[Utility(name)]
        return own


class RuleSet(Rules):
    """Rules of one city (adcode), or of all where `city` is empty, with the exemptions that hold for one plot on one day."""

    city: str = Field(default="", pattern=r"^(\d{6})?$")
    exemptions: tuple[Exemption, ...] = ()

    def requirement(self, name: str) -> Requirement:
        """Return what is required under a name of REQUIREMENTS; what was lifted warns and names the document.

        Raises:
            KeyError: this set says nothing of it.
        """
        own = super().requirement(name)
        for one in self.exemptions:
            if name in one.lifts:
                return Requirement(effect="warn", source=one.document, since=one.start)
        return own

    @property
    def cited(self) -> str:
        """The version, with the documents of the exemptions in it."""
        return " + ".join([self.version, *(one.document for one in self.exemptions)])


def completed(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every `[[gate.sets]]` of the configuration with what it leaves out taken from `[gate]`.

    Raises:
        ValueError: one has no version or first day of its own.
    """
    base = {key: value for key, value in raw.items() if key != "sets"}
    found = []
    for own in raw.get("sets", ()):
        if not {"version", "from"} <= set(own):
            raise ValueError("each of gate.sets needs a version and a first day (from)")
        utilities = {**base.get("utilities", {}), **own.get("utilities", {})}
        found.append({**base, **own, "utilities": utilities})
    return found


class Gate(Rules):
    """The rules of the configuration: these for all, and `sets` for single cities or later days."""

    sets: tuple[RuleSet, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        if isinstance(raw, dict) and raw.get("sets"):
            return {**raw, "sets": completed(raw)}
        return raw

    def all(self) -> tuple[RuleSet, ...]:
        """Return every set, the one for all first."""
        own = {name: getattr(self, name) for name in Rules.model_fields}
        return (RuleSet(**own), *self.sets)


def in_force(
    sets: Sequence[RuleSet], exemptions: Iterable[Exemption], city: str, plot_id: int, day: date
) -> RuleSet | None:
    """Return the rules for a plot on a day: the city's own before those for all, the later before the earlier.

    None: no set has begun, and nothing may be listed.
    """
    begun = [
        (bool(one.city), one.start, number)
        for number, one in enumerate(sets)
        if one.start <= day and one.city in ("", city)
    ]
    if not begun:
        return None
    lifted = tuple(one for one in exemptions if one.holds(city, plot_id, day))
    return sets[max(begun)[2]].model_copy(update={"exemptions": lifted})
