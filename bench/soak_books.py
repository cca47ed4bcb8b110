"""The books of the soak test: the receiver's log against the tables, in plain SQL and nothing of push's own code."""

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

# The tables' own rows, whoever asks.
_SETUP = "select set_config('app.role', 'engine', false)"


@dataclass
class Books:
    events: int = 0
    acknowledged_lost: int = 0
    rolled_back_kept: int = 0
    lost: int = 0
    phantom: int = 0
    altered: int = 0
    bad_signatures: int = 0
    misdirected: int = 0
    numbers_wrong: int = 0
    without_event: int = 0
    without_row: int = 0
    not_delivered: Counter = field(default_factory=Counter)
    duplicates: int = 0
    duplicates_by_phase: Counter = field(default_factory=Counter)
    # Doubled without an attempt that was lost with its worker or ended without an answer.
    unexplained: int = 0
    receipts: int = 0

    @property
    def clean(self) -> bool:
        return not any(
            (
                self.acknowledged_lost,
                self.rolled_back_kept,
                self.lost,
                self.phantom,
                self.altered,
                self.bad_signatures,
                self.misdirected,
                self.numbers_wrong,
                self.without_event,
                self.without_row,
                self.unexplained,
            )
        )


def owed(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(_SETUP)
        waiting = link.execute("select count(*) from outbox_event where fanned_out_at is null")
        due = link.execute("select count(*) from delivery where state = 'owed'")
        return waiting.fetchone()[0] + due.fetchone()[0]


def compare(url: str, receipts_file: Path, ledger: Path, phases: list[tuple[float, str]]) -> Books:
    """`phases` are (begin, name) in the order of time."""
    books = Books()
    receipts = [json.loads(line) for line in receipts_file.read_text("utf-8").splitlines()]
    books.receipts = len(receipts)
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(_SETUP)
        rows = link.execute(
            "select p.uid::text, p.plan_id || ' ' || p.enterprise_id, e.id::text, e.body_sha256, e.number, e.enterprise_id"
            " from push p left join outbox_event e on e.push_id = p.id"
        ).fetchall()
        books.without_row = link.execute(
            "select count(*) from outbox_event e where not exists (select 1 from push p where p.id = e.push_id)"
        ).fetchone()[0]
        gaps = link.execute(
            "select count(*) from (select j.last_number, count(e.number) n, max(e.number) m, count(distinct e.number) d"
            " from journal j left join outbox_event e using (enterprise_id) group by j.enterprise_id, j.last_number) x"
            " where not (n = last_number and m = last_number and d = last_number)"
        ).fetchone()[0]
        books.not_delivered = Counter(
            dict(link.execute("select state, count(*) from delivery group by state").fetchall())
        )
        lost_attempts = {
            one[0]
            for one in link.execute(
                "select distinct d.event_id::text from attempt a join delivery d on d.id = a.delivery_id"
                " where a.error <> ''"
            ).fetchall()
        }
    books.events = len(rows)
    books.without_event = sum(1 for row in rows if row[2] is None)
    table = {row[2]: row for row in rows if row[2]}
    committed = {row[1] for row in rows}
    outcome = dict(reversed(line.split(" ", 1)) for line in ledger.read_text().splitlines())
    books.acknowledged_lost = sum(
        1 for key, how in outcome.items() if how == "ok" and key not in committed
    )
    books.rolled_back_kept = sum(
        1 for key, how in outcome.items() if how == "back" and key in committed
    )

    taken: dict[str, list[dict]] = defaultdict(list)
    for one in receipts:
        books.bad_signatures += not one["signed"]
        row = table.get(one["id"])
        if row is None or row[0] != one["push"]:
            books.phantom += 1
            continue
        books.misdirected += one["path"] != f"/hook/{row[5]}"
        books.altered += hashlib.sha256(one["body"].encode()).hexdigest() != row[3]
        books.numbers_wrong += one["number"] != row[4]
        if one["status"] == 204:
            taken[one["id"]].append(one)
    books.numbers_wrong += gaps
    books.lost = sum(1 for event in table if event not in taken)
    for some in taken.values():
        for before in sorted(some, key=lambda x: x["at"])[:-1]:
            # The one whose result was lost with its worker.
            books.duplicates += 1
            phase = next(name for begin, name in reversed(phases) if begin <= before["at"])
            books.duplicates_by_phase[phase] += 1
            books.unexplained += before["id"] not in lost_attempts
    return books
