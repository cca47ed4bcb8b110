"""An enterprise that has nothing but the document and the small system made after it is connected both ways."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from landready.answer_batches import AnswerBatch
from landready.answers import Answer
from landready.db import ENGINE, Actor, Role, transaction
from landready.pushes import Push
from push.endpoints import add_endpoint
from push.models import Attempt, Delivery, Journal
from push.networks import approve
from push.vault import Vault
from tests.acceptance.conftest import Cast, Product, free_port, wait_for
from tests.factories import make_key
from tests.web.files import plots_geojson

pytestmark = pytest.mark.acceptance


@contextmanager
def mock(port: int, secret: str, product: Product, key: str, state: Path) -> Iterator[None]:
    """`landready mock-enterprise`, killed at the end; `state` outlives it."""
    command = [str(Path(sys.executable).parent / "landready"), "mock-enterprise"]
    words = ["--port", str(port), "--key", secret, "--state", str(state), "--poll", "1"]
    with (state.parent / "mock.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *words, "--api", product.base_url, "--api-key", key], stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(20)


def test_the_small_system_receives_answers_and_proves(
    product: Product, database: Engine, cast: Cast, tmp_path: Path
) -> None:
    port, now = free_port(), datetime.now(UTC)
    with transaction(database, Actor(Role.ENTERPRISE, cast.water.id)) as session:
        endpoint, secret = add_endpoint(
            session,
            Vault(product.settings.secret_key),
            cast.water.id,
            f"http://127.0.0.1:{port}/hook",
            now,
        )
    with transaction(database, Actor(Role.ADMIN)) as session:
        approve(session, endpoint.id, "127.0.0.1/32", now)
    with transaction(database, ENGINE) as session:
        key = make_key(session, cast.water)

    planner = product.person("planner")
    with mock(port, secret, product, key, tmp_path / "mock.sqlite"):
        release(planner, "A-1", "A-2", "A-3")
        wait_for(lambda: all_answered(database, 1))
    # Killed and started again: it goes on where it was, and what it had is answered no second time.
    with mock(port, secret, product, key, tmp_path / "mock.sqlite"):
        release(planner, "B-1")
        wait_for(lambda: all_answered(database, 2))
        wait_for(lambda: proven(database, cast.water.id) == 2)

    with transaction(database, ENGINE) as session:
        said = session.scalars(select(Answer).order_by(Answer.id)).all()
        assert [(one.verdict, one.version) for one in said] == [("ready", 1)] * 4
        batches = session.scalars(select(AnswerBatch.channel)).all()
        assert batches == ["api", "api"]
        outcomes = session.scalars(select(Attempt.status).join(Delivery)).all()
        assert 204 in outcomes


def release(planner, *codes: str) -> None:
    file = ("plots.geojson", plots_geojson(*codes))
    made = planner.send("/plans/upload", {"title": f"二季度计划 {codes[0]}"}, {"file": file})
    assert made.status == 200, made.text
    released = planner.send(f"{made.url.partition('#')[0]}/release")
    assert "同时推送给" in released.text, released.text


def all_answered(database: Engine, pushes: int) -> bool:
    with transaction(database, ENGINE) as session:
        answered = session.scalars(select(Push.answered_at).where(Push.answered_at.is_not(None)))
        return len(answered.all()) == pushes


def proven(database: Engine, enterprise_id: int) -> int:
    with transaction(database, ENGINE) as session:
        found = session.scalar(select(Journal).where(Journal.enterprise_id == enterprise_id))
        return found.proven_number if found else 0
