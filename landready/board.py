"""The readiness board (接入条件看板): a whole plan judged plot by plot, and kept so that only what changed is judged again.

What is kept lies under `var/boards` on each host and can be thrown away at any time. It decides nothing: the gate judges for
itself whenever a plot is listed.
"""

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import BigInteger, String, Table, cast, func, literal, literal_column, select
from sqlalchemy import union_all as together
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from landready.board_lines import Line, line_of
from landready.clock import today
from landready.db import Base, as_engine
from landready.organisations import Organisation
from landready.plans import Plot
from landready.progress import plot_lines
from landready.provisional import findings
from landready.pushes import Push, PushPlot
from landready.rule_book import Rule
from landready.settings import Settings

# What leaves no trace at the plot itself, as another plan's claim on a shared pump, is seen after so long at the latest [OWN].
_FRESH = timedelta(minutes=15)
# So many plots are judged while a page is made; more are judged while it says so [OWN].
AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class Kept:
    """One judged plot, what was known of it then, and when."""

    mark: str
    judged_at: datetime
    line: Line


@dataclass(frozen=True, slots=True)
class Board:
    """All plots of a plan in the order of its file, and when the oldest judgement among them was made."""

    lines: tuple[Line, ...]
    as_of: datetime


_FORM = TypeAdapter(list[Kept])


def kept(session: Session, settings: Settings, plan_id: int, now: datetime) -> Board | None:
    """Return what `board` does, if no more than AT_ONCE plots have to be judged for it."""
    return _board(session, settings, plan_id, now, AT_ONCE)


def board(session: Session, settings: Settings, plan_id: int, now: datetime) -> Board:
    """Return the board of a released plan that the asker may see (landready.progress.plan_of).

    Exactly the plots that something happened to since they were judged, or that were judged on another day, are judged again.
    """
    found = _board(session, settings, plan_id, now, None)
    return found or Board((), now)


def _board(
    session: Session, settings: Settings, plan_id: int, now: datetime, most: int | None
) -> Board | None:
    with as_engine(session):
        marks = _marks(session, settings, plan_id, now)
        known = _read(settings, plan_id)
        old = [i for i, mark in marks.items() if not _holds(known.get(i), mark, now)]
        if most is not None and len(old) > most:
            return None
        if old:
            judged = _judge(session, settings, old, now)
            known |= {line.plot_id: Kept(marks[line.plot_id], now, line) for line in judged}
            _write(settings, plan_id, [known[i] for i in marks if i in known])
    found = [known[i] for i in marks if i in known]
    return Board(
        tuple(one.line for one in found), min((one.judged_at for one in found), default=now)
    )


def _holds(one: Kept | None, mark: str, now: datetime) -> bool:
    return one is not None and one.mark == mark and timedelta(0) <= now - one.judged_at < _FRESH


def _judge(
    session: Session, settings: Settings, plot_ids: Sequence[int], now: datetime
) -> list[Line]:
    plots = session.scalars(select(Plot).where(Plot.id.in_(plot_ids)).order_by(Plot.row)).all()
    judged = plot_lines(session, plots, settings.gate, now)
    late = findings(session, judged, settings.check)
    asked = _asked(session, plot_ids)
    return [line_of(one, asked[one.plot.id], late) for one in judged]


def _asked(session: Session, plot_ids: Sequence[int]) -> Mapping[int, Mapping[str, list[str]]]:
    rows = session.execute(
        select(PushPlot.plot_id, PushPlot.utility, Organisation.name)
        .join(Organisation, Organisation.id == PushPlot.enterprise_id)
        .where(PushPlot.plot_id.in_(plot_ids))
        .order_by(PushPlot.id)
    )
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for plot_id, utility, name in rows:
        found[plot_id][utility].append(name)
    return found


def _marks(session: Session, settings: Settings, plan_id: int, now: datetime) -> dict[int, str]:
    """What is known of each plot, as a mark that changes with every row about it, with the day and with the rules.

    `xmin` is the transaction that wrote a row: number and sum of the rows' change with whatever is added, changed or gone.
    """
    plots = select(Plot.id).where(Plot.plan_id == plan_id)
    written = func.sum(cast(cast(literal_column("xmin"), String), BigInteger))
    parts = [
        select(
            literal(table.name).label("of"),
            table.c[key].label("plot_id"),
            func.count().label("rows"),
            written.label("sum"),
        )
        .where(table.c[key].in_(plots))
        .group_by(table.c[key])
        for table, key in _tables()
    ]
    rows = together(*parts).subquery()
    seen = func.concat_ws(":", rows.c.of, rows.c.rows, rows.c.sum)
    in_order = aggregate_order_by(literal(" "), rows.c.of)
    common = _common(session, settings, plan_id, now)
    found = session.execute(
        select(Plot.id, func.md5(func.string_agg(seen, in_order)))
        .join(rows, rows.c.plot_id == Plot.id)
        .group_by(Plot.id)
        .order_by(Plot.row, Plot.id)
    )
    return {plot_id: common + mark for plot_id, mark in found}


def _tables() -> list[tuple[Table, str]]:
    about = [(t, "plot_id") for t in Base.metadata.sorted_tables if "plot_id" in t.c]
    return [(Plot.__table__, "id"), *about]  # type: ignore[list-item]


def _common(session: Session, settings: Settings, plan_id: int, now: datetime) -> str:
    """The day, the rules and the due dates: what holds for all plots of the plan."""
    due = session.execute(
        select(Push.id, Push.due_on).where(Push.plan_id == plan_id).order_by(Push.id)
    )
    rules = session.scalar(select(func.max(Rule.id)))
    known = [today(now), settings.gate, rules, settings.check, [tuple(row) for row in due]]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _file(settings: Settings, plan_id: int) -> Path:
    return settings.var / "boards" / f"{plan_id}.json"


def _read(settings: Settings, plan_id: int) -> dict[int, Kept]:
    """What was kept; nothing where it is of another version of this program or broken."""
    try:
        kept = _FORM.validate_json(_file(settings, plan_id).read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}
    return {one.line.plot_id: one for one in kept}


def _write(settings: Settings, plan_id: int, kept: Iterable[Kept]) -> None:
    """Put the new file in the place of the old one at once: two who write it are both right."""
    path = _file(settings, plan_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(_FORM.dump_json(list(kept)))
    os.replace(file.name, path)


def shapes(session: Session, plan_id: int) -> dict[int, str]:
    """Return the boundary of every plot as GeoJSON text in lon/lat, to a tenth of a metre; for a map."""
    return dict(
        session.execute(
            select(Plot.id, func.ST_AsGeoJSON(Plot.geom, 6)).where(Plot.plan_id == plan_id)
        ).all()
    )


def outlines(session: Session, plan_id: int) -> dict[int, str]:
    """Return the boundary of every plot as hexadecimal WKB in EPSG:4490; for a file."""
    boundary = func.encode(func.ST_AsBinary(Plot.geom), "hex")
    return dict(session.execute(select(Plot.id, boundary).where(Plot.plan_id == plan_id)).all())
