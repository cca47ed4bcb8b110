"""Two cities with one row of everything each, to show that nobody reaches into the other."""

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_network

import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from landready import rule_book
from landready.answer_batches import AnswerBatch
from landready.answer_links import AnswerLink, AnswerLinkUse
from landready.answers import Attachment
from landready.applications import Application, ApplicationField, Item, ItemMove
from landready.checks import Check, NearFacility, ServedShare
from landready.clock import today as local_date
from landready.db import PUBLIC, Actor, Base, Role, acting
from landready.deadlines import ClockPause
from landready.demand import DemandOverride
from landready.disputes import Dispute, DisputeFile, DisputeStep
from landready.layers import Facility
from landready.organisations import Account, ApiKey, Organisation
from landready.outbox import OutboxEvent
from landready.permits import Permit
from landready.plans import Plot
from landready.pushes import Push
from landready.reminders import Reminder
from landready.reservations import Reservation
from landready.routes import ConnectionRoute
from landready.shapes import multi, stored
from landready.works import Commitment, Milestone, Works
from push.models import Attempt, ChannelWish, Delivery, Endpoint, EndpointNetwork
from tests.factories import (
    NOW,
    make_account,
    make_answer,
    make_base_layer,
    make_certificate,
    make_department,
    make_enterprise,
    make_key,
    make_layer,
    make_office,
    make_organisation,
    make_owner,
    make_plan,
    make_push,
    make_supervisor,
    make_upload,
    point,
    square,
)

# Names under which a test that opens them puts the files.
KEPT_LAYER = "1" * 32 + ".geojson"
KEPT_PDF = "0" * 32 + ".pdf"


@dataclass(frozen=True)
class World:
    """One city: who may ask, the ids of what is there, the people, and the key of its connected system."""

    actors: dict[str, Actor]
    ids: dict[str, int]
    accounts: dict[str, Account]
    key: str


