"""Tables, row-level security and the listing trigger.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from migrations import access
from migrations.access import (
    ADMIN,
    ENGINE,
    ENTERPRISE,
    MINE,
    OFFICE,
    OWNER,
    SUPERVISED_OFFICE,
    SUPERVISOR,
    seen,
    under,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PUSHED_PLAN = """((select app_role()) = 'enterprise' and exists
    (select 1 from push x where x.plan_id = supply_plan.id and x.enterprise_id = (select app_org())))"""
PUSHED_PLOT = """((select app_role()) = 'enterprise' and exists
    (select 1 from push_plot x where x.plot_id = {plot} and x.enterprise_id = (select app_org())))"""
PUBLIC_PLOT = """exists (select 1 from listing x where x.plot_id = plot.id
    and x.state in ('listed','suspended','sold'))"""
PLOT_OF_APPLICATION = "exists (select 1 from application x where x.plot_id = plot.id)"
PUSHED_PERMIT = """((select app_role()) = 'enterprise' and exists
    (select 1 from push x where x.permit_id = {permit} and x.enterprise_id = (select app_org())))"""
# Nobody but owner and office sees an item before the application was submitted and it has a state.
ASSIGNEE = "(assignee_id = (select app_org()) and state is not null)"


# table: (who may write, who may also read); an empty text: nobody but the engine
POLICIES: dict[str, tuple[str, str]] = {
    "organisation": (ADMIN, "true"),
    "account": (ADMIN, "id = (select app_account())"),
    "api_key": (ADMIN, MINE),
    "upload": (MINE, ""),
    "supply_plan": (OFFICE, f"{SUPERVISOR} or {PUSHED_PLAN}"),
    "plot": (
        OFFICE,
        f"{SUPERVISOR} or {PUSHED_PLOT.format(plot='plot.id')} or {PUBLIC_PLOT} or {PLOT_OF_APPLICATION}",
    ),
    "layer": (ENTERPRISE, "kind = 'service_areas'"),
    "facility": (ENTERPRISE, ""),
    "service_area": (ENTERPRISE, "true"),
    "coverage_check": (
        "",
        f"{OFFICE} or {SUPERVISED_OFFICE} or {PUSHED_PLOT.format(plot='coverage_check.plot_id')}",
    ),
    "check_facility": ("", f"{OFFICE} or {SUPERVISED_OFFICE} or {ENTERPRISE}"),
    "check_area": ("", f"{OFFICE} or {SUPERVISED_OFFICE} or {ENTERPRISE}"),
    "push": (ENTERPRISE, f"{OFFICE} or {OWNER} or {SUPERVISED_OFFICE}"),
    "push_plot": ("", f"{ENTERPRISE} or {OFFICE} or {SUPERVISED_OFFICE}"),
    "answer": (ENTERPRISE, seen("plot", "answer.plot_id")),
    "attachment": (
        ENTERPRISE,
        f"(select app_role()) in ('office','supervisor') and {seen('answer', 'attachment.answer_id')}",
    ),
    "verdict": (
        OFFICE,
        f"{SUPERVISED_OFFICE} or exists (select 1 from listing x where x.verdict_id = verdict.id)",
    ),
    "listing": (OFFICE, "true"),
    "permit": (
        "",
        f"{OFFICE} or {OWNER} or {SUPERVISOR} or {PUSHED_PERMIT.format(permit='permit.id')}"
        " or ((select app_role()) = 'exchange' and source_id = (select app_org()))"
        " or exists (select 1 from application x where x.permit_id = permit.id)",
    ),
    "application": (
        OWNER,
        f"{OFFICE} or {SUPERVISOR}"
        f" or (submitted_at is not null and {PUSHED_PERMIT.format(permit='application.permit_id')})"
        " or exists (select 1 from item x where x.application_id = application.id"
        " and x.assignee_id = (select app_org()) and x.state is not null)",
    ),
    "application_field": (
        "exists (select 1 from application x where x.id = application_id and x.owner_id = (select app_org()))",
        seen("application", "application_field.application_id"),
    ),
    "item": (f"{OWNER} or {OFFICE} or {ASSIGNEE}", SUPERVISED_OFFICE),
    "item_move": ("mover_id = (select app_org())", seen("item", "item_move.item_id")),
    "outbox_event": ("", ""),
    "endpoint": (f"{ENTERPRISE} or {ADMIN}", ""),
    "delivery": ("", f"{ENTERPRISE} or {OFFICE} or {SUPERVISED_OFFICE}"),
    "attempt": ("", seen("delivery", "attempt.delivery_id")),
}


# What a new or changed row must fulfil besides the policy of its writer.
FITS = {
    # An answer is written for what was asked: the push, the plot and the utility must be one of this enterprise's.
    "answer": """exists (select 1 from push_plot x where x.push_id = answer.push_id
        and x.plot_id = answer.plot_id and x.utility = answer.utility and x.enterprise_id = answer.enterprise_id)""",
    "attachment": under("answer", "answer_id", "enterprise_id"),
    "plot": under("supply_plan", "plan_id", "office_id"),
    "verdict": under("plot", "plot_id", "office_id"),
    "facility": under("layer", "layer_id", "enterprise_id"),
    "service_area": under("layer", "layer_id", "enterprise_id"),
    # By a function: application's own policy looks at items. For listings the trigger does it, for the same reason.
    "item": "in_its_application(item)",
    "item_move": under("item", "item_id"),
}
# Tenants change these rows; only the product itself makes them.
MADE_BY_THE_PRODUCT = ("push", "application", "application_field")

# What is history is written once; what may change is named column by column.
GRANTS = {
    "organisation": "select, insert, update",
    "account": "select, insert, update",
    "api_key": "select, insert, update",
    "upload": "select, insert, update, delete",
    "supply_plan": "select, insert, update, delete",
    "plot": "select, insert, update, delete",
    "layer": "select, insert, update (current)",
    "facility": "select, insert",
    "service_area": "select, insert",
    "coverage_check": "select, insert, delete",
    "check_facility": "select, insert, delete",
    "check_area": "select, insert, delete",
    "push": "select, insert, update (opened_at, answered_at)",
    "push_plot": "select, insert",
    "answer": "select, insert",
    "attachment": "select, insert",
    "gate_rule": "select",
    "verdict": "select, insert",
    "listing": "select, insert, update (state, state_reason, verdict_id, changed_at)",
    "permit": "select, insert, update (plot_id, payload)",
    "application": "select, insert, update (state, submitted_at, submitted_by)",
    "application_field": "select, insert, update (corrected, corrected_at, corrected_by)",
    "item": "select, insert, update, delete",
    "item_move": "select, insert",
    "outbox_event": "select, insert, update (fanned_out_at)",
    "endpoint": "select, insert, update",
    "delivery": "select, insert, update",
    "attempt": "select, insert, update",
}

FUNCTIONS = """
create function app_role() returns text language sql stable as
  $$ select coalesce(nullif(current_setting('app.role', true), ''), 'public') $$;
