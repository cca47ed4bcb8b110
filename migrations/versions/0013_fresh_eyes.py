"""The gate looks at what is committed now, and at today: no old snapshot, no transaction left open, no race with what it judged.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Under any other isolation a transaction judges by what was committed when it began.
_TABLES = (
    "answer", "certificate", "check_facility", "coverage_check", "listing", "plot", "push_plot", "reservation", "rule_set",
    "supply_plan", "title_statement",
)  # fmt: skip
_READ_COMMITTED = """
create function read_committed() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception '% is written by what is committed now', tg_table_name using errcode = 'LR002';
  end if;
  return null;
end $$;
"""
# Function → what is said otherwise in it. `now()` is when the transaction began, and that may be days ago.
_DAY = ("(now() at time zone", "(clock_timestamp() at time zone")
_CHANGES = {
    "missing_requirements(bigint)": _DAY,
    "rule_issued()": _DAY,
    "has_certificate(listing)": (
        "for update;\n  found_ := exists",
        "for update;\n  perform 1 from reservation where plot_id = listing_.plot_id and state <> 'released' order by id for share;\n"
        "  found_ := exists",
    ),
    # As the foreign key would, but before looking for a listing: one that is being made has the plot.
    "title_kept()": (
        "begin\n  if exists",
        "begin\n  perform 1 from plot where id = new.plot_id for key share;\n  if exists",
    ),
    # Who deletes has no foreign key that waits.
    "ground_of_checks()": (
        "begin\n  perform suspend",
        "begin\n  perform 1 from plot p where p.id in (select plot_id from changed) order by p.id for key share;\n  perform suspend",
    ),
}
_UNTIL = {
    "has_certificate(listing)": ("c.valid_until > now()", "c.valid_until > clock_timestamp()")
}


def upgrade() -> None:
    op.execute(_READ_COMMITTED)
    for table in _TABLES:
        op.execute(
            f"create trigger read_committed before insert or update or delete on {table}"
            " for each statement execute function read_committed()"
        )
    for changes in (_CHANGES, _UNTIL):
        for function, (old, new) in changes.items():
            _say(function, old, new)


def downgrade() -> None:
    for changes in (_UNTIL, _CHANGES):
        for function, (old, new) in changes.items():
            _say(function, new, old)
    for table in _TABLES:
        op.execute(f"drop trigger read_committed on {table}")
    op.execute("drop function read_committed()")


def _say(function: str, old: str, new: str) -> None:
    old, new = (text.replace("'", "''") for text in (old, new))
    op.execute(
        f"""do $do$ declare said text := pg_get_functiondef('{function}'::regprocedure); begin
          if position('{old}' in said) = 0 then raise exception '{function} is not as it was'; end if;
          execute replace(said, '{old}', '{new}');
        end $do$"""
    )
