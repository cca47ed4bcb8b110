"""What became of the demo's promises: one kept, one kept late, one moved, one near, one missed, one for two plots."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from landready import commitments, replanning
from landready.clock import today
from landready.completion import Evidence, describe, plan_milestone, reach
from landready.demo_stage import Stage
from landready.demo_world import notices
from landready.plans import Plot
from landready.utilities import Utility
from landready.works import Commitment, CommitmentState, Works

# (plot, utility) → the works, and the day first promised, in days from the day of loading.
PROMISED: Mapping[tuple[str, Utility], tuple[str, int]] = {
    (notices()[0].code, Utility.GAS): ("敷设 DN160 中压燃气支管约 260 米。", -8),
    (notices()[0].code, Utility.TELECOM): ("新建光交箱一座，敷设管道约 180 米。", -20),
    (notices()[1].code, Utility.POWER): ("新建 10 kV 环网柜一座，敷设电缆约 300 米。", 60),
    (notices()[6].code, Utility.WATER): ("片区加压泵站扩容，敷设 DN300 供水支管约 450 米。", 12),
    (notices()[2].code, Utility.DRAINAGE): ("新建 d500 污水干管约 620 米。", 95),
    (notices()[3].code, Utility.DRAINAGE): ("接入新建 d500 污水干管。", 95),
    (notices()[4].code, Utility.TELECOM): ("扩容接入机房，敷设光缆约 700 米。", -4),
}


def carry_on(stage: Stage) -> None:
    """Complete, move and join the works that the answers promised."""
    _done(stage, "haikou-gas", 0, 10, "琼燃验〔演示〕第 12 号")
    _done(stage, "haikou-telecom", 0, 9, "通信工程验收单（演示）0031")
    with stage.acting_as("haikou-power") as actor:
        works = _works(stage, 1)
        day = today(stage.now)
        describe(stage.session, works.id, works.title, works.facility, day - timedelta(days=25))
        plan_milestone(stage.session, works.id, "环网柜到货", day + timedelta(days=35))
        replanning.replan(
            stage.session,
            stage.settings,
            works.id,
            day + timedelta(days=150),
            "电缆通道与在建道路同步施工，道路工期顺延（演示）。",
            account_id=actor.account_id,
            now=stage.ago(6),
        )
    with stage.acting_as("sanya-water"):
        works = _works(stage, 6)
        step = plan_milestone(
            stage.session, works.id, "泵站设备安装", today(stage.ago(5))
        ).milestones[0]
        paper = Evidence(today(stage.ago(5)), "设备安装验收单（演示）07", today(stage.ago(5)))
        reach(stage.session, stage.settings, step.id, paper, account_id=None, now=stage.ago(4))
    with stage.acting_as("sanya-drainage"):
        commitments.join(stage.session, _works(stage, 2).id, _works(stage, 3).id)


def _done(stage: Stage, engineer: str, number: int, days_ago: int, document: str) -> None:
    """Record the completion of the works for a plot, as of some days ago."""
    with stage.acting_as(engineer) as actor:
        day = today(stage.ago(days_ago))
        reach(
            stage.session,
            stage.settings,
            _works(stage, number).completion.id,
            Evidence(day, document, day),
            account_id=actor.account_id,
            now=stage.ago(days_ago),
        )


def _works(stage: Stage, number: int) -> Works:
    """The actor's works for one of the noticed plots."""
    code = notices()[number].code
    return stage.session.scalars(
        select(Works)
        .join(Works.commitments)
        .join(Plot, Plot.id == Commitment.plot_id)
        .where(Plot.code == code, Commitment.state == CommitmentState.OPEN)
    ).one()
