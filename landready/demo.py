"""`landready demo`: the demo province, loaded once into an empty installation."""

from datetime import UTC, datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from landready import servers
from landready.db import ENGINE, connect, transaction
from landready.demo_people import DemoLogin as DemoLogin
from landready.demo_people import logins, register
from landready.demo_story import Story
from landready.organisations import Account, Organisation
from landready.settings import Settings

_LOCK = 0x1A4D_0002


def load(settings: Settings) -> list[DemoLogin]:
    """Load the demo province unless it is there, all or nothing, and return its logins.

    An installation that has organisations of its own is left alone, and no logins are returned: the demo's password is
    known to everybody.
    """
    engine = connect(servers.database_url(settings))
    try:
        with transaction(engine, ENGINE) as session:
            # Two hosts that start at once: the second finds the demo of the first.
            session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            if _loaded(session):
                return logins()
            if session.scalar(select(exists().where(Organisation.id.is_not(None)))):
                return []
            now = datetime.now(UTC)
            Story(session, settings, register(session, now), now).tell()
    finally:
        engine.dispose()
    return logins()


def _loaded(session: Session) -> bool:
    return bool(session.scalar(select(exists().where(Account.username == "demo-admin"))))
