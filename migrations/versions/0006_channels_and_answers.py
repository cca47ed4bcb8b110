"""Channels, answer links, idempotency and clocks.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import access
from migrations.access import ENGINE, ENTERPRISE, OFFICE, SUPERVISED_OFFICE, under

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name)


def _answer_batch() -> None:
    op.create_table(
        "answer_batch",
        _id(),
        sa.Column("push_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("received_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "channel in ('portal','link','api','sheet')", name=op.f("ck_answer_batch_channel")
        ),
        _key("answer_batch", "push_id", "push"),
        _key("answer_batch", "enterprise_id", "organisation"),
        _key("answer_batch", "office_id", "organisation"),
        _key("answer_batch", "received_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_batch")),
        sa.UniqueConstraint("enterprise_id", "key", name=op.f("uq_answer_batch_enterprise_id_key")),
    )
    op.create_index(op.f("ix_answer_batch_push_id"), "answer_batch", ["push_id"])
    op.create_index(op.f("ix_answer_batch_office_id"), "answer_batch", ["office_id"])
    own_push = under("push", "push_id", "enterprise_id", "office_id")
    access.secure("answer_batch", ENTERPRISE, f"{OFFICE} or {SUPERVISED_OFFICE}", own_push)
    access.grant("select, insert", "answer_batch")


_CLOCKS = """
-- An enterprise writes its pushes: that it opened and answered them, never until when it had to.
create function push_deadline() returns trigger language plpgsql set search_path = public as $$
begin
  if app_role() <> 'engine' then
    raise exception 'the deadlines of push % are moved by the product alone', old.id using errcode = 'LR003';
  end if;
  return new;
end $$;
create trigger push_deadline before update of due_on, due_provisional, acknowledge_by on push
  for each row when ((old.due_on, old.due_provisional, old.acknowledge_by)
    is distinct from (new.due_on, new.due_provisional, new.acknowledge_by)) execute function push_deadline();
