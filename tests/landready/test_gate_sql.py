"""Somebody with SQL as the application's role, free to call itself anybody: no statement puts a plot that is not ready on offer.

One world, built once; every attack runs in a transaction of its own and is rolled back unless it is what it would leave behind
that matters. After each, an independent query looks whether a plot without its ground is on offer.
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from landready import gate as gate_module
from landready import servers
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import LandreadyError
from landready.gate import list_plot
from landready.readiness import Readiness
from tests.factories import (
    make_account,
    make_answer,
    make_certificate,
    make_check,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_plot,
    make_push,
    make_supervisor,
    make_title,
    point,
    square,
)

NOW = datetime.now(UTC)
# What is wrong with each plot of the world; "good" lacks nothing.
WRONG = (
    "no water", "refused", "expired", "revised", "untitled", "unclear", "unmeasured", "broken check",
    "stale check", "overlapping", "draft", "missed", "unanswered",
)  # fmt: skip


class World:
    """A city with one good plot on offer, one good plot that is not, and one of each kind that must not be."""

    def __init__(self, engine, gate):
        self.gate = gate
        with transaction(engine, ENGINE) as session:
            office, other = make_office(session), make_office(session)
            supervisor = make_supervisor(session)
            account = make_account(session, supervisor)
            water, power = (make_enterprise(session, u) for u in ("water", "power"))
            layer = make_layer(session, water, point(0, -500), spare_capacity=10.0)
            plan = make_plan(session, office, state="released", released_at=NOW)
            draft = make_plan(session, office)
            early = make_plan(session, office, state="released", released_at=NOW - timedelta(9))
            plots = {}
            for number, name in enumerate(("offered", "good", *WRONG)):
                given = {"clear": name not in ("untitled", "unclear")}
                own = draft if name == "draft" else plan
                shape = square(300 * number)
                plots[name] = make_plot(session, own, code=name, geometry=shape, **given)
            make_plot(session, early, geometry=square(300 * (2 + WRONG.index("overlapping")) + 50))
            make_title(session, plots["unclear"], clear=False, note="有查封")
            for name in ("unmeasured", "broken check", "stale check"):
                for utility in ("water", "power"):
                    old = {"measured_at": NOW - timedelta(400)} if name == "stale check" else {}
                    bad = {"served_share": float("nan")} if name == "broken check" else {}
                    if name != "unmeasured":
                        make_check(session, plots[name], utility, **old, **bad)
            self.pushes = {}
            for enterprise in (water, power):
                push = make_push(session, plan, enterprise, pushed_at=NOW)
                self.pushes[enterprise.utilities[0]] = push.id
                for name, plot in plots.items():
                    self._answer(session, push, name, plot, enterprise.utilities[0])
            gone = text("delete from coverage_check where plot_id = :p")
            session.execute(gone, {"p": plots["unmeasured"].id})
            # The strongest position: each has a positive certificate in the chain, with facts that nobody checked.
            self.certificates = {
                name: make_certificate(session, plot, now=NOW).id for name, plot in plots.items()
            }
            self.ids = {name: plot.id for name, plot in plots.items()}
            self.office, self.other = office.id, other.id
            self.supervisor, self.account = supervisor.id, account.id
            self.water, self.power = water.id, power.id
            self.plan, self.draft = plan.id, draft.id
            self.layer = layer.id
        self.actor = Actor(Role.OFFICE, office.id, None, office.city)
        with transaction(engine, self.actor) as session:
            made = list_plot(session, self.ids["offered"], self.gate, account_id=None, now=NOW)
            self.listing = made.id

    @staticmethod
    def _answer(session, push, name, plot, utility):
        today = gate_module.local_date(NOW)
        if name in ("draft", "unanswered") or (name == "no water" and utility == "water"):
            return
        given = {}
        if utility == "water":
            given = {
                "refused": {"verdict": "not_possible", "reason": "无水源"},
                "expired": {"valid_until": today - timedelta(1)},
                "revised": {"plot_revision": 2},
                "missed": {"verdict": "ready_by", "works": "x", "ready_by": today - timedelta(1)},
            }.get(name, {})
        make_answer(session, push, plot=plot, utility=utility, answered_at=NOW, **given)


@pytest.fixture(scope="module")
def world(settings, engine, wipe):
    wipe()
    return World(engine, settings.gate)


@pytest.fixture(scope="module")
def link(settings):
    """One connection of the application's role."""
    made = create_engine(servers.database_url(settings), poolclass=NullPool)
    with made.connect() as connection:
        if connection.scalar(text("select session_user")) != "landready_app":
            connection.execute(text("set role landready_app"))
        connection.commit()
        yield connection
    made.dispose()