create function app_org() returns bigint language sql stable as
  $$ select nullif(current_setting('app.org', true), '')::bigint $$;
create function app_account() returns bigint language sql stable as
  $$ select nullif(current_setting('app.account', true), '')::bigint $$;
create function app_city() returns text language sql stable as
  $$ select nullif(current_setting('app.city', true), '') $$;

-- Which blocking utilities of a plot have no valid positive answer. Independent of the Python gate on purpose:
-- a bug there must not list an unready plot (plan section 五(八)).
create function missing_utilities(plot_id_ bigint) returns text[]
  language plpgsql security definer set search_path = public as $$
declare asker text := app_role(); missing text[];
begin
  perform set_config('app.role', 'engine', true);
  with today as (select (now() at time zone 'Asia/Shanghai')::date as d),
  latest as (
    select distinct on (a.enterprise_id, a.utility) a.*
    from answer a where a.plot_id = plot_id_
    order by a.enterprise_id, a.utility, a.version desc)
  select coalesce(array_agg(r.utility order by r.utility), '{}') into missing
  from gate_rule r, today
  where r.effect = 'block' and not exists (
    select 1 from latest a join plot p on p.id = a.plot_id
    where a.utility = r.utility and a.plot_revision = p.revision
      and (a.valid_until is null or a.valid_until >= today.d)
      and (a.verdict = 'ready'
           or (a.verdict = 'ready_by' and a.ready_by between today.d and today.d + r.horizon_days)));
  perform set_config('app.role', asker, true);
  return missing;
end $$;

create function has_verdict(listing_ listing) returns boolean
  language plpgsql security definer set search_path = public as $$
declare asker text := app_role(); found_ boolean;
begin
  perform set_config('app.role', 'engine', true);
  found_ := exists (
    select 1 from verdict v join plot p on p.id = v.plot_id join supply_plan s on s.id = p.plan_id
    where v.id = listing_.verdict_id and v.plot_id = listing_.plot_id and v.ready and v.valid_until > now()
      and v.plot_revision = p.revision and s.state = 'released'
      and p.office_id = listing_.office_id and p.city = listing_.city);
  perform set_config('app.role', asker, true);
  return found_;
end $$;

-- One change of listings commits after the other and its time is taken inside the turn, so that whoever reads the feed in
-- the order of change never passes one by that commits later. The key is landready.gate.TURN.
create function in_its_application(item_ item) returns boolean
  language plpgsql security definer set search_path = public as $$
declare asker text := app_role(); found_ boolean;
begin
  perform set_config('app.role', 'engine', true);
  found_ := exists (
    select 1 from application a
    where a.id = item_.application_id and a.owner_id = item_.owner_id and a.office_id = item_.office_id);
  perform set_config('app.role', asker, true);
  return found_;
