"""The command line's own errors, and what the doctor says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from landready import migrate, servers
from landready.doctor import examine
from landready.settings import ROOT, Settings


def landready(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from landready.cli import main; main()", *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_doctor_finds_a_prepared_machine_fine(settings: Settings) -> None:
    faults = [str(finding) for finding in examine(settings) if not finding.fine]
    assert faults == []


def test_doctor_names_tables_that_are_behind(settings: Settings) -> None:
    newest = migrate.revisions()[-1]
    migrate.downgrade(settings, "-1")
    try:
        faults = [str(finding) for finding in examine(settings) if not finding.fine]
        assert len(faults) == 1
        assert f"landready migrate ({newest})" in faults[0]
    finally:
        migrate.upgrade(settings)


def test_doctor_says_which_server_does_not_answer(settings: Settings) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    done = landready("doctor", LANDREADY_DATABASE_URL=url)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stdout
    assert done.stderr == ""


def test_doctor_names_a_clock_that_is_not_the_databases(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = settings.database.model_copy(update={"url": servers.database_url(settings)})
    elsewhere = settings.model_copy(update={"database": database})
    assert [str(finding) for finding in examine(elsewhere) if not finding.fine] == []
    monkeypatch.setattr("landready.doctor.clock_ahead", lambda _engine, _now: 75.0)
    (fault,) = (str(finding) for finding in examine(elsewhere) if not finding.fine)
    assert "+75 s" in fault


def test_faulty_configuration_is_one_line_and_exit_2(tmp_path: Path) -> None:
    faulty = tmp_path / "config.toml"
    faulty.write_text("[gate]\ncolour = 'red'\n")
    done = landready("doctor", LANDREADY_CONFIG=str(faulty))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(faulty) in done.stderr
    assert "gate" in done.stderr


def test_start_in_a_folder_that_cannot_be_made_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = landready("up", LANDREADY_VAR=str(tmp_path / "file" / "var"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_every_command_has_help() -> None:
    for command in ("up", "migrate", "doctor"):
        done = landready(command, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout
