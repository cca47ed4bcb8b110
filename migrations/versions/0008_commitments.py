"""Works, their milestones, and the ledger of commitments.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from migrations import access
from migrations.access import ENTERPRISE, OFFICE, SUPERVISED_OFFICE, under

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name)


def _works() -> None:
    op.create_table(
        "works",
        _id(),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("facility", sa.String(length=200), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("title <> ''", name=op.f("ck_works_title")),
        _key("works", "enterprise_id", "organisation"),
        _key("works", "office_id", "organisation"),
        _key("works", "made_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_works")),
    )
    for column in ("enterprise_id", "office_id"):
        op.create_index(op.f(f"ix_works_{column}"), "works", [column])


def _milestone() -> None:
    op.create_table(
        "milestone",
        _id(),
        sa.Column("works_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("planned_on", sa.Date(), nullable=False),
        sa.Column("completes", sa.Boolean(), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.Column("done_by", sa.BigInteger(), nullable=True),
        sa.Column("attachment_id", sa.BigInteger(), nullable=True),
        sa.Column("document_no", sa.String(length=100), nullable=False),
        sa.Column("document_on", sa.Date(), nullable=True),
        sa.CheckConstraint("title <> ''", name=op.f("ck_milestone_title")),
        sa.CheckConstraint(
            "done_on is null or attachment_id is not null"
            " or (document_no <> '' and document_on is not null)",
            name=op.f("ck_milestone_evidence"),
        ),
        sa.CheckConstraint("(done_on is null) = (done_at is null)", name=op.f("ck_milestone_done")),
        _key("milestone", "works_id", "works"),
        _key("milestone", "enterprise_id", "organisation"),
        _key("milestone", "office_id", "organisation"),
        _key("milestone", "done_by", "account"),
        _key("milestone", "attachment_id", "attachment"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
    )
    for column in ("works_id", "enterprise_id"):
        op.create_index(op.f(f"ix_milestone_{column}"), "milestone", [column])
    op.create_index(
        "uq_milestone_completes",
        "milestone",
        ["works_id"],
        unique=True,
        postgresql_where=sa.text("completes"),
    )


def _commitment() -> None:
    op.create_table(
        "commitment",
        _id(),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("works_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("closed_at", _MOMENT, nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "state in ('open','kept','superseded','unproven','withdrawn')",
            name=op.f("ck_commitment_state"),
        ),
        sa.CheckConstraint(
            "(state = 'kept') = (done_on is not null)", name=op.f("ck_commitment_done")
        ),
        sa.CheckConstraint(
            "(state = 'open') = (closed_at is null)", name=op.f("ck_commitment_closed")
        ),
        _key("commitment", "answer_id", "answer"),
        _key("commitment", "works_id", "works"),
        _key("commitment", "plot_id", "plot"),
        _key("commitment", "enterprise_id", "organisation"),
        _key("commitment", "office_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_commitment_answer_id")),
    )
    for column in ("works_id", "plot_id", "enterprise_id", "office_id"):
        op.create_index(op.f(f"ix_commitment_{column}"), "commitment", [column])
    op.create_index(
        "uq_commitment_open",
        "commitment",
        ["plot_id", "enterprise_id", "utility"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )


_LEDGER = """
-- The first day promised stays through every correction, and what is closed stays closed: no bug rewrites a record.
create function commitment_made() returns trigger language plpgsql set search_path = public as $$
declare before commitment;
begin
  select * into before from commitment c where c.plot_id = new.plot_id and c.enterprise_id = new.enterprise_id
    and c.utility = new.utility order by c.id desc limit 1;
  if new.state <> 'open' or new.first_on is distinct from
      (case when before.state = 'superseded' then before.first_on else new.due_on end) then
    raise exception 'a promise for plot % keeps the day first promised', new.plot_id using errcode = 'LR003';
  end if;
  return new;
end $$;
create trigger commitment_made before insert on commitment for each row execute function commitment_made();

create function commitment_closed() returns trigger language plpgsql set search_path = public as $$
begin
  if old.state <> 'open' and old is distinct from new then
    raise exception 'commitment % is closed', old.id using errcode = 'LR003';
  end if;
  if new.state = 'kept' and not exists (select 1 from milestone m where m.works_id = new.works_id and m.completes
      and m.done_on = new.done_on) then
    raise exception 'commitment % is kept with evidence only', old.id using errcode = 'LR003';
  end if;
  return new;
