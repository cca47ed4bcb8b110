"""Disputes: challenges of answers, what was said of them, and their clock.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

from migrations import access
from migrations.access import ENGINE, ENTERPRISE, OFFICE, SUPERVISED_OFFICE, seen, under

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ORG = "(select app_org())"
_ROLE = "(select app_role())"
CHALLENGER = f"({_ROLE} in ('office','owner','enterprise') and challenger_id = {_ORG})"
# Who was concerned by the plot before there was a dispute; a plot that is merely public concerns nobody.
_CONCERNED = f"""({_ROLE} = 'office' and dispute.office_id = {_ORG}
    or {_ROLE} = 'owner' and exists
        (select 1 from application x where x.plot_id = dispute.plot_id and x.owner_id = {_ORG})
    or {_ROLE} = 'enterprise' and exists
        (select 1 from push_plot x where x.plot_id = dispute.plot_id and x.enterprise_id = {_ORG}))"""
_OF_ITS_ANSWER = under(
    "answer", "answer_id", "push_id", "plot_id", "enterprise_id", "office_id", "utility"
)
# The enterprise answers, the supervisor decides, the challenger may settle; a correction is a newer version of the same answer.
_PARTY = f"""exists (select 1 from dispute x where x.id = dispute_step.dispute_id and (
    (dispute_step.kind in ('upheld','corrected') and {_ROLE} = 'enterprise' and x.enterprise_id = {_ORG}
      and (dispute_step.answer_id is null or exists (select 1 from answer y join answer z on z.id = x.answer_id
        where y.id = dispute_step.answer_id and y.version > z.version and y.plot_id = z.plot_id
          and y.utility = z.utility and y.enterprise_id = z.enterprise_id)))
    or (dispute_step.kind in ('sustained','rejected','settled') and {_ROLE} = 'supervisor')
    or (dispute_step.kind = 'settled' and x.challenger_id = {_ORG})))"""
_OF_A_PARTY = f"""exists (select 1 from dispute x where x.id = dispute_file.dispute_id
    and {_ORG} in (x.challenger_id, x.enterprise_id))"""
_STEPS = """
-- The state of a dispute is what was said of it: nobody writes it, and what comes after the end is refused.
create function dispute_moves() returns trigger
  language plpgsql security definer set search_path = public as $$
declare asker text := app_role(); moved integer;
begin
  perform set_config('app.role', 'engine', true);
  if new.kind in ('upheld', 'corrected') then
    update dispute set state = 'answered' where id = new.dispute_id and state = 'open';
  else
    update dispute set state = 'decided' where id = new.dispute_id and state <> 'decided';
  end if;
  get diagnostics moved = row_count;
  perform set_config('app.role', asker, true);
  if moved = 0 then
    raise exception 'dispute % was answered or decided before', new.dispute_id using errcode = 'LR004';
  end if;
  return new;
