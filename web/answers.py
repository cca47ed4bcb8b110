"""The engineer's day: the inbox, one push on a map, one plot beside its answer form."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import BinaryIO, cast, get_args

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import Problem
from landready import (
    annex,
    answering,
    attachments,
    clock,
    disputes,
    disputing,
    files,
    ledger,
    routes,
)
from landready.answers import Answer
from landready.asked import Pair, open_push
from landready.db import Role
from landready.errors import Invalid
from landready.inbox import PlotPage, Show, plot_page, push_page
from landready.inbox import inbox as entries_of
from landready.needs import Need, needs
from landready.permits import Permit
from landready.proposals import facility_end
from landready.shapes import to_geojson
from landready.utilities import Utility
from push import status
from web import answer_form, answer_maps, maps
from web.answer_form import Form
from web.answer_words import tell_saved
from web.auth import only
from web.session import capacity_words, database, now, settings

pages = Blueprint("answers", __name__)


@pages.get("/inbox")
@only(Role.ENTERPRISE)
def inbox() -> ResponseReturnValue:
    wish = request.args.get("show", "open")
    show = cast("Show", wish if wish in get_args(Show) else "open")
    return render_template(
        "answers/inbox.html",
        show=show,
        entries=entries_of(database(), show, now()),
        undelivered=status.undelivered(database()),
        record=ledger.records(database(), [_enterprise()], clock.today(now()))[_enterprise()],
        promises=ledger.next_promises(database(), [_enterprise()]),
        today=clock.today(now()),
    )


@pages.get("/pushes/<int:push_id>")
@only(Role.ENTERPRISE)
def push(push_id: int) -> ResponseReturnValue:
    found = open_push(database(), push_id, now())
    if found.permit:
        return _project(push_id, found.permit)
    return _push(push_id, Form({}), set())


@pages.post("/pushes/<int:push_id>/answers")
@only(Role.ENTERPRISE)
def answer_many(push_id: int) -> ResponseReturnValue:
    """One answer for all plots that were ticked, each at its own proposed point."""
    pairs = [_pair(text) for text in request.form.getlist("asked")]
    draft = answer_form.read(request.form)
    found = answering.review(
        database(), push_id, draft, pairs, check=settings().check, region=settings().region, now=now()
    )  # fmt: skip
    found += _attachment_faults()
    if found:
        return _push(push_id, answer_form.typed(request.form, found), set(pairs)), 422
    try:
        made = answering.answer_many(
            database(), push_id, pairs, draft,
            check=settings().check, region=settings().region, gate=settings().gate,
            account_id=_account(), now=now(),
        )  # fmt: skip
    except Invalid as late:
        return _push(push_id, answer_form.typed(request.form, late.problems), set(pairs)), 422
    _attach(made)
    flash(_("已保存 %(n)s 项答复。", n=len(made)))
    page, utility = request.form.get("page"), request.form.get("utility") or None
    return redirect(url_for(".push", push_id=push_id, page=page, utility=utility), 303)


@pages.get("/pushes/<int:push_id>/plots/<int:plot_id>/<utility>")
@only(Role.ENTERPRISE)
def plot(push_id: int, plot_id: int, utility: str) -> ResponseReturnValue:
    open_push(database(), push_id, now())
    page = _plot_page(push_id, plot_id, utility)
    need = _need(page)
    return _plot(page, _first_form(page, need), need)


@pages.post("/pushes/<int:push_id>/plots/<int:plot_id>/<utility>")
@only(Role.ENTERPRISE)
def answer(push_id: int, plot_id: int, utility: str) -> ResponseReturnValue:
    draft = answer_form.read(request.form, plot_id, utility)
    found = answering.review(
        database(), push_id, draft, check=settings().check, region=settings().region, now=now()
    )
    found += _attachment_faults()
    page = _plot_page(push_id, plot_id, utility)
    if found:
        return _plot(page, answer_form.typed(request.form, found), _need(page)), 422
    try:
        made = answering.answer(
            database(), push_id, draft,
            check=settings().check, region=settings().region, gate=settings().gate,
            account_id=_account(), now=now(),
        )  # fmt: skip
    except Invalid as late:  # a colleague reserved the last of it a moment ago
        return _plot(page, answer_form.typed(request.form, late.problems), _need(page)), 422
    _attach([made])
    for dispute_id in request.form.getlist("dispute", type=int):
        disputing.correct(database(), dispute_id, "", now())
    tell_saved(page.line.plot, made)
    if "onward" in request.form and page.next:
        return redirect(answer_maps.plot_url(push_id, page.next), 303)
    return redirect(url_for(".push", push_id=push_id), 303)


@pages.post("/pushes/<int:push_id>/contacted")
@only(Role.ENTERPRISE)
def contacted(push_id: int) -> ResponseReturnValue:
    answering.contacted(database(), push_id, now())
    flash(_("已记录：您已与建设单位联系。"))
    return redirect(url_for(".push", push_id=push_id), 303)


@pages.get("/attachments/<int:attachment_id>")
@only(Role.ENTERPRISE, Role.OFFICE, Role.SUPERVISOR)
def attachment(attachment_id: int) -> ResponseReturnValue:
    """Give a file out for saving: it never opens inside this site."""
    found = attachments.attachment(database(), attachment_id)
    with files.opened(settings(), found.stored_as) as file:
        content = io.BytesIO(file.read())
    answer = send_file(
        content, mimetype=found.media_type, as_attachment=True, download_name=found.filename
    )
    answer.headers["Cache-Control"] = "no-store"  # as every page; send_file lets browsers keep it
    return answer


def _push(push_id: int, form: Form, chosen: set[Pair]) -> str:
    page = push_page(
        database(),
        push_id,
        check=settings().check,
        utility=request.values.get("utility", ""),
        page=request.values.get("page", 1, type=int),
        now=now(),
    )
    first = next((line for line in page.lines if line.open), None)
    return render_template(
        "answers/push.html",
        page=page,
        push=page.entry.push,
        form=form,
        chosen=chosen,
        first=first,
        tomorrow=_tomorrow(),
        map=maps.draw(settings(), answer_maps.push_layers(page), label=_("地块与本单位设施地图")),
    )


def _plot_page(push_id: int, plot_id: int, utility: str) -> PlotPage:
    return plot_page(database(), push_id, plot_id, utility, check=settings().check, now=now())


def _need(page: PlotPage) -> Need:
    utility = Utility(page.line.utility)
    near = {utility: page.line.proposal.near}
    return needs(database(), page.line.plot, near, settings().check, now())[utility]


def _plot(page: PlotPage, form: Form, need: Need) -> str:
    line, push_id = page.line, page.entry.push.id
    draft = answer_form.read(form.values, line.plot.id, line.utility)
    foreseen = answering.foresee(
        database(), push_id, draft, check=settings().check, region=settings().region, now=now()
    )
    check = page.line.proposal.check
    ways = routes.of_plot(
        database(), settings().route, page.line.plot, [check] if check else [], now()
    )
    drawn = maps.draw(
        settings(),
        answer_maps.plot_layers(page, ways),
        label=_("地块、本单位设施与接入点地图"),
        pick=("lon", "lat"),
    )
    return render_template(
        "answers/plot.html",
        page=page,
        push=page.entry.push,
        line=page.line,
        points={answer.id: answer_form.of_answer(answer).point for answer in page.versions},
        form=form,
        need=need,
        foreseen=foreseen,
        **capacity_words(),
        tomorrow=_tomorrow(),
        against=disputes.against(database(), page.line.plot.id, page.line.utility),
        answering=request.values.getlist("dispute", type=int),
        disputed=disputes.disputed(database(), [page.line.plot.id]),
        map=drawn,
        legend_entries=answer_maps.plot_legend(page),
        routes=ways,
        item_names=annex.items(),
    )


def _first_form(page: PlotPage, need: Need) -> Form:
    """The latest answer to correct, else the proposal; `near` takes the point at another of the near facilities."""
    proposal = page.line.proposal
    taken = request.args.get("near", type=int)
    near = [facility for facility in proposal.near if facility.id == taken]
    if near:
        point = facility_end(near[0])
        spare = near[0].spare_capacity
        return answer_form.of_draft(
            replace(proposal.draft, connection_point=point, spare_capacity=spare)
        )
    if page.line.answer and "proposed" not in request.args:
        claims = [x.claim for one in need.loads for x in one.load.lines]
        mine = (c.exception for c in claims if c.plot_id == page.line.plot.id)
        return answer_form.of_answer(page.line.answer, next(mine, ""))
    return answer_form.of_draft(proposal.draft)


def _project(push_id: int, permit: Permit) -> str:
    boundary = maps.Shape(
        to_geojson(permit.geom), "project", permit.project_name, (permit.address,)
    )
    entry = push_page(database(), push_id, check=settings().check, now=now()).entry
    drawn = maps.draw(settings(), [[boundary]], label=_("项目位置地图"))
    return render_template(
        "answers/project.html",
        entry=entry,
        push=entry.push,
        permit=permit,
        map=drawn,
        source=settings().clocks.contact_source,
    )


def _pair(text: str) -> Pair:
    """Plot and utility of a ticked box; what no page of ours sent is a plot that there is not."""
    found = re.fullmatch(r"([0-9]{1,18}):([a-z_]{1,20})", text)
    return (int(found[1]), found[2]) if found else (0, "")


def _enterprise() -> int:
    return cast("int", current_user.actor.organisation_id)


def _account() -> int | None:
    account_id: int | None = current_user.actor.account_id
    return account_id


def _tomorrow() -> str:
    return (clock.today(now()) + timedelta(days=1)).isoformat()


def _attachment_faults() -> list[Problem]:
    if (sent := _sent()) is None:
        return []
    try:
        attachments.inspect(*sent)
    except Invalid as refused:
        return list(refused.problems)
    return []


def _attach(made: Sequence[Answer]) -> None:
    if (sent := _sent()) is not None:
        attachments.attach(database(), settings(), made, *sent)


def _sent() -> tuple[str, BinaryIO] | None:
    """Name and content of the file that came with the form, if one did."""
    file = request.files.get("attachment")
    if file is None or not file.filename:
        return None
    return file.filename, cast("BinaryIO", file.stream)
