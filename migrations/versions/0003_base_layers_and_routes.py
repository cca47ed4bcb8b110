"""The city's roads and greens, and connection routes.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from migrations.access import ENTERPRISE, OFFICE, SUPERVISED_OFFICE, grant, secure, under

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _base_layers()
    _routes()
    # Why the product proposed an item: empty for those that people added.
    op.add_column(
        "item",
        sa.Column(
            "basis",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    secure("base_layer", OFFICE, SUPERVISED_OFFICE)
    secure("base_feature", OFFICE, SUPERVISED_OFFICE, under("base_layer", "layer_id", "office_id"))
    # Only the product itself draws routes.
    secure("connection_route", "", f"{OFFICE} or {SUPERVISED_OFFICE} or {ENTERPRISE}")
    grant("select, insert, update (current)", "base_layer")
    grant("select, insert", "base_feature")
    grant("select, insert", "connection_route")


def _base_layers() -> None:
    op.create_table(
        "base_layer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("upload_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("illustrative", sa.Boolean(), nullable=False),
        sa.Column("feature_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind in ('roads','greens','waters','planning_areas')", name=op.f("ck_base_layer_kind")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("fk_base_layer_created_by_account")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_base_layer_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["upload.id"], name=op.f("fk_base_layer_upload_id_upload")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_base_layer")),
        sa.UniqueConstraint(
            "office_id",
            "kind",
            "title",
            "version",
            name=op.f("uq_base_layer_office_id_kind_title_version"),
        ),
    )
    op.create_index(op.f("ix_base_layer_office_id"), "base_layer", ["office_id"], unique=False)
    op.create_index(
        "uq_base_layer_current",
        "base_layer",
        ["office_id", "kind", "title"],
        unique=True,
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "base_feature",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("road_class", sa.String(length=20), nullable=True),
        sa.Column("land_width_m", sa.Float(), nullable=True),
        sa.Column("completed", sa.Date(), nullable=True),
        sa.Column("overhauled", sa.Date(), nullable=True),
        sa.Column(
            "geom",
            Geometry(geometry_type="GEOMETRY", srid=4490, spatial_index=False, nullable=False),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["layer_id"], ["base_layer.id"], name=op.f("fk_base_feature_layer_id_base_layer")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_base_feature_office_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_base_feature")),
    )
    op.create_index(
        "idx_base_feature_geom", "base_feature", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_index(op.f("ix_base_feature_layer_id"), "base_feature", ["layer_id"], unique=False)
    op.create_index(op.f("ix_base_feature_office_id"), "base_feature", ["office_id"], unique=False)


def _routes() -> None:
    op.create_table(
        "connection_route",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("near_id", sa.BigInteger(), nullable=True),
        sa.Column("permit_id", sa.BigInteger(), nullable=True),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("utility", sa.String(length=20), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("why", sa.String(length=10), nullable=False),
        sa.Column("length_m", sa.Float(), nullable=False),
        sa.Column("along_m", sa.Float(), nullable=False),
        sa.Column("straight_m", sa.Float(), nullable=False),
        sa.Column("working_crs", sa.String(length=40), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("base", postgresql.JSONB(), nullable=False),
        sa.Column("met", postgresql.JSONB(), nullable=False),
        sa.Column(
            "geom",
            Geometry(geometry_type="LINESTRING", srid=4490, spatial_index=False, nullable=False),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(near_id is null) <> (permit_id is null)", name=op.f("ck_connection_route_subject")
        ),
        sa.CheckConstraint(
            "method in ('roads','straight')", name=op.f("ck_connection_route_method")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_connection_route_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["near_id"],
            ["check_facility.id"],
            name=op.f("fk_connection_route_near_id_check_facility"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["office_id"],
            ["organisation.id"],
            name=op.f("fk_connection_route_office_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["permit_id"], ["permit.id"], name=op.f("fk_connection_route_permit_id_permit")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_route")),
    )
    for column in ("enterprise_id", "near_id", "permit_id"):
        op.create_index(
            op.f(f"ix_connection_route_{column}"), "connection_route", [column], unique=False
        )


def downgrade() -> None:
    op.drop_column("item", "basis")
    op.drop_table("connection_route")
    op.drop_table("base_feature")
    op.drop_table("base_layer")
