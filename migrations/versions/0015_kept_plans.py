"""The parts of the rule in SQL keep their plans: as `language sql` each was planned anew at every call, under every policy.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Function → how its query is returned.
_PARTS = {
    "has_clear_title(plot, date)": ("return (", ")"),
    "share_land(geometry, geometry)": ("return (", ")"),
    "lies_on_offered(plot)": ("return (", ")"),
    "lies_on_planned(plot, supply_plan)": ("return (", ")"),
    "good_answers(plot, text, date, integer)": ("return query ", ""),
    "has_check(plot, text, date, integer)": ("return (", ")"),
    "capacity_holds(answer, date)": ("return (", ")"),
}
_KEPT = """do $do$
declare f pg_proc;
begin
  select * into f from pg_proc where oid = '{name}'::regprocedure;
  execute replace(replace(pg_get_functiondef(f.oid), 'LANGUAGE sql', 'LANGUAGE plpgsql'),
    f.prosrc, E'\\nbegin {begin}' || f.prosrc || '{end};' || E'\\nend ');
end $do$"""
_ANEW = """do $do$
declare f pg_proc;
begin
  select * into f from pg_proc where oid = '{name}'::regprocedure;
  execute replace(replace(pg_get_functiondef(f.oid), 'LANGUAGE plpgsql', 'LANGUAGE sql'),
    f.prosrc, substr(f.prosrc, {head}, length(f.prosrc) - {both}));
end $do$"""


def upgrade() -> None:
    for name, (begin, end) in _PARTS.items():
        op.execute(_KEPT.format(name=name, begin=begin, end=end))


def downgrade() -> None:
    for name, (begin, end) in _PARTS.items():
        head, tail = len(f"\nbegin {begin}"), len(f"{end};\nend ")
        op.execute(_ANEW.format(name=name, head=head + 1, both=head + tail))