# Listings on offer that their stored facts do not carry. Written a third time, with every name in full: what an attacker laid
# over the tables stands aside.
UNREADY = """
select count(*) from public.listing l join public.plot p on p.id = l.plot_id join public.supply_plan s on s.id = p.plan_id
where l.state = 'listed' and not (
  s.state = 'released' and l.office_id = p.office_id and l.city = p.city
  and (select t.clear and t.plot_revision = p.revision from public.title_statement t
       where t.plot_id = p.id order by t.id desc limit 1) is true
  and not exists (select 1 from public.plot o join public.supply_plan r on r.id = o.plan_id
    where o.id <> p.id and r.id <> s.id and r.state = 'released' and r.released_at < s.released_at
      and public.st_area(public.st_intersection(o.geom, p.geom)::public.geography) > 1)
  and not exists (select 1 from (values ('water'), ('power')) as needed(utility)
    where not exists (select 1 from public.answer a where a.plot_id = p.id and a.utility = needed.utility
        and a.plot_revision = p.revision and coalesce(a.valid_until, '2999-01-01') >= (now() at time zone 'Asia/Shanghai')::date
        and (a.verdict = 'ready' or a.verdict = 'ready_by' and a.ready_by >= (now() at time zone 'Asia/Shanghai')::date)
        and not exists (select 1 from public.answer b where b.plot_id = a.plot_id and b.utility = a.utility
          and b.enterprise_id = a.enterprise_id and b.version > a.version))
      or (select c.plot_revision = p.revision and c.served_share between 0 and 1 and c.measured_at > now() - interval '366 days'
          from public.coverage_check c where c.plot_id = p.id and c.utility = needed.utility
          order by c.measured_at desc, c.id desc limit 1) is not true))
"""
BECOME = "select set_config('app.role', '{role}', false), set_config('app.org', '{org}', false), set_config('app.city', '460100', false), set_config('app.account', '{account}', false)"
INSERT = "insert into listing (plot_id, office_id, city, certificate_id, state, state_reason, listed_at, changed_at)"
VALUES = " values ({plot}, {office}, '460100', {certificate}, 'listed', '', now(), now())"
COPY_ANSWER = (
    "insert into answer (push_id, plot_id, plot_revision, enterprise_id, office_id, utility, version, verdict,"
    " connection_point, works, reason, answered_at) select push_id, {target}, 1, enterprise_id, office_id, utility,"
)

