"""What a layer version holds, as a key, how far it reaches, and when plots were measured against it.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The owner of the tables is bound by row-level security as well: it asks as the product itself.
_FILL = """
select set_config('app.role', 'engine', true);
update layer set
  content = (select coalesce(encode(sha256(convert_to(string_agg(
      f.id || ':' || encode(sha256(st_asbinary(f.geom)), 'hex'), ',' order by f.id), 'UTF8')), 'hex'), '')
    from facility f where f.layer_id = layer.id),
  extent = (select case when e is null then '[]'
      else jsonb_build_array(st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)) end
    from (select st_extent(f.geom) e from facility f where f.layer_id = layer.id) x),
  remeasured_at = created_at;
select set_config('app.role', '', true);
"""


def upgrade() -> None:
    op.add_column(
        "layer", sa.Column("content", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column("layer", sa.Column("extent", postgresql.JSONB(), nullable=True))
    op.add_column("layer", sa.Column("remeasured_at", sa.DateTime(timezone=True), nullable=True))
    for statement in _FILL.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.alter_column("layer", "content", server_default=None)
    op.alter_column("layer", "extent", nullable=False)
    op.execute("grant update (content, extent, remeasured_at) on layer to landready_app")


def downgrade() -> None:
    op.drop_column("layer", "remeasured_at")
    op.drop_column("layer", "extent")
    op.drop_column("layer", "content")
