"""A short soak of the gate (the long one is `make soak-gate`), and proof that it would notice a gate that lets something through."""

import re
import subprocess
import sys

import pytest
from sqlalchemy import select

from bench import gate_machine
from bench.gate_sessions import BYPASSES
from bench.soak_gate import in_memory
from landready.gate import list_plot
from landready.plans import Plot
from landready.readiness import Readiness
from landready.settings import ROOT
from tests.landready.test_gate_races import NOW, Story


def test_nothing_unready_is_offered_in_four_thousand_steps_in_memory():
    found = in_memory(4_000, 1)
    assert found["steps"] >= 4_000
    assert found["listed"] > 100
    assert found["suspended"] > 50
    assert found["bypasses"] == 0


def test_a_gate_that_forgets_power_is_found_in_memory(monkeypatch):
    honest = gate_machine.readiness

    def forgetful(facts, rules, day):
        found = honest(facts, rules, day)
        return Readiness(
            tuple(b for b in found.blockers if b.utility != "power"), found.warnings, found.rules
        )

    monkeypatch.setattr(gate_machine, "readiness", forgetful)
    with pytest.raises(AssertionError):
        in_memory(4_000, 1)
    assert gate_machine.counted["bypasses"]


@pytest.mark.timeout(200)
def test_nothing_unready_is_offered_through_http_by_four_sessions_at_once():
    done = subprocess.run(
        [sys.executable, "bench/soak_gate.py", "--memory", "0", "--http", "240", "--plots", "8"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=190,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"through HTTP: 240 steps .* bypasses 0, faults 0, broken certificates 0", done.stdout)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "delete from answer where utility = 'power'",
        "update answer set valid_until = current_date - 2 where utility = 'water'",
        "update title_statement set clear = false, note = 'x'",
        "update certificate set plot_revision = 7",
        "update certificate set valid_until = now() - interval '1 second'",
        "update plot set revision = 2",
    ],
)
def test_the_looker_on_sees_an_offer_without_its_ground(database, settings, owner, change):
    """Written past every trigger, as only a superuser of a test server can."""
    story = Story(database, settings.gate)
    with story.as_office() as session:
        list_plot(session, story.first, story.gate, account_id=None, now=NOW)
        city = session.scalar(select(Plot.city))
    with owner.connect() as connection, connection.begin() as undone:
        link = connection.connection.driver_connection
        link.execute("select set_config('app.role', 'engine', true)")
        assert link.execute(BYPASSES, {"city": city}).fetchall() == []
        for table in ("answer", "title_statement", "certificate", "plot"):
            link.execute(f"alter table {table} disable trigger user")
        link.execute(change)
        assert link.execute(BYPASSES, {"city": city}).fetchall()
        undone.rollback()