# Way → statements; {plot} is one that must not be on offer, {certificate} a positive one of its own.
LISTED = {
    "plainly": [INSERT + VALUES],
    "as the product itself": [BECOME.replace("{role}", "engine"), INSERT + VALUES],
    "as an administrator": [BECOME.replace("{role}", "admin"), INSERT + VALUES],
    "with the certificate of a plot that is ready": [INSERT + VALUES.replace("{certificate}", "{good}")],
    "without a certificate": [INSERT + VALUES.replace("{certificate}", "null")],
    "by way of suspended": [
        INSERT + VALUES.replace("'listed'", "'suspended'"),
        "update listing set state = 'listed' where plot_id = {plot}",
    ],
    "by merging": [
        "merge into listing l using (select {plot} as p) x on l.plot_id = x.p when not matched then insert"
        " (plot_id, office_id, city, certificate_id, state, state_reason, listed_at, changed_at)" + VALUES
    ],
    "on a conflict": [
        INSERT + VALUES.replace("{plot}", "{offered}").replace("{certificate}", "{certificate_of_offered}")
        + " on conflict (plot_id) where state in ('listed','suspended') do update set certificate_id = {certificate},"
        " plot_id = {plot}"
    ],
    "in the middle of another statement": [
        "with x as (" + INSERT + VALUES + " returning id) update listing set state_reason = 'x' where id in (select id from x)"
    ],
    "behind a temporary table of answers": [
        "create temporary table answer as select * from public.answer where plot_id = {offered}",
        "update pg_temp.answer set plot_id = {plot}",
        "grant all on pg_temp.answer to public",
        INSERT + VALUES,
    ],
    "on a path of its own": [
        "set search_path = pg_temp, public",
        INSERT + VALUES,
    ],
    "by moving the listing that is there": [
        "update listing set certificate_id = {certificate} where id = {listing}",
        "update listing set plot_id = {plot} where id = {listing}",
    ],
}  # fmt: skip

