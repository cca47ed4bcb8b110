"""Which private subnets an administrator lets one endpoint lie in: deny by default, approved one by one, revoked at will."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import ip_network

from sqlalchemy import select

from geo.problems import N_, Problem
from landready.db import Role, Session, actor_of
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from push.addresses import APPROVABLE, Network
from push.models import Endpoint, EndpointNetwork

# The widest subnet of each version that may be approved in one go: a receiver, not a whole administration.
_WIDEST = {4: 16, 6: 48}


def approve(session: Session, endpoint_id: int, network: str, now: datetime) -> EndpointNetwork:
    """Let an endpoint's address lie in a private subnet, where plain http is possible too.

    Raises:
        NotAllowed: the asker is not the administrator.
        NotFound: no such endpoint.
        Conflict: it is disabled, or has this approval already.
        Invalid: not a subnet, wider than /16 (IPv6: /48), or not in a private range.
    """
    actor = actor_of(session)
    if actor.role is not Role.ADMIN:
        raise NotAllowed
    endpoint = session.get(Endpoint, endpoint_id)
    if endpoint is None or not endpoint.url.startswith("http"):
        raise NotFound
    if endpoint.disabled_at:
        raise Conflict(N_("这个接收系统已停用。"))
    found = _parsed(network)
    if any(one.network == found for one in networks_of(session, [endpoint_id])[endpoint_id]):
        raise Conflict(N_("这个网段已经批准。"))
    made = EndpointNetwork(
        endpoint_id=endpoint_id,
        enterprise_id=endpoint.enterprise_id,
        network=found,
        approved_by=actor.account_id,
        approved_at=now,
    )
    session.add(made)
    session.flush()
    return made


def revoke(session: Session, network_id: int, now: datetime) -> EndpointNetwork:
    """Take an approval back; the next attempt is refused. Repeating it changes nothing.

    Raises:
        NotAllowed: the asker is not the administrator.
        NotFound: there is no such approval.
    """
    if actor_of(session).role is not Role.ADMIN:
        raise NotAllowed
    found = session.get(EndpointNetwork, network_id)
    if found is None:
        raise NotFound
    found.revoked_at = found.revoked_at or now
    session.flush()
    return found


def networks_of(
    session: Session, endpoint_ids: Iterable[int]
) -> Mapping[int, list[EndpointNetwork]]:
    """Return what is approved now for each endpoint, for the enterprise and the administrator."""
    found: dict[int, list[EndpointNetwork]] = {one: [] for one in endpoint_ids}
    for approved in session.scalars(
        select(EndpointNetwork)
        .where(EndpointNetwork.endpoint_id.in_(found), EndpointNetwork.revoked_at.is_(None))
        .order_by(EndpointNetwork.id)
    ):
        found[approved.endpoint_id].append(approved)
    return found


def _parsed(text: str) -> Network:
    try:
        network = ip_network(text.strip())
    except ValueError:
        raise _refused(text, N_("“{network}”不是网段：应如 10.20.0.0/16，主机位为零。")) from None
    if not any(_within(network, wide) for wide in APPROVABLE):
        raise _refused(text, N_("“{network}”不在可以批准的内网地址范围内。"))
    if network.version == 4 and network.prefixlen < _WIDEST[4]:
        raise _refused(text, N_("网段“{network}”太大：IPv4 最大 /16。"))
    if network.version == 6 and network.prefixlen < _WIDEST[6]:
        raise _refused(text, N_("网段“{network}”太大：IPv6 最大 /48。"))
    return network


def _within(network: Network, wide: Network) -> bool:
    return (
        network.version == wide.version
        and network.network_address in wide
        and network.broadcast_address in wide
    )


def _refused(text: str, why: str) -> Invalid:
    return Invalid((Problem("bad_network", "error", why, {"network": text[:60]}, where="network"),))
