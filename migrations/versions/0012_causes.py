"""Why a listing was suspended, in a form that every language can say, and whether anybody was told.

Revision ID: 0012
Revises: 0011

The triggers of 0010 suspend without a word to anybody; the history now knows what was told of, so that nothing stays silent.
A facility that is gone from the newest version of its layer can give nothing any more.
"""

import sqlalchemy as sa
from alembic import op
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PATH = "set search_path = pg_catalog, public, pg_temp"
# The sentences of landready.changes.
TEXTS = {
    "answer_changed": "{enterprise}的答复有变动，接入条件不再具备，已自动暂停上架。",
    "reservation_changed": "{enterprise}预留的容量有变动，接入条件不再具备，已自动暂停上架。",
    "measured_anew": "重新测算后接入条件不再具备，已自动暂停上架。",
    "rules_changed": "准入规则变更为“{rule}”，按新规则不具备条件，已自动暂停上架。",
    "exemption_ended": "依法例外“{document}”已终止，接入条件不再具备，已自动暂停上架。",
    "land_revised": "地块“{code}”修改了边界，与本地块重叠，已自动暂停上架。",
}
_CASES = "\n".join(f"    when '{code}' then '{text}'" for code, text in TEXTS.items())

FUNCTIONS = f"""
-- What the transaction says it does (landready.changes.because), else what the trigger itself sees.
create function cause_of(code_ text, utility_ text, enterprise_ text, params_ jsonb) returns jsonb language sql stable {_PATH} as $$
  select coalesce(nullif(current_setting('app.cause', true), '')::jsonb,
    jsonb_build_object('code', code_, 'utility', utility_, 'enterprise', enterprise_, 'params', params_, 'text', case code_
{_CASES} end))
$$;

-- A cause in Chinese, for those who read no other form.
create function cause_words(cause_ jsonb) returns text language plpgsql immutable {_PATH} as $$
declare said text := cause_->>'text'; one record;
begin
  for one in select * from jsonb_each_text(cause_->'params') loop
    said := replace(said, '{{' || one.key || '}}', one.value);
  end loop;
  return left(said, 500);
end $$;

create function suspend_unready(plot_ids bigint[], cause_ jsonb) returns void language plpgsql security definer {_PATH} as $$
declare asker text := app_role();
begin
  perform set_config('app.role', 'engine', true);
  if exists (select 1 from listing l where l.state = 'listed' and l.plot_id = any(plot_ids)
      and cardinality(missing_requirements(l.plot_id)) > 0) then
    perform pg_advisory_xact_lock(4600001);
    update listing l set state = 'suspended', state_reason = cause_words(cause_), cause = cause_
    where l.state = 'listed' and l.plot_id = any(plot_ids) and cardinality(missing_requirements(l.plot_id)) > 0;
  end if;
  perform set_config('app.role', asker, true);
end $$;

-- People give reasons of their own; what the product said before does not stay beside them.
create function listing_cause() returns trigger language plpgsql {_PATH} as $$
begin
  if new.state <> 'suspended' then new.cause := null; end if;
  return new;
end $$;
create trigger listing_cause before insert or update on listing for each row execute function listing_cause();

create or replace function listing_history() returns trigger language plpgsql security definer {_PATH} as $$
declare asker text := app_role();
begin
  perform set_config('app.role', 'engine', true);
  insert into listing_move (listing_id, plot_id, office_id, from_state, to_state, reason, cause, moved_at, moved_by)
    values (new.id, new.plot_id, new.office_id, case when tg_op = 'UPDATE' then old.state end, new.state,
            new.state_reason, new.cause, case when tg_op = 'UPDATE' then new.changed_at else new.listed_at end, app_account());
  perform set_config('app.role', asker, true);
  return null;
end $$;

create or replace function ground_of_plot() returns trigger language plpgsql {_PATH} as $$
declare changed record := coalesce(new, old); enterprise_ text;
begin
  select o.name into enterprise_ from organisation o where o.id = changed.enterprise_id;
  perform suspend_unready(array[changed.plot_id], cause_of(tg_table_name || '_changed', changed.utility, enterprise_,
    jsonb_build_object('enterprise', enterprise_)));
  return null;
end $$;

create or replace function ground_of_checks() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array(select distinct plot_id from changed), cause_of('measured_anew', '', '', '{{}}'));
  return null;
end $$;

create or replace function ground_of_near() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array(
    select distinct c.plot_id from changed f join coverage_check c on c.id = f.check_id),
    cause_of('measured_anew', '', '', '{{}}'));
  return null;
end $$;

create or replace function ground_of_rules() returns trigger language plpgsql security definer {_PATH} as $$
declare asker text := app_role(); offered bigint[]; ended record;
begin
  perform pg_advisory_xact_lock(4600001);
  perform set_config('app.role', 'engine', true);
  select e.document, e.plots into ended from rule_set e where e.id = new.revokes;
  offered := array(select plot_id from listing where state = 'listed' and new.city in ('', city)
    and (new.revokes is null or cardinality(ended.plots) = 0 or plot_id = any(ended.plots)));
  perform set_config('app.role', asker, true);
  if new.revokes is null then
    perform suspend_unready(offered, cause_of('rules_changed', '', '',
      jsonb_build_object('rule', coalesce(nullif(new.version, ''), new.document))));
  else
    perform suspend_unready(offered, cause_of('exemption_ended', '', '', jsonb_build_object('document', ended.document)));
  end if;
  return null;
end $$;

-- Who revises a plot may lie on the land of others that are on offer.
create function ground_of_land() returns trigger language plpgsql {_PATH} as $$
begin
  perform suspend_unready(array(
    select p.id from plot p join listing l on l.plot_id = p.id
    where l.state = 'listed' and p.id <> new.id and p.geom && new.geom),
    cause_of('land_revised', '', '', jsonb_build_object('code', new.code)));
  return null;
end $$;
create trigger land_ground after update on plot for each row
  when (old.geom is distinct from new.geom) execute function ground_of_land();
"""

