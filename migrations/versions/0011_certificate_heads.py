"""Signed heads of the certificates' chains; the body of a certificate is as public as its plot.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from migrations import access
from migrations.access import SUPERVISED_OFFICE

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificate_head",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=43), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=86), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_head")),
        sa.UniqueConstraint("city", "day", name=op.f("uq_certificate_head_city_day")),
    )
    # Public, and written by the product alone; nobody has the right to change or delete one.
    access.secure("certificate_head", "", "true")
    access.grant("select, insert", "certificate_head")
    _readers("and x.state in ('listed', 'suspended', 'sold')")


def downgrade() -> None:
    _readers("")
    op.drop_table("certificate_head")


def _readers(public: str) -> None:
    """Let everybody read the certificates that listings of these states rest on: a withdrawn plot is its office's own again."""
    op.execute("drop policy certificate_read on certificate")
    op.execute(
        f"create policy certificate_read on certificate for select using ({SUPERVISED_OFFICE} or exists"
        f" (select 1 from listing x where x.certificate_id = certificate.id {public}))"
    )
