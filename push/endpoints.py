"""The receiving systems of an enterprise or of the trading platform: added, moved, given a new secret, tried out, disabled.

`enterprise_id` is the receiver in every table of push: an enterprise, or the organisation of a connected system.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from geo.problems import N_, Problem
from landready import outbox
from landready.db import Role, Session, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from push import signing
from push.addresses import BadUrl, parse
from push.models import Delivery, Endpoint, EndpointNetwork
from push.vault import Vault

# After a change of the secret the old one signs too, as long as Svix lets it.
OVERLAP = timedelta(hours=24)


def add_endpoint(
    session: Session, vault: Vault, enterprise_id: int, url: str, now: datetime
) -> tuple[Endpoint, str]:
    """Add a receiving system and return it with its secret, which is shown this once.

    Whether its address may be reached is judged at every attempt, because names move.

    Raises:
        NotAllowed: the asker is neither this enterprise nor the administrator.
        Invalid: not a usable URL.
        Conflict: the enterprise has it already.
    """
    actor = actor_of(session)
    own = actor.role is Role.ENTERPRISE and actor.organisation_id == enterprise_id
    if not own and actor.role is not Role.ADMIN:
        raise NotAllowed
    url = _usable(session, enterprise_id, url)
    # A connected system with a receiving address is told what the trading platform must know, from now on.
    session.execute(
        update(Organisation)
        .where(Organisation.id == enterprise_id, Organisation.kind == Role.EXCHANGE)
        .values(told_of_listings=True)
    )
    secret = signing.new_secret()
    endpoint = Endpoint(
        enterprise_id=enterprise_id,
        url=url,
        secret=vault.seal(secret, enterprise_id),
        created_at=now,
    )
    session.add(endpoint)
    session.flush()
    return endpoint, secret


def change_url(session: Session, endpoint_id: int, url: str, now: datetime) -> None:
    """Send to another address from now on, with the same secret.

    Networks were approved for the host and port that the administrator saw: with another host or port they are revoked.

    Raises:
        NotFound: no such system, or not the asker's.
        Invalid: not a usable URL.
        Conflict: the system is disabled, or the enterprise has that address already.
    """
    endpoint = _system_in_use(session, endpoint_id)
    if not endpoint.url.startswith("http"):
        raise NotFound
    if url.strip() == endpoint.url:
        return
    url = _usable(session, endpoint.enterprise_id, url)
    before, after = parse(endpoint.url), parse(url)
    moved = (before.scheme, before.netloc) != (after.scheme, after.netloc)
    endpoint.url = url
    # What was learnt of the old place says nothing of the new one.
    endpoint.failures, endpoint.failing_since, endpoint.resting_until = 0, None, None
    session.flush()
    if moved:
        with as_engine(session):
            session.execute(
                update(EndpointNetwork)
                .where(
                    EndpointNetwork.endpoint_id == endpoint_id, EndpointNetwork.revoked_at.is_(None)
                )
                .values(revoked_at=now)
            )


def rotate_secret(session: Session, vault: Vault, endpoint_id: int, now: datetime) -> str:
    """Give a system a new secret and return it, shown this once; for `OVERLAP` the old one signs beside it.

    Raises:
        NotFound: no such system, or not the asker's.
        Conflict: the system is disabled, or the change before is not over: end it first if the old secret leaked.
    """
    endpoint = _system_in_use(session, endpoint_id)
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > now:
        raise Conflict(N_("上一次更换还没有结束：请先停用旧密钥，或等它到期。"))
    secret = signing.new_secret()
    endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, now + OVERLAP
    endpoint.secret = vault.seal(secret, endpoint.enterprise_id)
    session.flush()
    return secret


def end_rotation(session: Session, endpoint_id: int) -> None:
    """Let the old secret sign no longer, at once. Repeating it changes nothing.

    Raises:
        NotFound: no such system, or not the asker's.
    """
    endpoint = _own_system(session, endpoint_id)
    endpoint.old_secret = endpoint.old_secret_until = None
    session.flush()


def endpoints_of(session: Session, enterprise_id: int) -> list[Endpoint]:
    """Every system the enterprise ever had, newest first; the enterprise and the administrator see them.

    Addresses of people are push.channels' business.
    """
    return list(
        session.scalars(
            select(Endpoint)
            .where(Endpoint.enterprise_id == enterprise_id, Endpoint.url.like("http%"))
            .order_by(Endpoint.id.desc())
        )
    )


def systems_of(session: Session, enterprise_id: int) -> list[Endpoint]:
    """Every receiving system the enterprise ever had, without the addresses of its people (push.channels)."""
    return [one for one in endpoints_of(session, enterprise_id) if _is_system(one)]


def disable_endpoint(session: Session, endpoint_id: int, reason: str, now: datetime) -> None:
    """Stop sending to a system at the asker's wish. What was still owed to it stays visible as not delivered.

    Raises:
        NotFound: no such system, or not the asker's.
    """
    _own(session, endpoint_id)
    with as_engine(session):
        disable(session, endpoint_id, reason, now)


def disable(session: Session, endpoint_id: int, reason: str, now: datetime) -> None:
    """Disable a system and close what is owed to it. Needs the engine; repeating it keeps the first reason."""
    # The endpoint first, as fan-out does: so the two wait for each other and no delivery is left open behind us.
    disabled = session.execute(
        update(Endpoint)
        .where(Endpoint.id == endpoint_id, Endpoint.disabled_at.is_(None))
        .values(disabled_at=now, disabled_reason=reason)
        .returning(Endpoint.id)
    ).all()
    if disabled:
        session.execute(
            update(Delivery)
            .where(Delivery.endpoint_id == endpoint_id, Delivery.state == "owed")
            .values(state="dead")
        )


def send_test_event(session: Session, endpoint_id: int, now: datetime) -> int:
    """Owe one `endpoint.test` event to this system alone; return the delivery's id.

    Raises:
        NotFound: no such system, or not the asker's.
        Conflict: the system is disabled.
    """
    endpoint = _in_use(session, endpoint_id)
    event_id = outbox.record(
        session,
        enterprise_id=endpoint.enterprise_id,
        # From the enterprise to itself: no office has a part in it, so none sees it.
        office_id=endpoint.enterprise_id,
        push_id=None,
        type_="endpoint.test",
        data={"endpoint_id": endpoint.id},
        now=now,
    )
    with as_engine(session):
        session.execute(
            update(OutboxEvent).where(OutboxEvent.id == event_id).values(fanned_out_at=now)
        )
        delivery = Delivery(
            endpoint_id=endpoint.id,
            event_id=event_id,
            enterprise_id=endpoint.enterprise_id,
            office_id=endpoint.enterprise_id,
            owed_since=now,
            next_attempt_at=now,
            created_at=now,
        )
        session.add(delivery)
    return delivery.id


def _own(session: Session, endpoint_id: int) -> Endpoint:
    endpoint = session.scalar(select(Endpoint).where(Endpoint.id == endpoint_id))
    if endpoint is None:
        raise NotFound
    return endpoint


def _in_use(session: Session, endpoint_id: int) -> Endpoint:
    endpoint = _own(session, endpoint_id)
    if endpoint.disabled_at:
        raise Conflict(N_("这个接收系统已停用。"))
    return endpoint


def _is_system(endpoint: Endpoint) -> bool:
    return endpoint.url.startswith("http")


def _own_system(session: Session, endpoint_id: int) -> Endpoint:
    """Of an address of people there is no secret to be shown: answer links are derived from it."""
    endpoint = _own(session, endpoint_id)
    if not _is_system(endpoint):
        raise NotFound
    return endpoint


def _system_in_use(session: Session, endpoint_id: int) -> Endpoint:
    _own_system(session, endpoint_id)
    return _in_use(session, endpoint_id)


def _usable(session: Session, enterprise_id: int, url: str) -> str:
    url = url.strip()
    try:
        parse(url)
    except BadUrl as error:
        raise Invalid((_bad_url(url),)) from error
    if any(one.url == url and not one.disabled_at for one in endpoints_of(session, enterprise_id)):
        raise Conflict(N_("这个接收地址已经登记。"))
    return url


def _bad_url(url: str) -> Problem:
    return Problem(
        code="bad_url",
        severity="error",
        text=N_(
            "接收地址“{url}”不可用：应为不超过 500 个字符的 http 或 https 地址，不含用户名和 #，中文域名请用 punycode 写法。"
        ),
        params={"url": url[:100]},
    )
