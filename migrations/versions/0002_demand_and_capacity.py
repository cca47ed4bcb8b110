"""Demand, capacity and reservations.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from migrations import access
from migrations.access import ENTERPRISE, OFFICE, SUPERVISED_OFFICE, under

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PUSHED = """((select app_role()) = 'enterprise' and exists (select 1 from push_plot x
    where x.plot_id = demand_override.plot_id and x.enterprise_id = (select app_org())))"""
AMOUNT = "(low is null) = (high is null) and low >= 0 and high >= low"


def upgrade() -> None:
    op.add_column(
        "supply_plan",
        sa.Column("use_system", sa.String(length=20), server_default="", nullable=False),
    )
    op.add_column(
        "plot", sa.Column("use_shares", sa.String(length=80), server_default="", nullable=False)
    )
    op.add_column("facility", sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("facility", sa.Column("same_as", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_facility_same_as_facility"), "facility", "facility", ["same_as"], ["id"]
    )
    op.create_index(op.f("ix_facility_same_as"), "facility", ["same_as"], unique=False)
    # Who leans on a facility is asked by the facility.
    op.create_index(
        op.f("ix_check_facility_facility_id"), "check_facility", ["facility_id"], unique=False
    )
    _demand_override()
    _reservation()
    access.secure(
        "demand_override",
        OFFICE,
        f"{SUPERVISED_OFFICE} or {PUSHED}",
        under("plot", "plot_id", "office_id"),
    )
    # Only the product itself reserves: what others hold of a facility is none of the asker's rows.
    access.secure("reservation", "", f"{ENTERPRISE} or {OFFICE} or {SUPERVISED_OFFICE}")
    access.grant("select, insert", "demand_override")
    access.grant(
        "select, insert, update (place, expires_on, state, state_at, state_reason)", "reservation"
    )


def _demand_override() -> None:
    op.create_table(
        "demand_override",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stated_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(AMOUNT, name=op.f("ck_demand_override_amount")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_demand_override_reason")),
        sa.ForeignKeyConstraint(
            ["office_id"],
            ["organisation.id"],
            name=op.f("fk_demand_override_office_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["plot_id"],
            ["plot.id"],
            name=op.f("fk_demand_override_plot_id_plot"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["stated_by"], ["account.id"], name=op.f("fk_demand_override_stated_by_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demand_override")),
    )
    for column in ("office_id", "plot_id"):
        op.create_index(op.f(f"ix_demand_override_{column}"), "demand_override", [column])


def _reservation() -> None:
    parents = {
        "answer_id": "answer",
        "plot_id": "plot",
        "enterprise_id": "organisation",
        "office_id": "organisation",
        "facility_id": "facility",
    }
    op.create_table(
        "reservation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_revision", sa.Integer(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("facility_id", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state_reason", sa.String(length=200), nullable=False),
        sa.Column("spare", sa.Double(), nullable=True),
        sa.Column("before", sa.Double(), nullable=False),
        sa.Column("exception", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state in ('held','sold','connected','released')", name=op.f("ck_reservation_state")
        ),
        sa.CheckConstraint(AMOUNT, name=op.f("ck_reservation_amount")),
        sa.CheckConstraint(
            "exception <> '' or spare is null or high is null or before + high <= spare",
            name=op.f("ck_reservation_fits"),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=op.f(f"fk_reservation_{column}_{table}")
            )
            for column, table in parents.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_reservation_answer_id")),
    )
    for column in ("plot_id", "enterprise_id", "office_id", "facility_id"):
        op.create_index(op.f(f"ix_reservation_{column}"), "reservation", [column])
    op.create_index(
        "uq_reservation_open",
        "reservation",
        ["plot_id", "enterprise_id", "utility"],
        unique=True,
        postgresql_where=sa.text("state in ('held','sold')"),
    )


def downgrade() -> None:
    op.drop_table("reservation")
    op.drop_table("demand_override")
    op.drop_index(op.f("ix_check_facility_facility_id"), table_name="check_facility")
    op.drop_column("facility", "same_as")
    op.drop_column("facility", "stated_at")
    op.drop_column("plot", "use_shares")
    op.drop_column("supply_plan", "use_system")
