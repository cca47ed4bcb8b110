"""Migrations and models tell one story."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import push.models  # noqa: F401 - its tables belong to the metadata
from landready import migrate
from landready.errors import BadSettings
from landready.schema import Base


def _ours(_thing, name, kind, reflected, _other):
    return not (kind == "table" and reflected and name == "spatial_ref_sys")


def test_there_is_one_head(owner):
    with owner.connect() as connection:
        assert len(ScriptDirectory.from_config(migrate.config(connection)).get_heads()) == 1


def test_migrated_tables_equal_the_models(owner):
    with owner.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": _ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_up_down_and_up_again(settings, owner, engine, wipe):
    wipe()
    migrate.downgrade(settings, "base")
    with owner.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version", "spatial_ref_sys"}
        left = "select count(*) from pg_proc where pronamespace = 'public'::regnamespace and proname like 'app\\_%'"
        assert connection.scalar(text(left)) == 0
    migrate.upgrade(settings)
    engine.dispose()  # its connections remember the dropped tables
    with owner.connect() as connection:
        assert set(Base.metadata.tables) <= set(inspect(connection).get_table_names())
        assert connection.scalar(text("select count(*) from rule_set")) == 1


def test_rule_in_the_database_follows_the_configuration(settings, owner):
    """Appended, never overwritten; and one version has one content."""
    newest = text("select version from rule_set order by id desc limit 1")
    looser = settings.gate.model_copy(update={"version": "next", "check_days": 400})
    for gate, version in ((looser, "next"), (looser, "next"), (settings.gate, "2024-1")):
        migrate.upgrade(settings.model_copy(update={"gate": gate}))
        with owner.connect() as connection:
            assert connection.scalar(newest) == version
    with owner.connect() as connection:
        assert connection.scalar(text("select count(*) from rule_set")) == 3
    other = settings.gate.model_copy(update={"version": "next"})
    with pytest.raises(BadSettings, match="next"):
        migrate.upgrade(settings.model_copy(update={"gate": other}))


def test_rules_from_before_there_were_sets_are_taken_over(settings, owner, engine):
    """And the configuration of the same version follows them: an upgrade is not refused."""
    migrate.downgrade(settings, "0009")
    with owner.begin() as connection:
        connection.execute(
            text(
                "insert into gate_rule (utility, effect, source, since, version, horizon_days)"
                " values ('water', 'block', 'x', '2024-05-01', '2024-1', 365)"
            )
        )
    migrate.upgrade(settings)
    engine.dispose()
    with owner.connect() as connection:
        rows = connection.execute(text("select version, effects from rule_set order by id")).all()
    assert [row.version for row in rows] == ["2024-1", "2024-1"]
    assert rows[0].effects["water"] == rows[1].effects["water"] == "block"
