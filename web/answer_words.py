"""What a person is told once an answer is saved."""

from flask import flash
from flask_babel import gettext as _

from landready import reserving
from landready.answers import Answer
from landready.plans import Plot
from landready.utilities import UNITS, Utility
from web.filters import label
from web.session import database


def tell_saved(plot: Plot, made: Answer) -> None:
    """Say what was saved, and what the version before held and this one does not."""
    flash(
        _(
            "已保存：%(plot)s %(utility)s，%(verdict)s（第 %(n)s 版）。",
            plot=plot.name or plot.code,
            utility=label(made.utility, "utility"),
            verdict=label(made.verdict, "verdict"),
            n=made.version,
        )
    )
    if lost := reserving.given_up(database(), made):
        flash(
            _(
                "接入点不在您登记的设施上：上一版在“%(facility)s”预留的 %(amount)s %(unit)s 已释放，这一版没有预留。仍从该设施接入的，请把接入点选在设施上再保存一次。",
                facility=lost.facility.name or lost.facility_id,
                amount="—" if lost.high is None else reserving.amount(lost.high),
                unit=UNITS[Utility(made.utility)],
            ),
            "warning",
        )
