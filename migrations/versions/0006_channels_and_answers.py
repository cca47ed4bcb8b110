"""Channels, answer links, idempotency and clocks.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import access
from migrations.access import ENTERPRISE, OFFICE, SUPERVISED_OFFICE, under

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


def upgrade() -> None:
    _answer_batch()


def downgrade() -> None:
    op.drop_table("answer_batch")
