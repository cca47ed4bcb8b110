"""Rule sets, clear title, certificates, and a gate in the database that nobody walks round.

Revision ID: 0010
Revises: 0009

What was on offer is suspended: its verdict froze too little to be proved later. The office resumes it with a certificate; what
the old verdict rested on is kept beside its listing.
"""

import sqlalchemy as sa
from alembic import op
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from migrations import access
from migrations.access import OFFICE, SUPERVISED_OFFICE, under

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
# Temporary tables come last: else one named as ours would be read in its stead by a function of the owner.
_PATH = "set search_path = pg_catalog, public, pg_temp"
_OLDER = (
    "in_its_application(item)",
    "plan_released()",
    "push_deadline()",
    "service_area_in_force()",
)


def _key(table: str, column: str, parent: str, **given: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, **given)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _rule_set() -> None:
    op.create_table(
        "rule_set",
        _id(),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("effects", postgresql.JSONB(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=True),
        sa.Column("check_days", sa.Integer(), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("plots", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("lifts", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("revokes", sa.BigInteger(), nullable=True),
        sa.Column("document", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=True),
        sa.Column("issued_by", sa.BigInteger(), nullable=True),
        sa.Column("issued_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "kind in ('standard','exemption','revocation')", name=op.f("ck_rule_set_kind")
        ),
        sa.CheckConstraint(
            "kind <> 'standard' or (version <> '' and horizon_days > 0 and check_days > 0 and cardinality(lifts) = 0)",
            name=op.f("ck_rule_set_standard"),
        ),
        sa.CheckConstraint(
            "kind <> 'exemption' or (cardinality(lifts) > 0 and city <> '' and ends_on >= starts_on and revokes is null)",
            name=op.f("ck_rule_set_exemption"),
        ),
        sa.CheckConstraint(
            "kind <> 'revocation' or revokes is not null", name=op.f("ck_rule_set_revocation")
        ),
        sa.CheckConstraint(
            "kind = 'standard' or (document <> '' and reason <> '' and issuer_id is not null)",
            name=op.f("ck_rule_set_issued"),
        ),
        _key("rule_set", "revokes", "rule_set"),
        _key("rule_set", "issuer_id", "organisation"),
        _key("rule_set", "issued_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set")),
        sa.UniqueConstraint("revokes", name=op.f("uq_rule_set_revokes")),
    )
    # The old rules as the first set; the configuration's own follows when it is written.
    op.execute(
        """insert into rule_set (kind, version, city, starts_on, effects, horizon_days, check_days, body, plots,
             lifts, document, reason, issued_at)
           select 'standard', max(version), '', min(since),
             jsonb_object_agg(utility, effect)
               || '{"title": "block", "overlap": "block", "overlap_plan": "block", "capacity": "warn", "check": "block"}',
             max(horizon_days), 365, jsonb_build_object('migrated', jsonb_agg(to_jsonb(g))), '{}', '{}', '', '', now()
           from gate_rule g having count(*) > 0"""
    )
    # Everybody reads the rules; the owner alone writes the standard ones.
    op.execute("alter table rule_set enable row level security")
    op.execute("alter table rule_set force row level security")
    op.execute("create policy rule_set_owner on rule_set to current_user using (true)")
    op.execute("create policy rule_set_read on rule_set for select using (true)")
    op.execute(
        """create policy rule_set_issue on rule_set for insert with check (
             kind in ('exemption','revocation') and (select app_role()) = 'supervisor'
             and issuer_id = (select app_org())
             and ((select app_city()) is null or city = (select app_city())))"""
    )
    access.grant("select, insert", "rule_set")


def _title() -> None:
    op.create_table(
        "title_statement",
        _id(),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("clear", sa.Boolean(), nullable=False),
        sa.Column("document", sa.String(length=200), nullable=False),
        sa.Column("document_date", sa.Date(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("stated_at", _MOMENT, nullable=False),
        sa.Column("stated_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("document <> ''", name=op.f("ck_title_statement_document")),
        sa.CheckConstraint("clear or note <> ''", name=op.f("ck_title_statement_note")),
        _key("title_statement", "plot_id", "plot", ondelete="CASCADE"),
        _key("title_statement", "office_id", "organisation"),
        _key("title_statement", "stated_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_title_statement")),
    )
    for column in ("plot_id", "office_id"):
        op.create_index(op.f(f"ix_title_statement_{column}"), "title_statement", [column])
    access.secure(
        "title_statement", OFFICE, SUPERVISED_OFFICE, under("plot", "plot_id", "office_id")
    )
    access.grant("select, insert", "title_statement")


def _certificate() -> None:
    op.create_table(
        "certificate",
        _id(),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("issued_at", _MOMENT, nullable=False),
        sa.Column("valid_until", _MOMENT, nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        _key("certificate", "plot_id", "plot"),
        _key("certificate", "office_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint("number", name=op.f("uq_certificate_number")),
        sa.UniqueConstraint("city", "sequence", name=op.f("uq_certificate_city_sequence")),
        sa.UniqueConstraint(
            "id",
            "plot_id",
            "office_id",
            "city",
            name=op.f("uq_certificate_id_plot_id_office_id_city"),
        ),
    )
    op.create_index(op.f("ix_certificate_plot_id"), "certificate", ["plot_id"])
    access.secure(
        "certificate",
        OFFICE,
        f"{SUPERVISED_OFFICE} or exists (select 1 from listing x where x.certificate_id = certificate.id)",
        under("plot", "plot_id", "office_id"),
    )
    access.grant("select, insert", "certificate")


def _listing() -> None:
    """Hang listings on certificates; what was on offer by an old verdict waits to be resumed."""
    op.add_column("listing", sa.Column("certificate_id", sa.BigInteger(), nullable=True))
    op.add_column("listing", sa.Column("earlier_verdict", postgresql.JSONB(), nullable=True))
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute(
        """update listing l set earlier_verdict = to_jsonb(v), changed_at = clock_timestamp(),
             state_reason = case when state = 'listed' then '准入凭证改版：请恢复上架以签发凭证。' else state_reason end,
             state = case when state = 'listed' then 'suspended' else state end
           from verdict v where v.id = l.verdict_id"""
    )
    op.execute("select set_config('app.role', '', true)")
    op.drop_constraint(op.f("fk_listing_verdict_id_verdict"), "listing")


_SWITCH_TABLES = """
drop policy verdict_read on verdict;
alter table listing drop column verdict_id;
drop table verdict;
drop table gate_rule;
alter table listing add constraint ck_listing_certificate check (state <> 'listed' or certificate_id is not null);
alter table listing add constraint fk_listing_certificate_id_certificate
  foreign key (certificate_id, plot_id, office_id, city) references certificate (id, plot_id, office_id, city);
revoke update on listing from landready_app;
grant update (state, state_reason, certificate_id, changed_at) on listing to landready_app;
"""

_RULES = f"""
-- What is required of a plot of a city on a day, by the rule sets in force; no effects at all: none has begun.
create function requirements(city_ text, plot_id_ bigint, day_ date, out effects jsonb, out horizon integer, out check_days integer)
  language plpgsql stable security definer {_PATH} as $$
declare lifted text[];
begin
  select r.effects, r.horizon_days, r.check_days into effects, horizon, check_days
  from rule_set r where r.kind = 'standard' and r.starts_on <= day_ and r.city in ('', city_)
  order by (r.city <> '') desc, r.starts_on desc, r.id desc limit 1;
  if effects is null then return; end if;
  lifted := array(
    select unnest(e.lifts) from rule_set e
    where e.kind = 'exemption' and e.city = city_ and day_ between e.starts_on and e.ends_on
      and (cardinality(e.plots) = 0 or plot_id_ = any(e.plots))
      and not exists (select 1 from rule_set x where x.revokes = e.id));
  effects := (select jsonb_object_agg(k, case when k = any(lifted) then 'warn' else v end)
    from jsonb_each_text('{{"title": "block", "overlap": "block", "overlap_plan": "block", "capacity": "block", "check": "block"}}'
      || effects) as t(k, v));
end $$;

-- What a plot lacks, by name. Independent of the Python gate on purpose: a bug there must not list an unready plot
-- (plan section 五(八)). The names are those of landready.rule_sets, with 'plan', 'plot' and 'rules' for what no rule lifts.
create function missing_requirements(plot_id_ bigint) returns text[]
  language plpgsql security definer {_PATH} as $$
declare
  asker text := app_role(); missing text[] := '{{}}'; day_ date := (now() at time zone 'Asia/Shanghai')::date;
  p plot; plan_ supply_plan; r record; utility_ text;
begin
  perform set_config('app.role', 'engine', true);
  select * into p from plot where id = plot_id_;
  select * into plan_ from supply_plan where id = p.plan_id;
  if p.id is null then missing := '{{plot}}';
  else
    select * into r from requirements(p.city, p.id, day_);
    if r.effects is null or not r.effects ?| array['water','drainage','power','gas','telecom','cable_tv'] then
      missing := missing || 'rules'::text;
    else
      if plan_.state is distinct from 'released' or p.office_id <> plan_.office_id or p.city <> plan_.city then
        missing := missing || 'plan'::text;
      end if;
      if r.effects->>'title' = 'block' and not has_clear_title(p, day_) then missing := missing || 'title'::text; end if;
      if r.effects->>'overlap' = 'block' and lies_on_offered(p) then missing := missing || 'overlap'::text; end if;
      if r.effects->>'overlap_plan' = 'block' and lies_on_planned(p, plan_) then missing := missing || 'overlap_plan'::text; end if;
      foreach utility_ in array array['water','drainage','power','gas','telecom','cable_tv'] loop
        continue when r.effects->>utility_ is distinct from 'block';
        if not exists (select 1 from good_answers(p, utility_, day_, r.horizon)) then
          missing := missing || utility_;
        elsif r.effects->>'capacity' = 'block' and not exists (
            select 1 from good_answers(p, utility_, day_, r.horizon) a where capacity_holds(a, day_)) then
          missing := missing || ('capacity:' || utility_);
        end if;
        if r.effects->>'check' = 'block' and not has_check(p, utility_, day_, r.check_days) then
          missing := missing || ('check:' || utility_);
        end if;
      end loop;
    end if;
  end if;
  perform set_config('app.role', asker, true);
  return missing;
end $$;
"""

# The parts of it; each reads what the caller's role may read, and missing_requirements is the engine.
_PARTS = f"""
create function has_clear_title(p plot, day_ date) returns boolean language sql stable {_PATH} as $$
  select coalesce((select t.clear and t.plot_revision = p.revision and t.document_date <= day_ and t.document <> ''
    from title_statement t where t.plot_id = p.id and t.office_id = p.office_id order by t.id desc limit 1), false)
$$;

-- Up to a square metre two neighbours are not the same land (landready.overlapping).
create function share_land(one geometry, two geometry) returns boolean language sql stable {_PATH} as $$
  select st_area(st_intersection(one, two)::geography) > 1.0
$$;

create function lies_on_offered(p plot) returns boolean language sql stable {_PATH} as $$
  select exists (
    select 1 from listing l join plot o on o.id = l.plot_id
    where l.plot_id <> p.id and l.state <> 'withdrawn'
      and l.id < coalesce((select min(m.id) from listing m where m.plot_id = p.id and m.state <> 'withdrawn'), 9223372036854775807)
      and o.geom && p.geom and st_intersects(o.geom, p.geom) and share_land(o.geom, p.geom))
$$;

create function lies_on_planned(p plot, plan_ supply_plan) returns boolean language sql stable {_PATH} as $$
  select exists (
    select 1 from plot o join supply_plan s on s.id = o.plan_id
    where s.id <> plan_.id and s.state = 'released' and (s.released_at, s.id) < (plan_.released_at, plan_.id)
      and o.geom && p.geom and st_intersects(o.geom, p.geom) and share_land(o.geom, p.geom)
      and not exists (select 1 from listing l where l.plot_id = o.id and l.state <> 'withdrawn'))
$$;

-- The newest answer of each enterprise that was asked, as far as it is a yes that holds.
create function good_answers(p plot, utility_ text, day_ date, horizon integer) returns setof answer
  language sql stable {_PATH} as $$
  select a.* from (
    select distinct on (n.enterprise_id) n.* from answer n
    where n.plot_id = p.id and n.utility = utility_ order by n.enterprise_id, n.version desc) a
  where a.plot_revision = p.revision
    and (a.valid_until is null or a.valid_until >= day_)
    and (a.verdict = 'ready' or (a.verdict = 'ready_by' and a.ready_by between day_ and day_ + horizon))
    and exists (select 1 from push_plot x join push u on u.id = x.push_id
      where x.plot_id = p.id and x.utility = utility_ and u.enterprise_id = a.enterprise_id and u.plan_id = p.plan_id)
$$;

create function has_check(p plot, utility_ text, day_ date, most integer) returns boolean language sql stable {_PATH} as $$
  select coalesce((
    select c.plot_revision = p.revision
      and c.served_share >= 0 and c.served_share < 'infinity' and c.radius_m >= 0 and c.radius_m < 'infinity'
      and (c.measured_at at time zone 'Asia/Shanghai')::date between day_ - most and day_
      and not exists (select 1 from check_facility f where f.check_id = c.id and f.rank = 1
        and not (f.distance_m >= 0 and f.distance_m < 'infinity'))
    from coverage_check c where c.plot_id = p.id and c.utility = utility_
    order by c.measured_at desc, c.id desc limit 1), false)
$$;

-- Does what the answer holds of a facility still hold, and does it fit what the facility can give now?
create function capacity_holds(a answer, day_ date) returns boolean language sql stable {_PATH} as $$
  select not exists (
    select 1 from reservation r
    left join lateral (
      select f.spare_capacity as spare, coalesce(f.stated_at, l.created_at) as stated_at
      from facility f join layer l on l.id = f.layer_id
      where f.id = r.facility_id or f.same_as = r.facility_id
      order by l.current desc, l.version desc, f.id desc limit 1) s on true
    where r.answer_id = a.id and (
      r.state = 'released' or r.expires_on < day_
      or (r.exception = '' and s.spare is not null and r.high is not null
        and (not (s.spare >= 0 and s.spare < 'infinity' and r.high >= 0 and r.high < 'infinity')
          or round(s.spare::numeric, 6) < (
            select round(coalesce(sum(q.high), 0)::numeric, 6) from reservation q join plot t on t.id = q.plot_id
            where q.facility_id = r.facility_id and q.plot_revision = t.revision and q.state <> 'released'
              and (q.expires_on is null or q.expires_on >= day_)
              and not (q.state = 'connected' and q.state_at <= s.stated_at)
              and coalesce(q.place, q.id) <= coalesce(r.place, r.id))))))
$$;
"""

_GATE = f"""
create function certificate_chain() returns trigger language plpgsql security definer {_PATH} as $$
declare asker text := app_role(); head record; body_ jsonb; p plot;
begin
  perform set_config('app.role', 'engine', true);
  perform pg_advisory_xact_lock(4600003, new.city::integer);
  select c.sequence, c.sha256 into head from certificate c where c.city = new.city order by c.sequence desc limit 1;
  select * into p from plot where id = new.plot_id;
  perform set_config('app.role', asker, true);
  body_ := new.body::jsonb;
  if new.sequence <> coalesce(head.sequence, 0) + 1 or new.previous <> coalesce(head.sha256, repeat('0', 64)) then
    raise exception 'certificate % does not continue the chain', new.number using errcode = 'LR002';
  end if;
  if new.sha256 <> encode(sha256(convert_to(new.previous || E'\\n' || new.body, 'UTF8')), 'hex') then
    raise exception 'certificate % has another digest', new.number using errcode = 'LR002';
  end if;
  if (body_->>'format', body_->>'number', body_->>'city', (body_->>'sequence')::integer, body_->>'previous',
      (body_->>'issued_at')::timestamptz, (body_->>'valid_until')::timestamptz, (body_->'verdict'->>'ready')::boolean,
      (body_->'plot'->>'revision')::integer, body_->'plot'->>'code', body_->'plot'->>'sha256', new.number)
    is distinct from ('landready-certificate/1', new.number, new.city, new.sequence, new.previous,
      new.issued_at, new.valid_until, new.ready, new.plot_revision, p.code, encode(sha256(st_asbinary(p.geom, 'NDR')), 'hex'),
      new.city || '-' || lpad(new.sequence::text, greatest(6, length(new.sequence::text)), '0')) then
    raise exception 'certificate % does not say what it stands for', new.number using errcode = 'LR002';
  end if;
  if (p.office_id, p.city, p.revision) is distinct from (new.office_id, new.city, new.plot_revision)
    or new.issued_at > clock_timestamp() + interval '1 minute' or new.valid_until <= new.issued_at
    or new.valid_until > new.issued_at + make_interval(days => (body_->'rules'->>'verdict_days')::integer)
    or (new.ready and jsonb_array_length(body_->'verdict'->'blockers') > 0) then
    raise exception 'certificate % is not of this plot and moment', new.number using errcode = 'LR002';
  end if;
  return new;
end $$;
create trigger certificate_chain before insert on certificate for each row execute function certificate_chain();

-- A certificate carries a listing: positive, not expired, of the plot as it is. The plot stays so until the transaction ends.
create function has_certificate(listing_ listing) returns boolean language plpgsql security definer {_PATH} as $$
declare asker text := app_role(); found_ boolean;
begin
  perform set_config('app.role', 'engine', true);
  perform 1 from plot where id = listing_.plot_id for update;
  found_ := exists (
    select 1 from certificate c join plot p on p.id = c.plot_id join supply_plan s on s.id = p.plan_id
    where c.id = listing_.certificate_id and c.plot_id = listing_.plot_id and c.ready
      and c.valid_until > now() and c.plot_revision = p.revision and s.state = 'released'
      and (c.body::jsonb->'plot'->>'sha256') = encode(sha256(st_asbinary(p.geom, 'NDR')), 'hex')
      and (p.office_id, p.city) = (listing_.office_id, listing_.city) and (c.office_id, c.city) = (p.office_id, p.city));
  perform set_config('app.role', asker, true);
  return found_;
end $$;

-- One change of listings commits after the other and its time is taken inside the turn, so that whoever reads the feed in
-- the order of change never passes one by that commits later. The key is landready.gate.TURN.
create or replace function listing_gate() returns trigger language plpgsql {_PATH} as $$
declare missing text[]; carried boolean := new.state = 'listed' and has_certificate(new);
begin
  perform pg_advisory_xact_lock(4600001);
  if tg_op = 'INSERT' and new.state <> 'listed' then
    raise exception 'a listing of plot % begins on offer', new.plot_id using errcode = 'LR002';
  end if;
  if tg_op = 'UPDATE' then
    if old.state in ('withdrawn','sold') and new is distinct from old then
      raise exception 'listing % is % for good', old.id, old.state using errcode = 'LR002';
    end if;
    if (new.id, new.plot_id, new.office_id, new.city, new.listed_at, new.listed_by)
      is distinct from (old.id, old.plot_id, old.office_id, old.city, old.listed_at, old.listed_by) then
      raise exception 'listing % stays what it is', old.id using errcode = 'LR002';
    end if;
    if new.state = 'sold' and old.state <> 'listed' then
      raise exception 'listing % is sold from the market only', old.id using errcode = 'LR002';
    end if;
    if new.state <> 'listed' and new.certificate_id is distinct from old.certificate_id then
      raise exception 'listing % keeps its certificate', old.id using errcode = 'LR002';
    end if;
  end if;
  new.changed_at := clock_timestamp();
  if new.state <> 'listed' then return new; end if;
  if not carried then
    raise exception 'plot % has no valid positive certificate', new.plot_id using errcode = 'LR001';
  end if;
  missing := missing_requirements(new.plot_id);
  if cardinality(missing) > 0 then
    raise exception 'plot % lacks %', new.plot_id, array_to_string(missing, ', ') using errcode = 'LR001';
  end if;
  return new;
end $$;

-- Listings are readable by everyone, so these need no other eyes.
create or replace function plot_frozen() returns trigger language plpgsql {_PATH} as $$
begin
  if exists (select 1 from listing l where l.plot_id = old.id and l.state in ('listed','suspended','sold')) then
    raise exception 'plot % is listed and cannot change', old.id using errcode = 'LR002';
  end if;
  if (new.id, new.plan_id, new.office_id, new.city) is distinct from (old.id, old.plan_id, old.office_id, old.city) then
    raise exception 'plot % stays where it was supplied', old.id using errcode = 'LR002';
  end if;
  if new.revision < old.revision or (new.revision = old.revision and
      (new.geom::bytea, new.use, new.use_code, new.use_shares, new.area_m2, new.plot_ratio, new.plot_ratio_value)
        is distinct from
      (old.geom::bytea, old.use, old.use_code, old.use_shares, old.area_m2, old.plot_ratio, old.plot_ratio_value)) then
    raise exception 'a changed plot needs a new revision' using errcode = 'LR002';
  end if;
  return new;
end $$;
drop trigger plot_frozen on plot;
create trigger plot_frozen before update on plot for each row when (old.* is distinct from new.*) execute function plot_frozen();

create or replace function plan_released() returns trigger language plpgsql {_PATH} as $$
begin
  if old.state = 'released' and (tg_op = 'DELETE' or (new.state, new.id, new.office_id, new.city, new.released_at, new.upload_id)
      is distinct from (old.state, old.id, old.office_id, old.city, old.released_at, old.upload_id)) then
    raise exception 'plan % is released for good', old.id using errcode = 'LR002';
  end if;
  if tg_op = 'DELETE' then return old; end if;
  return new;
end $$;

create function title_kept() returns trigger language plpgsql {_PATH} as $$
begin
  if exists (select 1 from listing l where l.plot_id = new.plot_id and l.state in ('listed','sold')) then
    raise exception 'the title of plot % does not change while it is on offer', new.plot_id using errcode = 'LR002';
  end if;
  return new;
end $$;
create trigger title_kept before insert on title_statement for each row execute function title_kept();

-- Who makes an exception is a supervisor of that city, by name; it begins today or later and says when it was made.
create function rule_issued() returns trigger language plpgsql security definer {_PATH} as $$
declare asker text := app_role(); ours boolean; theirs boolean;
begin
  new.issued_at := clock_timestamp();
  if new.kind = 'standard' then return new; end if;
  perform set_config('app.role', 'engine', true);
  ours := exists (select 1 from organisation o where o.id = new.issuer_id and o.kind = 'supervisor'
    and o.city in ('', new.city)) and exists (
    select 1 from account a where a.id = new.issued_by and a.organisation_id = new.issuer_id and a.active);
  theirs := not exists (select 1 from unnest(new.plots) as t(plot_id) left join plot p on p.id = t.plot_id
    where p.id is null or p.city <> new.city) and (new.revokes is null or exists (
    select 1 from rule_set e where e.id = new.revokes and e.kind = 'exemption' and e.city = new.city));
  perform set_config('app.role', asker, true);
  if not ours or not theirs or new.starts_on < (now() at time zone 'Asia/Shanghai')::date
    or not new.lifts <@ array['water','drainage','power','gas','telecom','cable_tv','title','overlap','overlap_plan','capacity','check'] then
    raise exception 'no supervisor issued this exception' using errcode = 'LR002';
  end if;
  return new;
end $$;
create trigger rule_issued before insert on rule_set for each row execute function rule_issued();
"""

# What was on offer goes off it when its ground goes, in the same transaction, whoever took it away and by whatever way.
_GROUND = f"""
create function suspend_unready(plot_ids bigint[]) returns void language plpgsql security definer {_PATH} as $$
declare asker text := app_role();
begin
  perform set_config('app.role', 'engine', true);
  if exists (select 1 from listing l where l.state = 'listed' and l.plot_id = any(plot_ids)
      and cardinality(missing_requirements(l.plot_id)) > 0) then
    perform pg_advisory_xact_lock(4600001);
    update listing l set state = 'suspended', state_reason = '接入条件不再具备，已自动暂停上架。'
    where l.state = 'listed' and l.plot_id = any(plot_ids) and cardinality(missing_requirements(l.plot_id)) > 0;
  end if;
  perform set_config('app.role', asker, true);
end $$;

create function ground_of_plot() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array[coalesce(new.plot_id, old.plot_id)]);
  return null;
end $$;
-- At the end: who answers holds the plot and its reservations and only then waits for the turn.
create constraint trigger answer_ground after insert or update or delete on answer
  deferrable initially deferred for each row execute function ground_of_plot();
create constraint trigger reservation_ground after insert or update or delete on reservation
  deferrable initially deferred for each row execute function ground_of_plot();

create function ground_of_checks() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array(select distinct plot_id from changed));
  return null;
end $$;
create trigger check_ground after insert on coverage_check referencing new table as changed
  for each statement execute function ground_of_checks();
create trigger check_lost after delete on coverage_check referencing old table as changed
  for each statement execute function ground_of_checks();

create function ground_of_near() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array(
    select distinct c.plot_id from changed f join coverage_check c on c.id = f.check_id));
  return null;
end $$;
create trigger near_ground after insert on check_facility referencing new table as changed
  for each statement execute function ground_of_near();

create function ground_of_rules() returns trigger language plpgsql security definer {_PATH} as $$
declare asker text := app_role(); offered bigint[];
begin
  perform pg_advisory_xact_lock(4600001);
  perform set_config('app.role', 'engine', true);
  offered := array(select plot_id from listing where state = 'listed');
  perform set_config('app.role', asker, true);
  perform suspend_unready(offered);
  return null;
end $$;
create constraint trigger rule_ground after insert on rule_set
  deferrable initially deferred for each row execute function ground_of_rules();
"""


def upgrade() -> None:
    op.execute("drop trigger listing_gate on listing")
    _rule_set()
    _title()
    _listing()
    _certificate()
    op.execute(_SWITCH_TABLES)
    op.execute(_PARTS)
    op.execute(_RULES)
    op.execute(_GATE)
    op.execute(
        "create trigger listing_gate before insert or update on listing for each row execute function listing_gate()"
    )
    op.execute(_GROUND)
    op.execute("drop function has_verdict(listing), missing_utilities(bigint)")
    for function in _OLDER:
        op.execute(f"alter function {function} {_PATH}")
    # Nobody needs tables of their own here, and one named as ours could stand in its way.
    op.execute(
        "do $$ begin execute format('revoke temporary on database %I from public, landready_app', current_database()); end $$"
    )


def downgrade() -> None:
    for table, triggers in _TRIGGERS.items():
        for trigger in triggers:
            op.execute(f"drop trigger {trigger} on {table}")
    op.execute(
        "drop function rule_issued(), title_kept(), certificate_chain(), ground_of_rules(), ground_of_near(),"
        " ground_of_checks(), ground_of_plot(), suspend_unready(bigint[]), has_certificate(listing),"
        " missing_requirements(bigint), requirements(text, bigint, date), capacity_holds(answer, date),"
        " has_check(plot, text, date, integer), good_answers(plot, text, date, integer),"
        " lies_on_planned(plot, supply_plan), lies_on_offered(plot), share_land(geometry, geometry),"
        " has_clear_title(plot, date)"
    )
    _back_to_verdicts()
    # The functions and triggers as the first migration made them.
    first = ScriptDirectory.from_config(op.get_context().config).get_revision("0001").module
    op.execute(first.FUNCTIONS.replace("create function", "create or replace function"))
    op.execute(
        "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$"
    )


_TRIGGERS = {
    "listing": ("listing_gate",),
    "plot": ("plot_frozen",),
    "supply_plan": ("plan_released",),
    "answer": ("answer_ground",),
    "reservation": ("reservation_ground",),
    "coverage_check": ("check_ground", "check_lost"),
    "check_facility": ("near_ground",),
    "rule_set": ("rule_ground", "rule_issued"),
    "title_statement": ("title_kept",),
    "certificate": ("certificate_chain",),
}


def _back_to_verdicts() -> None:
    op.create_table(
        "gate_rule",
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("effect", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.CheckConstraint("effect in ('block','warn')", name=op.f("ck_gate_rule_effect")),
        sa.PrimaryKeyConstraint("utility", name=op.f("pk_gate_rule")),
    )
    op.create_table(
        "verdict",
        _id(),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("blockers", postgresql.JSONB(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("rule_version", sa.String(length=40), nullable=False),
        sa.Column("evaluated_at", _MOMENT, nullable=False),
        sa.Column("valid_until", _MOMENT, nullable=False),
        _key("verdict", "office_id", "organisation"),
        _key("verdict", "plot_id", "plot"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index(op.f("ix_verdict_plot_id"), "verdict", ["plot_id"])
    op.add_column("listing", sa.Column("verdict_id", sa.BigInteger(), nullable=True))
    op.execute(
        """select set_config('app.role', 'engine', true);
        insert into verdict (id, plot_id, office_id, plot_revision, ready, blockers, warnings, inputs, rule_version,
            evaluated_at, valid_until)
          select id, plot_id, office_id, plot_revision, ready, '[]', body::jsonb->'verdict'->'warnings', '{}',
            left(rule_version, 40), issued_at, valid_until from certificate;
        insert into verdict overriding system value
          select (jsonb_populate_record(null::verdict, earlier_verdict || jsonb_build_object('id', -id))).*
          from listing where certificate_id is null and earlier_verdict is not null;
        update listing set verdict_id = coalesce(certificate_id, -id);
        select setval(pg_get_serial_sequence('verdict', 'id'), greatest((select max(id) from verdict), 0) + 1, false);
        select set_config('app.role', '', true)"""
    )
    op.drop_constraint(op.f("fk_listing_certificate_id_certificate"), "listing")
    op.execute("drop policy certificate_read on certificate")
    op.drop_column("listing", "earlier_verdict")
    op.drop_column("listing", "certificate_id")
    for table in ("certificate", "title_statement", "rule_set"):
        op.drop_table(table)
    op.alter_column("listing", "verdict_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_listing_verdict_id_verdict"), "listing", "verdict", ["verdict_id"], ["id"]
    )
    access.secure(
        "verdict",
        OFFICE,
        f"{SUPERVISED_OFFICE} or exists (select 1 from listing x where x.verdict_id = verdict.id)",
        under("plot", "plot_id", "office_id"),
    )
    access.grant("select, insert", "verdict")
    access.grant("select", "gate_rule")
    op.execute(
        "grant update (state, state_reason, verdict_id, changed_at) on listing to landready_app"
    )