_STATED = "select f.spare_capacity as spare, coalesce(f.stated_at, l.created_at) as stated_at"
_GIVES = "select case when l.current then f.spare_capacity else 0 end as spare, coalesce(f.stated_at, l.created_at) as stated_at"


def upgrade() -> None:
    for table in ("listing", "listing_move"):
        op.add_column(table, sa.Column("cause", postgresql.JSONB(), nullable=True))
    op.add_column("listing_move", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("select set_config('app.role', 'engine', true)")
    # What went before was told when it happened, or nobody can be told any more.
    op.execute("update listing_move set told_at = moved_at")
    op.execute("select set_config('app.role', '', true)")
    op.create_index(
        "ix_listing_move_untold",
        "listing_move",
        ["id"],
        postgresql_where=sa.text("told_at is null"),
    )
    op.execute("grant update (cause) on listing to landready_app")
    op.execute("grant update (told_at) on listing_move to landready_app")
    op.execute(FUNCTIONS)
    op.execute("drop function suspend_unready(bigint[])")
    _capacity(_GIVES)


def downgrade() -> None:
    _capacity(_STATED)
    op.execute("drop trigger land_ground on plot; drop trigger listing_cause on listing")
    op.execute("drop function ground_of_land(), listing_cause(), suspend_unready(bigint[], jsonb)")
    before = [_module("0009").HISTORY.split("create trigger")[0], *_grounds()]
    for function in before:
        op.execute(function.replace("create function", "create or replace function"))
    op.execute("drop function cause_words(jsonb), cause_of(text, text, text, jsonb)")
    op.drop_index("ix_listing_move_untold", table_name="listing_move")
    op.drop_column("listing_move", "told_at")
    for table in ("listing", "listing_move"):
        op.drop_column(table, "cause")


def _capacity(spare: str) -> None:
    parts = _module("0010")._PARTS.split("create function capacity_holds")[1]
    body = ("create or replace function capacity_holds" + parts).replace(_STATED, spare)
    op.execute(body)


def _grounds() -> list[str]:
    """The functions of 0010 that suspend, without their triggers."""
    parts = _module("0010")._GROUND.split("create function ")[1:]
    return ["create function " + part.split("$$;")[0] + "$$;" for part in parts]


def _module(number: str):  # noqa: ANN202 - a migration
    return ScriptDirectory.from_config(op.get_context().config).get_revision(number).module
