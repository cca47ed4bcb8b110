"""How each push reached its enterprise, for the planner's and the enterprise's pages; what needs a person; sending one again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from geo.problems import N_, Problem
from landready.db import Role, Session, actor_of, as_engine
from landready.errors import Conflict, NotAllowed, NotFound
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.pushes import Push
from push.channels import Channel, channel_of
from push.models import Attempt, Delivery, Endpoint
from push.transport import Fault

# As many given-up deliveries as a page shows; all of them can be sent again at once (push.replay).
NEWEST = 50
_WORDS = {
    Fault.BAD_URL: N_("接收地址写法不可用。"),
    Fault.UNKNOWN_NAME: N_("接收地址的域名无法解析。"),
    Fault.REFUSED_ADDRESS: N_("接收地址在内部网段，系统管理员还没有批准该网段。"),
    Fault.PLAIN_HTTP: N_("公网接收地址必须使用 https。"),
    Fault.NO_CONNECTION: N_("无法连接接收系统。"),
    Fault.TLS: N_("接收系统的证书未通过验证。"),
    Fault.TIMEOUT: N_("接收系统没有在时限内答复。"),
    Fault.BROKEN: N_("连接中断，没有收到完整答复。"),
    Fault.INTERNAL: N_("本系统出错，没有发出。错误已记入日志，请系统管理员查看。"),
    Fault.SEALED: N_("本系统无法解开保存的签名密钥，请系统管理员检查 LANDREADY_SECRET_KEY。"),
    Fault.NO_SENDER: N_("没有配置邮件服务器或短信网关，请联系系统管理员。"),
    Fault.LOST: N_("发送进程中断，结果未知，已重新发送。"),
}


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """One try; `problem` is None when it was received or is under way (`finished_at` None)."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class WebhookState:
    """One event on its way to one system or person of the enterprise: 'owed', 'delivered', 'dead' (given up) or 'pulled'."""

    delivery_id: int
    channel: Channel
    state: str
    attempts: tuple[AttemptShown, ...]
    next_attempt_at: datetime | None
    delivered_at: datetime | None

    @property
    def last_problem(self) -> Problem | None:
        """What went wrong last, in words; None once received."""
        if self.state in ("delivered", "pulled"):
            return None
        return next((one.problem for one in reversed(self.attempts) if one.problem), None)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that did not reach an enterprise's system; `push` where it belongs to one the asker may see."""

    webhook: WebhookState
    enterprise: str
    number: int | None
    type: str
    push: Push | None
    # Its address, told to the enterprise alone; empty for an office.
    address: str

    @property
    def title(self) -> str:
        """The plan or project it is about, empty where it is about neither."""
        if self.push is None:
            return ""
        if self.push.plan:
            return self.push.plan.title
        return self.push.permit.project_name if self.push.permit else ""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """How many deliveries were given up, and the newest of them, newest first, up to `NEWEST`."""

    total: int
    newest: Sequence[Undelivered]


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """The channels of one push. The portal's inbox has it from the moment of the push; webhooks may be none."""

    push_id: int
    inbox_at: datetime
    webhooks: tuple[WebhookState, ...]


def deliveries_of(session: Session, push_ids: Iterable[int]) -> Mapping[int, DeliverySummary]:
    """Return the channels of those pushes that the asker may see."""
    pushes = session.execute(select(Push.id, Push.pushed_at).where(Push.id.in_(list(push_ids))))
    inbox = {one.id: one.pushed_at for one in pushes}
    deliveries = session.scalars(
        select(Delivery).where(Delivery.push_id.in_(inbox)).order_by(Delivery.id)
    ).all()
    attempts = _attempts(session, [one.id for one in deliveries])
    channels = _channels(session, deliveries)
    return {
        push_id: DeliverySummary(
            push_id,
            pushed_at,
            tuple(
                _shown(one, channels[one.endpoint_id], attempts.get(one.id, ()))
                for one in deliveries
                if one.push_id == push_id
            ),
        )
        for push_id, pushed_at in inbox.items()
    }


def overdue(session: Session, today: date) -> Sequence[Push]:
    """Pushes the asker may see whose answer is late on `today` (Asia/Shanghai), the latest first."""
    return session.scalars(
        select(Push)
        .where(Push.answered_at.is_(None), Push.due_on < today)
        .order_by(Push.due_on, Push.id)
    ).all()


def undelivered(session: Session) -> GivenUp:
    """Return what the asker may see and a person must look after: deliveries that were given up.

    One leaves the list when it is sent again, or when the enterprise acknowledges that it has pulled it.
    """
    given_up = Delivery.state == "dead"
    total = session.scalar(select(func.count(Delivery.id)).where(given_up)) or 0
    if not total:
        return GivenUp(0, ())
    dead = session.scalars(
        select(Delivery).where(given_up).order_by(Delivery.id.desc()).limit(NEWEST)
    ).all()
    attempts = _attempts(session, [one.id for one in dead])
    channels = _channels(session, dead)
    pushes = _pushes(session, {one.push_id for one in dead if one.push_id})
    addresses = {
        one.id: one.url
        for one in session.scalars(
            select(Endpoint).where(Endpoint.id.in_({one.endpoint_id for one in dead}))
        )
    }
    with as_engine(session):
        events = {
            event_id: (number, type_)
            for event_id, number, type_ in session.execute(
                select(OutboxEvent.id, OutboxEvent.number, OutboxEvent.type).where(
                    OutboxEvent.id.in_([one.event_id for one in dead])
                )
            )
        }
        enterprises = session.scalars(
            select(Organisation).where(Organisation.id.in_({one.enterprise_id for one in dead}))
        )
        names = {one.id: one.name for one in enterprises}
    newest = [
        Undelivered(
            _shown(one, channels[one.endpoint_id], attempts.get(one.id, ())),
            names[one.enterprise_id],
            *events[one.event_id],
            pushes.get(one.push_id or 0),
            addresses.get(one.endpoint_id, ""),
        )
        for one in dead
    ]
    return GivenUp(total, newest)