FORGED = "insert into certificate (city, sequence, number, plot_id, office_id, plot_revision, ready, issued_at, valid_until, rule_version, body, sha256, previous) "
OFFERED = "update listing set state = 'listed' where id = {listing}"
SUSPEND = "update listing set state = 'suspended', state_reason = 'x' where id = {listing}"
ENGINE_ROLE = BECOME.replace("{role}", "engine")
SAY_NO = COPY_ANSWER.replace("{target}", "plot_id") + (
    " 2, 'not_possible', null, '', 'x', now() from answer where plot_id = {offered} and utility = 'water'"
)
# Way → statements, each tried for itself against a world where one plot is on offer and everything else is not.
OTHER = {
    # what was on offer, and the ground under it
    "an answer taken back under the listing": [ENGINE_ROLE, SAY_NO],
    "and the constraints put off": [ENGINE_ROLE, "set constraints all deferred", SAY_NO],
    "and the listing resumed after": [ENGINE_ROLE, SAY_NO, "set constraints all immediate", OFFERED],
    "and the listing resumed before": [ENGINE_ROLE, SUSPEND, OFFERED, SAY_NO],
    "and the listing resumed while suspended": [ENGINE_ROLE, SUSPEND, SAY_NO, OFFERED],
    "checks deleted under the listing": [ENGINE_ROLE, "delete from coverage_check where plot_id = {offered}"],
    "checks deleted, all": [ENGINE_ROLE, "delete from coverage_check"],
    "a broken check put over the good one": [
        ENGINE_ROLE,
        "insert into coverage_check (plot_id, office_id, utility, plot_revision, measured_at, working_crs, radius_m,"
        " served_share, layers, demand_unit) values ({offered}, {office}, 'water', 1, now(), '', 2000, 'nan', '[]', '')",
    ],
    "a check of another revision put over it": [
        ENGINE_ROLE,
        "insert into coverage_check (plot_id, office_id, utility, plot_revision, measured_at, working_crs, radius_m,"
        " served_share, layers, demand_unit) values ({offered}, {office}, 'power', 2, now(), '', 2000, 1, '[]', '')",
    ],
    "the boundary moved under the listing": ["update plot set geom = st_translate(geom, 0.1, 0), revision = 2 where id = {offered}"],
    "the boundary moved, same revision": ["update plot set geom = st_translate(geom, 0.1, 0) where id = {offered}"],
    "the use changed under the listing": ["update plot set use = '住宅', revision = 2 where id = {offered}"],
    "the use code changed": ["update plot set use_code = '0701', revision = 2 where id = {offered}"],
    "the ratio changed": ["update plot set plot_ratio_value = 9, revision = 2 where id = {offered}"],
    "the area changed": ["update plot set area_m2 = 1, revision = 2 where id = {offered}"],
    "the plan changed": ["update plot set plan_id = {draft} where id = {offered}"],
    "the office changed": [ENGINE_ROLE, "update plot set office_id = {other} where id = {offered}"],
    "the city changed": [ENGINE_ROLE, "update plot set city = '460200' where id = {offered}"],
    "the code changed": ["update plot set code = 'x' where id = {offered}"],
    "the number of the plot changed": [ENGINE_ROLE, "update plot set id = 9999 where id = {offered}"],
    "plots swapped by number": [
        ENGINE_ROLE, "update plot set id = 9999 where id = {plot}", "update plot set id = {plot} where id = {offered}",
    ],
    "the plan taken back to a draft": [ENGINE_ROLE, "update supply_plan set state = 'draft', released_at = null where id = {plan}"],
    "the plan given to another office": [ENGINE_ROLE, "update supply_plan set office_id = {other} where id = {plan}"],
    "the plan moved to another city": [ENGINE_ROLE, "update supply_plan set city = '460200' where id = {plan}"],
    "the plan released earlier than it was": [
        ENGINE_ROLE, "update supply_plan set released_at = '2000-01-01' where id = {plan}", INSERT + VALUES.replace("{plot}", "{overlapping}").replace("{certificate}", "{certificate_of_overlapping}"),
    ],
    "the plan deleted": [ENGINE_ROLE, "delete from supply_plan where id = {plan}"],
    "the plot deleted": [ENGINE_ROLE, "delete from plot where id = {offered}"],
    "the earlier plan's plot deleted and the later listed": [
        ENGINE_ROLE, "delete from supply_plan where id not in ({plan}, {draft})", INSERT + VALUES.replace("{plot}", "{overlapping}").replace("{certificate}", "{certificate_of_overlapping}"),
    ],
    "the title taken back under the listing": [
        "insert into title_statement (plot_id, plot_revision, office_id, clear, document, document_date, note, stated_at)"
        " values ({offered}, 1, {office}, false, 'x', '2026-01-01', '有查封', now())"
    ],
    "the title rewritten": [ENGINE_ROLE, "update title_statement set clear = true", INSERT + VALUES],
    "the title of another plot moved here": [ENGINE_ROLE, "update title_statement set plot_id = {plot} where plot_id = {offered}", INSERT + VALUES],
    "the bad title deleted": [ENGINE_ROLE, "delete from title_statement", INSERT + VALUES],
    # certificates
    "a certificate rewritten": [ENGINE_ROLE, "update certificate set plot_id = {plot} where plot_id = {offered}", INSERT + VALUES],
    "a certificate prolonged": [ENGINE_ROLE, "update certificate set valid_until = '2999-01-01'"],
    "a certificate deleted": [ENGINE_ROLE, "delete from certificate"],
    "certificates emptied": [ENGINE_ROLE, "truncate certificate cascade"],
    "a certificate out of the chain": [ENGINE_ROLE, FORGED + "select city, sequence + 900, city || '-999999', {plot}, office_id, 1, true, now(), now() + interval '1 day', 'x', body, sha256, previous from certificate where plot_id = {offered} limit 1"],
    "a certificate at the head with a copied body": [ENGINE_ROLE, FORGED + "select city, sequence + 1, city || '-' || lpad((sequence + 1)::text, 6, '0'), {plot}, office_id, 1, true, now(), now() + interval '1 day', 'x', body, sha256, sha256 from certificate order by sequence desc limit 1"],
    "a certificate at the head with the right digest of a copied body": [ENGINE_ROLE, FORGED + "select city, sequence + 1, city || '-' || lpad((sequence + 1)::text, 6, '0'), {plot}, office_id, 1, true, now(), now() + interval '1 day', 'x', body, encode(sha256(convert_to(sha256 || E'\\n' || body, 'UTF8')), 'hex'), sha256 from certificate order by sequence desc limit 1"],
    "a certificate with a body that is no JSON": [ENGINE_ROLE, FORGED + "select city, sequence + 1, city || '-' || lpad((sequence + 1)::text, 6, '0'), {plot}, office_id, 1, true, now(), now() + interval '1 day', 'x', 'x', encode(sha256(convert_to(sha256 || E'\\nx', 'UTF8')), 'hex'), sha256 from certificate order by sequence desc limit 1"],
    "a certificate of another city": [ENGINE_ROLE, FORGED + "select '460200', 1, '460200-000001', {plot}, office_id, 1, true, now(), now() + interval '1 day', 'x', '{{}}', encode(sha256(convert_to(repeat('0', 64) || E'\\n{{}}', 'UTF8')), 'hex'), repeat('0', 64) from certificate limit 1"],
    # rules
    "the rule loosened": [ENGINE_ROLE, "update rule_set set effects = effects || '{{\"water\": \"warn\"}}'", INSERT + VALUES],
    "the rule removed": [ENGINE_ROLE, "delete from rule_set", INSERT + VALUES],
    "the rules emptied": [ENGINE_ROLE, "truncate rule_set", INSERT + VALUES],
    "a standard rule appended": [
        ENGINE_ROLE,
        "insert into rule_set (kind, version, city, starts_on, effects, horizon_days, check_days, body, plots, lifts, document, reason,"
        " issued_at) values ('standard', 'x', '', '2025-01-01', '{{\"water\": \"warn\"}}', 1, 1, '{{}}', '{{}}', '{{}}', '', '', now())",
        INSERT + VALUES,
    ],
    "a standard rule by a supervisor": [
        BECOME.replace("{role}", "supervisor").replace("{org}", "{supervisor}").replace("{account}", "{person}"),
        "insert into rule_set (kind, version, city, starts_on, effects, horizon_days, check_days, body, plots, lifts, document, reason,"
        " issued_at, issuer_id) values ('standard', 'x', '460100', '2025-01-01', '{{\"gas\": \"warn\"}}', 1, 1, '{{}}', '{{}}', '{{}}',"
        " '', '', now(), {supervisor})",
    ],
}  # fmt: skip
EXEMPT = (
    "insert into rule_set (kind, version, city, starts_on, ends_on, effects, body, plots, lifts, document, reason, issued_at, issuer_id,"
    " issued_by) values ('exemption', '', '{city}', {start}, '2999-01-01', '{{}}', '{{}}', '{{}}', '{{{lifts}}}', '{document}', '{reason}',"
    " now(), {issuer}, {by})"
)  # fmt: skip


