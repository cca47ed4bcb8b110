"""Secrets at rest: nothing readable in the database, and the installation's key can be changed."""

import subprocess
import sys

import pytest
from sqlalchemy import select, text

from landready import migrate
from landready.db import ENGINE, transaction
from landready.errors import BadSettings
from landready.settings import ROOT
from push import rekey, signing
from push.models import Endpoint
from push.vault import CannotOpen, Vault
from tests.push.conftest import SECRET


def test_what_is_sealed_opens_and_says_nothing():
    vault, secret = Vault("k" * 32), signing.new_secret()
    first, second = vault.seal(secret, 1), vault.seal(secret, 1)
    assert first != second
    assert secret.removeprefix("whsec_")[:8] not in first
    assert vault.open(first, 1) == vault.open(second, 1) == secret


def test_another_key_another_enterprise_or_a_changed_byte_open_nothing():
    vault = Vault("k" * 32)
    sealed = vault.seal("whsec_x", 1)
    for other, text_, enterprise_id in (
        (Vault("o" * 32), sealed, 1),
        (vault, sealed, 2),
        (vault, sealed[:-6] + "AAAAA=", 1),
        (vault, sealed[:9], 1),
        (vault, sealed.removeprefix("s1."), 1),
        (vault, "whsec_x", 1),
        (vault, "", 1),
    ):
        with pytest.raises(CannotOpen):
            other.open(text_, enterprise_id)


def test_no_secret_is_readable_in_the_database(world, owner):
    world.add_endpoint("https://example.com/")
    with owner.connect() as link:
        link.execute(text("select set_config('app.role', 'engine', true)"))
        row = str(link.execute(text("select endpoint::text from endpoint")).all())
    assert "whsec_" not in row
    assert SECRET.removeprefix("whsec_") not in row


def test_another_key_seals_everything_anew_and_repeating_changes_nothing(world):
    world.add_endpoint("https://a.example.com/")
    second = world.add_endpoint("https://b.example.com/")
    with transaction(world.engine, ENGINE) as session:
        found = session.get_one(Endpoint, second.id)
        found.old_secret = world.vault.seal("whsec_old", world.enterprise_id)
    new = Vault("n" * 32)
    for expected in (2, 0):
        with transaction(world.engine, ENGINE) as session:
            assert rekey.reseal(session, world.vault, new) == expected
    with transaction(world.engine, ENGINE) as session:
        for one in session.scalars(select(Endpoint)):
            assert new.open(one.secret, one.enterprise_id) == SECRET
        found = session.get_one(Endpoint, second.id)
        assert new.open(found.old_secret, found.enterprise_id) == "whsec_old"
        with pytest.raises(CannotOpen):
            rekey.reseal(session, Vault("x" * 32), Vault("y" * 32))


def test_the_command_names_what_is_missing_or_wrong(world, environment, monkeypatch, capsys):
    world.add_endpoint("https://example.com/")
    for name in ("DATABASE_URL", "OWNER_URL", "REDIS_URL", "VAR", "SECRET_KEY"):
        monkeypatch.setenv(f"LANDREADY_{name}", environment[f"LANDREADY_{name}"])
    assert rekey.main() == 2
    assert "LANDREADY_SECRET_KEY_OLD" in capsys.readouterr().err
    monkeypatch.setenv("LANDREADY_SECRET_KEY", "a" * 32)
    monkeypatch.setenv("LANDREADY_SECRET_KEY_OLD", "b" * 32)
    assert rekey.main() == 2
    assert "nothing was changed" in capsys.readouterr().err
    keys = {
        "LANDREADY_SECRET_KEY": "n" * 32,
        "LANDREADY_SECRET_KEY_OLD": environment["LANDREADY_SECRET_KEY"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "push.rekey"],
        cwd=ROOT, env={**environment, **keys}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1 endpoints sealed anew\n")
    assert SECRET not in done.stdout + done.stderr


def test_the_migration_seals_what_lay_open_and_numbers_what_was_sent(settings, owner, engine):
    """An installation of the version before, with one endpoint and two events of one enterprise."""
    secret = signing.new_secret()
    with owner.begin() as link:
        tables = "organisation, endpoint, outbox_event"
        link.execute(text(f"truncate {tables} restart identity cascade"))
    migrate.downgrade(settings, "0004")
    try:
        with owner.begin() as link:
            link.execute(text("select set_config('app.role', 'engine', true)"))
            link.execute(
                text(
                    "insert into organisation (kind, name, name_en, city, utilities, annex_items, phone)"
                    " values ('enterprise', 'w', '', '460100', '{}', '{}', '')"
                )
            )
            link.execute(
                text(
                    "insert into endpoint (enterprise_id, url, secret, created_at, disabled_reason)"
                    " values (1, 'https://x.example/', :secret, now(), '')"
                ),
                {"secret": secret},
            )
            for second in (1, 2):
                link.execute(
                    text(
                        "insert into outbox_event (id, enterprise_id, office_id, type, body, body_sha256, created_at)"
                        " values (gen_random_uuid(), 1, 1, 'plan.released', '{}', '', make_timestamptz(2026, 3, 2, 0, 0, :s))"
                    ),
                    {"s": second},
                )
        keyless = settings.model_copy(update={"secret_key": "", "var": settings.var / "none"})
        with pytest.raises(BadSettings, match="LANDREADY_SECRET_KEY"):
            migrate.upgrade(keyless)
    finally:
        migrate.upgrade(settings)
        engine.dispose()
    with transaction(engine, ENGINE) as session:
        one = session.scalars(select(Endpoint)).one()
        assert Vault(settings.secret_key).open(one.secret, one.enterprise_id) == secret
        rows = session.execute(
            text("select number, body, last_number from outbox_event, journal order by created_at")
        ).all()
    # What may have been received keeps its bytes.
    assert [tuple(row) for row in rows] == [(1, b"{}", 2), (2, b"{}", 2)]
    with owner.begin() as link:
        link.execute(text(f"truncate {tables} restart identity cascade"))