"""


def _clocks() -> None:
    op.add_column("push", sa.Column("acknowledge_by", sa.Date(), nullable=True))
    op.execute("grant update (due_on, due_provisional, acknowledge_by) on push to landready_app")
    op.execute(_CLOCKS)
    op.create_table(
        "clock_pause",
        _id(),
        sa.Column("push_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("last >= first", name=op.f("ck_clock_pause_days")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_clock_pause_reason")),
        _key("clock_pause", "push_id", "push"),
        _key("clock_pause", "enterprise_id", "organisation"),
        _key("clock_pause", "office_id", "organisation"),
        _key("clock_pause", "made_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_pause")),
    )
    op.create_index(op.f("ix_clock_pause_push_id"), "clock_pause", ["push_id"])
    access.secure(
        "clock_pause",
        OFFICE,
        f"{ENTERPRISE} or {SUPERVISED_OFFICE}",
        under("push", "push_id", "enterprise_id", "office_id"),
    )
    access.grant("select, insert, update (last)", "clock_pause")


def _reminder() -> None:
    op.create_table(
        "reminder",
        _id(),
        sa.Column("push_id", sa.BigInteger(), nullable=True),
        sa.Column("item_id", sa.BigInteger(), nullable=True),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.String(length=20), nullable=False),
        sa.Column("notice", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("supervisor_id", sa.BigInteger(), nullable=True),
        sa.Column("handled_at", _MOMENT, nullable=True),
        sa.Column("handled_by", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(push_id is null) <> (item_id is null)", name=op.f("ck_reminder_subject")
        ),
        sa.CheckConstraint(
            "notice in ('before','late','escalated')", name=op.f("ck_reminder_notice")
        ),
        _key("reminder", "push_id", "push"),
        _key("reminder", "item_id", "item"),
        _key("reminder", "enterprise_id", "organisation"),
        _key("reminder", "office_id", "organisation"),
        _key("reminder", "supervisor_id", "organisation"),
        _key("reminder", "handled_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
    )
    for column in ("push_id", "item_id", "enterprise_id", "office_id", "supervisor_id"):
        op.create_index(op.f(f"ix_reminder_{column}"), "reminder", [column])
    for subject in ("push", "item"):
        op.create_index(
            f"uq_reminder_{subject}",
            "reminder",
            [f"{subject}_id", "clock", "notice", "on_day"],
            unique=True,
            postgresql_where=sa.text(f"{subject}_id is not null"),
        )
    # The supervisor whom it names writes what was done; nobody but the product makes one.
    access.secure(
        "reminder",
        "((select app_role()) = 'supervisor' and supervisor_id = (select app_org()))",
        f"{OFFICE} or {ENTERPRISE} or {SUPERVISED_OFFICE}",
    )
    op.execute(
        f"create policy reminder_made on reminder as restrictive for insert with check ({ENGINE})"
    )
    access.grant("select, insert, update (handled_at, handled_by, note)", "reminder")


def _answer_link() -> None:
    op.create_table(
        "answer_link",
        _id(),
        sa.Column("push_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("sent_to", sa.String(length=254), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("revoked_by", sa.BigInteger(), nullable=True),
        _key("answer_link", "push_id", "push"),
        _key("answer_link", "enterprise_id", "organisation"),
        _key("answer_link", "office_id", "organisation"),
        _key("answer_link", "revoked_by", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_link")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_answer_link_token_sha256")),
    )
    op.create_index(op.f("ix_answer_link_push_id"), "answer_link", ["push_id"])
    op.create_index(op.f("ix_answer_link_enterprise_id"), "answer_link", ["enterprise_id"])
    op.create_table(
        "answer_link_use",
        _id(),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("used_at", _MOMENT, nullable=False),
        sa.CheckConstraint("action in ('seen','answered')", name=op.f("ck_answer_link_use_action")),
        _key("answer_link_use", "link_id", "answer_link"),
        _key("answer_link_use", "enterprise_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_link_use")),
    )
    op.create_index(op.f("ix_answer_link_use_link_id"), "answer_link_use", ["link_id"])
    # The product makes links and writes their uses down; the enterprise revokes.
    access.secure("answer_link", ENTERPRISE, "")
    access.secure("answer_link_use", "", ENTERPRISE)
    op.execute(
        f"create policy answer_link_made on answer_link as restrictive for insert with check ({ENGINE})"
    )
    access.grant("select, insert, update (revoked_at, revoked_by)", "answer_link")
    access.grant("select, insert", "answer_link_use")


def _channel_wish() -> None:
    op.create_table(
        "channel_wish",
        sa.Column("enterprise_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("also", postgresql.ARRAY(sa.String(length=10)), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "channel in ('webhook','email','sms','wechat','pull','portal')",
            name=op.f("ck_channel_wish_channel"),
        ),
        _key("channel_wish", "enterprise_id", "organisation"),
        _key("channel_wish", "changed_by", "account"),
        sa.PrimaryKeyConstraint("enterprise_id", name=op.f("pk_channel_wish")),
    )
    access.secure("channel_wish", ENTERPRISE, "")
    access.grant("select, insert, update", "channel_wish")


_AREAS = """
-- Whoever shrinks its service area is asked less: what counts, and that it was approved, is written by the product alone.
create function service_area_in_force() returns trigger language plpgsql set search_path = public as $$
begin
  if new.kind = 'service_areas' and app_role() <> 'engine' and (new.current or new.approved_at is not null
      or (tg_op = 'UPDATE' and old is distinct from new)) then
    raise exception 'service areas are approved before they count' using errcode = 'LR003';
  end if;
  return new;
end $$;
create trigger service_area_in_force before insert or update on layer
  for each row execute function service_area_in_force();
"""


def _service_areas() -> None:
    op.add_column("layer", sa.Column("valid_from", sa.Date(), nullable=True))
    op.add_column("layer", sa.Column("approved_at", _MOMENT, nullable=True))
    op.add_column("layer", sa.Column("approved_by", sa.BigInteger(), nullable=True))
    op.add_column(
        "layer",
        sa.Column("refused_reason", sa.String(length=200), server_default="", nullable=False),
    )
    op.alter_column("layer", "refused_reason", server_default=None)
    op.create_foreign_key(
        op.f("fk_layer_approved_by_account"), "layer", "account", ["approved_by"], ["id"]
    )
    # What counted before was approved by nobody and goes on to count.
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute("update layer set approved_at = created_at where kind = 'service_areas' and current")
    op.execute("select set_config('app.role', '', true)")
    op.execute("grant update (approved_at, approved_by, refused_reason) on layer to landready_app")
    op.execute(_AREAS)


def upgrade() -> None:
    _service_areas()
    _answer_batch()
    _clocks()
    _reminder()
    _answer_link()
    _channel_wish()


def downgrade() -> None:
    for table in ("channel_wish", "answer_link_use", "answer_link", "reminder", "clock_pause"):
        op.drop_table(table)
    op.execute("drop trigger push_deadline on push")
    op.execute("drop function push_deadline()")
    op.drop_column("push", "acknowledge_by")
    op.drop_table("answer_batch")
    op.execute("drop trigger service_area_in_force on layer")
    op.execute("drop function service_area_in_force()")
    for column in ("refused_reason", "approved_by", "approved_at", "valid_from"):
        op.drop_column("layer", column)
