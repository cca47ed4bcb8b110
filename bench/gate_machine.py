"""Everything that can happen around a gate, in memory and in any order; after each step a second rule looks at what is on offer.

The market here does what the product does: it lists by `landready.readiness` alone, certifies what it listed, and judges again
what a change touches. The second rule shares no line with the first: it reads the same facts and says ready or not.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import inf, nan

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bench.second_rule import JUDGED, START, Land, carries, rules_of
from landready.answers import AnswerVerdict
from landready.facts import Measured, Near, Overlapping, Reserved, Said, Title
from landready.frozen import FIRST, Calendar, FrozenPlot, Place, canonical, digest, freeze, thaw
from landready.readiness import Readiness, readiness
from landready.rule_sets import Exemption, in_force
from landready.utilities import Utility

PLOTS, ENTERPRISES = 3, 2
CITY = "460100"
CALENDAR = Calendar(years=(2026,), sha256="0" * 64)
counted: Counter[str] = Counter()

plots = st.integers(0, PLOTS - 1)
utilities = st.sampled_from(JUDGED)
enterprises = st.integers(0, ENTERPRISES - 1)
days = st.integers(-40, 400)
# What a broken input can hold where a number belongs.
broken = st.sampled_from([nan, inf, -inf, -1.0, None])


class GateMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.day = START
        self.lands = [Land(number) for number in range(PLOTS)]
        self.sets = [rules_of("1", {"capacity": "warn", "gas": "warn"}, 365, START)]
        self.exemptions: list[Exemption] = []
        self.offered: dict[int, bytes] = {}
        self.suspended: set[int] = set()
        self.gone: set[int] = set()
        self.chain, self.issued = FIRST, 1
        self.answers = 0

    # What the product does.

    def judged(self, number: int) -> Readiness:
        rules = in_force(self.sets, self.exemptions, CITY, number, self.day)
        return readiness(self.lands[number].facts, rules, self.day)

    def review(self) -> None:
        """A change touched plots: what is on offer and is not ready any more goes off it."""
        for number in list(self.offered):
            if not self.judged(number).may_list:
                del self.offered[number]
                self.suspended.add(number)
                counted["suspended"] += 1

    def offer(self, number: int) -> bool:
        found = self.judged(number)
        counted["asked"] += 1
        if number in self.gone or number in self.offered or not found.may_list:
            counted["refused"] += 1
            return False
        now = datetime.combine(self.day, datetime.min.time(), UTC)
        land = self.lands[number]
        plot = FrozenPlot(
            code=str(number), name="", revision=land.revision, use="", area_m2=1.0,
            plot_ratio="", geometry={}, sha256=FIRST,
        )  # fmt: skip
        place = Place(CITY, self.issued, self.chain, now, now + timedelta(days=90))
        try:
            body = canonical(freeze(place, self.day, plot, land.facts, found, CALENDAR))
        except ValueError:  # no number: what cannot be written down cannot be certified, nor listed
            counted["refused"] += 1
            return False
        self.chain, self.issued = digest(self.chain, body), self.issued + 1
        self.offered[number] = body
        self.suspended.discard(number)
        counted["listed"] += 1
        return True

    # What people, systems and time do.

    @rule(number=plots)
    def list_one(self, number: int) -> None:
        self.offer(number)

    @rule()
    def list_in_bulk(self) -> None:
        for number in range(PLOTS):
            self.offer(number)

    @precondition(lambda self: self.suspended)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self.offer(data.draw(st.sampled_from(sorted(self.suspended))))

    @precondition(lambda self: self.offered)
    @rule(data=st.data(), sold=st.booleans())
    def take_off(self, data: st.DataObject, *, sold: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.offered)))
        del self.offered[number]
        if sold:
            self.gone.add(number)

    @rule(number=plots)
    def make_ready(self, number: int) -> None:
        """Without this most plots would lack something at every step, and the gate would never be asked in earnest."""
        land = self.lands[number]
        land.failed.clear()
        land.released, land.overlaps = True, ()
        land.title = Title(
            clear=True, plot_revision=land.revision, document="文件1号", document_date=self.day
        )
        for utility in JUDGED:
            self.say(number, utility, 0, AnswerVerdict.READY, None, None, land.revision)
            self.look(number, utility, 0, 10.0, land.revision)
            land.reserved.pop((utility, 0), None)
        self.review()

    @rule(number=plots)
    def make_ready_and_list(self, number: int) -> None:
        self.make_ready(number)
        self.offer(number)

    @rule(
        number=plots, utility=utilities, who=enterprises, verdict=st.sampled_from(AnswerVerdict),
        by=st.none() | days, until=st.none() | days, behind=st.sampled_from([0, 0, 0, 1]),
    )  # fmt: skip
    def answer(
        self, number: int, utility: Utility, who: int, verdict: AnswerVerdict,
        by: int | None, until: int | None, behind: int,
    ) -> None:  # fmt: skip
        self.say(number, utility, who, verdict, by, until, self.lands[number].revision - behind)
        self.review()

    def say(
        self, number: int, utility: Utility, who: int, verdict: AnswerVerdict,
        by: int | None, until: int | None, revision: int,
    ) -> None:  # fmt: skip
        self.answers += 1
        self.lands[number].asked[utility, who] = Said(
            verdict, revision, self._in(by), self._in(until), answer_id=self.answers
        )
        self.lands[number].reserved.pop((utility, who), None)

    def _in(self, offset: int | None) -> date | None:
        return None if offset is None else self.day + timedelta(days=offset)

    @rule(number=plots, utility=utilities, who=enterprises)
    def asked_but_silent(self, number: int, utility: Utility, who: int) -> None:
        self.lands[number].asked[utility, who] = None
        self.review()

    @rule(number=plots, utility=utilities)
    def enterprise_is_gone(self, number: int, utility: Utility) -> None:
        for who in range(ENTERPRISES):
            self.lands[number].asked.pop((utility, who), None)
        self.review()

    @rule(
        number=plots, utility=utilities, ago=st.integers(-2, 260), distance=st.floats(0, 3000) | broken,
        behind=st.sampled_from([0, 0, 1]), share=st.floats(0, 1) | broken,
    )  # fmt: skip
    def measure(
        self, number: int, utility: Utility, ago: int, distance: float | None, behind: int,
        share: float | None,
    ) -> None:  # fmt: skip
        self.look(number, utility, ago, distance, self.lands[number].revision - behind, share)
        self.review()

    def look(
        self, number: int, utility: Utility, ago: int, distance: float | None, revision: int,
        share: float | None = 1.0,
    ) -> None:  # fmt: skip
        self.lands[number].measured[utility] = Measured(
            revision, self.day - timedelta(days=ago), share, 2000.0, Near("干管", distance)
        )

    @rule(number=plots, utility=utilities)
    def layer_is_gone(self, number: int, utility: Utility) -> None:
        self.lands[number].measured.pop(utility, None)
        self.review()

    @rule(
        number=plots, utility=utilities, who=enterprises, state=st.sampled_from(["held", "released", "sold"]),
        left=st.none() | days, high=st.none() | st.floats(0, 100), total=st.floats(0, 200) | broken,
        spare=st.none() | st.floats(0, 200) | broken, reason=st.sampled_from(["", "", "已扩容"]),
    )  # fmt: skip
    def reserve(
        self, number: int, utility: Utility, who: int, state: str, left: int | None, high: float | None,
        total: float | None, spare: float | None, reason: str,
    ) -> None:  # fmt: skip
        said = self.lands[number].asked.get((utility, who))
        if said is None or said.answer_id is None:
            return
        self.lands[number].reserved[utility, who] = Reserved(
            utility, who, said.answer_id, "水厂", state, self._in(left), high, total, spare, reason
        )
        self.review()

    @rule(
        number=plots, clear=st.booleans(), behind=st.sampled_from([0, 0, 1]), ago=st.integers(-3, 3),
        document=st.sampled_from(["文件2号", "文件2号", " "]),
    )  # fmt: skip
    def state_title(
        self, number: int, *, clear: bool, behind: int, ago: int, document: str
    ) -> None:
        day = self.day - timedelta(days=ago)
        self.lands[number].title = Title(
            clear, self.lands[number].revision - behind, document, day, "" if clear else "有争议"
        )
        self.review()

    @rule(number=plots, state=st.sampled_from(["listed", "suspended", "sold", "planned", ""]))
    def overlap(self, number: int, state: str) -> None:
        self.lands[number].overlaps = (Overlapping("X", "计划", state, 5.0),) if state else ()
        self.review()

    @rule(number=plots)
    def revise(self, number: int) -> None:
        """A new boundary: what was said, measured and stated was of another plot."""
        self.lands[number].revision += 1
        self.review()

    @rule(number=plots, released=st.booleans())
    def release(self, number: int, *, released: bool) -> None:
        self.lands[number].released = released
        self.review()

    @rule(
        number=plots, name=st.sampled_from(["plot", "answers", "checks", "reservations", "title", "overlaps", "rules", "calendar"]),
        heals=st.booleans(),
    )  # fmt: skip
    def input_fails(self, number: int, name: str, *, heals: bool) -> None:
        land = self.lands[number]
        if heals:
            land.failed.clear()
        else:
            land.failed[name] = "TimeoutError"
        self.review()

    @rule(
        effects=st.dictionaries(
            st.sampled_from([*JUDGED, "title", "overlap", "overlap_plan", "capacity", "check"]),
            st.sampled_from(["block", "warn"]),
        ),
        horizon=st.integers(1, 500),
        begins=st.integers(-5, 5),
    )
    def change_rules(self, effects: dict[str, str], horizon: int, begins: int) -> None:
        start = self.day + timedelta(days=begins)
        self.sets.append(rules_of(str(len(self.sets) + 1), effects, horizon, start))
        self.review()

    @rule(
        lifts=st.lists(st.sampled_from([*JUDGED, "title", "overlap", "check"]), min_size=1, unique=True),
        begins=st.integers(0, 3), lasts=st.integers(0, 30), single=st.none() | plots,
    )  # fmt: skip
    def except_legally(self, lifts: list[str], begins: int, lasts: int, single: int | None) -> None:
        start = self.day + timedelta(days=begins)
        one = Exemption(
                id=len(self.exemptions) + 1,
                document="琼发〔2026〕1号",
                reason="应急",
                issuer="省厅",
                issued_on=self.day,
                lifts=tuple(str(one) for one in lifts),
                city=CITY,
                plots=() if single is None else (single,),
                start=start,
                end=start + timedelta(days=lasts),
            )  # fmt: skip
        self.exemptions.append(one)
        self.review()

    @precondition(lambda self: self.exemptions)
    @rule()
    def end_exception(self) -> None:
        self.exemptions.pop()
        self.review()

    @rule(offset=st.sampled_from([1, 1, 2, 7, 30, 91, 200, 366, -1, -30]))
    def clock_jumps(self, offset: int) -> None:
        """Forward, or back after a restore; once a day the product looks at everything that is on offer."""
        self.day += timedelta(days=offset)
        self.review()

    @rule(number=plots)
    def restore_from_backup(self, number: int) -> None:
        """The facts of another time come back; the daily look comes before anybody trades."""
        land = self.lands[number]
        self.lands[number] = replace(land, asked=dict(list(land.asked.items())[::2]))
        self.review()

    # What must never be.

    @invariant()
    def nothing_unready_is_on_offer(self) -> None:
        counted["steps"] += 1
        begun = [(one.start, n) for n, one in enumerate(self.sets) if one.start <= self.day]
        rules = self.sets[max(begun)[1]] if begun else None
        for number, body in self.offered.items():
            if not carries(self.lands[number], rules, self.exemptions, self.day):
                counted["bypasses"] += 1
                raise AssertionError(f"plot {number} is on offer and is not ready")
            if not thaw(body).holds:
                counted["bypasses"] += 1
                raise AssertionError(f"the certificate of plot {number} does not hold")

    @invariant()
    def what_carries_is_not_refused(self) -> None:
        """The gate shuts out nothing that the second rule finds ready: else a gate that always says no would pass."""
        begun = [(one.start, n) for n, one in enumerate(self.sets) if one.start <= self.day]
        rules = self.sets[max(begun)[1]] if begun else None
        for land in self.lands:
            ready = carries(land, rules, self.exemptions, self.day)
            assert self.judged(land.number).may_list == ready, land