end $$;

create function listing_gate() returns trigger language plpgsql set search_path = public as $$
declare missing text[];
begin
  perform pg_advisory_xact_lock(4600001);
  new.changed_at := clock_timestamp();
  if tg_op = 'UPDATE' and old.state in ('withdrawn','sold') and new.state <> old.state then
    raise exception 'listing % is % for good', old.id, old.state using errcode = 'LR002';
  end if;
  if tg_op = 'INSERT' and new.state <> 'listed' then
    raise exception 'a listing of plot % begins on offer', new.plot_id using errcode = 'LR002';
  end if;
  if new.state <> 'listed' then return new; end if;
  if not exists (select 1 from gate_rule where effect = 'block') then
    raise exception 'no gate rule is loaded: nothing may be listed' using errcode = 'LR001';
  end if;
  if not has_verdict(new) then
    raise exception 'plot % has no valid positive verdict', new.plot_id using errcode = 'LR001';
  end if;
  missing := missing_utilities(new.plot_id);
  if cardinality(missing) > 0 then
    raise exception 'plot % lacks %', new.plot_id, array_to_string(missing, ', ') using errcode = 'LR001';
  end if;
  return new;
end $$;
create trigger listing_gate before insert or update on listing for each row execute function listing_gate();

-- Listings are readable by everyone, so this one needs no other eyes.
create function plot_frozen() returns trigger language plpgsql set search_path = public as $$
begin
  if exists (select 1 from listing l where l.plot_id = old.id and l.state in ('listed','suspended')) then
    raise exception 'plot % is listed and cannot change', old.id using errcode = 'LR002';
  end if;
  if new.revision <= old.revision then
    raise exception 'a changed plot needs a new revision' using errcode = 'LR002';
  end if;
  return new;
end $$;
create trigger plot_frozen before update of geom, use, use_code, area_m2, plot_ratio, revision on plot
  for each row when (old.* is distinct from new.*) execute function plot_frozen();

create function plan_released() returns trigger language plpgsql as $$
begin
  if old.state = 'released' and (tg_op = 'DELETE' or new.state <> 'released') then
    raise exception 'plan % is released for good', old.id using errcode = 'LR002';
  end if;
  if tg_op = 'DELETE' then return old; end if;
  return new;
