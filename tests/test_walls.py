"""Row-level security and the query layer show every asker the same rows of every table: each is the other's test."""

from dataclasses import dataclass
from datetime import date

import pytest
from sqlalchemy import Text, cast, func, literal, select, text, true, union_all
from sqlalchemy.orm import Session

from landready import tenancy
from landready.answers import Attachment
from landready.applications import Application, ApplicationField, Item, ItemMove
from landready.db import ENGINE, PUBLIC, Actor, Base, Role, acting
from landready.disputes import Dispute, DisputeFile, DisputeStep
from landready.heads import CertificateHead
from landready.listings import Listing
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push
from landready.reminders import Reminder
from landready.shapes import multi, stored
from tests.factories import (
    NOW,
    make_answer,
    make_certificate,
    make_enterprise,
    make_plan,
    make_push,
    square,
)
from tests.worlds import make_world

HAIKOU, SANYA = "460100", "460200"
DAY = date(2026, 3, 9)
FILE = {"filename": "a.pdf", "stored_as": "a.pdf", "media_type": "application/pdf", "size": 1}


@dataclass
class More:
    """Rows beside those of a world, each seen for one reason alone or for none."""

    session: Session
    ids: dict[str, int]
    office: Organisation
    enterprise: Organisation
    owner: Organisation
    department: Organisation
    exchange: Organisation

    def add(self, *rows):
        self.session.add_all(rows)
        self.session.flush()
        return rows[0].id

    def listings(self, rival):
        """One plot in every state of the market, and files of the answers about them."""
        plan = make_plan(self.session, self.office, plots=4, north=1000, state="released")
        push = make_push(self.session, plan, rival)
        states = ("listed", "suspended", "sold", "withdrawn")
        for plot, state in zip(plan.plots, states, strict=True):
            of = make_certificate(self.session, plot).id
            self.add(
                Listing(plot_id=plot.id, office_id=self.office.id, city=plan.city, certificate_id=of,
                        state=state, listed_at=NOW, changed_at=NOW)
            )  # fmt: skip
            answer = make_answer(self.session, push, plot=plot)
            self.add(Attachment(answer_id=answer.id, enterprise_id=rival.id, **FILE))

    def dispute(self, challenger):
        answer = self.ids["answer_id"]
        at = self.add(
            Dispute(answer_id=answer, push_id=self.ids["push_id"], plot_id=self.ids["plot_id"], utility="water",
                    enterprise_id=self.enterprise.id, office_id=self.office.id, challenger_id=challenger.id,
                    ground="capacity", reason="x", opened_at=NOW, due_on=DAY)
        )  # fmt: skip
        self.add(DisputeFile(dispute_id=at, organisation_id=challenger.id, **FILE))
        by = self.enterprise.id
        self.add(DisputeStep(dispute_id=at, kind="upheld", text="x", at=NOW, organisation_id=by))

    def answer_of_a_plot_unseen(self):
        """An answer that only the enterprise itself, and the office, sees."""
        plot = make_plan(self.session, self.office, plots=1).plots[0]
        push = self.session.get_one(Push, self.ids["push_id"])
        make_answer(self.session, push, plot=plot)

    def permit(self, name, *, pushed=None):
        """A permit of a plot of its own."""
        plot = make_plan(self.session, self.office, plots=1).plots[0]
        of = {"office_id": self.office.id, "owner_id": self.owner.id}
        permit = Permit(permit_no=f"{name} {plot.id}", source_id=self.exchange.id, plot_id=plot.id, city=plot.city,
                        project_name="x", payload={}, payload_sha256="", received_at=NOW, geom=stored([multi(square())])[0], **of)  # fmt: skip
        self.add(permit)
        if pushed:
            self.add(
                Push(kind="project", permit_id=permit.id, enterprise_id=pushed.id, pushed_at=NOW, due_on=DAY, **of)
            )  # fmt: skip
        return permit

    def application(self, permit, *, submitted=False, items=()):
        """An application with a field, and `items` as (assignee, state)."""
        of = {"office_id": self.office.id, "owner_id": self.owner.id}
        application = self.add(
            Application(permit_id=permit.id, plot_id=permit.plot_id, city=permit.city, seeded_at=NOW,
                        state="submitted" if submitted else "draft", submitted_at=NOW if submitted else None, **of)
        )  # fmt: skip
        self.add(ApplicationField(application_id=application, name="x", value="x", source="permit"))
        for assignee, state in items:
            item = self.add(
                Item(application_id=application, annex_no=1, assignee_id=assignee.id, state=state, **of)
            )  # fmt: skip
            self.add(ItemMove(item_id=item, to_state=1, moved_at=NOW, mover_id=self.owner.id))