def exemptions():
    """Exceptions by those who may not make them, or in a form in which nobody may."""
    usual = {"city": "460100", "start": "current_date", "lifts": "water", "document": "x", "reason": "x", "issuer": "{supervisor}", "by": "{person}"}  # fmt: skip
    ways = {
        "by the office": ("office", {}),
        "by the product": ("engine", {}),
        "by an administrator": ("admin", {}),
        "by an enterprise": ("enterprise", {}),
        "by the public": ("public", {}),
        "in the office's own name": ("office", {"issuer": "{office}"}),
        "in the name of an office by a supervisor": ("supervisor", {"issuer": "{office}"}),
        "signed by nobody": ("supervisor", {"by": "null"}),
        "signed by somebody that is not": ("supervisor", {"by": "99999"}),
        "begun before it was made": ("supervisor", {"start": "current_date - 30"}),
        "of another city": ("supervisor", {"city": "460200"}),
        "of every city": ("supervisor", {"city": ""}),
        "without a document": ("supervisor", {"document": ""}),
        "without a reason": ("supervisor", {"reason": ""}),
        "of nothing": ("supervisor", {"lifts": ""}),
        "of something unheard of": ("supervisor", {"lifts": "water,everything"}),
    }
    for name, (role, change) in ways.items():
        values = {**usual, **change}
        made = EXEMPT
        for key, value in values.items():
            made = made.replace("{" + key + "}", value)
        who = BECOME.replace("{role}", role)
        if role in ("supervisor", "engine"):
            who = who.replace("{org}", "{supervisor}").replace("{account}", "{person}")
        yield f"an exception {name}", [who, made, ENGINE_ROLE, INSERT + VALUES]


