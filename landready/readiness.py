"""May this plot be listed? A pure rule: facts in, every blocker and warning out (plan section 五(八)).

All that is missing is returned, not the first: an office fixes a list, not a guessing game. It fails closed: what could not be
read, is broken or too old is a reason to say no. The database holds the same rule a second time, in the listing trigger.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

from geo.problems import N_
from landready import gaps
from landready.answers import AnswerVerdict
from landready.blockers import Blocker
from landready.facts import Asked, Measured, PlotFacts, Reserved, Said
from landready.gaps import UNNAMED, number, sound
from landready.rule_sets import Rules, RuleSet
from landready.utilities import Utility

# What the rule looks at, as a person calls it.
INPUTS: Mapping[str, str] = {
    "plot": N_("地块"),
    "answers": N_("企业答复"),
    "checks": N_("接入条件测算"),
    "reservations": N_("容量预留"),
    "title": N_("净地状态"),
    "overlaps": N_("地块重叠"),
    "rules": N_("准入规则"),
    "calendar": N_("工作日历"),
    "judgement": N_("准入判定"),
}
_FAILED = N_("“{input}”读取失败或数据不完整（{fault}），按不具备条件处理。请联系系统管理员。")


@dataclass(frozen=True)
class Readiness:
    """Whether a plot may be listed under `rules`, and every reason that it may not. Warnings do not shut the gate."""

    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[Blocker, ...] = ()
    rules: RuleSet | None = None

    @cached_property
    def may_list(self) -> bool:
        return not self.blockers


def readiness(facts: PlotFacts, rules: RuleSet | None, today: date) -> Readiness:
    """Judge one plot. A utility is satisfied when at least one enterprise's latest answer holds on `today`.

    "Ready" holds until `valid_until`; "ready by D" holds from now until D and only while D is within the horizon; every
    answer, check and statement holds for the plot revision it was given for. Source: plan section 五(八), and what the rule
    set names for each requirement. Whatever goes wrong while judging is a blocker.
    """
    if rules is None:
        text = N_("没有对这个地块生效的准入规则，不能上架。")
        return Readiness((Blocker("no_rules", text), *_failures(facts.failed)))
    try:
        return _Judge(facts, rules, today).found()
    except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever broke
        failed = {**facts.failed, "judgement": type(error).__name__}
        return Readiness(tuple(_failures(failed)), rules=rules)


def holds(said: Said, revision: int, rules: Rules, today: date) -> bool:
    """Return whether an answer is positive and still valid for this revision of the plot."""
    return not _faults(said, revision, rules, today)


def _failures(failed: Mapping[str, str]) -> Iterable[Blocker]:
    for name, fault in sorted(failed.items()):
        yield Blocker("input_failed", _FAILED, {"input": INPUTS.get(name, name), "fault": fault})


@dataclass(frozen=True, slots=True)
class _Judge:
    """One plot, one set of rules, one day."""

    facts: PlotFacts
    rules: RuleSet
    today: date

    def found(self) -> Readiness:
        blockers = list(_failures(self.facts.failed))
        warnings: list[Blocker] = []
        if not self.facts.released:
            text = N_("供地计划尚未下发，企业还没有收到这个地块。")
            blockers.append(Blocker("plan_not_released", text))
        own: Sequence[tuple[str, str, Callable[[], Iterable[Blocker]]]] = (
            ("title", "title", self._title),
            ("overlap", "overlaps", lambda: self._overlaps(planned=False)),
            ("overlap_plan", "overlaps", lambda: self._overlaps(planned=True)),
        )
        for name, source, judge in own:
            if source not in self.facts.failed:
                self._sort(name, judge(), blockers, warnings)
        for utility in (one for one in Utility if one in self.rules.utilities):
            for name, found in self._utility(utility):
                effects = {self.rules.requirement(one).effect for one in (utility, name)}
                told = (self._told(b, utility) for b in found)
                (warnings if "warn" in effects else blockers).extend(told)
        return Readiness(tuple(blockers), tuple(warnings), self.rules)

    def _sort(
        self, name: str, found: Iterable[Blocker], blockers: list[Blocker], warnings: list[Blocker]
    ) -> None:
        rule = self.rules.requirement(name)
        into = blockers if rule.effect == "block" else warnings
        into.extend(replace(b, source=rule.source) for b in found)

    def _title(self) -> Iterable[Blocker]:
        title = self.facts.title
        if title is None:
            yield Blocker("title_missing", N_("还没有声明净地：请填写权属清晰、无争议的依据文件。"))
            return
        params = {"document": title.document, "date": title.document_date.isoformat()}
        if not title.document.strip() or title.document_date > self.today:
            yield Blocker("title_document", N_("净地依据文件缺失或日期不对。"), params)
        if not title.clear:
            text = N_("土地权属有问题：{note}（依据 {document}，{date}）。")
            yield Blocker("title_unclear", text, {**params, "note": title.note})
        if title.plot_revision != self.facts.revision:
            text = N_("净地声明针对的是修改前的地块（依据 {document}，{date}），需要重新声明。")
            yield Blocker("title_revised", text, params)

    def _overlaps(self, *, planned: bool) -> Iterable[Blocker]:
        texts = {
            "listed": N_("与已上架地块“{code}”重叠 {area} m²。"),
            "suspended": N_("与暂停上架的地块“{code}”重叠 {area} m²。"),
            "sold": N_("与已成交地块“{code}”重叠 {area} m²。"),
            "planned": N_("与先下发的供地计划“{plan}”的地块“{code}”重叠 {area} m²。"),
        }
        for one in self.facts.overlaps:
            if (one.state == "planned") is not planned:
                continue
            area = number(one.area_m2) if sound(one.area_m2) else "—"
            params = {"code": one.code, "area": area, "plan": one.plan}
            code = "overlap_plan" if planned else "overlap"
            yield Blocker(code, texts[one.state], params)

    def _utility(self, utility: Utility) -> Iterable[tuple[str, Sequence[Blocker]]]:
        """What is missing of one utility, by the requirement under which it is: answers, check, capacity."""
        failed = self.facts.failed
        asked = self.facts.asked.get(utility, ())
        good = [a for a in asked if a.answer and self._holds(a.answer)]
        if "answers" not in failed and not good:
            yield utility, list(self._unanswered(asked))
        if "checks" not in failed:
            yield "check", list(self._check(self.facts.measured.get(utility)))
        if "reservations" not in failed and good:
            yield "capacity", self._capacity(utility, good)

    def _holds(self, said: Said) -> bool:
        return holds(said, self.facts.revision, self.rules, self.today)

    def _unanswered(self, asked: Sequence[Asked]) -> Iterable[Blocker]:
        if not asked:
            text = N_("没有企业被问到：服务边界没有覆盖这个地块，本市县也没有登记这项服务的企业。")
            yield Blocker("nobody_asked", text)
        for one in asked:
            for code, text, params in _reasons(one, self.facts.revision, self.rules, self.today):
                yield Blocker(code, text, params, enterprise=one.enterprise)

    def _check(self, measured: Measured | None) -> Iterable[Blocker]:
        if measured is None:
            yield Blocker("not_measured", N_("没有测算过这项公用服务。"))
            return
        when = {"day": measured.measured_on.isoformat()}
        if measured.plot_revision != self.facts.revision:
            yield Blocker("check_revised", N_("{day} 的测算针对的是修改前的地块。"), when)
        near = measured.nearest
        numbers = (measured.served_share, measured.radius_m, near.distance_m if near else 0.0)
        if not all(sound(x) for x in numbers) or measured.measured_on > self.today:
            yield Blocker("check_broken", N_("{day} 的测算结果不完整，需要重新测算。"), when)
        age = (self.today - measured.measured_on).days
        if age > self.rules.check_days:
            text = N_("测算已是 {age} 天前（{day}），超过 {limit} 天，需要重新测算。")
            yield Blocker(
                "check_stale", text, {**when, "age": str(age), "limit": str(self.rules.check_days)}
            )

    def _capacity(self, utility: Utility, good: Sequence[Asked]) -> list[Blocker]:
        """Faults of the capacity that the answers lean on; one answer without any is enough."""
        found: list[Blocker] = []
        for one in good:
            own = [
                r
                for r in self.facts.reserved
                if r.utility is utility and one.answer and r.answer_id == one.answer.answer_id
            ]
            faults = [fault for r in own for fault in self._reservation(r)]
            if not faults:
                return []
            found += [replace(fault, enterprise=one.enterprise) for fault in faults]
        return found

    def _reservation(self, r: Reserved) -> Iterable[Blocker]:
        name = r.facility or UNNAMED
        if r.state == "released" or (r.expires_on and r.expires_on < self.today):
            text = N_("在“{facility}”预留的容量已经释放或到期，需要企业重新确认。")
            yield Blocker("reservation_gone", text, {"facility": name})
        elif r.exception or r.spare is None or r.high is None:
            return
        elif not (sound(r.spare) and sound(r.high) and sound(r.total)):
            yield Blocker(
                "reservation_broken", N_("“{facility}”的容量数据不完整。"), {"facility": name}
            )
        elif round(r.total or 0.0, 6) > round(r.spare, 6):
            text = N_("“{facility}”余量 {spare}，连同先预留的共需 {total}，超出 {over}。")
            over = (r.total or 0.0) - r.spare
            params = {
                "facility": name,
                "spare": number(r.spare),
                "total": number(r.total),
                "over": number(over),
            }
            yield Blocker("reservation_over", text, params)

    def _told(self, blocker: Blocker, utility: Utility) -> Blocker:
        """The blocker with its utility, its source and the numbers around it."""
        measured = self.facts.measured.get(utility)
        near = measured.nearest if measured else None
        return replace(
            blocker,
            utility=utility,
            source=self.rules.requirement(utility).source,
            nearest_m=near.distance_m if near and sound(near.distance_m) else None,
            details=(
                *gaps.measured(measured, self.today),
                *gaps.committed(self.facts.asked.get(utility, ()), self.facts.revision, self.today),
            ),
        )


def _reasons(
    asked: Asked, revision: int, rules: Rules, today: date
) -> Iterable[tuple[str, str, dict[str, str]]]:
    if asked.answer is None:
        due = {"due": asked.due_on.isoformat()}
        if today > asked.due_on:
            yield "late", N_("{due} 到期，仍未答复。"), due
        else:
            yield "unanswered", N_("尚未答复，截止 {due}。"), due
        return
    yield from _faults(asked.answer, revision, rules, today)


def _faults(
    said: Said, revision: int, rules: Rules, today: date
) -> list[tuple[str, str, dict[str, str]]]:
    faults: list[tuple[str, str, dict[str, str]]] = []
    if said.plot_revision != revision:
        faults.append(("revised", N_("答复针对的是修改前的地块，需要重新答复。"), {}))
    if said.verdict is AnswerVerdict.NOT_POSSIBLE:
        faults.append(("not_possible", N_("答复为无法接入：{reason}"), {"reason": said.reason}))
    if said.verdict is AnswerVerdict.NOT_CONCERNED:
        faults.append(("not_concerned", N_("答复为不涉及，不能作为已具备条件。"), {}))
    if said.valid_until and said.valid_until < today:
        until = {"until": said.valid_until.isoformat()}
        faults.append(("expired", N_("答复已于 {until} 失效，需要重新确认。"), until))
    if said.verdict is AnswerVerdict.READY_BY:
        faults.extend(_commitment_faults(said.ready_by, rules, today))
    return faults


def _commitment_faults(
    ready_by: date | None, rules: Rules, today: date
) -> list[tuple[str, str, dict[str, str]]]:
    if ready_by is None:
        return [("no_date", N_("承诺了建设，但没有写明完成日期。"), {})]
    when = {"date": ready_by.isoformat()}
    if ready_by < today:
        return [("missed", N_("承诺 {date} 前完成，已过期且没有确认完成。"), when)]
    if ready_by > today + timedelta(days=rules.commitment_horizon_days):
        days = {**when, "days": str(rules.commitment_horizon_days)}
        return [("too_far", N_("承诺完成日期 {date} 超过 {days} 天的期限。"), days)]
    return []
