"""Deliveries to people: mail, SMS and WeChat, each with an answer link of its own where the event asks for an answer."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from landready import answer_links
from landready.outbox import OutboxEvent
from landready.pushes import Push
from landready.settings import Push as Settings
from push import adapter, email
from push.channels import Channel, address_of, channel_of
from push.claims import Claim
from push.messages import message, token
from push.transport import Outcome
from push.vault import CannotOpen, Vault

# Events after which an enterprise has something to answer.
_ANSWERED = ("plan.released", "project.permitted", "deadline.before", "deadline.late", "deadline.escalated")  # fmt: skip
LINK_PATH = "/a/"


def to_people(claim: Claim) -> bool:
    return channel_of(claim.receiver.url) is not Channel.WEBHOOK


def issue_links(
    session: Session, settings: Settings, vault: Vault, claims: Sequence[Claim], now: datetime
) -> None:
    """Make the links good that the messages of these claims will carry, in the transaction of the claim. Needs the engine."""
    wanted = {claim.event_id: claim for claim in claims if to_people(claim)}
    if not (wanted and settings.portal):
        return
    life = timedelta(days=settings.link_days)
    found = session.execute(
        select(OutboxEvent.id, Push)
        .join(Push, Push.id == OutboxEvent.push_id)
        .where(OutboxEvent.id.in_(wanted), OutboxEvent.type.in_(_ANSWERED))
    ).all()
    pushes = {event_id: push for event_id, push in found}  # noqa: C416 - rows are no pairs to mypy
    for claim in claims:
        if to_people(claim) and (push := pushes.get(claim.event_id)):
            try:
                secret = vault.open(claim.receiver.secrets[0], claim.receiver.enterprise_id)
            except CannotOpen:
                continue  # the attempt itself will say so
            sent_to = address_of(claim.receiver.url)
            answer_links.issue(
                session, push, token(secret, claim.event_id), sent_to, now=now, life=life
            )


def send(settings: Settings, claim: Claim, secret: str, now: datetime) -> Outcome:
    """Send one claim's message to its person."""
    to = claim.receiver
    channel, portal = channel_of(to.url), settings.portal.rstrip("/")
    event = json.loads(claim.body)
    asks = portal and event["type"] in _ANSWERED and event["data"].get("push")
    link = f"{portal}{LINK_PATH}{token(secret, claim.event_id)}" if asks else ""
    said = message(claim.body, portal=portal, link=link)
    # Two addresses of one enterprise get two messages of the same event.
    message_id = uuid.uuid5(claim.event_id, str(to.endpoint_id))
    if channel is Channel.EMAIL:
        return email.send(
            address_of(to.url), said, str(message_id), settings.email, now, timeout_s=settings.timeout_s,
        )  # fmt: skip
    return adapter.send(
        channel, address_of(to.url), said, message_id, link, settings.gateway, now, timeout_s=settings.timeout_s,
    )  # fmt: skip
