"""One joint application from one permit, every value filled in from what is known and with its source (R9).

The owner brings no papers and fills no form (五(九)): what permit, plot, answers, checks and the registry know stands there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.crs import geodesic_area_m2
from landready import annex, demand, form
from landready.answers import Answer, AnswerVerdict, latest_answers
from landready.applications import Application, ApplicationField, Item
from landready.checks import Check
from landready.clock import today
from landready.form import Key
from landready.permits import Permit
from landready.plans import Plot, SupplyPlan
from landready.recipients import Recipients
from landready.utilities import UNITS, Utility


@dataclass(frozen=True, slots=True)
class Value:
    """A value, which kind of record it comes from, which one, and of when. An empty source: nobody knows."""

    value: str
    source: str = ""
    ref: str = ""
    at: datetime | None = None


NOTHING = Value("")
POSITIVE = (AnswerVerdict.READY, AnswerVerdict.READY_BY)


def valid_answers(session: Session, plot: Plot | None, day: date) -> dict[tuple[int, str], Answer]:
    """Return (enterprise, utility) → the newest answer, where that one still holds for the plot as it is on `day`."""
    if plot is None:
        return {}
    return {
        (answer.enterprise_id, answer.utility): answer
        for answer in latest_answers(session, [plot.id])
        if answer.plot_revision == plot.revision
        and (answer.valid_until is None or answer.valid_until >= day)
    }


def seed(session: Session, permit: Permit, concerned: Recipients, now: datetime) -> Application:
    """Write the draft application of a permit, its values and its connection items; needs to be the engine."""
    application = Application(
        permit_id=permit.id,
        plot_id=permit.plot_id,
        owner_id=permit.owner_id,
        office_id=permit.office_id,
        city=permit.city,
        state="draft",
        seeded_at=now,
    )
    session.add(application)
    session.flush()
    plot = session.get(Plot, permit.plot_id) if permit.plot_id else None
    answers = valid_answers(session, plot, today(now))
    values = [*_project_values(session, permit, plot), *_utility_values(session, plot, concerned)]
    for enterprise_id, utilities in concerned.items():
        for utility in utilities:
            answer = answers.get((enterprise_id, utility))
            values += _enterprise_values(utility, enterprise_id, answer)
            _connection_item(session, application, utility, enterprise_id, answer)
    session.add_all(
        ApplicationField(
            application_id=application.id,
            name=key.text,
            value=value.value,
            source=value.source,
            source_ref=value.ref[:120],
            source_at=value.at,
        )
        for key, value in values
    )
    session.flush()
    return application


def _project_values(
    session: Session, permit: Permit, plot: Plot | None
) -> Iterator[tuple[Key, Value]]:
    said = permit.payload
    plan = session.get(SupplyPlan, plot.plan_id) if plot else None
    released = plan.released_at if plan else None

    def by_permit(value: object) -> Value:
        text = "" if value is None else str(value)
        return Value(text, "permit", permit.permit_no, permit.received_at) if text else NOTHING

    def by_plot(value: object) -> Value:
        return Value(str(value), "plot", plot.code, released) if plot and value else NOTHING

    registered = Value(permit.owner.phone, "registry", permit.owner.credit_code or "")
    values = {
        "owner_name": by_permit(said["owner"]["name"]),
        "owner_credit_code": by_permit(said["owner"]["credit_code"]),
        "contact_name": by_permit(said["owner"]["contact"]),
        "contact_phone": by_permit(said["owner"]["phone"])
        if said["owner"]["phone"]
        else registered,
        "project_name": by_permit(permit.project_name),
        "project_code": by_permit(permit.project_code),
        "works_code": by_permit(permit.works_code),
        "address": by_permit(permit.address),
        "permit_no": by_permit(permit.permit_no),
        "permit_issued_on": by_permit(permit.issued_on),
        "land_use": by_plot(plot.use) if plot and plot.use else by_permit("、".join(said["uses"])),
        "site_area_m2": by_plot(f"{plot.area_m2:.2f}") if plot else by_permit(_site_area(permit)),
        "floor_area_m2": by_permit(_number(said["floor_area_m2"])),
        "plot_code": by_plot(plot.code) if plot else by_permit(said["plot_code"]),
    }
    for name, value in values.items():
        yield Key(form.fields()[name]), value if value.value else NOTHING


def _site_area(permit: Permit) -> str:
    return f"{geodesic_area_m2(shapely.from_wkb(permit.geom.desc)):.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _utility_values(
    session: Session, plot: Plot | None, concerned: Recipients
) -> Iterator[tuple[Key, Value]]:
    checks = _latest_checks(session, plot)
    said = demand.stated(session, [plot.id]) if plot else {}
    asked = {utility for utilities in concerned.values() for utility in utilities}
    for utility in (u for u in Utility if u in asked):
        check = checks.get(utility)
        value = NOTHING
        stated = said.get((plot.id, plot.revision, utility)) if plot else None
        if plot and stated and stated.low is not None and stated.high is not None:
            amount = f"{stated.low:.10g}–{stated.high:.10g} {UNITS[utility]}"
            value = Value(amount, "planner", plot.code, stated.stated_at)
        elif check and check.demand_min is not None and check.demand_max is not None:
            amount = f"{check.demand_min:.10g}–{check.demand_max:.10g} {check.demand_unit}".strip()
            source = "check" if demand.verified(utility) else "unverified"
            value = Value(amount, source, plot.code if plot else "", check.measured_at)
        yield Key(form.fields()["demand"], utility), value


def _latest_checks(session: Session, plot: Plot | None) -> dict[str, Check]:
    if plot is None:
        return {}
    found = session.scalars(
        select(Check)
        .where(Check.plot_id == plot.id, Check.plot_revision == plot.revision)
        .order_by(Check.measured_at)
    )
    return {check.utility: check for check in found}


def _enterprise_values(
    utility: Utility, enterprise_id: int, answer: Answer | None
) -> Iterable[tuple[Key, Value]]:
    def by_answer(value: str) -> Value:
        if answer is None or not value:
            return NOTHING
        return Value(value, "answer", f"{answer.id} v{answer.version}", answer.answered_at)

    for name, text in (
        ("connection_point", _place(answer)),
        ("spare_capacity", _number(answer.spare_capacity) if answer else ""),
        ("standing", _standing(answer)),
    ):
        yield Key(form.fields()[name], utility, enterprise_id), by_answer(text)


def _place(answer: Answer | None) -> str:
    if answer is None or answer.connection_point is None:
        return ""
    place: Any = shapely.from_wkb(answer.connection_point.desc)
    return f"{place.x:.6f}, {place.y:.6f}"


def _standing(answer: Answer | None) -> str:
    """`ready`, `ready_by 2026-12-31`, `not_possible` or `not_concerned`."""
    if answer is None:
        return ""
    return f"{answer.verdict} {answer.ready_by.isoformat()}" if answer.ready_by else answer.verdict


def _connection_item(
    session: Session,
    application: Application,
    utility: Utility,
    enterprise_id: int,
    answer: Answer | None,
) -> None:
    """One item per enterprise and utility; drainage has none, its item 5 is a permit."""
    item = annex.item_of(utility)
    if item is None:
        return
    session.add(
        Item(
            application_id=application.id,
            annex_no=item.number,
            utility=utility.value,
            owner_id=application.owner_id,
            office_id=application.office_id,
            assignee_id=enterprise_id,
            # Works named in the answer are external works; without an answer owner or enterprise say it later.
            external_works=bool(answer and answer.works and answer.verdict in POSITIVE),
        )
    )
