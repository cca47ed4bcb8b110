"""SMS and WeChat: one signed POST of JSON to the gateway that the operator names; the gateway knows the providers.

The contract stands in docs/integrators.md. It is signed as our webhooks are, so that a gateway verifies it with the same
libraries, and takes a repetition for one by its id.
"""

import json
import uuid
from datetime import datetime

from landready.settings import Gateway
from push import signing, transport
from push.channels import Channel
from push.messages import Message
from push.transport import Failed, Fault, Outcome


def send(
    channel: Channel,
    to: str,
    said: Message,
    message_id: uuid.UUID,
    link: str,
    settings: Gateway,
    now: datetime,
    *,
    timeout_s: float,
) -> Outcome:
    """Hand one message to the gateway; any 2xx says that it took it over. Raises nothing."""
    if not (settings.url and settings.secret):
        return Failed(Fault.NO_SENDER)
    content = {
        "id": str(message_id),
        "channel": channel.value,
        "to": to,
        "title": said.title,
        "text": said.text,
        "link": link,
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return transport.post(
        settings.url,
        body,
        signing.headers(settings.secret, message_id, body, now),
        timeout_s=timeout_s,
        allow=settings.networks,
    )
