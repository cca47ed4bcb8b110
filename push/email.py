"""One mail through the office's server. A mail is a delivery like any other: what the server says decides what follows."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from landready.settings import Email
from push.messages import Message
from push.transport import Answered, Failed, Fault, Outcome

# Every word to the server may take its share of an attempt, so that one that drips does not outlive the lease.
_SHARE = 4


def send(
    to: str, said: Message, message_id: str, settings: Email, now: datetime, *, timeout_s: float
) -> Outcome:
    """Send `said` to one address; `message_id` is the same on every attempt. Raises nothing."""
    if not (settings.host and settings.sender):
        return Failed(Fault.NO_SENDER)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = settings.sender, to, said.title
    mail["Message-ID"] = f"<{message_id}@landready>"
    mail["Date"] = format_datetime(now)
    # No out-of-office answers, and no copies of what was written to it.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(said.text)
    try:
        with _connected(settings, timeout_s / _SHARE) as server:
            if settings.username:
                server.login(settings.username, settings.password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as refused:
        return Answered(refused.recipients[to][0] if to in refused.recipients else 550)
    except smtplib.SMTPResponseException as error:
        return Answered(error.smtp_code)
    except TimeoutError:
        return Failed(Fault.TIMEOUT)
    except ssl.SSLError:
        return Failed(Fault.TLS)
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPException):
        return Failed(Fault.BROKEN)
    except OSError:
        return Failed(Fault.NO_CONNECTION)
    return Answered(250)


def _connected(settings: Email, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=timeout_s, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=timeout_s)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server
