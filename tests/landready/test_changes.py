"""What changes takes off the market exactly the plots it touches, whoever changed it, and nobody is left untold (issue 5, item 5)."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from landready import gate as gates
from landready import remeasuring, rule_book, suspended, suspending
from landready.changes import CHANGES, When
from landready.clock import next_day, today
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import NotReady
from landready.gate import list_plot, move_listing, readiness_of
from landready.layers import Facility, Layer, seal
from landready.listings import Listing, ListingMove
from landready.measuring import measure
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.plans import Plot
from landready.pushes import Push
from landready.reservations import Reservation
from landready.rule_sets import Requirement
from landready.settings import ROOT
from landready.shapes import stored
from tests import factories as make
from tests.factories import point, square

NOW = datetime.now(UTC)
APART, NEED, SPARE = 9000, 100.0, 250.0


class Town:
    """Three plots far apart, each with a hydrant and a yes for water and power; capacity blocks. A platform is told."""

    def __init__(self, database, settings, owner):
        self.database = database
        block = Requirement(effect="block", source="测试")
        self.gate = settings.gate.model_copy(update={"version": "test", "capacity": block})
        self.settings = settings.model_copy(update={"gate": self.gate})
        with owner.begin() as connection:
            rule_book.write(connection, self.gate)
        with transaction(database, ENGINE) as session:
            office = make.make_office(session)
            self.office = Actor(Role.OFFICE, office.id, None, office.city)
            make.make_organisation(session, "exchange", told_of_listings=True)
            water, power = make.make_enterprise(session, "water"), make.make_enterprise(session, "power")  # fmt: skip
            self.water = water.id
            plan = make.make_plan(session, office, state="released")
            self.plan = plan.id
            for i in range(3):
                make.make_plot(session, plan, geometry=square(APART * i))
            self.roots: list[int] = []
            layer = self._layer(session, water, 1, {0: SPARE, 1: SPARE, 2: SPARE})
            self.roots = sorted(session.scalars(select(Facility.id)))
            session.refresh(plan, ["plots"])
            self.plots = [plot.id for plot in plan.plots]
            measure(session, self.settings, plan.plots, NOW)
            layer.remeasured_at = NOW
            self.pushes = {
                str(e.utilities[0]): make.make_push(session, plan, e, pushed_at=NOW).id
                for e in (water, power)
            }
        self.versions = dict.fromkeys([(i, u) for i in range(3) for u in self.pushes], 0)
        self.spare = {0: SPARE, 1: SPARE, 2: SPARE}
        for i, utility in self.versions:
            self.answer(i, utility)

    def _layer(self, session, enterprise, version, spare):
        layer = make.make_layer(session, enterprise, title="消火栓", version=version)
        for i in sorted(spare):
            root = self.roots[i] if self.roots else None
            at = stored([point(APART * i + 50, 150)])[0]
            session.add(
                Facility(
                    layer_id=layer.id, enterprise_id=enterprise.id, row=i + 1, name=f"F{i}", geom=at,
                    same_as=root, spare_capacity=spare[i],
                )
            )  # fmt: skip
        session.flush()
        seal(session, layer)
        return layer

    def answer(self, i, utility, at=None, **given):
        """As SQL of anybody would: no gate of Python looks at it."""
        self.versions[i, utility] += 1
        with transaction(self.database, ENGINE) as session:
            push = session.get_one(Push, self.pushes[utility])
            plot = session.get_one(Plot, self.plots[i])
            given = {"utility": utility, "version": self.versions[i, utility], **given}
            made = make.make_answer(session, push, plot=plot, answered_at=NOW, **given)
            if utility == "water":
                session.execute(update(Reservation).where(Reservation.plot_id == plot.id).values(state="released"))  # fmt: skip
                if made.verdict == "ready":
                    self._reserve(session, made, i if at is None else at)

    def _reserve(self, session, made, i):
        session.add(
            Reservation(
                answer_id=made.id, plot_id=made.plot_id, plot_revision=made.plot_revision, utility="water",
                enterprise_id=made.enterprise_id, office_id=made.office_id, facility_id=self.roots[i],
                low=NEED, high=NEED, reserved_at=NOW, state="held", state_at=NOW, before=0.0, exception="",
            )
        )  # fmt: skip

    def network(self, spare):
        """A new version of the hydrants; what is not in `spare` was closed."""
        with transaction(self.database, ENGINE) as session:
            old = session.scalars(select(Layer).order_by(Layer.version.desc()).limit(1)).one()
            old.current = False
            session.flush()
            self._layer(session, old.enterprise, old.version + 1, spare)
        self.spare = spare

    def offer(self, i):
        with transaction(self.database, self.office) as session:
            open_ = session.scalar(
                select(Listing).where(
                    Listing.plot_id == self.plots[i], Listing.state != "withdrawn"
                )
            )
            if open_ is None:
                list_plot(session, self.plots[i], self.gate, account_id=None, now=datetime.now(UTC))
            elif open_.state == "suspended":
                move_listing(session, open_.id, "listed", "", self.gate, datetime.now(UTC))

    def sweep(self):
        """What the sweep does in one period."""
        with transaction(self.database, ENGINE) as session:
            for layer in remeasuring.outstanding(session):
                remeasuring.remeasure(session, self.settings, layer, datetime.now(UTC))
        with transaction(self.database, ENGINE) as session:
            suspending.expire(session, self.gate, datetime.now(UTC))
            suspending.settle(session, self.gate, datetime.now(UTC))

    def states(self):
        with transaction(self.database, ENGINE) as session:
            found = dict(session.execute(select(Listing.plot_id, Listing.state)).all())
        return [found.get(plot, "") for plot in self.plots]

    def listing(self, i=0):
        with transaction(self.database, ENGINE) as session:
            return session.scalars(select(Listing).where(Listing.plot_id == self.plots[i])).one()

    def events(self, type_):
        with transaction(self.database, ENGINE) as session:
            rows = select(OutboxEvent).order_by(OutboxEvent.number)
            bodies = [json.loads(event.body) for event in session.scalars(rows)]
        return [body["data"] for body in bodies if body["type"] == type_]


@pytest.fixture
def town(database, settings, owner):
    return Town(database, settings, owner)


def test_the_triggers_say_the_sentences_of_the_domain():
    texts = import_module("migrations.versions.0012_causes").TEXTS
    at_once = {code: x.text for code, x in CHANGES.items() if x.when is When.AT_ONCE}
    assert texts == at_once


@pytest.mark.parametrize("document", ["docs/integrators.md", "docs/integrators.zh-CN.md"])
def test_every_reason_is_documented(document):
    page = (ROOT / document).read_text(encoding="utf-8")
    said = [code for code, change in CHANGES.items() if change.text]
    assert [code for code in said if f"`{code}`" not in page] == []


def test_what_a_trigger_suspends_is_told_once_to_platform_and_enterprise(town):
    town.offer(0)
    town.answer(0, "power", verdict="not_possible", reason="变电站满载")
    listing = town.listing()
    assert (listing.state, listing.cause["code"]) == ("suspended", "answer_changed")
    assert listing.cause["params"]["enterprise"] in listing.state_reason
    assert town.events("listing.suspended") == []
    for _ in range(2):
        town.sweep()
    changes = [(x["state"], x["state_cause"]) for x in town.events("listing.changed")]
    assert changes == [("listed", None), ("suspended", "answer_changed")]
    (told,) = town.events("listing.suspended")
    assert (told["utilities"], told["reason"]["code"]) == (["power"], "answer_changed")
    assert [m["code"] for m in told["missing"]] == ["not_possible"]
    with transaction(town.database, ENGINE) as session:
        assert session.scalars(select(ListingMove).where(ListingMove.told_at.is_(None))).all() == []


def test_land_withdrawn_by_sql_gives_back_what_is_reserved_and_the_platform_hears(town):
    town.offer(0)
    with transaction(town.database, town.office) as session:
        session.execute(text("update listing set state = 'withdrawn', state_reason = 'sql'"))
    town.sweep()
    with transaction(town.database, ENGINE) as session:
        held = session.scalars(
            select(Reservation.state).where(Reservation.plot_id == town.plots[0])
        )
        assert set(held) == {"released"}
    assert [x["state"] for x in town.events("listing.changed")] == ["listed", "withdrawn"]
    assert town.events("listing.suspended") == []


@pytest.mark.parametrize("left", [{1: SPARE, 2: SPARE}, {0: NEED - 1, 1: SPARE, 2: SPARE}])
def test_closed_or_smaller_facility_suspends_what_holds_capacity_of_it_and_nothing_else(town, left):
    for i in range(3):
        town.offer(i)
    town.network(left)
    town.sweep()
    assert town.states() == ["suspended", "listed", "listed"]
    assert town.listing().cause["code"] == "facility_changed"
    assert town.listing().cause["params"]["layer"] == "消火栓"
    assert len(town.events("listing.suspended")) == 1


def test_far_holder_of_a_changed_facility_is_judged_too(town):
    """What it holds need not be among the nearest of its newest check."""
    town.answer(1, "water", at=0)
    town.offer(1)
    town.network({1: SPARE, 2: SPARE})
    town.sweep()
    assert town.states()[1] == "suspended"


def test_day_that_turns_names_what_it_ended(town):
    now = datetime.now(UTC)
    town.answer(0, "water", valid_until=today(now))
    for i in range(3):
        town.offer(i)
    turned = next_day(now)
    for moment, states in (
        (turned - timedelta(seconds=1), ["listed"] * 3),
        (turned, ["suspended", "listed", "listed"]),
    ):
        with transaction(town.database, ENGINE) as session:
            suspending.review(session, town.gate, moment)
        assert town.states() == states
    cause = town.listing().cause
    assert (cause["code"], cause["utility"]) == ("expired", "water")
    assert cause["params"] == {"until": today(now).isoformat()}


def test_certificate_that_expires_ends_to_the_moment(town):
    town.offer(0)
    with transaction(town.database, ENGINE) as session:
        until = session.scalars(select(gates.Certificate.valid_until)).one()
        assert suspending.expire(session, town.gate, until - timedelta(seconds=1)) == []
        assert len(suspending.expire(session, town.gate, until)) == 1
    assert town.listing().cause["code"] == "certificate_expired"


def test_revised_neighbour_takes_the_land_from_under_a_listing(town):
    with transaction(town.database, ENGINE) as session:
        office = session.get_one(Organisation, town.office.organisation_id)
        before = make.make_plan(
            session, office, state="released", released_at=make.NOW - timedelta(days=1)
        )
        other = make.make_plot(session, before, geometry=square(0, 3000))
    town.offer(0)
    with transaction(town.database, ENGINE) as session:
        session.execute(
            text("update plot set revision = revision + 1, geom = (select geom from plot where id = :of) where id = :id"),
            {"of": town.plots[0], "id": other.id},
        )  # fmt: skip
    assert town.listing().cause["code"] == "land_revised"


def test_planner_sees_why_and_what_may_be_resumed_and_nothing_resumes_by_itself(town):
    town.offer(0)
    town.answer(0, "power", verdict="not_possible", reason="变电站满载")
    with transaction(town.database, town.office) as session:
        (row,) = suspended.suspended(session, town.gate, NOW)
        assert [b.code for b in row.missing] == ["not_possible"]
    town.answer(0, "power")
    town.sweep()
    with transaction(town.database, town.office) as session:
        (row,) = suspended.suspended(session, town.gate, NOW, plan_id=town.plan)
        assert row.may_resume
    assert town.states()[0] == "suspended"
    town.offer(0)
    assert (town.listing().state, town.listing().cause) == ("listed", None)
    with transaction(town.database, town.office) as session:
        assert suspended.suspended(session, town.gate, NOW) == []


STEPS = st.one_of(
    st.tuples(st.just("offer"), st.integers(0, 2)),
    st.tuples(st.just("answer"), st.integers(0, 2), st.sampled_from(["water", "power"]), st.sampled_from(["ready", "not_possible", "not_concerned"])),
    st.tuples(st.just("spare"), st.integers(0, 2), st.sampled_from([NEED - 1, SPARE])),
    st.tuples(st.just("close"), st.integers(0, 2)),
)  # fmt: skip


def test_after_every_change_the_market_is_what_a_full_judgement_of_everything_says(
    database, settings, owner, wipe, monkeypatch
):
    judged: list[int] = []

    def counting(judge):
        def counted(session, plot_ids: Sequence[int], gate, now):
            judged.extend(plot_ids)
            return judge(session, plot_ids, gate, now)

        return counted

    for name in ("judged", "readiness_of"):
        monkeypatch.setattr(suspending, name, counting(getattr(suspending, name)))

    @hypothesis_settings(
        max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(STEPS, min_size=5, max_size=9))
    def run(steps):
        wipe()
        town = Town(database, settings, owner)
        for i in range(3):
            town.offer(i)
        for kind, i, *more in steps:
            before = town.states()
            judged.clear()
            change(town, kind, i, *more)
            town.sweep()
            after = town.states()
            assert set(judged) <= {town.plots[i]}, (kind, "judged others")
            with transaction(database, ENGINE) as session:
                full = readiness_of(session, town.plots, town.gate, datetime.now(UTC))
            for number, plot in enumerate(town.plots):
                if before[number] == "listed":
                    expected = "listed" if full[plot].may_list else "suspended"
                    assert after[number] == expected, (kind, more)
                assert after[number] != "listed" or full[plot].may_list
            if kind in ("spare", "close") and before[i] == "listed" and town.changed:
                assert set(judged) == {town.plots[i]}

    run()


def change(town, kind, i, *more):
    """Make one change; `changed`: it differs from what was there."""
    if kind == "offer":
        try:
            town.offer(i)
        except NotReady:
            return
    elif kind == "answer":
        utility, verdict = more
        town.answer(i, utility, verdict=verdict, reason="" if verdict == "ready" else "x")
    else:
        spare = {**town.spare, i: more[0]} if kind == "spare" else {n: s for n, s in town.spare.items() if n != i}  # fmt: skip
        town.changed = spare != town.spare
        town.network(spare)
