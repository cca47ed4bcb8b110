"""What must survive a restart: the events that came, and the batches of answers that were sent or are still to be sent."""

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLES = """
create table if not exists event (
    id text primary key, number integer, body blob not null, done integer not null default 0);
create index if not exists event_number on event (number);
create table if not exists batch (
    key text primary key, body blob not null, state text not null default 'waiting',
    tries integer not null default 0, due real not null default 0, said text not null default '');
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers under their idempotency key, as they are sent every time (C1)."""

    key: str
    body: bytes
    tries: int = 0


class Store:
    """One SQLite file; `:memory:` forgets everything at the end."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(path, check_same_thread=False)
        self._base.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def keep(self, body: bytes) -> None:
        """Store an event once, whichever way and however often it comes (W2). Only a test has no number (W4)."""
        event = json.loads(body)
        with self._transaction() as base:
            base.execute(
                "insert or ignore into event (id, number, body) values (?, ?, ?)",
                (event["id"], event.get("number"), body),
            )

    def undone(self) -> list[dict[str, Any]]:
        """Return the events that no batches were made for yet."""
        rows = self._rows("select body from event where done = 0 order by number")
        return [json.loads(body) for (body,) in rows]

    def plan(self, event_id: str, batches: Sequence[Batch]) -> None:
        """Write down what will be answered to an event before anything is sent (C1)."""
        with self._transaction() as base:
            base.executemany(
                "insert or ignore into batch (key, body) values (?, ?)",
                [(one.key, one.body) for one in batches],
            )
            base.execute("update event set done = 1 where id = ?", (event_id,))

    def due(self) -> list[Batch]:
        waiting = "select key, body, tries from batch where state = 'waiting' and due <= ?"
        return [Batch(*row) for row in self._rows(waiting, time.time())]

    def settle(self, key: str, state: str, said: str) -> None:
        with self._transaction() as base:
            base.execute("update batch set state = ?, said = ? where key = ?", (state, said, key))

    def postpone(self, key: str, seconds: float) -> None:
        with self._transaction() as base:
            base.execute(
                "update batch set tries = tries + 1, due = ? where key = ?",
                (time.time() + seconds, key),
            )

    def highest(self) -> int:
        return int(self._rows("select coalesce(max(number), 0) from event")[0][0])

    def contiguous(self) -> int:
        """Return up to which number everything is here."""
        numbered = "select number, row_number() over (order by number) as place from event where number > 0"
        return int(self._rows(f"select count(*) from ({numbered}) where number = place")[0][0])  # noqa: S608

    def digest(self, first: int, last: int) -> str:
        """Return the hash over the ids of a range, as the document defines it."""
        ids = self._rows(
            "select id from event where number between ? and ? order by number", first, last
        )
        return hashlib.sha256("".join(f"{one}\n" for (one,) in ids).encode()).hexdigest()

    def forget_from(self, number: int) -> None:
        """Drop events, to pull them anew; their batches stay, so nothing is answered twice."""
        with self._transaction() as base:
            base.execute("delete from event where number >= ?", (number,))

    def counts(self) -> dict[str, int]:
        """Return how many batches are in each state."""
        return dict(self._rows("select state, count(*) from batch group by state"))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._base:
            yield self._base

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._base.execute(query, values).fetchall()
