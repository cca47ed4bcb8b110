"""What a person confirmed of an upload: axes put right, repairs consented to, coordinates vouched for. Kept with the upload."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from geo import repair
from geo.problems import N_, Problem
from landready import problems
from landready.errors import Invalid
from landready.plans import Upload

# Code of the problem that a confirmation answers.
ANSWERS: Mapping[str, str] = {
    "axes": "axes_swapped",
    "repairs": "repair_consent",
    "shift": "shift_suspected",
}


def confirmed(upload: Upload) -> Mapping[str, Any]:
    """Return what was confirmed: "axes", "repairs" or "shift" → {"at", "by"}."""
    found: Mapping[str, Any] = upload.purpose.get("confirmed", {})
    return found


def confirm(upload: Upload, what: str, account_id: int | None, now: datetime) -> None:
    """Keep that the person confirmed `what`; axes confirmed twice are as they were in the file again.

    Raises:
        Invalid: that is nothing to confirm.
    """
    if what not in ANSWERS:
        text = N_("没有可以确认的内容。")
        raise Invalid((Problem("confirmation_unknown", "error", text),))
    kept = dict(confirmed(upload))
    if what == "axes" and what in kept:
        del kept[what]
    else:
        kept[what] = {"at": now.isoformat(), "by": account_id}
    upload.purpose = {**upload.purpose, "confirmed": kept}


def outstanding(upload: Upload) -> tuple[Problem, ...]:
    """Return the one error that asks for consent, where repairs changed an area by more than 0.01 %."""
    changed = [p for p in map(problems.from_json, upload.problems) if repair.needs_consent(p)]
    if not changed or "repairs" in confirmed(upload):
        return ()
    text = N_("有 {count} 处修补使面积变化超过 0.01%，须您核对并同意后才能继续。")
    return (Problem("repair_consent", "error", text, {"count": len(changed)}),)
