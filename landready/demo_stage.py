"""The stage of the demo province: who acts, and when."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from landready.db import Actor, acting
from landready.demo_world import CITIES, COMPANIES
from landready.settings import Settings
from landready.utilities import Utility


class Stage:
    """One load of the demo: `cast` is who acts under each user name, `now` the moment of loading."""

    def __init__(
        self, session: Session, settings: Settings, cast: Mapping[str, Actor], now: datetime
    ) -> None:
        self.session, self.settings, self.cast, self.now = session, settings, cast, now

    def ago(self, days: float) -> datetime:
        return self.now - timedelta(days=days)

    @contextmanager
    def acting_as(self, username: str) -> Iterator[Actor]:
        """Act as one of the cast, with nothing in mind of what others saw."""
        actor = self.cast[username]
        with acting(self.session, actor):
            self.session.expire_all()
            yield actor

    def engineers(self, city: str) -> dict[Utility, str]:
        """Return the user name of the engineer of each utility in a city."""
        latin = CITIES[city][1]
        return {utility: f"{latin}-{COMPANIES[utility][2]}" for utility in Utility}
