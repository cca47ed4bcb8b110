"""The life of a listing, move by move, and who is told of it.

The database itself writes the history, so no way of changing a listing leaves it out and nobody can rewrite it. Land that was
sold is never offered again, whoever asks.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from migrations import access

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

HISTORY = """
create function listing_history() returns trigger language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp as $$
declare asker text := app_role();
begin
  perform set_config('app.role', 'engine', true);
  insert into listing_move (listing_id, plot_id, office_id, from_state, to_state, reason, moved_at, moved_by)
    values (new.id, new.plot_id, new.office_id, case when tg_op = 'UPDATE' then old.state end, new.state,
            new.state_reason, case when tg_op = 'UPDATE' then new.changed_at else new.listed_at end, app_account());
  perform set_config('app.role', asker, true);
  return null;
end $$;
create trigger listing_history_begun after insert on listing for each row execute function listing_history();
create trigger listing_history_moved after update of state on listing for each row
  when (old.state <> new.state) execute function listing_history();
"""
# Of what was there before this migration only the beginning and the present state are known.
KNOWN = """
insert into listing_move (listing_id, plot_id, office_id, from_state, to_state, reason, moved_at, moved_by)
  select id, plot_id, office_id, null, 'listed', '', listed_at, listed_by from listing order by listed_at, id;
insert into listing_move (listing_id, plot_id, office_id, from_state, to_state, reason, moved_at)
  select id, plot_id, office_id, 'listed', state, state_reason, changed_at from listing where state <> 'listed'
  order by changed_at, id;
"""


def upgrade() -> None:
    op.create_table(
        "listing_move",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("plot_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.String(length=20), nullable=True),
        sa.Column("to_state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["listing.id"], name=op.f("fk_listing_move_listing_id_listing")
        ),
        sa.ForeignKeyConstraint(
            ["plot_id"], ["plot.id"], name=op.f("fk_listing_move_plot_id_plot")
        ),
        sa.ForeignKeyConstraint(
            ["office_id"], ["organisation.id"], name=op.f("fk_listing_move_office_id_organisation")
        ),
        sa.ForeignKeyConstraint(
            ["moved_by"], ["account.id"], name=op.f("fk_listing_move_moved_by_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_move")),
    )
    op.create_index(op.f("ix_listing_move_listing_id"), "listing_move", ["listing_id"])
    op.create_index(op.f("ix_listing_move_plot_id"), "listing_move", ["plot_id"])
    access.secure("listing_move", "", "true")
    # Written by the trigger only, which runs as the owner.
    access.grant("select", "listing_move")
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute(KNOWN)
    op.execute(HISTORY)
    _sold_for_good("state in ('listed','suspended','sold')")
    op.create_index("ix_listing_changed", "listing", ["changed_at", "id"])
    op.add_column(
        "organisation",
        sa.Column("told_of_listings", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("organisation", "told_of_listings")
    op.drop_index("ix_listing_changed", table_name="listing")
    _sold_for_good("state in ('listed','suspended')")
    op.execute("drop trigger listing_history_moved on listing")
    op.execute("drop trigger listing_history_begun on listing")
    op.execute("drop function listing_history()")
    op.drop_table("listing_move")


def _sold_for_good(where: str) -> None:
    op.drop_index("uq_listing_open", table_name="listing")
    op.create_index(
        "uq_listing_open", "listing", ["plot_id"], unique=True, postgresql_where=sa.text(where)
    )
