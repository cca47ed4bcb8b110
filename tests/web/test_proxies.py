"""Addresses that a proxy names are believed only when a proxy is configured."""

import pytest

from web.app import create_app


@pytest.mark.parametrize(("proxies", "limited"), [(0, True), (1, False)])
def test_signin_limit_counts_the_browsers_behind_a_configured_proxy(
    database, settings, proxies, limited
):
    web = settings.web.model_copy(
        update={"proxies": proxies, "signin_limit_wide": "5 per 5 minutes"}
    )
    app = create_app(settings.model_copy(update={"web": web}))
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    answers = [
        client.post(
            "/signin",
            data={"username": f"nobody{n}", "password": "x"},
            headers={"X-Forwarded-For": f"203.0.113.{n}"},
        ).status_code
        for n in range(7)
    ]
    assert (answers[-1] == 429) == limited
    app.extensions["landready"].engine.dispose()
    app.extensions["landready"].redis.close()