def make_more(session, world, other):
    kinds = ("office", "enterprise", "owner", "department", "exchange")
    those = (session.get_one(Organisation, world.actors[kind].organisation_id) for kind in kinds)
    more = More(session, world.ids, *those)
    rival = make_enterprise(session, "power", city=more.office.city)
    more.listings(rival)
    more.dispute(rival)
    more.answer_of_a_plot_unseen()
    both = [(more.enterprise, None), (more.department, None)]
    more.permit("not applied for")
    more.application(more.permit("not submitted", pushed=more.enterprise), items=both)
    more.application(more.permit("pushed only", pushed=more.enterprise), submitted=True)
    more.application(more.permit("assigned only"), submitted=True, items=[(more.enterprise, 1)])
    more.add(
        Reminder(push_id=world.ids["push_id"], enterprise_id=more.enterprise.id, office_id=more.office.id, clock="answer",
                 notice="late", title="x", due_on=DAY, on_day=DAY, made_at=NOW,
                 supervisor_id=other.actors["city_supervisor"].organisation_id),
        CertificateHead(city=more.office.city, day=DAY, sequence=1, sha256="", key="", key_id="", signature="", signed_at=NOW),
    )  # fmt: skip
    return Actor(Role.ENTERPRISE, rival.id)


def askers(worlds, rival):
    """Everybody of both cities, who sees all of something, and an owner under an office's number: it takes role and number."""
    of_both = [actor for world in worlds for actor in world.actors.values()]
    impostor = Actor(Role.OWNER, worlds[0].actors["office"].organisation_id)
    return dict.fromkeys(
        [*of_both, rival, impostor, Actor(Role.SUPERVISOR, 999), Actor(Role.ADMIN, 999)]
    )


@pytest.fixture
def session(owner, wipe):
    """As the owner of the tables, who lifts the gate for the listings; row-level security is forced on it too."""
    wipe()
    with owner.connect() as connection, Session(connection) as session:
        connection.execute(text("set local jit = off"))  # as in landready.db
        session.info["actor"] = PUBLIC
        with acting(session, ENGINE):
            yield session
        session.rollback()


def seen(session, rules):
    """Table and key of each row. On plain tables: nothing of the ORM's events touches them."""
    keys = {
        model: func.concat_ws(" ", *(cast(column, Text) for column in model.__table__.primary_key))
        for model in rules
    }
    one = [
        select(literal(model.__tablename__), keys[model]).where(rule)
        for model, rule in rules.items()
    ]
    return {tuple(row) for row in session.connection().execute(union_all(*one))}


@pytest.mark.parametrize("role", Role)
def test_every_table_that_is_not_public_has_a_rule_for_everybody(role):
    tables = {mapper.class_ for mapper in Base.registry.mappers}
    without = tables - set(tenancy.rules(Actor(role, 1, 1, HAIKOU)))
    assert {model.__tablename__ for model in without} == {"organisation", "listing", "rule_set"}


def test_rules_of_tables_above_the_domain_are_added(monkeypatch):
    monkeypatch.setattr(tenancy, "_registered", [])
    tenancy.register(lambda actor: {Listing: Listing.office_id == actor.organisation_id})
    (rule,) = tenancy.rules(Actor(Role.OFFICE, 7)).values()
    assert rule.compare(Listing.office_id == 7)


def test_either_wall_shows_every_asker_the_same_rows_of_every_table(session):
    session.execute(text("alter table listing disable trigger listing_gate"))
    worlds = [make_world(session, city, x) for city, x in ((HAIKOU, 0), (SANYA, 5000))]
    rival = make_more(session, *worlds)
    session.execute(text("set constraints number_events immediate"))  # which writes journals
    everything = dict.fromkeys(tenancy.rules(PUBLIC), true())
    tables = {model.__tablename__ for model in everything}
    assert {table for table, _ in seen(session, everything)} == tables  # no table without rows
    for actor in askers(worlds, rival):
        by_query_layer = seen(session, tenancy.rules(actor))
        with acting(session, actor):
            by_database = seen(session, everything)
        assert by_query_layer == by_database, actor
