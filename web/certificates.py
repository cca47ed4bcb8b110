"""Certificates of readiness: checked by number by everybody, and handed out as PDF and JSON to whoever may read them."""

import hashlib

import segno
from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup

from landready import certificate_lines, evidence, files, frozen, issued, sketch, verification
from landready.certificates import Certificate
from landready.db import Role, actor_of
from landready.evidence import Evidence
from web import maps, paper
from web.auth import only, public
from web.session import database, now, resources, settings

pages = Blueprint("certificates", __name__)
# As many digits of a digest as a QR code carries.
_DIGITS = 16


@pages.get("/certificates")
@public
def search() -> ResponseReturnValue:
    number = issued.number_in(request.args.get("number", ""))
    if number:
        return redirect(url_for("certificates.certificate", number=number))
    return render_template("certificates/search.html")


@pages.get("/certificates/<number>")
@public
def certificate(number: str) -> ResponseReturnValue:
    found = issued.find(database(), issued.number_in(number), now())
    told = request.args.get("sha256", "")
    shown: dict[str, object] = {
        "issued": found,
        "told": told,
        "same": len(told) >= _DIGITS and found.sha256.startswith(told.lower()),
        "chain": actor_of(database()).role in (Role.OFFICE, Role.SUPERVISOR),
    }
    if found.certificate is not None:
        shown |= _read(found.certificate)
    return render_template("certificates/page.html", **shown)


@pages.get("/certificates/<number>/pdf")
@public
def pdf(number: str) -> Response:
    row = issued.readable(database(), number)
    found = frozen.thaw(row.body)
    html = render_template(
        "certificates/paper.html",
        found=found,
        **_lines(found),
        sketch=sketch.draw(found.plot.geometry, settings().region),
        sha256=row.sha256,
        office=issued.office_of(database(), row),
        search=_address("certificates.search"),
        qr=_qr(row),
    )
    return _download(_printed(html), f"{number}.pdf", "application/pdf")


@pages.get("/certificates/<number>/json")
@public
def json(number: str) -> Response:
    row = issued.readable(database(), number)
    return _download(line(row), f"{number}.json", "application/json")


@pages.get("/certificates/chain/<city>")
@only(Role.OFFICE, Role.SUPERVISOR)
def chain(city: str) -> Response:
    data = issued.chain_of(database(), city, resources().seal, now())
    return _download(data, f"{city}-chain.jsonl", "application/x-ndjson")


def line(row: Certificate) -> bytes:
    """Return a certificate as the file that `landready verify` reads."""
    return evidence.certificate_line(evidence.handed_out(issued.entry_of(row), resources().seal))


def _read(row: Certificate) -> dict[str, object]:
    """What the page shows to whoever may read the certificate."""
    handed = evidence.handed_out(issued.entry_of(row), resources().seal)
    report = verification.verify(Evidence((handed,), (), ()))
    if not report.certificates:
        return {"report": report}
    (found,) = report.certificates
    outline = maps.Shape(dict(found.plot.geometry), "plot", found.plot.name or found.plot.code, ())
    return {
        "report": report,
        "found": found,
        **_lines(found),
        "map": maps.draw(settings(), [[outline]], label=_("地块位置"), height="20rem"),
    }


def _lines(found: frozen.Thawed) -> dict[str, object]:
    return {
        "lines": list(certificate_lines.lines(found)),
        "requirements": list(certificate_lines.requirements(found)),
        "standing_of": certificate_lines.standing,
    }


def _qr(row: Certificate) -> Markup:
    """A QR code of the certificate's page and the first digits of its digest; a quarter of it may be lost (level Q)."""
    made = segno.make(qr_text(row), error="q", micro=False)
    return Markup(made.svg_inline(omitsize=True, border=0, svgclass="qr"))  # noqa: S704 - drawn by us


def qr_text(row: Certificate) -> str:
    return (
        f"{_address('certificates.certificate', number=row.number)}?sha256={row.sha256[:_DIGITS]}"
    )


def _address(endpoint: str, number: str | None = None) -> str:
    """The address under which the public finds a page: `push.portal`, else where this request came to."""
    portal = settings().push.portal.rstrip("/")
    return (portal or request.host_url.rstrip("/")) + url_for(endpoint, number=number)


def _printed(html: str) -> bytes:
    """The PDF of a page; the same page is laid out once for all hosts."""
    name = f"{hashlib.sha256(html.encode()).hexdigest()[:32]}.pdf"
    folder = files.home(settings())
    made = files.read(folder, name)
    if made is None:
        made = paper.pdf(html)
        files.keep(folder, name, made)
    return made


def _download(data: bytes, name: str, kind: str) -> Response:
    answer = Response(data, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