# What a role without rights may not do at all.
FORBIDDEN = {
    "switching the trigger off": "alter table listing disable trigger listing_gate",
    "switching all triggers off": "alter table listing disable trigger all",
    "being a replica": "set local session_replication_role = replica",
    "dropping the trigger": "drop trigger listing_gate on listing",
    "dropping the trigger on answers": "drop trigger answer_ground on answer",
    "dropping the trigger on certificates": "drop trigger certificate_chain on certificate",
    "a trigger of its own": "create trigger a before insert on listing for each row execute function plot_frozen()",
    "a rule of its own": "create rule a as on insert to listing do also update listing set state = 'listed'",
    "replacing the gate": "create or replace function listing_gate() returns trigger language plpgsql as 'begin return new; end'",
    "replacing what is missing": "create or replace function missing_requirements(plot_id_ bigint) returns text[] language sql as $$ select '{{}}'::text[] $$",
    "a function of a name of ours": "create function public.app_role(text) returns text language sql as $$ select 'x' $$",
    "a schema of its own": "create schema mine",
    "a table in ours": "create table public.mine (id int)",
    "a temporary table": "create temporary table plot (id int)",
    "a temporary view": "create temporary view plot as select 1",
    "a table that inherits": "create temporary table heir () inherits (listing)",
    "becoming the owner": "set role landready_owner",
    "owning a table": "alter table listing owner to landready_app",
    "dropping the foreign key": "alter table listing drop constraint fk_listing_certificate_id_certificate",
    "dropping the check": "alter table listing drop constraint ck_listing_certificate",
    "no row level security": "alter table certificate disable row level security",
    "a policy of its own": "create policy a on certificate using (true)",
    "granting itself": "grant update on certificate to landready_app ;; update certificate set plot_id = {plot}",
    "emptying listings": "truncate listing",
    "emptying answers": "truncate answer cascade",
    "rewriting answers": "update answer set verdict = 'ready'",
    "deleting answers": "delete from answer",
    "deleting listings": "delete from listing",
    "rewriting a listing's plot": "update listing set plot_id = {plot}",
    "rewriting a listing's office": "update listing set office_id = {other}",
    "rewriting a listing's day": "update listing set listed_at = '2000-01-01'",
    "rewriting what a reservation fits": "update reservation set high = 0, exception = 'x'",
    "deleting reservations": "delete from reservation",
    "deleting who was asked": "delete from push_plot",
    "rewriting who was asked": "update push_plot set plot_id = {plot}",
    "rewriting checks": "update coverage_check set plot_revision = 1, served_share = 1",
    "giving an enterprise another utility": "update organisation set utilities = '{{water,power}}'",
    "moving an enterprise to another city": "update organisation set city = '460200'",
    "making an enterprise an office": "update organisation set kind = 'office'",
    "copying listings in": "copy listing from program 'true'",
    "reading a file in": "copy listing from '/etc/passwd'",
    "an extension": "create extension dblink",
    "a procedural language": "do language plpython3u 'pass'",
    "a cast": "create cast (text as boolean) with inout as implicit",
    "an operator": "create operator public.=== (leftarg = text, rightarg = text, function = texteq)",
    "other types for columns": "alter table certificate alter column ready type text",
    "a default": "alter table listing alter column state set default 'listed'",
    "the catalogue": "update pg_trigger set tgenabled = 'D'",
    "a parameter for everybody": "alter role landready_app set session_replication_role = replica",
    "a parameter for the database": "alter database landready set search_path = pg_temp",
    "an event trigger": "create event trigger a on ddl_command_start execute function plot_frozen()",
}  # fmt: skip


def attempts():
    """Every attack by name: (name of the plot, statements)."""
    for way, statements in LISTED.items():
        for plot in WRONG:
            yield f"{plot} listed {way}", (plot, statements)
    for way, statements in {**OTHER, **dict(exemptions())}.items():
        yield way, ("no water", statements)


ATTEMPTS = dict(attempts())


