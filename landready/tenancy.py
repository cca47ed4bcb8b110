"""Who sees which rows, told to the ORM: the second of two independent walls (the first is row-level security).

Each rule mirrors the policies of the same table in the migrations (migrations/access.py). Tests switch either wall off and
find that the other holds alone, and that both show every asker the same rows. The rules use tables, not entities, in their
sub-selects, so that none narrows another.
"""

from collections.abc import Callable, Mapping
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

Rules = Mapping[type[Base], ColumnElement[bool]]
SHOWN = ("listed", "suspended", "sold")


def _table(model: type[Base]) -> FromClause:
    return model.__table__.alias()


def mine(actor: Actor, role: Role, column: Any) -> ColumnElement[bool]:  # noqa: ANN401 - mapped column
    mine: ColumnElement[bool] = column == actor.organisation_id
    return mine if actor.role is role else false()


def _of_office(actor: Actor, office: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether `office` is the asker, or one that the asker supervises."""
    if actor.role is not Role.SUPERVISOR:
        return mine(actor, Role.OFFICE, office)
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


def _plan_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(_of_office(actor, SupplyPlan.office_id), _pushed(actor, Push, plan_id=SupplyPlan.id))


def _plot_seen(actor: Actor, plot_id: Any, office_id: Any) -> ColumnElement[bool]:  # noqa: ANN401
    listing, application = _table(Listing), _table(Application)
    return or_(
        _of_office(actor, office_id),
        _pushed(actor, PushPlot, plot_id=plot_id),
        exists().where(listing.c.plot_id == plot_id, listing.c.state.in_(SHOWN)),
        exists().where(application.c.plot_id == plot_id, _application_seen(actor, application.c)),
    )


def _application_seen(actor: Actor, a: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns of the table or an alias
    item = _table(Item)
    return or_(
        mine(actor, Role.OWNER, a.owner_id),
        _of_office(actor, a.office_id),
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
        _of_office(actor, Permit.office_id),
        mine(actor, Role.OWNER, Permit.owner_id),
        mine(actor, Role.EXCHANGE, Permit.source_id),
        _pushed(actor, Push, permit_id=Permit.id),
        exists().where(
            application.c.permit_id == Permit.id, _application_seen(actor, application.c)
        ),
    )


def of_office_or_enterprise(actor: Actor, row: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns of the table or an alias
    return or_(_of_office(actor, row.office_id), mine(actor, Role.ENTERPRISE, row.enterprise_id))


def _of_plot(actor: Actor, model: type[Check | DemandOverride]) -> ColumnElement[bool]:
    return or_(_of_office(actor, model.office_id), _pushed(actor, PushPlot, plot_id=model.plot_id))


def _push_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(of_office_or_enterprise(actor, Push), mine(actor, Role.OWNER, Push.owner_id))


def _answer_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        mine(actor, Role.ENTERPRISE, Answer.enterprise_id),
        _plot_seen(actor, Answer.plot_id, Answer.office_id),
    )


def _attachment_rule(actor: Actor) -> ColumnElement[bool]:
    answer = _table(Answer)
    return or_(
        mine(actor, Role.ENTERPRISE, Attachment.enterprise_id),
        exists().where(answer.c.id == Attachment.answer_id, _of_office(actor, answer.c.office_id)),
    )


def _dispute_seen(actor: Actor, d: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns of the table or an alias
    return or_(
        of_office_or_enterprise(actor, d),
        *(mine(actor, role, d.challenger_id) for role in (Role.OWNER, Role.ENTERPRISE)),
    )


def _of_dispute(actor: Actor, model: type[DisputeStep | DisputeFile]) -> ColumnElement[bool]:
    dispute = _table(Dispute)
    return exists().where(dispute.c.id == model.dispute_id, _dispute_seen(actor, dispute.c))


def _certificate_rule(actor: Actor) -> ColumnElement[bool]:
    listing = _table(Listing)
    return or_(
        _of_office(actor, Certificate.office_id),
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
        _of_office(actor, i.office_id),
        and_(i.assignee_id == actor.organisation_id, i.state.is_not(None)),
    )


def _item_move_rule(actor: Actor) -> ColumnElement[bool]:
    item = _table(Item)
    return exists().where(item.c.id == ItemMove.item_id, _item_seen(actor, item.c))


def _account_rule(actor: Actor) -> ColumnElement[bool]:
    return true() if actor.role is Role.ADMIN else Account.id == actor.account_id


def _key_rule(actor: Actor) -> ColumnElement[bool]:
    return true() if actor.role is Role.ADMIN else ApiKey.organisation_id == actor.organisation_id


def _reminder_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(
        of_office_or_enterprise(actor, Reminder),
        mine(actor, Role.SUPERVISOR, Reminder.supervisor_id),
    )


def _layer_rule(actor: Actor) -> ColumnElement[bool]:
    return or_(Layer.kind == "service_areas", mine(actor, Role.ENTERPRISE, Layer.enterprise_id))


def _domain(actor: Actor) -> Rules:
    return {
        Account: _account_rule(actor),
        ApiKey: _key_rule(actor),
        Upload: Upload.organisation_id == actor.organisation_id,
        SupplyPlan: _plan_rule(actor),
        Plot: _plot_seen(actor, Plot.id, Plot.office_id),
        Layer: _layer_rule(actor),
        Facility: mine(actor, Role.ENTERPRISE, Facility.enterprise_id),
        ServiceArea: true(),
        Check: _of_plot(actor, Check),
        NearFacility: of_office_or_enterprise(actor, NearFacility),
        ServedShare: of_office_or_enterprise(actor, ServedShare),
        DemandOverride: _of_plot(actor, DemandOverride),
        Reservation: of_office_or_enterprise(actor, Reservation),
        BaseLayer: _of_office(actor, BaseLayer.office_id),
        BaseFeature: _of_office(actor, BaseFeature.office_id),
        ConnectionRoute: of_office_or_enterprise(actor, ConnectionRoute),
        Push: _push_rule(actor),
        PushPlot: of_office_or_enterprise(actor, PushPlot),
        Answer: _answer_rule(actor),
        Attachment: _attachment_rule(actor),
        AnswerBatch: of_office_or_enterprise(actor, AnswerBatch),
        AnswerLink: mine(actor, Role.ENTERPRISE, AnswerLink.enterprise_id),
        AnswerLinkUse: mine(actor, Role.ENTERPRISE, AnswerLinkUse.enterprise_id),
        Dispute: _dispute_seen(actor, Dispute),
        DisputeStep: _of_dispute(actor, DisputeStep),
        DisputeFile: _of_dispute(actor, DisputeFile),
        ClockPause: of_office_or_enterprise(actor, ClockPause),
        Reminder: _reminder_rule(actor),
        Works: of_office_or_enterprise(actor, Works),
        Milestone: of_office_or_enterprise(actor, Milestone),
        Commitment: of_office_or_enterprise(actor, Commitment),
        Certificate: _certificate_rule(actor),
        CertificateHead: true(),
        TitleStatement: _of_office(actor, TitleStatement.office_id),
        ListingMove: true(),
        Permit: _permit_rule(actor),
        Application: _application_seen(actor, Application),
        ApplicationField: _field_rule(actor),
        Item: _item_seen(actor, Item),
        ItemMove: _item_move_rule(actor),
        OutboxEvent: mine(actor, Role.ENTERPRISE, OutboxEvent.enterprise_id),
    }


_registered: list[Callable[[Actor], Rules]] = [_domain]


def register(more: Callable[[Actor], Rules]) -> None:
    """Add the rules of tables that live above the domain (push)."""
    _registered.append(more)
    _criteria.cache_clear()


def rules(actor: Actor) -> Rules:
    """Which rows of each table the actor sees; a table without a rule is everybody's."""
    return {model: rule for some in _registered for model, rule in some(actor).items()}


@cache
def _criteria(actor: Actor) -> tuple[Any, ...]:
    return tuple(
        with_loader_criteria(model, rule, include_aliases=True, propagate_to_loaders=False)
        for model, rule in rules(actor).items()
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
