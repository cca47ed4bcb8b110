"""Answering by a link that came in a message: no account, one push, everything logged."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from landready import answer_links, answering, clock
from landready.answer_links import AnswerLink, LinkOver
from landready.answer_rules import AnswerDraft
from landready.answers import Answer
from landready.errors import Conflict, Invalid
from landready.inbox import PlotPage, plot_page, push_page
from web import answer_form
from web.answer_form import Form
from web.answer_words import tell_saved
from web.auth import public
from web.limits import limiter
from web.session import database, now, settings

pages = Blueprint("answer_links", __name__, url_prefix="/a")
# Guessing a token is hopeless by its length; this keeps it from being tried.
_MISSES = "20 per 5 minutes"
_ALL = "120 per minute"


def missed(response: Response) -> bool:
    """Only a link that is none counts as a guess."""
    return response.status_code == 404


@pages.after_request
def keep_to_oneself(response: Response) -> Response:
    """The address is the key: it goes to no other site and into no index."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@pages.errorhandler(LinkOver)
def over(_error: LinkOver) -> ResponseReturnValue:
    return render_template("links/over.html"), 410


@pages.get("/<token>")
@limiter.limit(_MISSES, deduct_when=missed)
@limiter.limit(_ALL)
@public
def push(token: str) -> ResponseReturnValue:
    """Show the push. Reading counts for nothing: mail programs look at links before people do."""
    with _entered(token, "seen") as link:
        entry = push_page(database(), link.push_id, check=settings().check, now=now())
        return render_template(
            "links/push.html",
            token=token,
            link=link,
            page=entry,
            push=link.push,
            entry=entry.entry,
            permit=link.push.permit,
        )


@pages.get("/<token>/plots/<int:plot_id>/<utility>")
@limiter.limit(_MISSES, deduct_when=missed)
@limiter.limit(_ALL)
@public
def plot(token: str, plot_id: int, utility: str) -> ResponseReturnValue:
    with _entered(token, "seen") as link:
        page = _plot_page(link, plot_id, utility)
        answer = page.line.answer
        form = answer_form.of_answer(answer) if answer else answer_form.of_draft(page.line.proposal.draft)  # fmt: skip
        return _shown(token, link, page, form)


@pages.post("/<token>/plots/<int:plot_id>/<utility>")
@limiter.limit(_MISSES, deduct_when=missed)
@limiter.limit(_ALL)
@public
def answer(token: str, plot_id: int, utility: str) -> ResponseReturnValue:
    with _entered(token, "answered") as link:
        page = _plot_page(link, plot_id, utility)
        draft = answer_form.read(request.form, plot_id, utility)
        try:
            made = _record(link, draft)
        except Invalid as refused:
            form = answer_form.typed(request.form, refused.problems)
            return _shown(token, link, page, form), 422
        tell_saved(page.line.plot, made)
        return redirect(url_for(".push", token=token), 303)


@pages.post("/<token>/contacted")
@limiter.limit(_MISSES, deduct_when=missed)
@limiter.limit(_ALL)
@public
def contacted(token: str) -> ResponseReturnValue:
    with _entered(token, "answered") as link:
        answering.contacted(database(), link.push_id, now())
    flash(_("已记录：您已与建设单位联系。"))
    return redirect(url_for(".push", token=token), 303)


@contextmanager
def _entered(token: str, action: str) -> Iterator[AnswerLink]:
    with answer_links.entered(database(), token, now()) as link:
        answer_links.log_use(database(), link, action, request.remote_addr or "", now())
        yield link


def _record(link: AnswerLink, draft: AnswerDraft) -> Answer:
    return answering.answer(
        database(), link.push_id, draft,
        check=settings().check, region=settings().region, gate=settings().gate,
        account_id=None, now=now(),
    )  # fmt: skip


def _plot_page(link: AnswerLink, plot_id: int, utility: str) -> PlotPage:
    if link.push.kind != "plan":
        raise Conflict
    return plot_page(database(), link.push_id, plot_id, utility, check=settings().check, now=now())


def _shown(token: str, link: AnswerLink, page: PlotPage, form: Form) -> str:
    return render_template(
        "links/plot.html",
        token=token,
        link=link,
        page=page,
        push=link.push,
        line=page.line,
        form=form,
        tomorrow=(clock.today(now()) + timedelta(days=1)).isoformat(),
    )