def attack(link, world, plot, statements):
    """Run the statements; whether the database took them all, with what hung on their end."""
    given = {
        "plot": world.ids[plot], "certificate": world.certificates[plot], "good": world.certificates["good"],
        "office": world.office, "other": world.other, "listing": world.listing, "offered": world.ids["offered"],
        "certificate_of_offered": world.certificates["offered"], "plan": world.plan, "draft": world.draft,
        "overlapping": world.ids["overlapping"], "certificate_of_overlapping": world.certificates["overlapping"],
        "supervisor": world.supervisor, "person": world.account, "org": world.office, "account": "",
    }  # fmt: skip
    link.exec_driver_sql(BECOME.format(role="office", org=world.office, account=""))
    try:
        for statement in statements:
            link.exec_driver_sql(statement.format(**given).replace("%", "%%"))
        link.exec_driver_sql("set constraints all immediate")
    except DBAPIError:
        return False
    return True


@pytest.mark.parametrize("way", ATTEMPTS)
def test_no_statement_of_the_application_puts_an_unready_plot_on_offer(link, world, way):
    try:
        if attack(link, world, *ATTEMPTS[way]):
            link.exec_driver_sql("select set_config('app.role', 'engine', false)")
            assert link.exec_driver_sql(UNREADY).scalar() == 0
    finally:
        link.rollback()


@pytest.mark.parametrize("way", FORBIDDEN)
def test_application_has_no_right_to(link, world, way):
    try:
        assert not attack(link, world, "no water", [ENGINE_ROLE, *FORBIDDEN[way].split(" ;; ")])
    finally:
        link.rollback()


def test_there_are_two_hundred_ways():
    assert len(ATTEMPTS) + len(FORBIDDEN) >= 200


def test_the_query_that_looks_finds_what_the_owner_puts_there(world, owner):
    """The independent look is no blind one: with the triggers off an unready plot on offer is seen."""
    with owner.connect() as connection:
        connection.exec_driver_sql("select set_config('app.role', 'engine', false)")
        assert connection.exec_driver_sql(UNREADY).scalar() == 0
        connection.exec_driver_sql("alter table listing disable trigger user")
        for number, plot in enumerate(WRONG, 1):
            given = {"plot": world.ids[plot], "office": world.office, "certificate": world.certificates[plot]}  # fmt: skip
            connection.exec_driver_sql((INSERT + VALUES).format(**given))
            assert connection.exec_driver_sql(UNREADY).scalar() == number, plot
        connection.rollback()


def test_a_plot_that_lacks_nothing_is_listed_by_the_same_statement(link, world):
    """So the others were refused for what they lack."""
    try:
        assert attack(link, world, "good", [INSERT + VALUES])
    finally:
        link.rollback()


@pytest.mark.parametrize("plot", WRONG)
@pytest.mark.parametrize("deep", [False, True], ids=["patched", "patched twice"])
def test_database_refuses_with_the_python_gate_saying_yes(world, engine, monkeypatch, plot, deep):
    monkeypatch.setattr(gate_module, "readiness", lambda _f, rules, _d: Readiness(rules=rules))
    if deep:
        monkeypatch.setattr(gate_module, "_missing", lambda *_: {})
    with pytest.raises(LandreadyError), transaction(engine, world.actor) as session:
        list_plot(session, world.ids[plot], world.gate, account_id=None, now=datetime.now(UTC))


def test_what_is_sold_or_withdrawn_never_comes_back_by_sql(link, world, engine):
    for end in ("sold", "withdrawn"):
        steps = [f"update listing set state = '{end}' where id = {{listing}}"]
        for after in ("state = 'listed'", "certificate_id = {good}", "state_reason = 'x'", "state = 'suspended'"):  # fmt: skip
            try:
                back = f"update listing set {after} where id = {{listing}}"
                assert not attack(link, world, "no water", [*steps, back]), (end, after)
            finally:
                link.rollback()


def test_suspended_land_is_not_sold(link, world):
    try:
        sold = "update listing set state = 'sold' where id = {listing}"
        assert not attack(link, world, "no water", [SUSPEND, sold])
    finally:
        link.rollback()