end $$;
create trigger plan_released before update or delete on supply_plan for each row execute function plan_released();
"""


def secure() -> None:
    op.execute(FUNCTIONS)
    for table, (writers, readers) in POLICIES.items():
        access.secure(table, writers, readers, FITS.get(table, "true"))
    for table in MADE_BY_THE_PRODUCT:
        op.execute(
            f"create policy {table}_made on {table} as restrictive for insert with check ({ENGINE})"
        )
    for table, rights in GRANTS.items():
        access.grant(rights, table)


def upgrade() -> None:
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
        "organisation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("credit_code", sa.String(length=18), nullable=True),
        sa.Column("utilities", postgresql.ARRAY(sa.String(length=20)), nullable=False),
        sa.Column("annex_items", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "kind in ('office','enterprise','owner','department','supervisor','admin','exchange')",
            name=op.f("ck_organisation_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("kind", "credit_code", name=op.f("uq_organisation_kind_credit_code")),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("username", sa.String(length=80), nullable=False),
        sa.Column("full_name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_account_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("username", name=op.f("uq_account_username")),
    )
    op.create_index(
        op.f("ix_account_organisation_id"), "account", ["organisation_id"], unique=False
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_api_key_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_key_key_sha256")),
    )
    op.create_index(
        op.f("ix_api_key_organisation_id"), "api_key", ["organisation_id"], unique=False
    )
    op.create_table(
        "endpoint",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("secret", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_endpoint_enterprise_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
    )
    op.create_index(op.f("ix_endpoint_enterprise_id"), "endpoint", ["enterprise_id"], unique=False)
    op.create_table(
        "upload",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("stored_as", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source_crs", sa.String(length=200), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(), nullable=False),
        sa.Column("features", postgresql.JSONB(), nullable=False),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        sa.Column("purpose", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("fk_upload_created_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_upload_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index(op.f("ix_upload_organisation_id"), "upload", ["organisation_id"], unique=False)
    op.create_table(
        "layer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("upload_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("feature_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind in ('facilities','service_areas')", name=op.f("ck_layer_kind")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("fk_layer_created_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["organisation.id"], name=op.f("fk_layer_enterprise_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["upload.id"], name=op.f("fk_layer_upload_id_upload")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layer")),
        sa.UniqueConstraint(
            "enterprise_id",
            "kind",
            "utility",
            "title",
            "version",
            name=op.f("uq_layer_enterprise_id_kind_utility_title_version"),
        ),
    )
    op.create_index(op.f("ix_layer_enterprise_id"), "layer", ["enterprise_id"], unique=False)
    op.create_index(
        "uq_layer_current",
        "layer",
        ["enterprise_id", "kind", "utility", "title"],
        unique=True,
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "supply_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("upload_id", sa.BigInteger(), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.BigInteger(), nullable=True),
        sa.Column("asked", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(state = 'released') = (released_at is not null)", name=op.f("ck_supply_plan_released")
        ),
        sa.CheckConstraint("state in ('draft','released')", name=op.f("ck_supply_plan_state")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("fk_supply_plan_created_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_supply_plan_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["account.id"], name=op.f("fk_supply_plan_released_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["upload.id"], name=op.f("fk_supply_plan_upload_id_upload")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supply_plan")),
    )
    op.create_index(op.f("ix_supply_plan_city"), "supply_plan", ["city"], unique=False)
    op.create_index(op.f("ix_supply_plan_office_id"), "supply_plan", ["office_id"], unique=False)
    op.create_table(
        "facility",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.Column("spare_capacity", sa.Double(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_facility_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["layer_id"], ["layer.id"], name=op.f("fk_facility_layer_id_layer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facility")),
    )
    op.create_index(
        "idx_facility_geom", "facility", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_index(op.f("ix_facility_enterprise_id"), "facility", ["enterprise_id"], unique=False)
    op.create_index(op.f("ix_facility_layer_id"), "facility", ["layer_id"], unique=False)
    op.create_table(
        "plot",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("use", sa.String(length=200), nullable=False),
        sa.Column("use_code", sa.String(length=6), nullable=True),
        sa.Column("declared_area_m2", sa.Double(), nullable=True),
        sa.Column("area_m2", sa.Double(), nullable=False),
        sa.Column("plot_ratio", sa.String(length=40), nullable=False),
        sa.Column(
            "plot_ratio_value", sa.Numeric(precision=8, scale=3, asdecimal=False), nullable=True
        ),
        sa.Column("quarter", sa.String(length=40), nullable=False),
        sa.Column("supply_mode", sa.String(length=40), nullable=False),
        sa.Column("source_crs", sa.String(length=200), nullable=False),
        sa.Column("illustrative", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.CheckConstraint("area_m2 > 0", name=op.f("ck_plot_area")),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_plot_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["supply_plan.id"], name=op.f("fk_plot_plan_id_supply_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plot")),
        sa.UniqueConstraint("plan_id", "code", name=op.f("uq_plot_plan_id_code")),
    )
    op.create_index("idx_plot_geom", "plot", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(op.f("ix_plot_city"), "plot", ["city"], unique=False)
    op.create_index(op.f("ix_plot_office_id"), "plot", ["office_id"], unique=False)
    op.create_index(op.f("ix_plot_plan_id"), "plot", ["plan_id"], unique=False)
    op.create_index(op.f("ix_plot_use_code"), "plot", ["use_code"], unique=False)
    op.create_table(
        "service_area",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_service_area_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["layer_id"], ["layer.id"], name=op.f("fk_service_area_layer_id_layer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_area")),
    )
    op.create_index(
        "idx_service_area_geom", "service_area", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_index(
        op.f("ix_service_area_enterprise_id"), "service_area", ["enterprise_id"], unique=False
    )
    op.create_index(op.f("ix_service_area_layer_id"), "service_area", ["layer_id"], unique=False)
    op.create_table(
        "coverage_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("working_crs", sa.String(length=40), nullable=False),
        sa.Column("radius_m", sa.Double(), nullable=False),
        sa.Column("served_share", sa.Double(), nullable=False),
        sa.Column("layers", postgresql.JSONB(), nullable=False),
        sa.Column("demand_min", sa.Double(), nullable=True),
        sa.Column("demand_max", sa.Double(), nullable=True),
        sa.Column("demand_unit", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["office_id"],
            ["organisation.id"],
            name=op.f("fk_coverage_check_office_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["plot_id"],
            ["plot.id"],
            name=op.f("fk_coverage_check_plot_id_plot"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage_check")),
        sa.UniqueConstraint(
            "plot_id",
            "utility",
            "plot_revision",
            "measured_at",
            name=op.f("uq_coverage_check_plot_id_utility_plot_revision_measured_at"),
        ),
    )
    op.create_index(
        op.f("ix_coverage_check_office_id"), "coverage_check", ["office_id"], unique=False
    )
    op.create_index(op.f("ix_coverage_check_plot_id"), "coverage_check", ["plot_id"], unique=False)
    op.create_table(
        "permit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("permit_no", sa.String(length=80), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=True),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("project_code", sa.String(length=40), nullable=False),
        sa.Column("works_code", sa.String(length=40), nullable=False),
        sa.Column("project_name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_permit_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["organisation.id"], name=op.f("fk_permit_owner_id_organisation")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_permit_plot_id_plot")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["organisation.id"], name=op.f("fk_permit_source_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permit")),
        sa.UniqueConstraint("permit_no", name=op.f("uq_permit_permit_no")),
    )
    op.create_index("idx_permit_geom", "permit", ["geom"], unique=False, postgresql_using="gist")
    op.create_index(op.f("ix_permit_city"), "permit", ["city"], unique=False)
    op.create_index(op.f("ix_permit_office_id"), "permit", ["office_id"], unique=False)
    op.create_index(op.f("ix_permit_owner_id"), "permit", ["owner_id"], unique=False)
    op.create_index(op.f("ix_permit_plot_id"), "permit", ["plot_id"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("blockers", postgresql.JSONB(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("rule_version", sa.String(length=40), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_verdict_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_verdict_plot_id_plot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index(op.f("ix_verdict_plot_id"), "verdict", ["plot_id"], unique=False)
    op.create_table(
        "application",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("permit_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("seeded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'submitted') = (submitted_at is not null)",
            name=op.f("ck_application_submitted"),
        ),
        sa.CheckConstraint("state in ('draft','submitted')", name=op.f("ck_application_state")),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_application_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["organisation.id"], name=op.f("fk_application_owner_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["permit_id"], ["permit.id"], name=op.f("fk_application_permit_id_permit")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_application_plot_id_plot")),
        sa.ForeignKeyConstraint(
            ["submitted_by"], ["account.id"], name=op.f("fk_application_submitted_by_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
        sa.UniqueConstraint("permit_id", name=op.f("uq_application_permit_id")),
    )
    op.create_index(op.f("ix_application_office_id"), "application", ["office_id"], unique=False)
    op.create_index(op.f("ix_application_owner_id"), "application", ["owner_id"], unique=False)
    op.create_index(op.f("ix_application_plot_id"), "application", ["plot_id"], unique=False)
    op.create_table(
        "check_area",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("check_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["coverage_check.id"],
            name=op.f("fk_check_area_check_id_coverage_check"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_check_area_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_check_area_office_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_area")),
    )
    op.create_index(op.f("ix_check_area_check_id"), "check_area", ["check_id"], unique=False)
    op.create_index(
        op.f("ix_check_area_enterprise_id"), "check_area", ["enterprise_id"], unique=False
    )
    op.create_table(
        "check_facility",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("check_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("facility_id", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("distance_m", sa.Double(), nullable=False),
        sa.Column("spare_capacity", sa.Double(), nullable=True),
        sa.Column(
            "link",
            Geometry(
                geometry_type="LINESTRING",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["coverage_check.id"],
            name=op.f("fk_check_facility_check_id_coverage_check"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_check_facility_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("fk_check_facility_facility_id_facility")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"],
            ["organisation.id"],
            name=op.f("fk_check_facility_office_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_facility")),
    )
    op.create_index(
        op.f("ix_check_facility_check_id"), "check_facility", ["check_id"], unique=False
    )
    op.create_index(
        op.f("ix_check_facility_enterprise_id"), "check_facility", ["enterprise_id"], unique=False
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("verdict_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_reason", sa.String(length=500), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_by", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('listed','suspended','withdrawn','sold')", name=op.f("ck_listing_state")
        ),
        sa.ForeignKeyConstraint(
            ["listed_by"], ["account.id"], name=op.f("fk_listing_listed_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_listing_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_listing_plot_id_plot")),
        sa.ForeignKeyConstraint(
            ["verdict_id"], ["verdict.id"], name=op.f("fk_listing_verdict_id_verdict")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    op.create_index(op.f("ix_listing_city"), "listing", ["city"], unique=False)
    op.create_index(op.f("ix_listing_office_id"), "listing", ["office_id"], unique=False)
    op.create_index(op.f("ix_listing_plot_id"), "listing", ["plot_id"], unique=False)
    op.create_index(
        "uq_listing_open",
        "listing",
        ["plot_id"],
        unique=True,
        postgresql_where=sa.text("state in ('listed','suspended')"),
    )
    op.create_table(
        "push",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("permit_id", sa.BigInteger(), nullable=True),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'plan') = (plan_id is not null)", name=op.f("ck_push_plan")),
        sa.CheckConstraint(
            "(kind = 'project') = (permit_id is not null)", name=op.f("ck_push_permit")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["organisation.id"], name=op.f("fk_push_enterprise_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_push_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["organisation.id"], name=op.f("fk_push_owner_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["permit_id"], ["permit.id"], name=op.f("fk_push_permit_id_permit")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["supply_plan.id"], name=op.f("fk_push_plan_id_supply_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push")),
        sa.UniqueConstraint(
            "enterprise_id", "permit_id", name=op.f("uq_push_enterprise_id_permit_id")
        ),
        sa.UniqueConstraint("enterprise_id", "plan_id", name=op.f("uq_push_enterprise_id_plan_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_push_uid")),
    )
    op.create_index(op.f("ix_push_enterprise_id"), "push", ["enterprise_id"], unique=False)
    op.create_index(op.f("ix_push_office_id"), "push", ["office_id"], unique=False)
    op.create_index(op.f("ix_push_permit_id"), "push", ["permit_id"], unique=False)
    op.create_index(op.f("ix_push_plan_id"), "push", ["plan_id"], unique=False)
    op.create_table(
        "answer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("push_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column(
            "connection_point",
            Geometry(
                geometry_type="POINT",
                srid=4490,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("spare_capacity", sa.Double(), nullable=True),
        sa.Column("works", sa.Text(), nullable=False),
        sa.Column("ready_by", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "verdict <> 'not_possible' or reason <> ''", name=op.f("ck_answer_reason")
        ),
        sa.CheckConstraint(
            "verdict <> 'ready_by' or (ready_by is not null and works <> '')",
            name=op.f("ck_answer_works"),
        ),
        sa.CheckConstraint(
            "verdict in ('ready','ready_by','not_possible','not_concerned')",
            name=op.f("ck_answer_verdict"),
        ),
        sa.CheckConstraint(
            "verdict not in ('ready','ready_by') or connection_point is not null",
            name=op.f("ck_answer_connection"),
        ),
        sa.CheckConstraint("spare_capacity >= 0", name=op.f("ck_answer_spare_capacity")),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["account.id"], name=op.f("fk_answer_answered_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_answer_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_answer_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_answer_plot_id_plot")),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name=op.f("fk_answer_push_id_push")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint(
            "plot_id",
            "enterprise_id",
            "utility",
            "version",
            name=op.f("uq_answer_plot_id_enterprise_id_utility_version"),
        ),
    )
    op.create_index(op.f("ix_answer_enterprise_id"), "answer", ["enterprise_id"], unique=False)
    op.create_index(op.f("ix_answer_office_id"), "answer", ["office_id"], unique=False)
    op.create_index(op.f("ix_answer_plot_id"), "answer", ["plot_id"], unique=False)
    op.create_index(op.f("ix_answer_push_id"), "answer", ["push_id"], unique=False)
    op.create_table(
        "application_field",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_ref", sa.String(length=120), nullable=False),
        sa.Column("source_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrected", sa.Text(), nullable=True),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrected_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_application_field_application_id_application"),
        ),
        sa.ForeignKeyConstraint(
            ["corrected_by"], ["account.id"], name=op.f("fk_application_field_corrected_by_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_field")),
        sa.UniqueConstraint(
            "application_id", "name", name=op.f("uq_application_field_application_id_name")
        ),
    )
    op.create_index(
        op.f("ix_application_field_application_id"),
        "application_field",
        ["application_id"],
        unique=False,
    )
    op.create_table(
        "item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=False),
        sa.Column("annex_no", sa.SmallInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("assignee_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_works", sa.Boolean(), nullable=False),
        sa.Column("first_design_due", sa.Date(), nullable=True),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.Column("first_design_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_design_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("annex_no between 1 and 11", name=op.f("ck_item_annex_no")),
        sa.CheckConstraint("state between 1 and 15", name=op.f("ck_item_state")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_item_application_id_application")
        ),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["organisation.id"], name=op.f("fk_item_assignee_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["first_design_by"], ["account.id"], name=op.f("fk_item_first_design_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_item_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["organisation.id"], name=op.f("fk_item_owner_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint(
            "application_id",
            "annex_no",
            "assignee_id",
            name=op.f("uq_item_application_id_annex_no_assignee_id"),
        ),
    )
    op.create_index(op.f("ix_item_application_id"), "item", ["application_id"], unique=False)
    op.create_index(op.f("ix_item_assignee_id"), "item", ["assignee_id"], unique=False)
    op.create_index(op.f("ix_item_office_id"), "item", ["office_id"], unique=False)
    op.create_index(op.f("ix_item_owner_id"), "item", ["owner_id"], unique=False)
    op.create_table(
        "outbox_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("push_id", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fanned_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_outbox_event_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_outbox_event_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["push_id"], ["push.id"], name=op.f("fk_outbox_event_push_id_push")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_event")),
    )
    op.create_index(
        op.f("ix_outbox_event_enterprise_id"), "outbox_event", ["enterprise_id"], unique=False
    )
    op.create_index(op.f("ix_outbox_event_push_id"), "outbox_event", ["push_id"], unique=False)
    op.create_index(
        "ix_outbox_event_waiting",
        "outbox_event",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("fanned_out_at is null"),
    )
    op.create_table(
        "push_plot",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("push_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_push_plot_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_push_plot_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(["plot_id"], ["plot.id"], name=op.f("fk_push_plot_plot_id_plot")),
        sa.ForeignKeyConstraint(
            ["push_id"], ["push.id"], name=op.f("fk_push_plot_push_id_push"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_plot")),
        sa.UniqueConstraint(
            "push_id", "plot_id", "utility", name=op.f("uq_push_plot_push_id_plot_id_utility")
        ),
    )
    op.create_index(
        op.f("ix_push_plot_enterprise_id"), "push_plot", ["enterprise_id"], unique=False
    )
    op.create_index(op.f("ix_push_plot_plot_id"), "push_plot", ["plot_id"], unique=False)
    op.create_index(op.f("ix_push_plot_push_id"), "push_plot", ["push_id"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("stored_as", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answer.id"], name=op.f("fk_attachment_answer_id_answer")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_attachment_enterprise_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_answer_id"), "attachment", ["answer_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("push_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts_made", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state in ('owed','delivered','dead')", name=op.f("ck_delivery_state")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoint.id"], name=op.f("fk_delivery_endpoint_id_endpoint")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_delivery_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["outbox_event.id"], name=op.f("fk_delivery_event_id_outbox_event")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_delivery_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name=op.f("fk_delivery_push_id_push")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "endpoint_id", "event_id", name=op.f("uq_delivery_endpoint_id_event_id")
        ),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_index(
        "ix_delivery_turn",
        "delivery",
        ["endpoint_id", "next_attempt_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_index(
        "ix_delivery_leased",
        "delivery",
        ["endpoint_id"],
        unique=False,
        postgresql_where=sa.text("lease_until is not null"),
    )
    op.create_index(op.f("ix_delivery_enterprise_id"), "delivery", ["enterprise_id"], unique=False)
    op.create_index(op.f("ix_delivery_office_id"), "delivery", ["office_id"], unique=False)
    op.create_index(op.f("ix_delivery_push_id"), "delivery", ["push_id"], unique=False)
    op.create_table(
        "item_move",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.SmallInteger(), nullable=True),
        sa.Column("to_state", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_by", sa.BigInteger(), nullable=True),
        sa.Column("mover_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_move_item_id_item")),
        sa.ForeignKeyConstraint(
            ["moved_by"], ["account.id"], name=op.f("fk_item_move_moved_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["mover_id"], ["organisation.id"], name=op.f("fk_item_move_mover_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_move")),
    )
    op.create_index(op.f("ix_item_move_item_id"), "item_move", ["item_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_attempt_delivery_id_delivery")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_attempt_enterprise_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_delivery_id"), "attempt", ["delivery_id"], unique=False)
    secure()


def downgrade() -> None:
    op.execute("drop trigger listing_gate on listing")
    op.execute("drop function listing_gate(), has_verdict(listing)")
    for table in POLICIES:
        op.execute(f"drop policy if exists {table}_read on {table}")
        op.execute(f"drop policy {table}_write on {table}")
    for table in MADE_BY_THE_PRODUCT:
        op.execute(f"drop policy {table}_made on {table}")
    op.execute("drop function in_its_application(item)")
    op.drop_index(op.f("ix_attempt_delivery_id"), table_name="attempt")
    op.drop_table("attempt")
    op.drop_index(op.f("ix_item_move_item_id"), table_name="item_move")
    op.drop_table("item_move")
    op.drop_index(op.f("ix_delivery_push_id"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_office_id"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_enterprise_id"), table_name="delivery")
    op.drop_index(
        "ix_delivery_leased",
        table_name="delivery",
        postgresql_where=sa.text("lease_until is not null"),
    )
    op.drop_index(
        "ix_delivery_turn", table_name="delivery", postgresql_where=sa.text("state = 'owed'")
    )
    op.drop_index(
        "ix_delivery_due", table_name="delivery", postgresql_where=sa.text("state = 'owed'")
    )
    op.drop_table("delivery")
    op.drop_index(op.f("ix_attachment_answer_id"), table_name="attachment")
    op.drop_table("attachment")
    op.drop_index(op.f("ix_push_plot_push_id"), table_name="push_plot")
    op.drop_index(op.f("ix_push_plot_plot_id"), table_name="push_plot")
    op.drop_index(op.f("ix_push_plot_enterprise_id"), table_name="push_plot")
    op.drop_table("push_plot")
    op.drop_index(
        "ix_outbox_event_waiting",
        table_name="outbox_event",
        postgresql_where=sa.text("fanned_out_at is null"),
    )
    op.drop_index(op.f("ix_outbox_event_push_id"), table_name="outbox_event")
    op.drop_index(op.f("ix_outbox_event_enterprise_id"), table_name="outbox_event")
    op.drop_table("outbox_event")
    op.drop_index(op.f("ix_item_owner_id"), table_name="item")
    op.drop_index(op.f("ix_item_office_id"), table_name="item")
    op.drop_index(op.f("ix_item_assignee_id"), table_name="item")
    op.drop_index(op.f("ix_item_application_id"), table_name="item")
    op.drop_table("item")
    op.drop_index(op.f("ix_application_field_application_id"), table_name="application_field")
    op.drop_table("application_field")
    op.drop_index(op.f("ix_answer_push_id"), table_name="answer")
    op.drop_index(op.f("ix_answer_plot_id"), table_name="answer")
    op.drop_index(op.f("ix_answer_office_id"), table_name="answer")
    op.drop_index(op.f("ix_answer_enterprise_id"), table_name="answer")
    op.drop_table("answer")
    op.drop_index(op.f("ix_push_plan_id"), table_name="push")
    op.drop_index(op.f("ix_push_permit_id"), table_name="push")
    op.drop_index(op.f("ix_push_office_id"), table_name="push")
    op.drop_index(op.f("ix_push_enterprise_id"), table_name="push")
    op.drop_table("push")
    op.drop_index(
        "uq_listing_open",
        table_name="listing",
        postgresql_where=sa.text("state in ('listed','suspended')"),
    )
    op.drop_index(op.f("ix_listing_plot_id"), table_name="listing")
    op.drop_index(op.f("ix_listing_office_id"), table_name="listing")
    op.drop_index(op.f("ix_listing_city"), table_name="listing")
    op.drop_table("listing")
    op.drop_index(op.f("ix_check_facility_enterprise_id"), table_name="check_facility")
    op.drop_index(op.f("ix_check_facility_check_id"), table_name="check_facility")
    op.drop_table("check_facility")
    op.drop_index(op.f("ix_check_area_enterprise_id"), table_name="check_area")
    op.drop_index(op.f("ix_check_area_check_id"), table_name="check_area")
    op.drop_table("check_area")
    op.drop_index(op.f("ix_application_plot_id"), table_name="application")
    op.drop_index(op.f("ix_application_owner_id"), table_name="application")
    op.drop_index(op.f("ix_application_office_id"), table_name="application")
    op.drop_table("application")
    op.drop_index(op.f("ix_verdict_plot_id"), table_name="verdict")
    op.drop_table("verdict")
    op.drop_index(op.f("ix_permit_plot_id"), table_name="permit")
    op.drop_index(op.f("ix_permit_owner_id"), table_name="permit")
    op.drop_index(op.f("ix_permit_office_id"), table_name="permit")
    op.drop_index(op.f("ix_permit_city"), table_name="permit")
    op.drop_index("idx_permit_geom", table_name="permit", postgresql_using="gist")
    op.drop_table("permit")
    op.drop_index(op.f("ix_coverage_check_plot_id"), table_name="coverage_check")
    op.drop_index(op.f("ix_coverage_check_office_id"), table_name="coverage_check")
    op.drop_table("coverage_check")
    op.drop_index(op.f("ix_service_area_layer_id"), table_name="service_area")
    op.drop_index(op.f("ix_service_area_enterprise_id"), table_name="service_area")
    op.drop_index("idx_service_area_geom", table_name="service_area", postgresql_using="gist")
    op.drop_table("service_area")
    op.drop_index(op.f("ix_plot_use_code"), table_name="plot")
    op.drop_index(op.f("ix_plot_plan_id"), table_name="plot")
    op.drop_index(op.f("ix_plot_office_id"), table_name="plot")
    op.drop_index(op.f("ix_plot_city"), table_name="plot")
    op.drop_index("idx_plot_geom", table_name="plot", postgresql_using="gist")
    op.drop_table("plot")
    op.drop_index(op.f("ix_facility_layer_id"), table_name="facility")
    op.drop_index(op.f("ix_facility_enterprise_id"), table_name="facility")
    op.drop_index("idx_facility_geom", table_name="facility", postgresql_using="gist")
    op.drop_table("facility")
    op.drop_index(op.f("ix_supply_plan_office_id"), table_name="supply_plan")
    op.drop_index(op.f("ix_supply_plan_city"), table_name="supply_plan")
    op.drop_table("supply_plan")
    op.drop_index("uq_layer_current", table_name="layer", postgresql_where=sa.text("current"))
    op.drop_index(op.f("ix_layer_enterprise_id"), table_name="layer")
    op.drop_table("layer")
    op.drop_index(op.f("ix_upload_organisation_id"), table_name="upload")
    op.drop_table("upload")
    op.drop_index(op.f("ix_endpoint_enterprise_id"), table_name="endpoint")
    op.drop_table("endpoint")
    op.drop_index(op.f("ix_api_key_organisation_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_index(op.f("ix_account_organisation_id"), table_name="account")
    op.drop_table("account")
    op.drop_table("organisation")
    op.drop_table("gate_rule")
    op.execute(
        "drop function plan_released(), plot_frozen(), missing_utilities(bigint),"
        " app_city(), app_account(), app_org(), app_role()"
    )
