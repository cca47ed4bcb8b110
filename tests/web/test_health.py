"""What a load balancer and an operator ask."""

import pytest

from tests.web.conftest import Browser


def test_ready_with_database_redis_and_one_clock(client: Browser) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"database": True, "redis": True, "clock": True}


@pytest.mark.parametrize("ahead", [75.0, -75.0])
def test_a_clock_that_is_not_the_databases_is_told(
    client: Browser, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    monkeypatch.setattr("web.health.clock_ahead", lambda _engine, _now: ahead)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["clock"]) == (200, False)


def test_without_a_database_nothing_is_served(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.health.clock_ahead", lambda _engine, _now: None)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (503, False)
