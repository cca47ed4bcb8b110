"""Disputes: challenge an answer with evidence, answer the challenge, decide it; everybody concerned sees what was said."""

import io
from collections.abc import Sequence
from datetime import date
from typing import BinaryIO, cast

from flask import Blueprint, flash, g, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import Problem
from landready import clock, deadlines, dispute_files, disputing, files, later_facts, reminders
from landready import disputes as kept
from landready.answers import Answer
from landready.db import Role
from landready.dispute_rules import grounds
from landready.disputes import Dispute
from landready.errors import Invalid
from landready.plans import Plot
from landready.shapes import to_geojson
from web import dispute_form, maps
from web.auth import only
from web.filters import label
from web.session import database, now, settings

pages = Blueprint("disputes", __name__)
_CHALLENGERS = (Role.OFFICE, Role.ENTERPRISE, Role.OWNER)
_READERS = (*_CHALLENGERS, Role.SUPERVISOR)


@pages.get("/disputes", endpoint="disputes")
@only(*_READERS)
def every() -> ResponseReturnValue:
    mine = g.actor.organisation_id
    own = g.actor.role is Role.ENTERPRISE
    return render_template(
        "disputes/list.html",
        found=kept.disputes_of(database()),
        today=clock.today(now()),
        me=mine,
        fared=later_facts.fared(database(), settings().accuracy, [mine]) if own else [],
        days=settings().clocks.dispute_days,
        most=kept.MOST,
    )


@pages.get("/answers/<int:answer_id>/dispute")
@only(*_CHALLENGERS)
def new(answer_id: int) -> ResponseReturnValue:
    return _new(answer_id)