def make_world(session: Session, city: str, x: float) -> World:
    office = make_office(session, city=city)
    enterprise = make_enterprise(session, "water", city=city)
    owner = make_owner(session)
    department = make_department(session, city=city)
    exchange = make_organisation(session, "exchange", city=city)
    supervisor = make_supervisor(session, city=city)
    accounts = {"office": make_account(session, office)}
    key = make_key(session, office)
    upload = make_upload(
        session,
        enterprise,
        kind="facilities",
        purpose={"utility": "water"},
        stored_as=KEPT_LAYER,
    )
    plan = make_plan(session, office, plots=1, state="released")
    layer = make_layer(session, enterprise, point(x, 0))
    area = make_layer(session, enterprise, square(x), kind="service_areas")
    push = make_push(session, plan, enterprise)
    plot = session.get_one(Plot, push.plots[0].plot_id)
    answer = make_answer(session, push)
    both = {"office_id": office.id, "enterprise_id": enterprise.id}

    def add(row: Base) -> Base:
        session.add(row)
        session.flush()
        return row

    add(
        DemandOverride(
            plot_id=plot.id,
            plot_revision=1,
            office_id=office.id,
            utility="water",
            low=1,
            high=2,
            reason="x",
            stated_at=NOW,
        )
    )
    hydrant = session.scalar(select(Facility.id).where(Facility.layer_id == layer.id))
    add(
        Reservation(
            answer_id=answer.id,
            plot_id=plot.id,
            plot_revision=1,
            utility="water",
            facility_id=hydrant,
            low=1,
            high=2,
            reserved_at=NOW,
            state_at=NOW,
            before=0,
            **both,
        )
    )
    attachment = add(
        Attachment(
            answer_id=answer.id,
            enterprise_id=enterprise.id,
            filename="a.pdf",
            stored_as=KEPT_PDF,
            media_type="application/pdf",
            size=1,
        )
    )
    add(
        AnswerBatch(
            push_id=push.id,
            channel="api",
            key="k",
            body_sha256="",
            result=[],
            received_at=NOW,
            **both,
        )
    )
    day = date(2026, 3, 9)
    sent = AnswerLink(
        push_id=push.id, token_sha256=city * 8, sent_to="x", created_at=NOW, expires_at=NOW, **both
    )
    add(sent)
    add(
        AnswerLinkUse(
            link_id=sent.id, enterprise_id=enterprise.id, action="seen", address="", used_at=NOW
        )
    )
    add(ChannelWish(enterprise_id=enterprise.id, channel="portal", also=[], changed_at=NOW))
    pause = add(ClockPause(push_id=push.id, first=day, last=day, reason="x", made_at=NOW, **both))
    reminder = add(
        Reminder(
            push_id=push.id,
            clock="answer",
            notice="escalated",
            title="x",
            due_on=day,
            on_day=day,
            made_at=NOW,
            supervisor_id=supervisor.id,
            **both,
        )
    )
    works = add(Works(utility="water", title="x", starts_on=day, made_at=NOW, **both))
    milestone = add(Milestone(works_id=works.id, title="x", planned_on=day, completes=True, **both))
    add(
        Commitment(
            answer_id=answer.id,
            works_id=works.id,
            plot_id=plot.id,
            utility="water",
            first_on=day,
            due_on=day,
            made_at=NOW,
            **both,
        )
    )
    check = session.scalars(select(Check).where(Check.plot_id == plot.id)).one()
    facility = session.scalar(select(Facility).where(Facility.layer_id == layer.id))
    link_shape = shapely.LineString([(110, 20), (110, 20.1)])
    link = stored([link_shape])[0]
    near = NearFacility(
        check_id=check.id, facility_id=facility.id, rank=1, distance_m=1, link=link, **both
    )
    add(near)
    add(ServedShare(check_id=check.id, share=1, **both))
    base_upload = make_upload(session, office, kind="roads", stored_as=KEPT_LAYER)
    base_layer = make_base_layer(session, office, (link_shape, {"road_class": "street"}))
    add(
        ConnectionRoute(
            near_id=near.id,
            utility="water",
            method="straight",
            why="no_roads",
            length_m=1,
            along_m=0,
            straight_m=1,
            working_crs="EPSG:4546",
            computed_at=NOW,
            base=[],
            met=[],
            geom=link,
            **both,
        )
    )
    make_certificate(session, plot)
    permit = add(
        Permit(
            permit_no=f"建字第{city}号",
            source_id=exchange.id,
            office_id=office.id,
            owner_id=owner.id,
            plot_id=plot.id,
            city=city,
            project_name="x",
            payload={"owner": {}},
            payload_sha256="",
            received_at=NOW,
            geom=stored([multi(square(x))])[0],
        )
    )
    project = add(
        Push(
            kind="project",
            permit_id=permit.id,
            owner_id=owner.id,
            pushed_at=NOW,
            due_on=date(2026, 3, 9),
            **both,
        )
    )
    application = add(
        Application(
            permit_id=permit.id,
            plot_id=plot.id,
            owner_id=owner.id,
            office_id=office.id,
            city=city,
            state="submitted",
            seeded_at=NOW,
            submitted_at=NOW,
        )
    )
    field = ApplicationField(
        application_id=application.id, name="owner_name", value="x", source="permit"
    )
    add(field)
    items = {}
    for number, assignee in ((1, enterprise), (7, department)):
        item = Item(
            application_id=application.id,
            annex_no=number,
            utility="water" if number == 1 else "",
            owner_id=owner.id,
            office_id=office.id,
            assignee_id=assignee.id,
            state=1,
            state_at=NOW,
        )
        items[assignee.kind] = add(item).id
        add(ItemMove(item_id=item.id, to_state=1, moved_at=NOW, mover_id=assignee.id))
    dispute = add(
        Dispute(
            answer_id=answer.id,
            push_id=push.id,
            plot_id=plot.id,
            utility="water",
            challenger_id=owner.id,
            ground="capacity",
            reason="x",
            opened_at=NOW,
            due_on=day,
            **both,
        )
    )
    file = add(
        DisputeFile(
            dispute_id=dispute.id,
            organisation_id=owner.id,
            filename="a.pdf",
            stored_as=KEPT_PDF,
            media_type="application/pdf",
            size=1,
        )
    )
    add(
        DisputeStep(
            dispute_id=dispute.id, kind="upheld", text="x", at=NOW, organisation_id=enterprise.id
        )
    )
    event = add(
        OutboxEvent(
            id=uuid.uuid4(),
            push_id=push.id,
            type="x",
            body=b"{}",
            body_sha256="",
            created_at=NOW,
            fanned_out_at=NOW,
            **both,
        )
    )
    endpoint = add(
        Endpoint(enterprise_id=enterprise.id, url="https://x.example", secret="s", created_at=NOW)
    )
    network = add(
        EndpointNetwork(
            endpoint_id=endpoint.id,
            enterprise_id=enterprise.id,
            network=ip_network("10.20.0.0/16"),
            approved_at=NOW,
        )
    )
    delivery = add(
        Delivery(
            endpoint_id=endpoint.id,
            event_id=event.id,
            push_id=push.id,
            owed_since=NOW,
            next_attempt_at=NOW,
            created_at=NOW,
            **both,
        )
    )
    add(Attempt(delivery_id=delivery.id, enterprise_id=enterprise.id, number=1, started_at=NOW))
    judge = Actor(Role.SUPERVISOR, supervisor.id, make_account(session, supervisor).id, city)
    with acting(session, judge):
        today = local_date(now := datetime.now(UTC))
        wish = rule_book.Wish(city, ("gas",), today, today, "琼函〔2026〕1号", "x")
        exemption = rule_book.issue(session, wish, now)
    return World(
        actors={
            "office": accounts["office"].actor,
            "enterprise": Actor(Role.ENTERPRISE, enterprise.id, None, city),
            "owner": Actor(Role.OWNER, owner.id),
            "department": Actor(Role.DEPARTMENT, department.id, None, city),
            "exchange": Actor(Role.EXCHANGE, exchange.id, None, city),
            "city_supervisor": Actor(Role.SUPERVISOR, supervisor.id, None, city),
            "public": PUBLIC,
        },
        ids={
            "exemption_id": exemption.id,
            "city": int(city),
            "plan_id": plan.id,
            "plot_id": plot.id,
            "push_id": push.id,
            "project_push_id": project.id,
            "application_id": application.id,
            "item_id": items["enterprise"],
            "department_item_id": items["department"],
            "upload_id": upload.id,
            "base_upload_id": base_upload.id,
            "base_layer_id": base_layer.id,
            "layer_id": layer.id,
            "area_layer_id": area.id,
            "attachment_id": attachment.id,
            "answer_id": answer.id,
            "dispute_id": dispute.id,
            "file_id": file.id,
            "delivery_id": delivery.id,
            "link_id": sent.id,
            "pause_id": pause.id,
            "reminder_id": reminder.id,
            "works_id": works.id,
            "milestone_id": milestone.id,
            "endpoint_id": endpoint.id,
            "network_id": network.id,
            "organisation_id": enterprise.id,
            "enterprise_id": enterprise.id,
            "account_id": accounts["office"].id,
            "key_id": session.scalars(
                select(ApiKey.id).where(ApiKey.organisation_id == office.id)
            ).one(),
        },
        accounts=accounts,
        key=key,
    )


def add_people(session: Session, world: World) -> None:
    """Give every role of a world an account, and its connected system a key of its own."""
    for name, actor in world.actors.items():
        if name not in ("public", "exchange", "office"):
            organisation = session.get_one(Organisation, actor.organisation_id)
            world.accounts[name] = make_account(session, organisation)