end $$;
create trigger commitment_closed before update on commitment for each row execute function commitment_closed();

create function milestone_done() returns trigger language plpgsql set search_path = public as $$
begin
  raise exception 'milestone % is done for good', old.id using errcode = 'LR003';
end $$;
create trigger milestone_done before update on milestone for each row
  when (old.done_on is not null and old.* is distinct from new.*) execute function milestone_done();
"""
# Promises given before there was a ledger.
_GIVEN = """
do $$
declare said record; works_ bigint;
begin
  for said in
    select distinct on (a.plot_id, a.enterprise_id, a.utility) a.* from answer a
    order by a.plot_id, a.enterprise_id, a.utility, a.version desc
  loop
    continue when said.verdict <> 'ready_by';
    insert into works (enterprise_id, office_id, utility, title, facility, starts_on, made_at, made_by)
      values (said.enterprise_id, said.office_id, said.utility, left(said.works, 200), '',
        least((said.answered_at at time zone 'Asia/Shanghai')::date, said.ready_by), said.answered_at, said.answered_by)
      returning id into works_;
    insert into milestone (works_id, enterprise_id, office_id, title, planned_on, completes, document_no)
      values (works_, said.enterprise_id, said.office_id, '完工，具备接入条件', said.ready_by, true, '');
    insert into commitment (answer_id, works_id, plot_id, enterprise_id, office_id, utility, first_on, due_on, reason, made_at, state)
      values (said.id, works_, said.plot_id, said.enterprise_id, said.office_id, said.utility, said.ready_by, said.ready_by, '',
        said.answered_at, 'open');
  end loop;
end $$;
"""


def _walls() -> None:
    readers = f"{OFFICE} or {SUPERVISED_OFFICE}"
    # Works stand before an office only that has asked the enterprise something.
    asked = (
        "exists (select 1 from push x where x.enterprise_id = {table}.enterprise_id"
        " and x.office_id = {table}.office_id)"
    )
    access.secure("works", ENTERPRISE, readers, asked)
    of_works = under("works", "works_id", "enterprise_id", "office_id")
    file = under("attachment", "attachment_id", "enterprise_id")
    access.secure(
        "milestone",
        ENTERPRISE,
        readers,
        f"{of_works} and ({{table}}.attachment_id is null or {file})",
    )
    of_answer = under("answer", "answer_id", "enterprise_id", "office_id", "plot_id", "utility")
    of_works = under("works", "works_id", "enterprise_id", "office_id", "utility")
    access.secure("commitment", ENTERPRISE, readers, f"{of_answer} and {of_works}")
    access.grant("select, insert, update (title, facility, starts_on)", "works")
    done = "planned_on, done_on, done_at, done_by, attachment_id, document_no, document_on"
    access.grant(f"select, insert, update ({done})", "milestone")
    moves = "works_id, state, closed_at, done_on, reason"
    access.grant(f"select, insert, update ({moves})", "commitment")


def _reminder() -> None:
    op.add_column("reminder", sa.Column("works_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_reminder_works_id_works"), "reminder", "works", ["works_id"], ["id"]
    )
    op.create_index(op.f("ix_reminder_works_id"), "reminder", ["works_id"])
    op.create_index(
        "uq_reminder_works",
        "reminder",
        ["works_id", "clock", "notice", "on_day"],
        unique=True,
        postgresql_where=sa.text("works_id is not null"),
    )
    op.drop_constraint(op.f("ck_reminder_subject"), "reminder")
    op.create_check_constraint(
        op.f("ck_reminder_subject"),
        "reminder",
        "num_nonnulls(push_id, item_id, dispute_id, works_id) = 1",
    )


def upgrade() -> None:
    _works()
    _milestone()
    _commitment()
    op.execute(_LEDGER)
    _walls()
    _reminder()
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute(_GIVEN)
    op.execute("select set_config('app.role', '', true)")


def downgrade() -> None:
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute("delete from reminder where works_id is not null")
    op.execute("select set_config('app.role', '', true)")
    op.drop_constraint(op.f("ck_reminder_subject"), "reminder")
    op.create_check_constraint(
        op.f("ck_reminder_subject"), "reminder", "num_nonnulls(push_id, item_id, dispute_id) = 1"
    )
    op.drop_column("reminder", "works_id")
    for table in ("commitment", "milestone", "works"):
        op.drop_table(table)
    for function in ("commitment_made", "commitment_closed", "milestone_done"):
        op.execute(f"drop function {function}()")
