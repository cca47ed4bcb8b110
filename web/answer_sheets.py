"""Answering a push in a spreadsheet: the workbook out, the filled-in workbook back (R20)."""

import hashlib
from collections.abc import Sequence
from typing import BinaryIO, cast
from uuid import uuid4

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from geo.problems import N_, Problem
from landready import answer_batches, answer_sheets, cells
from landready.answer_batches import Incoming
from landready.asked import open_push
from landready.db import Role
from landready.errors import Conflict, Invalid
from landready.pushes import Push
from web.auth import only
from web.filters import label, sentence
from web.session import database, now, settings

pages = Blueprint("answer_sheets", __name__)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pages.get("/pushes/<int:push_id>/sheet")
@only(Role.ENTERPRISE)
def sheet(push_id: int) -> ResponseReturnValue:
    return _page(_plan_push(push_id), ())


@pages.get("/pushes/<int:push_id>/sheet.xlsx")
@only(Role.ENTERPRISE)
def download(push_id: int) -> ResponseReturnValue:
    push = _plan_push(push_id)
    data = answer_sheets.write(database(), push, settings().check, sentence, label)
    answer = Response(data, content_type=_XLSX)
    answer.headers["Content-Disposition"] = f'attachment; filename="landready-push-{push_id}.xlsx"'
    return answer


@pages.post("/pushes/<int:push_id>/sheet")
@only(Role.ENTERPRISE)
def upload(push_id: int) -> ResponseReturnValue:
    push = _plan_push(push_id)
    file = request.files.get("sheet")
    if file is None or not file.filename:
        missing = Problem("sheet_missing", "error", N_("请选择填写好的 XLSX 表格。"))
        return _page(push, (missing,)), 422
    try:
        made = _take(push, cells.rows_of(cast("BinaryIO", file.stream), settings().upload))
    except Invalid as refused:
        return _page(push, refused.problems), 422
    if made:
        flash(_("已保存 %(n)s 项答复。", n=made))
    else:
        flash(_("表格里没有新的答复：空着的行和没有变化的行不提交。"), "warning")
    return redirect(url_for("answers.push", push_id=push_id), 303)


def _take(push: Push, rows: list[list[str]]) -> int:
    """Record what a sheet says that is new; how many answers that were."""
    filled = answer_sheets.read(database(), push, rows)
    if not filled.answers:
        return 0
    digest = hashlib.sha256(repr(filled.answers).encode()).hexdigest()
    # A sheet that comes twice says nothing new the second time, so its key need not be remembered by anybody.
    batch = Incoming(push.id, "sheet", f"sheet-{uuid4().hex}", digest, filled.answers)
    try:
        kept, _new = answer_batches.take(
            database(), batch,
            check=settings().check, region=settings().region, gate=settings().gate,
            account_id=current_user.actor.account_id, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        told = tuple(filled.located(problem) for problem in refused.problems)
        raise Invalid(told, refused.detail, **refused.params) from refused
    return len(kept.result)


def _plan_push(push_id: int) -> Push:
    push = open_push(database(), push_id, now())
    if push.kind != "plan":
        raise Conflict(N_("项目推送没有地块可以答复，请记录已联系建设单位。"))
    return push


def _page(push: Push, found: Sequence[Problem]) -> str:
    return render_template(
        "answers/sheet.html",
        push=push,
        title=push.plan.title if push.plan else "",
        found=found,
        batches=answer_batches.batches_of(database(), push.id),
    )