end $$;
create trigger dispute_moves before insert on dispute_step for each row execute function dispute_moves();
"""


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name)


def _dispute() -> None:
    keys = {
        "answer_id": "answer",
        "push_id": "push",
        "plot_id": "plot",
        "enterprise_id": "organisation",
        "office_id": "organisation",
        "challenger_id": "organisation",
    }
    op.create_table(
        "dispute",
        _id(),
        sa.Column("uid", sa.Uuid(), nullable=False),
        *(sa.Column(column, sa.BigInteger(), nullable=False) for column in keys),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("mark", Geometry(srid=4490, spatial_index=False), nullable=True),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("opened_by", sa.BigInteger(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.CheckConstraint("state in ('open','answered','decided')", name=op.f("ck_dispute_state")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_dispute_reason")),
        sa.CheckConstraint("challenger_id <> enterprise_id", name=op.f("ck_dispute_parties")),
        sa.CheckConstraint(
            "geometrytype(mark) in ('POINT','LINESTRING')", name=op.f("ck_dispute_mark")
        ),
        *(_key("dispute", column, parent) for column, parent in keys.items()),
        _key("dispute", "opened_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("uid", name=op.f("uq_dispute_uid")),
    )
    for column in ("answer_id", "plot_id", "enterprise_id", "office_id", "challenger_id"):
        op.create_index(op.f(f"ix_dispute_{column}"), "dispute", [column])
    op.create_index(
        "uq_dispute_undecided",
        "dispute",
        ["challenger_id", "answer_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'decided'"),
    )
    access.secure(
        "dispute",
        CHALLENGER,
        f"{OFFICE} or {ENTERPRISE} or {SUPERVISED_OFFICE}",
        f"state = 'open' and {_CONCERNED} and {_OF_ITS_ANSWER}",
    )
    op.execute(f"create policy dispute_moved on dispute as restrictive for update using ({ENGINE})")
    access.grant("select, insert, update (state, due_on, due_provisional)", "dispute")


def _steps() -> None:
    op.create_table(
        "dispute_step",
        _id(),
        sa.Column("dispute_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind in ('upheld','corrected','sustained','rejected','settled')",
            name=op.f("ck_dispute_step_kind"),
        ),
        sa.CheckConstraint(
            "(kind = 'corrected') = (answer_id is not null)",
            name=op.f("ck_dispute_step_correction"),
        ),
        sa.CheckConstraint("text <> '' or kind = 'corrected'", name=op.f("ck_dispute_step_text")),
        _key("dispute_step", "dispute_id", "dispute"),
        _key("dispute_step", "answer_id", "answer"),
        _key("dispute_step", "organisation_id", "organisation"),
        _key("dispute_step", "account_id", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_step")),
    )
    op.create_index(op.f("ix_dispute_step_dispute_id"), "dispute_step", ["dispute_id"])
    op.execute(_STEPS)
    mine = f"organisation_id = {_ORG}"
    access.secure("dispute_step", mine, seen("dispute", "dispute_step.dispute_id"), _PARTY)
    access.grant("select, insert", "dispute_step")
    op.create_table(
        "dispute_file",
        _id(),
        sa.Column("dispute_id", sa.BigInteger(), nullable=False),
        sa.Column("step_id", sa.BigInteger(), nullable=True),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("stored_as", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        _key("dispute_file", "dispute_id", "dispute"),
        _key("dispute_file", "step_id", "dispute_step"),
        _key("dispute_file", "organisation_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_file")),
    )
    op.create_index(op.f("ix_dispute_file_dispute_id"), "dispute_file", ["dispute_id"])
    access.secure("dispute_file", mine, seen("dispute", "dispute_file.dispute_id"), _OF_A_PARTY)
    access.grant("select, insert", "dispute_file")


def _clocks() -> None:
    """Pauses and notices of a dispute beside those of a push."""
    op.alter_column("clock_pause", "push_id", nullable=True)
    for table, subjects in (
        ("clock_pause", "push_id, dispute_id"),
        ("reminder", "push_id, item_id, dispute_id"),
    ):
        op.add_column(table, sa.Column("dispute_id", sa.BigInteger(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_dispute_id_dispute"), table, "dispute", ["dispute_id"], ["id"]
        )
        op.create_index(op.f(f"ix_{table}_dispute_id"), table, ["dispute_id"])
        if table == "reminder":
            op.drop_constraint(op.f("ck_reminder_subject"), table, type_="check")
        op.create_check_constraint(
            op.f(f"ck_{table}_subject"), table, f"num_nonnulls({subjects}) = 1"
        )
    op.create_index(
        "uq_reminder_dispute",
        "reminder",
        ["dispute_id", "clock", "notice", "on_day"],
        unique=True,
        postgresql_where=sa.text("dispute_id is not null"),
    )
    of_push = under("push", "push_id", "enterprise_id", "office_id")
    of_dispute = under("dispute", "dispute_id", "enterprise_id", "office_id")
    _pause_policy(f"({of_push} or {of_dispute})")


def _pause_policy(fits: str) -> None:
    op.execute("drop policy clock_pause_write on clock_pause")
    op.execute(
        f"create policy clock_pause_write on clock_pause using ({ENGINE} or {OFFICE})"
        f" with check ({ENGINE} or ({OFFICE} and {fits.format(table='clock_pause')}))"
    )


def upgrade() -> None:
    _dispute()
    _steps()
    _clocks()


def downgrade() -> None:
    op.execute("select set_config('app.role', 'engine', true)")
    for table in ("clock_pause", "reminder"):
        op.execute(f"delete from {table} where dispute_id is not null")
    _pause_policy(under("push", "push_id", "enterprise_id", "office_id"))
    op.drop_index("uq_reminder_dispute", "reminder")
    for table in ("clock_pause", "reminder"):
        op.drop_constraint(op.f(f"ck_{table}_subject"), table, type_="check")
        op.drop_column(table, "dispute_id")
    op.create_check_constraint(
        op.f("ck_reminder_subject"), "reminder", "(push_id is null) <> (item_id is null)"
    )
    op.alter_column("clock_pause", "push_id", nullable=False)
    op.drop_table("dispute_file")
    op.execute("drop trigger dispute_moves on dispute_step")
    op.execute("drop function dispute_moves()")
    op.drop_table("dispute_step")
    op.drop_table("dispute")
