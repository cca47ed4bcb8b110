"""What Alembic compares with the models, over the connection landready.migrate hands in."""

from alembic import context
from geoalchemy2 import alembic_helpers

import push.models  # noqa: F401 - its tables belong to the metadata
from landready.schema import Base


def _ours(_thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Leave PostGIS's own table alone."""
    return not (kind == "table" and reflected and name == "spatial_ref_sys")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=_ours,
    process_revision_directives=alembic_helpers.writer,
    render_item=alembic_helpers.render_item,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
