"""On which channel an enterprise is told: its wish, its addresses, and never two channels for the same unless it asks.

An address is an endpoint like any other, named by its scheme: https for its own system, mailto, sms or wechat for people. So
outbox, leases, attempts, retries and what is given up are the same for all of them.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready.db import Role, actor_of
from landready.errors import Conflict, Invalid, NotAllowed
from push import signing
from push.models import ChannelWish, Endpoint
from push.vault import Vault


class Channel(StrEnum):
    """How an enterprise is told. The portal's inbox holds every push whatever is chosen; `portal` and `pull` send nothing."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SMS = "sms"
    WECHAT = "wechat"
    PULL = "pull"
    PORTAL = "portal"


# Without a wish: the first of these that the enterprise has an address for.
SENT = (Channel.WEBHOOK, Channel.EMAIL, Channel.SMS, Channel.WECHAT)
_SCHEMES = {"mailto": Channel.EMAIL, "sms": Channel.SMS, "wechat": Channel.WECHAT}
_ADDRESSES = {
    Channel.EMAIL: re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"),
    Channel.SMS: re.compile(r"\+?[0-9]{5,20}"),
    Channel.WECHAT: re.compile(r"[A-Za-z0-9_-]{6,64}"),
}


def channel_of(url: str) -> Channel:
    """Return the channel that an endpoint's address belongs to."""
    return _SCHEMES.get(url.partition(":")[0], Channel.WEBHOOK)


def address_of(url: str) -> str:
    """Return the address as people write it."""
    return url if channel_of(url) is Channel.WEBHOOK else url.partition(":")[2]


def told_on(channels: Collection[Channel], wish: ChannelWish | None) -> frozenset[Channel]:
    """Decide on which channels an enterprise is told that has addresses on `channels`. Pure.

    A wish for a channel that it has no address for is no wish for silence: then the first that it has one for is taken.
    """
    first = next((c for c in SENT if c in channels), None)
    wished = Channel(wish.channel) if wish else None
    if wished in (Channel.PULL, Channel.PORTAL):
        main: set[Channel] = set()
    else:
        main = {c for c in (wished if wished in channels else first,) if c}
    also = {Channel(name) for name in wish.also} if wish else set()
    return frozenset((main | also) & set(channels))


def preferred(session: Session, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Keep the endpoints on which their enterprises are to be told. Needs the engine."""
    endpoints = list(endpoints)
    has: dict[int, set[Channel]] = {}
    for one in endpoints:
        has.setdefault(one.enterprise_id, set()).add(channel_of(one.url))
    wishes = {
        wish.enterprise_id: wish
        for wish in session.scalars(select(ChannelWish).where(ChannelWish.enterprise_id.in_(has)))
    }
    told = {who: told_on(channels, wishes.get(who)) for who, channels in has.items()}
    return [one for one in endpoints if channel_of(one.url) in told[one.enterprise_id]]


def wish_of(session: Session) -> ChannelWish | None:
    """Return the wish of the asking enterprise."""
    return session.get(ChannelWish, actor_of(session).organisation_id)


def wish(
    session: Session, channel: str, also: Collection[str], *, account_id: int | None, now: datetime
) -> ChannelWish:
    """Choose the channel of the asking enterprise, and those that tell the same beside it.

    Raises:
        NotAllowed: the asker is no enterprise.
        Invalid: no such channel.
    """
    enterprise_id = _asking(session)
    if channel not in set(Channel) or not set(also) <= set(SENT):
        raise Invalid((Problem("channel", "error", N_("请选择一个通知渠道。"), where="channel"),))
    found = wish_of(session) or ChannelWish(enterprise_id=enterprise_id)
    found.channel = channel
    found.also = sorted(set(also) - {channel})
    found.changed_at, found.changed_by = now, account_id
    session.add(found)
    session.flush()
    return found


def addresses_of(session: Session) -> Sequence[Endpoint]:
    """Return the addresses of people that the asking enterprise gave, those in use first."""
    found = session.scalars(
        select(Endpoint)
        .where(Endpoint.enterprise_id == _asking(session), ~Endpoint.url.like("http%"))
        .order_by(Endpoint.disabled_at.is_not(None), Endpoint.id)
    )
    return found.all()


def add_address(
    session: Session, vault: Vault, channel: str, address: str, now: datetime
) -> Endpoint:
    """Add an address at which people of the asking enterprise are told.

    Raises:
        NotAllowed: the asker is no enterprise.
        Invalid: not an address of that channel.
        Conflict: it is in use already.
    """
    enterprise_id = _asking(session)
    address = address.strip()
    pattern = _ADDRESSES.get(Channel(channel)) if channel in set(Channel) else None
    if pattern is None or len(address) > 200 or not pattern.fullmatch(address):
        text = N_("“{address}”不是这种渠道的地址。")
        params = {"address": address[:60]}
        raise Invalid((Problem("address", "error", text, params, where="address"),))
    scheme = next(name for name, kind in _SCHEMES.items() if kind == channel)
    url = f"{scheme}:{address}"
    if any(one.url == url and not one.disabled_at for one in addresses_of(session)):
        raise Conflict(N_("这个地址已经登记。"))
    endpoint = Endpoint(
        enterprise_id=enterprise_id,
        url=url,
        # Answer links to this address are derived from it; nobody is ever shown it.
        secret=vault.seal(signing.new_secret(), enterprise_id),
        created_at=now,
    )
    session.add(endpoint)
    session.flush()
    return endpoint


def _asking(session: Session) -> int:
    actor = actor_of(session)
    if actor.role is not Role.ENTERPRISE or actor.organisation_id is None:
        raise NotAllowed
    return actor.organisation_id
