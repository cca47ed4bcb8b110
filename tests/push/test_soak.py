"""A short soak (the long one is `make soak-push`): kill everything while pushes flow, then compare the books from outside."""

import json
import shutil
import subprocess
import sys

import pytest

from landready.settings import ROOT

KILLS = 60
SHORT = {"events": 300, "placed": 30, "random": 30, "flushes": 3, "redis-kills": 3, "restarts": 2}


@pytest.mark.timeout(240)
def test_nothing_is_lost_invented_or_altered_by_sixty_kills():
    if not shutil.which("redis-server"):
        pytest.fail("redis-server is needed: the soak kills servers of its own")
    words = [f"--{name}={number}" for name, number in SHORT.items()]
    done = subprocess.run(
        [sys.executable, "bench/soak_push.py", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=230,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["lost"], found["phantom"], found["altered"]) == (0, 0, 0)
    assert found["events"] >= SHORT["events"]
    assert found["kills"] == KILLS
    assert set(found["deliveries"]) == {"delivered"}
