"""Headers of every answer: a strict content policy with a nonce, and no loading from outside the server."""

import secrets

from flask import Flask, Response, g

from web.session import settings

_TIANDITU = "https://*.tianditu.gov.cn"


def nonce() -> str:
    """Return this answer's nonce for script and style tags."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def init_app(app: Flask) -> None:
    app.after_request(_headers)
    app.jinja_env.globals["nonce"] = nonce


def _headers(response: Response) -> Response:
    images = f"'self' data: {_TIANDITU}" if settings().map.tianditu_key else "'self' data:"
    tag = f"'nonce-{nonce()}'"
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {tag}",
            f"style-src 'self' {tag}",
            "style-src-attr 'unsafe-inline'",  # Leaflet places tiles and markers by style attributes
            f"img-src {images}",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if settings().web.secure_cookies:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