def _pushes(session: Session, push_ids: Iterable[int]) -> Mapping[int, Push]:
    found = session.scalars(
        select(Push)
        .where(Push.id.in_(push_ids))
        .options(joinedload(Push.plan), joinedload(Push.permit))
    )
    return {one.id: one for one in found.unique()}


def last_attempts(session: Session, endpoint_ids: Iterable[int]) -> Mapping[int, AttemptShown]:
    """Return the newest attempt at each of those systems that the asker may see; one that was never sent to is left out.

    The administrator, who sees no delivery, sees how the systems he registers fare.
    """
    if actor_of(session).role is Role.ADMIN:
        with as_engine(session):
            return _last_attempts(session, endpoint_ids)
    return _last_attempts(session, endpoint_ids)


def _last_attempts(session: Session, endpoint_ids: Iterable[int]) -> Mapping[int, AttemptShown]:
    found: dict[int, AttemptShown] = {}
    for endpoint_id in endpoint_ids:
        one = session.scalar(
            select(Attempt)
            .join(Delivery, Delivery.id == Attempt.delivery_id)
            .where(Delivery.endpoint_id == endpoint_id)
            .order_by(Attempt.id.desc())
            .limit(1)
        )
        if one:
            found[endpoint_id] = _attempt(one)
    return found


def redeliver(session: Session, delivery_id: int, now: datetime) -> None:
    """Owe a delivery anew from the start of the schedule: the same id and bytes, which a receiver knows again.

    Raises:
        NotFound: no such delivery, or not the asker's.
        NotAllowed: the asker is neither the office that pushed nor the enterprise.
        Conflict: it is being sent at this moment, or its system is disabled.
    """
    found = session.scalar(select(Delivery).where(Delivery.id == delivery_id))
    if found is None:
        raise NotFound
    if actor_of(session).role not in {Role.OFFICE, Role.ENTERPRISE}:
        raise NotAllowed
    with as_engine(session):
        # The endpoint first, as in fan-out: nothing may become owed to one that is being disabled.
        endpoint = session.get_one(Endpoint, found.endpoint_id, with_for_update={"read": True})
        if endpoint.disabled_at:
            raise Conflict(N_("这个接收系统已停用。"))
        delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
        if delivery.lease_until and delivery.lease_until > now:
            raise Conflict(N_("正在发送，请稍后再看结果。"))
        delivery.state = "owed"
        delivery.attempts_made = 0
        delivery.owed_since = delivery.next_attempt_at = now
        delivery.delivered_at = None
    session.info["told"] = True


def _attempts(session: Session, delivery_ids: list[int]) -> dict[int, tuple[AttemptShown, ...]]:
    made: dict[int, tuple[AttemptShown, ...]] = {}
    found = session.scalars(
        select(Attempt).where(Attempt.delivery_id.in_(delivery_ids)).order_by(Attempt.id)
    )
    for one in found:
        made[one.delivery_id] = (*made.get(one.delivery_id, ()), _attempt(one))
    return made


def _attempt(one: Attempt) -> AttemptShown:
    return AttemptShown(one.number, one.started_at, one.finished_at, _problem(one))


def _channels(session: Session, deliveries: Sequence[Delivery]) -> Mapping[int, Channel]:
    """By endpoint what it is; its address itself is told to nobody here."""
    with as_engine(session):
        rows = session.execute(
            select(Endpoint.id, Endpoint.url).where(
                Endpoint.id.in_({one.endpoint_id for one in deliveries})
            )
        )
        return {endpoint_id: channel_of(url) for endpoint_id, url in rows}


def _shown(
    delivery: Delivery, channel: Channel, attempts: tuple[AttemptShown, ...]
) -> WebhookState:
    return WebhookState(
        delivery.id,
        channel,
        delivery.state,
        attempts,
        delivery.next_attempt_at if delivery.state == "owed" else None,
        delivery.delivered_at,
    )


def _problem(attempt: Attempt) -> Problem | None:
    if attempt.error:
        return Problem(attempt.error, "error", _WORDS[Fault(attempt.error)])
    if attempt.status is None or 200 <= attempt.status < 300:
        return None
    if 300 <= attempt.status < 400:
        text = N_("接收系统答复 {status}（转向），本系统不跟随转向。")
    else:
        text = N_("接收系统答复 {status}。")
    return Problem("http_status", "error", text, {"status": attempt.status})
