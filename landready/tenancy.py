"""Who sees which rows, told to the ORM: the second of two independent walls (the first is row-level security).

Each rule mirrors the policy of the same table in migration 0001. A test switches either wall off and finds that the other
holds alone. The rules use tables, not entities, in their sub-selects, so that none narrows another.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, event, exists, false, or_, select, true
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from landready.answer_batches import AnswerBatch
from landready.answer_links import AnswerLink, AnswerLinkUse
from landready.answers import Answer, Attachment
from landready.applications import Application, ApplicationField, Item, ItemMove
from landready.base_layers import BaseFeature, BaseLayer
from landready.certificates import Certificate
from landready.checks import Check, NearFacility, ServedShare
from landready.db import Actor, Base, Role
from landready.deadlines import ClockPause
from landready.demand import DemandOverride
from landready.disputes import Dispute, DisputeFile, DisputeStep
from landready.heads import CertificateHead
from landready.layers import Facility, Layer, ServiceArea
from landready.listings import Listing, ListingMove
from landready.organisations import Account, ApiKey, Organisation
from landready.outbox import OutboxEvent
from landready.permits import Permit
from landready.plans import Plot, SupplyPlan, Upload
from landready.pushes import Push, PushPlot
from landready.reminders import Reminder
from landready.reservations import Reservation
from landready.routes import ConnectionRoute
from landready.titles import TitleStatement
from landready.works import Commitment, Milestone, Works

Rule = Callable[[Actor], ColumnElement[bool]]
SHOWN = ("listed", "suspended", "sold")


def _table(model: type[Base]) -> FromClause:
    return model.__table__.alias()


def mine(actor: Actor, role: Role, column: Any) -> ColumnElement[bool]:  # noqa: ANN401 - mapped column
    mine: ColumnElement[bool] = column == actor.organisation_id
    return mine if actor.role is role else false()


def _supervised(actor: Actor, office: Any) -> ColumnElement[bool]:  # noqa: ANN401
    if actor.role is not Role.SUPERVISOR:
        return false()
    if not actor.city:
        return true()
    organisation = _table(Organisation)
    supervised: ColumnElement[bool] = office.in_(
        select(organisation.c.id).where(organisation.c.city == actor.city)
    )
    return supervised


def _pushed(actor: Actor, model: type[Push | PushPlot], **column: Any) -> ColumnElement[bool]:  # noqa: ANN401
    if actor.role is not Role.ENTERPRISE:
        return false()
    pushed = _table(model)
    ((name, value),) = column.items()
    return exists().where(pushed.c[name] == value, pushed.c.enterprise_id == actor.organisation_id)


def plan_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        mine(actor, Role.OFFICE, SupplyPlan.office_id),
        _supervised(actor, SupplyPlan.office_id),
        _pushed(actor, Push, plan_id=SupplyPlan.id),
    )


def _plot_seen(actor: Actor, plot_id: Any, office_id: Any) -> ColumnElement[bool]:  # noqa: ANN401
    listing, application = _table(Listing), _table(Application)
    return or_(
        mine(actor, Role.OFFICE, office_id),
        _supervised(actor, office_id),
        _pushed(actor, PushPlot, plot_id=plot_id),
        exists().where(listing.c.plot_id == plot_id, listing.c.state.in_(SHOWN)),
        exists().where(application.c.plot_id == plot_id, _application_seen(actor, application.c)),
    )


def _application_seen(actor: Actor, a: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns of the table or an alias
    item = _table(Item)
    return or_(
        mine(actor, Role.OWNER, a.owner_id),
        mine(actor, Role.OFFICE, a.office_id),
        _supervised(actor, a.office_id),
        and_(a.submitted_at.is_not(None), _pushed(actor, Push, permit_id=a.permit_id)),
        exists().where(
            item.c.application_id == a.id,
            item.c.assignee_id == actor.organisation_id,
            item.c.state.is_not(None),
        ),
    )


def _permit_rule(actor: Actor) -> ColumnElement[bool]:
    application = _table(Application)
    return or_(
        mine(actor, Role.OFFICE, Permit.office_id),
        mine(actor, Role.OWNER, Permit.owner_id),
        mine(actor, Role.EXCHANGE, Permit.source_id),
        _supervised(actor, Permit.office_id),
        _pushed(actor, Push, permit_id=Permit.id),
        exists().where(
            application.c.permit_id == Permit.id, _application_seen(actor, application.c)
        ),
    )


def of_office_or_enterprise(model: Any) -> Rule:  # noqa: ANN401
    def rule(actor: Actor) -> ColumnElement[bool]:
        return or_(
            mine(actor, Role.OFFICE, model.office_id),
            mine(actor, Role.ENTERPRISE, model.enterprise_id),
            _supervised(actor, model.office_id),
        )

    return rule


def _check_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        mine(actor, Role.OFFICE, Check.office_id),
        _supervised(actor, Check.office_id),
        _pushed(actor, PushPlot, plot_id=Check.plot_id),
    )


def _override_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        mine(actor, Role.OFFICE, DemandOverride.office_id),
        _supervised(actor, DemandOverride.office_id),
        _pushed(actor, PushPlot, plot_id=DemandOverride.plot_id),
    )


def _of_office(model: type[BaseLayer | BaseFeature | TitleStatement]) -> Rule:
    def rule(actor: Actor) -> ColumnElement[bool]:
        return or_(mine(actor, Role.OFFICE, model.office_id), _supervised(actor, model.office_id))

    return rule


def _push_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(of_office_or_enterprise(Push)(actor), mine(actor, Role.OWNER, Push.owner_id))


def _answer_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        mine(actor, Role.ENTERPRISE, Answer.enterprise_id),
        _plot_seen(actor, Answer.plot_id, Answer.office_id),
    )


def _attachment_rule(actor: Actor) -> ColumnElement[bool]:
    answer = _table(Answer)
    return or_(
        mine(actor, Role.ENTERPRISE, Attachment.enterprise_id),
        exists().where(
            answer.c.id == Attachment.answer_id,
            or_(
                mine(actor, Role.OFFICE, answer.c.office_id),
                _supervised(actor, answer.c.office_id),
            ),
        ),
    )


def _dispute_seen(actor: Actor, d: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns of the table or an alias
    return or_(
        mine(actor, Role.OFFICE, d.office_id),
        mine(actor, Role.ENTERPRISE, d.enterprise_id),
        _supervised(actor, d.office_id),
        *(mine(actor, role, d.challenger_id) for role in (Role.OWNER, Role.ENTERPRISE)),
    )


def _of_dispute(model: type[DisputeStep | DisputeFile]) -> Rule:
    def rule(actor: Actor) -> ColumnElement[bool]:
        dispute = _table(Dispute)
        return exists().where(dispute.c.id == model.dispute_id, _dispute_seen(actor, dispute.c))

    return rule


def _certificate_rule(actor: Actor) -> ColumnElement[bool]:
    listing = _table(Listing)
    return or_(
        mine(actor, Role.OFFICE, Certificate.office_id),
        _supervised(actor, Certificate.office_id),
        exists().where(listing.c.certificate_id == Certificate.id, listing.c.state.in_(SHOWN)),
    )


def _field_rule(actor: Actor) -> ColumnElement[bool]:
    application = _table(Application)
    return exists().where(
        application.c.id == ApplicationField.application_id,
        _application_seen(actor, application.c),
    )


def _item_seen(actor: Actor, i: Any) -> ColumnElement[bool]:  # noqa: ANN401
    return or_(
        mine(actor, Role.OWNER, i.owner_id),
        mine(actor, Role.OFFICE, i.office_id),
        _supervised(actor, i.office_id),
        and_(i.assignee_id == actor.organisation_id, i.state.is_not(None)),
    )


def _item_move_rule(actor: Actor) -> ColumnElement[bool]:
    item = _table(Item)
    return exists().where(item.c.id == ItemMove.item_id, _item_seen(actor, item.c))


def _account_rule(actor: Actor) -> ColumnElement[bool]:
    return true() if actor.role is Role.ADMIN else Account.id == actor.account_id


def _key_rule(actor: Actor) -> ColumnElement[bool]:
    return true() if actor.role is Role.ADMIN else ApiKey.organisation_id == actor.organisation_id


RULES: dict[type[Base], Rule] = {
    Account: _account_rule,
    ApiKey: _key_rule,
    Upload: lambda actor: Upload.organisation_id == actor.organisation_id,
    SupplyPlan: plan_rule,
    Plot: lambda actor: _plot_seen(actor, Plot.id, Plot.office_id),
    Layer: lambda actor: or_(
        Layer.kind == "service_areas", mine(actor, Role.ENTERPRISE, Layer.enterprise_id)
    ),
    Facility: lambda actor: mine(actor, Role.ENTERPRISE, Facility.enterprise_id),
    ServiceArea: lambda _actor: true(),
    Check: _check_rule,
    NearFacility: of_office_or_enterprise(NearFacility),
    ServedShare: of_office_or_enterprise(ServedShare),
    DemandOverride: _override_rule,
    Reservation: of_office_or_enterprise(Reservation),
    BaseLayer: _of_office(BaseLayer),
    BaseFeature: _of_office(BaseFeature),
    ConnectionRoute: of_office_or_enterprise(ConnectionRoute),
    Push: _push_rule,
    PushPlot: of_office_or_enterprise(PushPlot),
    Answer: _answer_rule,
    Attachment: _attachment_rule,
    AnswerBatch: of_office_or_enterprise(AnswerBatch),
    AnswerLink: lambda actor: mine(actor, Role.ENTERPRISE, AnswerLink.enterprise_id),
    AnswerLinkUse: lambda actor: mine(actor, Role.ENTERPRISE, AnswerLinkUse.enterprise_id),
    Dispute: lambda actor: _dispute_seen(actor, Dispute),
    DisputeStep: _of_dispute(DisputeStep),
    DisputeFile: _of_dispute(DisputeFile),
    ClockPause: of_office_or_enterprise(ClockPause),
    Reminder: lambda actor: or_(
        of_office_or_enterprise(Reminder)(actor),
        mine(actor, Role.SUPERVISOR, Reminder.supervisor_id),
    ),
    Works: of_office_or_enterprise(Works),
    Milestone: of_office_or_enterprise(Milestone),
    Commitment: of_office_or_enterprise(Commitment),
    Certificate: _certificate_rule,
    CertificateHead: lambda _actor: true(),
    TitleStatement: _of_office(TitleStatement),
    ListingMove: lambda _actor: true(),
    Permit: _permit_rule,
    Application: lambda actor: _application_seen(actor, Application),
    ApplicationField: _field_rule,
    Item: lambda actor: _item_seen(actor, Item),
    ItemMove: _item_move_rule,
    OutboxEvent: lambda actor: mine(actor, Role.ENTERPRISE, OutboxEvent.enterprise_id),
}


def register(model: type[Base], rule: Rule) -> None:
    """Add the rule of a table that lives above the domain (push)."""
    RULES[model] = rule
    _criteria.cache_clear()


@cache
def _criteria(actor: Actor) -> tuple[Any, ...]:
    return tuple(
        with_loader_criteria(model, rule(actor), include_aliases=True, propagate_to_loaders=False)
        for model, rule in RULES.items()
    )


@event.listens_for(Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    actor = state.session.info.get("actor")
    if actor is None:
        raise RuntimeError("a session without an actor may not touch tenants' rows")
    if actor.role is Role.ENGINE or not (state.is_select or state.is_update or state.is_delete):
        return
    if state.is_column_load:
        return
    state.statement = state.statement.options(*_criteria(actor))
