"""What the web application is, top to bottom."""

from datetime import timedelta

from apiflask import APIFlask
from flask.json.provider import DefaultJSONProvider
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from landready import seal, servers
from landready.db import connect
from landready.errors import BadSettings
from landready.settings import Settings
from push import doorbell
from web import (
    answer_links,
    answer_sheets,
    answers,
    api,
    api_answers,
    api_certificates,
    api_disputes,
    api_listings,
    api_pushes,
    applications,
    auth,
    base_layers,
    board,
    board_files,
    certificates,
    channels,
    clocks,
    disputes,
    endpoints,
    errors,
    filters,
    health,
    items,
    land,
    language,
    layers,
    limits,
    market,
    navigation,
    openapi,
    organisations,
    overview,
    permits,
    plans,
    plots,
    reasons,
    request,
    rules,
    security,
    service_areas,
    session,
    together,
    works,
)

PAGES = (
    auth.pages,
    land.pages,
    certificates.pages,
    plans.pages,
    plots.pages,
    board.pages,
    board_files.pages,
    market.pages,
    together.pages,
    layers.pages,
    base_layers.pages,
    answers.pages,
    endpoints.pages,
    answer_sheets.pages,
    permits.pages,
    applications.pages,
    items.pages,
    overview.pages,
    clocks.pages,
    rules.pages,
    disputes.pages,
    works.pages,
    channels.pages,
    service_areas.pages,
    answer_links.pages,
    organisations.pages,
    language.pages,
    health.pages,
)


class RowNumber(IntegerConverter):
    """`<int:…>` in an address: the key of a row; one beyond PostgreSQL's bigint names nothing and is not found."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**63 - 1)


def create_app(settings: Settings) -> APIFlask:
    """Return the application over the servers that `settings` name; nothing is opened before the first request.

    Raises:
        BadSettings: no secret key or no signing key is set.
    """
    if not settings.secret_key:
        raise BadSettings("LANDREADY_SECRET_KEY is not set")
    app = APIFlask(
        "web",
        title="LandReady API",
        version="1.0.0",
        spec_path="/api/v1/openapi.json",
        docs_path=None,
    )
    app.security_schemes = {"key": {"type": "http", "scheme": "bearer"}}
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="landready",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.web.secure_cookies,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.web.session_hours),
        MAX_CONTENT_LENGTH=settings.web.upload_mb * 2**20,
        WTF_CSRF_TIME_LIMIT=None,
        HTTP_ERROR_SCHEMA=errors.PROBLEM,
        VALIDATION_ERROR_SCHEMA=errors.PROBLEM,
    )
    assert isinstance(app.json, DefaultJSONProvider)  # noqa: S101 - Flask's own
    app.json.ensure_ascii = False
    if count := settings.web.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, count, count, count)  # type: ignore[method-assign]
    app.extensions["landready"] = session.Resources(
        settings=settings,
        engine=connect(servers.database_url(settings)),
        redis=doorbell.connect(servers.redis_url(settings)),
        seal=seal.installed(settings),
    )
    app.url_map.converters["int"] = RowNumber
    csrf = CSRFProtect(app)
    for setup in (
        request,
        language,
        security,
        session,
        auth,
        limits,
        errors,
        filters,
        reasons,
        navigation,
        openapi,
    ):
        setup.init_app(app)
    for pages in PAGES:
        app.register_blueprint(pages)
    for calls in (
        api.api,
        api_listings.api,
        api_answers.api,
        api_certificates.api,
        api_disputes.api,
        api_pushes.api,
    ):
        app.register_blueprint(calls)
        csrf.exempt(calls)
    auth.public(app.view_functions["openapi.spec"])
    return app