@pages.post("/answers/<int:answer_id>/dispute")
@only(*_CHALLENGERS)
def challenge(answer_id: int) -> ResponseReturnValue:
    found = dispute_files.file_faults(_sent())
    if found:
        return _new(answer_id, found), 422
    try:
        dispute = disputing.challenge(
            database(), answer_id, dispute_form.read(request.form),
            check=settings().check, region=settings().region, clocks=settings().clocks, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _new(answer_id, refused.problems), 422
    dispute_files.attach(database(), settings(), dispute.id, None, _sent())
    flash(_("异议已提出，企业已收到通知，答复期限 %(day)s。", day=dispute.due_on.isoformat()))
    return redirect(url_for("disputes.dispute", dispute_id=dispute.id), 303)


@pages.get("/disputes/<int:dispute_id>")
@only(*_READERS)
def dispute(dispute_id: int) -> ResponseReturnValue:
    return _page(dispute_id)


@pages.post("/disputes/<int:dispute_id>/answer")
@only(Role.ENTERPRISE)
def answer(dispute_id: int) -> ResponseReturnValue:
    """Uphold with a reason, or name the newest version as the correction."""
    act = disputing.correct if request.form.get("response") == "corrected" else disputing.uphold
    if found := dispute_files.file_faults(_sent()):
        return _page(dispute_id, found), 422
    try:
        step = act(database(), dispute_id, request.form.get("reason", ""), now())
    except Invalid as refused:
        return _page(dispute_id, refused.problems), 422
    dispute_files.attach(database(), settings(), dispute_id, step.id, _sent())
    flash(_("已答复异议，监督单位和提出方都看得到。"))
    return redirect(url_for("disputes.dispute", dispute_id=dispute_id), 303)


@pages.post("/disputes/<int:dispute_id>/decision")
@only(Role.SUPERVISOR)
def decide(dispute_id: int) -> ResponseReturnValue:
    said = request.form.get("decision", ""), request.form.get("reason", "")
    try:
        disputing.decide(database(), dispute_id, *said, now())
    except Invalid as refused:
        return _page(dispute_id, refused.problems), 422
    flash(_("裁定已记录，不能再改。"))
    return redirect(url_for("disputes.dispute", dispute_id=dispute_id), 303)


@pages.post("/disputes/<int:dispute_id>/settle")
@only(*_CHALLENGERS)
def settle(dispute_id: int) -> ResponseReturnValue:
    try:
        disputing.settle(database(), dispute_id, request.form.get("reason", ""), now())
    except Invalid as refused:
        return _page(dispute_id, refused.problems), 422
    flash(_("异议已了结。"))
    return redirect(url_for("disputes.dispute", dispute_id=dispute_id), 303)


@pages.post("/disputes/<int:dispute_id>/pauses")
@only(Role.OFFICE)
def pause(dispute_id: int) -> ResponseReturnValue:
    try:
        found = deadlines.pause_dispute(
            database(), dispute_id,
            first=_day("first"), last=_day("last"), reason=request.form.get("pause", ""),
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        return _page(dispute_id, refused.problems, pausing=True), 422
    flash(_("已暂停计时，答复期限改为 %(day)s。", day=found.due_on.isoformat()))
    return redirect(url_for("disputes.dispute", dispute_id=dispute_id), 303)


@pages.get("/disputes/files/<int:file_id>")
@only(*_READERS)
def file(file_id: int) -> ResponseReturnValue:
    """Give a file out for saving: it never opens inside this site."""
    found = dispute_files.dispute_file(database(), file_id)
    with files.opened(settings(), found.stored_as) as stream:
        content = io.BytesIO(stream.read())
    given = send_file(
        content, mimetype=found.media_type, as_attachment=True, download_name=found.filename
    )
    given.headers["Cache-Control"] = "no-store"  # as every page; send_file lets browsers keep it
    return given


def _new(answer_id: int, problems: Sequence[Problem] = ()) -> str:
    answer, obstacle = disputing.challenged(database(), answer_id)
    return render_template(
        "disputes/new.html",
        answer=answer,
        obstacle=obstacle,
        own=disputing.own_dispute(database(), answer_id),
        grounds=grounds().values(),
        problems=problems,
        typed=request.form,
        most=dispute_files.MOST,
        days=settings().clocks.dispute_days,
        map=maps.draw(
            settings(), [_shapes(answer.plot, answer)], label=_("地块与接入点地图"), trace="mark"
        ),
        legend_entries=_legend(answer),
    )


def _page(dispute_id: int, problems: Sequence[Problem] = (), *, pausing: bool = False) -> str:
    found = kept.dispute_of(database(), dispute_id)
    mine, role = g.actor.organisation_id, g.actor.role
    mark = (
        [maps.Shape(to_geojson(found.mark), "problem", _("异议标记"), (label(found.ground, "ground"),))]
        if found.mark is not None
        else []
    )  # fmt: skip
    corrected = next((s.answer for s in found.steps if s.answer is not None), None)
    shapes = _shapes(found.plot, found.answer, corrected)
    return render_template(
        "disputes/page.html",
        dispute=found,
        answer=found.answer,
        plot=found.plot,
        clock=deadlines.clock_of(database(), found),
        reminders=reminders.reminders_of_dispute(database(), found.id),
        notices_from=settings().clocks.notices_from,
        today=clock.today(now()),
        source=settings().clocks.dispute_source,
        newer=disputing.newer_version(database(), found),
        answers_it=found.state == "open" and found.enterprise_id == mine,
        decides=role is Role.SUPERVISOR and found.state != "decided",
        settles=found.challenger_id == mine and found.state != "decided",
        pauses=role is Role.OFFICE and found.office_id == mine and found.state == "open",
        problems=problems,
        pausing=pausing,
        typed=request.form,
        most=dispute_files.MOST,
        map=maps.draw(settings(), [[*shapes, *mark]], label=_("地块、接入点与异议标记地图")),
        legend_entries=_legend(found.answer, found, corrected),
    )


def _shapes(plot: Plot, *answers: Answer | None) -> list[maps.Shape]:
    """The plot, and the connection point of each answer that has one."""
    ground = maps.Shape(to_geojson(plot.geom), "plot", plot.name or plot.code)
    points = [
        maps.Shape(
            to_geojson(a.connection_point),
            a.utility,
            f"{label(a.utility, 'utility')} · {a.enterprise.name}",
            (_("接入点（第 %(n)s 版）", n=a.version),),
        )
        for a in answers
        if a is not None and a.connection_point is not None
    ]
    return [ground, *points]


def _legend(
    answer: Answer, dispute: Dispute | None = None, corrected: Answer | None = None
) -> list[tuple[str, str]]:
    entries = [(maps.COLOURS["plot"], _("地块"))]
    if any(a is not None and a.connection_point is not None for a in (answer, corrected)):
        entries.append((maps.COLOURS[answer.utility], _("企业答复的接入点")))
    if dispute is None:
        entries.append(("#ffd400", _("您标出的位置")))
    elif dispute.mark is not None:
        entries.append((maps.COLOURS["problem"], _("异议标记")))
    return entries


def _sent() -> list[tuple[str, BinaryIO]]:
    """Name and content of the files that came with the form."""
    return [
        (one.filename, cast("BinaryIO", one.stream))
        for one in request.files.getlist("files")
        if one.filename
    ]


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(request.form.get(name, ""))
    except ValueError:
        return None
