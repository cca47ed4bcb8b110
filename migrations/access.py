"""Who may see and change which rows: the words of row-level security that every migration uses.

landready.tenancy says the same once more for the query layer; tests/test_tenancy.py and tests/test_walls.py hold the two together.
"""

from alembic import op

# Each expression is evaluated once per statement thanks to the sub-select around the setting.
ENGINE = "(select app_role()) = 'engine'"
OFFICE = "((select app_role()) = 'office' and office_id = (select app_org()))"
ENTERPRISE = "((select app_role()) = 'enterprise' and enterprise_id = (select app_org()))"
OWNER = "((select app_role()) = 'owner' and owner_id = (select app_org()))"
ADMIN = "(select app_role()) = 'admin'"
SUPERVISOR = "((select app_role()) = 'supervisor' and ((select app_city()) is null or city = (select app_city())))"
SUPERVISED_OFFICE = """((select app_role()) = 'supervisor' and ((select app_city()) is null or office_id in
    (select o.id from organisation o where o.city = (select app_city()))))"""
MINE = "organisation_id = (select app_org())"


def seen(table: str, column: str) -> str:
    """A row is seen by whoever sees its parent: the parent's own policy decides inside the sub-select."""
    return f"exists (select 1 from {table} x where x.id = {column})"


def under(parent: str, key: str, *same: str) -> str:
    """A row hangs on a parent of the same tenant only; else it would open the parent to whoever wrote it."""
    equal = "".join(f" and x.{column} = {{table}}.{column}" for column in same)
    return f"exists (select 1 from {parent} x where x.id = {{table}}.{key}{equal})"


def secure(table: str, writers: str, readers: str, fits: str = "true") -> None:
    """Narrow a table to those who may write its rows and those who may also read them; empty: nobody but the engine.

    `fits` is what a new or changed row must fulfil besides; `{table}` in it stands for the table's name.
    """
    write = f"{ENGINE} or {writers}" if writers else ENGINE
    check = f"{ENGINE} or (({writers}) and {fits.format(table=table)})" if writers else ENGINE
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy {table}_write on {table} using ({write}) with check ({check})")
    if readers:
        op.execute(f"create policy {table}_read on {table} for select using ({readers})")


def grant(rights: str, table: str) -> None:
    """Give the application's role rights on a table, and its sequence where it has one."""
    op.execute(f"grant {rights} on {table} to landready_app")
    op.execute("grant usage on all sequences in schema public to landready_app")
