"""The approvals of the external line, proposed when an application is seeded: computed, and the owner's to correct (R14, R19).

From the plot (or the site, where there is none) a line is routed to what each enterprise answered, else to its nearest facility;
what these lines meet decides. Without any base layer of the city nothing is proposed: nobody could say why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.crs import working_crs
from geo.problems import N_
from landready import base_layers, checks, form, permit_items, routes, seeding
from landready.answers import Answer
from landready.applications import Application, ApplicationField, Item
from landready.clock import today
from landready.external_lines import Reason, clauses
from landready.form import Key
from landready.layers import Facility
from landready.permits import Permit
from landready.plans import Plot
from landready.recipients import Recipients
from landready.routes import RouteView, Target
from landready.settings import Settings
from landready.shapes import loaded
from landready.surroundings import nearest_facility
from landready.utilities import Utility

PROPOSED = N_("系统按推算的接入路线提出，请核对；不需要时可以移除。")
# As many reasons of one item as a page needs to show.
_REASONS = 12


@dataclass(frozen=True, slots=True)
class Basis:
    """One reason of a proposed item, and whose line it is about."""

    reason: Reason
    utility: str
    enterprise_id: int


def propose(
    session: Session,
    settings: Settings,
    application: Application,
    permit: Permit,
    concerned: Recipients,
    now: datetime,
) -> list[RouteView]:
    """Route the external lines of a project, keep them with its permit and add the items they take; needs to be the engine."""
    if not base_layers.current_layers(session, permit.office_id):
        return []
    plot = session.get(Plot, permit.plot_id) if permit.plot_id else None
    origin = plot.geom if plot else permit.geom
    lon = float(loaded([origin])[0].centroid.x)
    system = working_crs(lon, settings.region.working_crs)
    targets = list(_targets(session, settings, origin, plot, concerned, now))
    made = routes.trace(session, settings.route, origin, permit.office_id, system, targets, now)
    for route in made:
        route.permit_id = permit.id
    session.add_all(made)
    session.flush()
    views = [routes.view(route, now) for route in made]
    _add_items(session, application, views)
    _add_fields(session, application, views, now)
    session.flush()
    return views


def _targets(
    session: Session,
    settings: Settings,
    origin: WKBElement,
    plot: Plot | None,
    concerned: Recipients,
    now: datetime,
) -> Iterator[Target]:
    """What each enterprise's line leads to; whoever said no has none."""
    answers = seeding.valid_answers(session, plot, today(now))
    measured = _nearest_of_checks(session, plot)
    for enterprise_id, utilities in concerned.items():
        for utility in utilities:
            answer: Answer | None = answers.get((enterprise_id, utility.value))
            if answer is not None and answer.verdict not in seeding.POSITIVE:
                continue
            place = answer.connection_point if answer else None
            if place is None:
                place = measured.get((enterprise_id, utility.value))
            if place is None and plot is None:
                place = nearest_facility(session, settings, origin, enterprise_id, utility)
            if place is not None:
                yield Target(utility.value, enterprise_id, place)


def _nearest_of_checks(session: Session, plot: Plot | None) -> Mapping[tuple[int, str], WKBElement]:
    """(enterprise, utility) → the shape of its nearest facility by the newest check of the plot as it is."""
    if plot is None:
        return {}
    near = {
        (one.enterprise_id, check.utility): one.facility_id
        for check in checks.latest(session, [plot.id])
        if check.plot_revision == plot.revision
        for one in routes.nearest_of_each(check.facilities)
    }
    query = select(Facility.id, Facility.geom).where(Facility.id.in_(near.values()))
    shapes = {row.id: row.geom for row in session.execute(query)}
    return {key: shapes[facility_id] for key, facility_id in near.items()}


def _add_items(session: Session, application: Application, views: list[RouteView]) -> None:
    """One item per number, for the department that handles it in the city; without one the form still names the number."""
    found: dict[int, list[dict[str, Any]]] = {}
    for view in views:
        for need in view.judgement.needs:
            rows = found.setdefault(need.item, [])
            rows += [_as_json(r, view) for r in need.reasons]
    for number in sorted(found):
        handler = permit_items.handler_of(session, number, application.city)
        if handler is not None:
            session.add(
                Item(
                    application_id=application.id,
                    annex_no=number,
                    owner_id=application.owner_id,
                    office_id=application.office_id,
                    assignee_id=handler.id,
                    reason=PROPOSED,
                    basis=found[number][:_REASONS],
                )
            )


def _add_fields(
    session: Session, application: Application, views: list[RouteView], now: datetime
) -> None:
    numbers = sorted({n for view in views for n in view.judgement.items})
    values = [(Key(form.fields()["external_items"]), "、".join(map(str, numbers)))]
    for view in views:
        key = Key(
            form.fields()["external_line"], Utility(view.route.utility), view.route.enterprise_id
        )
        values.append((key, f"{view.route.length_m:.1f}"))
    session.add_all(
        ApplicationField(
            application_id=application.id, name=key.text, value=value, source="route", source_at=now
        )
        for key, value in values
    )


def _as_json(reason: Reason, view: RouteView) -> dict[str, Any]:
    return {
        "code": reason.clause.code,
        "text": reason.text,
        "params": dict(reason.params),
        "place": reason.place,
        "assumed": reason.assumed,
        "utility": view.route.utility,
        "enterprise": view.route.enterprise_id,
    }


def basis_of(item: Item) -> list[Basis]:
    """Return why the product proposed an item, as it was computed; empty for what people added."""
    return [
        Basis(
            Reason(
                clauses()[kept["code"]],
                kept["text"],
                kept["params"],
                tuple(kept["place"]) if kept["place"] else None,
                kept["assumed"],
            ),
            kept["utility"],
            kept["enterprise"],
        )
        for kept in item.basis
    ]
