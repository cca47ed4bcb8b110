"""A plot as the soak changes it, and the second rule of the gate: may it be on offer today? It shares no line with the first."""

from dataclasses import dataclass, field
from datetime import date
from math import inf

from landready.facts import Asked, Measured, Overlapping, PlotFacts, Reserved, Said, Title
from landready.rule_sets import Exemption, Requirement, RuleSet
from landready.utilities import Utility

START = date(2026, 3, 2)
JUDGED = (Utility.WATER, Utility.POWER, Utility.GAS)


@dataclass
class Land:
    """A plot as the machine changes it; `facts` is what the rule is shown of it."""

    number: int
    revision: int = 1
    released: bool = True
    asked: dict[tuple[Utility, int], Said | None] = field(default_factory=dict)
    measured: dict[Utility, Measured] = field(default_factory=dict)
    reserved: dict[tuple[Utility, int], Reserved] = field(default_factory=dict)
    title: Title | None = None
    overlaps: tuple[Overlapping, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> PlotFacts:
        return PlotFacts(
            self.revision,
            self.released,
            {
                utility: tuple(
                    Asked(f"{utility}-{who}", START, said, who)
                    for (of, who), said in self.asked.items()
                    if of is utility
                )
                for utility in {u for u, _ in self.asked}
            },
            dict(self.measured),
            tuple(self.reserved.values()),
            self.title,
            self.overlaps,
            dict(self.failed),
        )


def rules_of(version: str, effects: dict[str, str], horizon: int, start: date) -> RuleSet:
    def requirement(name: str) -> Requirement:
        return Requirement(effect=effects.get(name, "block"), source="soak")

    return RuleSet(
        version=version,
        start=start,
        commitment_horizon_days=horizon,
        verdict_days=90,
        check_days=200,
        utilities={u: requirement(u) for u in JUDGED},
        **{
            name: requirement(name)
            for name in ("title", "overlap", "overlap_plan", "capacity", "check")
        },
    )


def carries(land: Land, rules: RuleSet | None, exemptions: list[Exemption], day: date) -> bool:
    """The second rule: may this plot be on offer today?"""
    if rules is None or land.failed or not land.released:
        return False
    lifted = {
        name
        for one in exemptions
        if one.start <= day <= one.end and (not one.plots or land.number in one.plots)
        for name in one.lifts
    }

    def blocks(name: str) -> bool:
        own = rules.utilities[Utility(name)] if name in set(Utility) else getattr(rules, name)
        return own.effect == "block" and name not in lifted

    title = land.title
    clear = (
        title is not None
        and title.clear
        and title.plot_revision == land.revision
        and title.document.strip() != ""
        and title.document_date <= day
    )
    if blocks("title") and not clear:
        return False
    if blocks("overlap") and any(o.state != "planned" for o in land.overlaps):
        return False
    if blocks("overlap_plan") and any(o.state == "planned" for o in land.overlaps):
        return False
    return all(
        _reached(land, utility, rules, day, capacity=blocks("capacity"), check=blocks("check"))
        for utility in JUDGED
        if blocks(utility)
    )


def _reached(
    land: Land, utility: Utility, rules: RuleSet, day: date, *, capacity: bool, check: bool
) -> bool:
    good = []
    for (of, who), said in land.asked.items():
        if of is not utility or said is None or said.plot_revision != land.revision:
            continue
        if said.valid_until is not None and said.valid_until < day:
            continue
        promised = said.ready_by is not None and 0 <= (said.ready_by - day).days <= (
            rules.commitment_horizon_days
        )
        if said.verdict == "ready" or (said.verdict == "ready_by" and promised):
            good.append(land.reserved.get((utility, who)))
    if not good or (capacity and not any(_held(one, day) for one in good)):
        return False
    if not check:
        return True
    seen = land.measured.get(utility)
    if seen is None or seen.plot_revision != land.revision:
        return False
    numbers = [seen.served_share, seen.radius_m]
    if seen.nearest is not None:
        numbers.append(seen.nearest.distance_m)
    if any(n is None or not 0 <= n < inf for n in numbers):
        return False
    return 0 <= (day - seen.measured_on).days <= rules.check_days


def _held(one: Reserved | None, day: date) -> bool:
    if one is None:
        return True
    if one.state == "released" or (one.expires_on is not None and one.expires_on < day):
        return False
    if one.exception or one.spare is None or one.high is None:
        return True
    numbers = (one.spare, one.high, one.total)
    return all(n is not None and 0 <= n < inf for n in numbers) and (
        round(one.total or 0.0, 6) <= round(one.spare, 6)
    )
