"""What has happened in the demo province until now, told through the same functions as the pages use."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import shapely
from sqlalchemy import select

from geo.problems import N_
from landready import (
    answering,
    demand,
    disputing,
    gate,
    permit_items,
    submission,
    titles,
    tracker,
    uploads,
)
from landready.annex import State
from landready.answer_rules import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.applications import Application, Item
from landready.asked import open_push, proposals
from landready.clock import today
from landready.demo_ground import lay_ground
from landready.demo_networks import as_file, lay
from landready.demo_stage import Stage
from landready.demo_works import PROMISED, carry_on
from landready.demo_world import (
    CITIES,
    HAIKOU,
    OWNER_CREDIT_CODE,
    QUARTERS,
    SANYA,
    SANYA_PROJECT,
    SEWERLESS,
    SOLD,
    STATIONS,
    UNFINISHED,
    WAITING,
    WATERLESS,
    DemoPlot,
    notices,
    overlapping,
    project_site,
)
from landready.dispute_rules import DisputeDraft
from landready.drafts import draft_plan
from landready.layers import Facility
from landready.organisations import Organisation
from landready.permit_fields import PermitFields
from landready.permit_receipt import receive_permit
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushPlot
from landready.release import release
from landready.shapes import to_geojson
from landready.utilities import Utility

_VALID_DAYS = 300
# What an engineer says where the registered spare capacity does not suffice.
_OVER = N_("片区扩容工程已列入年度计划，接入前完成（演示）。")
# (plot, utility) → what its enterprise said, where it did not simply take the draft from the check.
_TITLE = "净地确认书（演示）"
_SAID: Mapping[tuple[str, Utility], tuple[AnswerVerdict, str]] = {
    (SEWERLESS.code, Utility.DRAINAGE): (
        AnswerVerdict.NOT_POSSIBLE,
        "片区污水处理设施尚未建成，市政污水管未延伸到地块周边。",
    ),
    (SEWERLESS.code, Utility.TELECOM): (AnswerVerdict.NOT_POSSIBLE, "通信网络尚未接入该片区。"),
    (SEWERLESS.code, Utility.GAS): (AnswerVerdict.NOT_CONCERNED, "文化用地暂无用气需求。"),
    (SEWERLESS.code, Utility.CABLE_TV): (
        AnswerVerdict.NOT_POSSIBLE,
        "有线电视网络尚未接入该片区。",
    ),
    (WATERLESS.code, Utility.WATER): (
        AnswerVerdict.NOT_POSSIBLE,
        "供水管网最近处在 2 公里以外，片区加压泵站未列入近期建设计划。",
    ),
    (WATERLESS.code, Utility.DRAINAGE): (AnswerVerdict.NOT_POSSIBLE, "市政污水管网未覆盖。"),
    (WATERLESS.code, Utility.GAS): (AnswerVerdict.NOT_POSSIBLE, "燃气管网未覆盖。"),
}


# Three plots that their engineer connects to one pumping station: each fits alone, together they do not.
_AT_THE_STATION = {
    (code, Utility.WATER) for code in (notices()[0].code, notices()[1].code, SOLD.code)
}


class Story(Stage):
    """What happened: networks, plans, answers, listings and projects of both cities."""

    @property
    def _season(self) -> str:
        return f"{today(self.now).year}年第四季度"

    def _title(self, city: str, batch: str) -> str:
        return f"{city}{today(self.now).year}年度第{batch}批国有建设用地供应计划（演示）"

    def tell(self) -> None:
        """Lay the networks, then plans, answers, listings and projects of both cities."""
        for city in CITIES:
            lay_ground(self, city)
            for utility in Utility:
                lay(self, city, utility)
        self._haikou()
        self._dispute()
        self._sanya()
        carry_on(self)
        self._projects()

    # --- plans ------------------------------------------------------------------------------------------------

    def _draft(
        self, planner: str, title: str, features: list[dict[str, Any]], now: datetime
    ) -> SupplyPlan:
        with self.acting_as(planner) as actor:
            office = self.session.get_one(Organisation, actor.organisation_id)
            upload = uploads.receive(
                self.session,
                self.settings,
                organisation_id=office.id,
                account_id=actor.account_id,
                kind="plots",
                title=title,
                filename=f"{title}.geojson",
                stream=as_file(features),
                purpose={"illustrative": True},
                now=now,
            )
            return draft_plan(self.session, upload, office=office, now=now)

    def _released(
        self, planner: str, title: str, plots: Iterable[DemoPlot], days_ago: float
    ) -> int:
        features = [plot.feature(self._season) for plot in plots]
        plan = self._draft(planner, title, features, self.ago(days_ago + 1))
        with self.acting_as(planner) as actor:
            release(self.session, self.settings, plan.id, self.ago(days_ago), actor.account_id)
            now = self.ago(days_ago - 0.1)
            titles.state(
                self.session, [plot.id for plot in plan.plots], clear=True, document=_TITLE,
                document_date=today(self.ago(days_ago + 30)), note="", now=now,
            )  # fmt: skip
            return plan.id

    def _open(self, engineer: str, plan_id: int, days_ago: float) -> Push:
        """Open the push of a plan as its engineer; the actor must be in place."""
        push = self.session.scalars(
            select(Push).where(
                Push.plan_id == plan_id,
                Push.enterprise_id == self.cast[engineer].organisation_id,
            )
        ).one()
        return open_push(self.session, push.id, self.ago(days_ago))

    def _answer(
        self,
        engineer: str,
        plan_id: int,
        days_ago: float,
        wanted: Callable[[str], bool] = lambda _code: True,
    ) -> None:
        """Open a push and answer the plots whose code is wanted: the draft from the check, or what _SAID says."""
        now = self.ago(days_ago)
        with self.acting_as(engineer) as actor:
            push = self._open(engineer, plan_id, days_ago + 0.1)
            asked = self.session.execute(
                select(PushPlot.plot_id, PushPlot.utility, Plot.code)
                .join(Plot, Plot.id == PushPlot.plot_id)
                .where(PushPlot.push_id == push.id)
                .order_by(Plot.row)
            ).all()
            codes = {(plot_id, utility): code for plot_id, utility, code in asked if wanted(code)}
            found = proposals(self.session, push, list(codes), self.settings.check)
            for pair, code in codes.items():
                draft = self._said(found[pair].draft, code, now)
                if (code, draft.utility) in _AT_THE_STATION:
                    draft = replace(draft, connection_point=self._station(draft.utility))
                answering.answer(
                    self.session,
                    push.id,
                    draft,
                    check=self.settings.check,
                    region=self.settings.region,
                    gate=self.settings.gate,
                    account_id=actor.account_id,
                    now=now,
                )

    def _station(self, utility: str) -> tuple[float, float]:
        """Where the actor's station of the first quarter stands."""
        name = f"{QUARTERS[HAIKOU][0].name}{STATIONS[Utility(utility)][0]}"
        row = self.session.scalars(select(Facility).where(Facility.name.contains(name))).one()
        lon, lat = to_geojson(row.geom)["coordinates"]
        return lon, lat

    def _state_demand(self, planner: str, plan_id: int, code: str, days_ago: float) -> None:
        """State what no index knows: the gas that a project will need."""
        with self.acting_as(planner):
            plot = self.session.scalars(
                select(Plot).where(Plot.plan_id == plan_id, Plot.code == code)
            ).one()
            reason = "项目可行性研究报告：商业餐饮用气（演示）"
            demand.state(
                self.session, plot.id, Utility.GAS, 80, 120, reason, now=self.ago(days_ago)
            )

    def _said(self, draft: AnswerDraft, code: str, now: datetime) -> AnswerDraft:
        """The draft from the check as a person confirms it, or what _SAID says instead."""
        pair = (code, Utility(draft.utility))
        verdict, words = _SAID.get(pair, (AnswerVerdict.READY, ""))
        until = today(now) + timedelta(days=_VALID_DAYS)
        draft = replace(draft, verdict=verdict, valid_until=until, over=_OVER)
        if pair in PROMISED:
            works, days = PROMISED[pair]
            by = today(self.now) + timedelta(days=days)
            return replace(draft, verdict=AnswerVerdict.READY_BY, works=works, ready_by=by)
        return replace(draft, reason=words)

    def _list(self, planner: str, plan_id: int, codes: Sequence[str], days_ago: float) -> list[int]:
        with self.acting_as(planner) as actor:
            plots = self.session.execute(
                select(Plot.code, Plot.id).where(Plot.plan_id == plan_id, Plot.code.in_(codes))
            )
            return [
                gate.list_plot(
                    self.session,
                    plot_id,
                    self.settings.gate,
                    account_id=actor.account_id,
                    now=self.ago(days_ago),
                ).id
                for _code, plot_id in plots.all()
            ]

    def _haikou(self) -> None:
        """A plan fully answered: three plots listed, one sold, one shut out. A second one waits for its answers."""
        planner, engineers = "haikou-planner", self.engineers(HAIKOU)
        school, sanitation = notices()[:2]
        plots = (school, sanitation, SEWERLESS, WATERLESS, SOLD)
        plan = self._released(planner, self._title("海口市", "一"), plots, 45)
        self._state_demand(planner, plan, SOLD.code, 44.5)
        for number, engineer in enumerate(engineers.values()):
            self._answer(engineer, plan, 44 - number)
        self._list(planner, plan, (school.code, sanitation.code, SEWERLESS.code), 30)
        (sold,) = self._list(planner, plan, (SOLD.code,), 35)
        with self.acting_as(planner):
            gate.move_listing(
                self.session, sold, "sold", "挂牌成交（演示）", self.settings.gate, self.ago(12)
            )
        second = self._released(planner, self._title("海口市", "二"), WAITING, 2)
        self._answer(engineers[Utility.WATER], second, 1, lambda code: code == WAITING[0].code)
        self._answer(engineers[Utility.TELECOM], second, 1)
        with self.acting_as(engineers[Utility.POWER]):
            self._open(engineers[Utility.POWER], second, 0.5)

    def _dispute(self) -> None:
        """The planner marks a sewer that an answer left out; its enterprise upholds the answer, and the supervisor has to decide."""
        with self.acting_as("haikou-planner"):
            answer = self.session.scalars(
                select(Answer)
                .join(Answer.plot)
                .where(Plot.code == SEWERLESS.code, Answer.utility == Utility.DRAINAGE)
            ).one()
            lon, lat = shapely.from_wkb(answer.plot.geom.desc).centroid.coords[0]
            sewer = tuple((lon + 0.0012 + east, lat + 0.001) for east in (0.0, 0.0018, 0.0036))
            reason = "现场踏勘发现地块东北侧道路下已敷设污水管，答复没有考虑（演示）。"
            dispute = disputing.challenge(
                self.session,
                answer.id,
                DisputeDraft("facility", reason, sewer),
                check=self.settings.check,
                region=self.settings.region,
                clocks=self.settings.clocks,
                now=self.ago(9),
            )
        with self.acting_as(self.engineers(HAIKOU)[Utility.DRAINAGE]):
            reason = "该管为在建管段，尚未通水验收，暂不能接入（演示）。"
            disputing.uphold(self.session, dispute.id, reason, self.ago(4))

    def _sanya(self) -> None:
        """A plan partly answered, with enterprises that are late, and a draft that cannot be released yet."""
        planner, engineers = "sanya-planner", self.engineers(SANYA)
        _, _, yazhou, business, homes, centre, shops = notices()
        plots = (yazhou, business, homes, shops)
        plan = self._released(planner, self._title("三亚市", "一"), plots, 30)
        for utility in (Utility.WATER, Utility.DRAINAGE, Utility.TELECOM):
            self._answer(engineers[utility], plan, 27)
        some = (yazhou.code, homes.code)
        self._answer(engineers[Utility.POWER], plan, 26, lambda code: code in some)
        with self.acting_as(engineers[Utility.CABLE_TV]):
            self._open(engineers[Utility.CABLE_TV], plan, 20)
        features = [centre.feature(self._season), UNFINISHED.feature(self._season), overlapping()]
        self._draft(planner, self._title("三亚市", "二"), features, self.ago(1))

    # --- projects ---------------------------------------------------------------------------------------------

    def _projects(self) -> None:
        """One application waits for its owner; another is submitted and its items are under way."""
        first = self._permit(SOLD, HAIKOU, "演示商业中心", 0.8, SOLD.code)
        self._contact("haikou-water", first, 0.5)
        permit = self._permit(SANYA_PROJECT, SANYA, SANYA_PROJECT.name, 20, "")
        for word in ("water", "drainage", "power", "telecom"):
            self._contact(f"sanya-{word}", permit, 19)
        with self.acting_as("demo-owner"):
            application = self.session.scalars(
                select(Application).where(Application.permit_id == permit)
            ).one()
            # The approvals of the external lines are proposed already, from the routes.
            reason = "施工期间基坑排水需接入市政污水管网。"
            permit_items.add_item(self.session, application.id, 5, reason, now=self.ago(18))
            submission.submit(self.session, self.settings.clocks, application.id, now=self.ago(16))
            numbers = {item.annex_no: item.id for item in application.items}
        self._handle(numbers)

    def _contact(self, engineer: str, permit: int, days_ago: float) -> None:
        """Call on the owner of a project, as its push asks."""
        with self.acting_as(engineer) as actor:
            push = self.session.scalars(
                select(Push).where(
                    Push.permit_id == permit, Push.enterprise_id == actor.organisation_id
                )
            ).one()
            answering.contacted(self.session, push.id, self.ago(days_ago))

    def _permit(self, plot: DemoPlot, city: str, name: str, days_ago: float, plot_code: str) -> int:
        now = self.ago(days_ago)
        issued = today(now)
        fields = PermitFields.model_validate(
            {
                "permit_no": f"建字第{city}{issued.year}GG{9000 + int(days_ago):07d}号",
                "XMDM": f"{issued:%y%m}-{city}-04-01-{900000 + int(days_ago)}",
                "XZQHDM": city,
                "BLZT": 11,
                "BLSJ": now,
                "project_name": name,
                "address": f"{CITIES[city][0]}市{plot.quarter.name}（演示）",
                "issued_on": issued,
                "owner": {
                    "name": "海南演示置业有限公司",
                    "credit_code": OWNER_CREDIT_CODE,
                    "contact": "王演示",
                    "phone": "0898-20000300",
                },
                "plot_code": plot_code,
                "floor_area_m2": round(plot.area_m2 * 1.8, 2),
                "uses": [plot.use],
                "boundary": project_site(plot),
            }
        )
        with self.acting_as("exchange") as system:
            assert system.organisation_id is not None  # noqa: S101 - registered
            return receive_permit(
                self.session, self.settings, fields, source_id=system.organisation_id, now=now
            ).id

    def _handle(self, items: Mapping[int, int]) -> None:
        """Move the items of the submitted application as their handlers did."""
        steps = (
            ("sanya-water", 1, State.WINDOW_ACCEPTED, "", 15),
            ("sanya-water", 1, State.ACCEPTED, "", 14),
            ("sanya-water", 1, State.PASSED, "已通水，水表已安装。", 3),
            ("sanya-power", 2, State.WINDOW_ACCEPTED, "", 15),
            ("sanya-power", 2, State.ACCEPTED, "", 13),
            ("sanya-gas", 3, State.WINDOW_ACCEPTED, "", 14),
            ("sanya-gas", 3, State.CORRECTION_BEGUN, "请补充用气设备清单和最大小时用气量。", 9),
            ("sanya-waterbureau", 5, State.WINDOW_ACCEPTED, "", 15),
            ("sanya-waterbureau", 5, State.ACCEPTED, "", 12),
        )
        for username, number, state, note, days_ago in steps:
            with self.acting_as(username):
                tracker.move(self.session, items[number], int(state), note, now=self.ago(days_ago))
        with self.acting_as("sanya-power"):
            power = self.session.get_one(Item, items[2])
            tracker.declare_external_works(self.session, self.settings.clocks, power.id)
            tracker.give_first_design(self.session, power.id, now=self.ago(6))
