"""Certificates made by hand, without a database: a chain of a city as it is handed out."""

from datetime import UTC, date, datetime, timedelta

from landready import evidence, frozen, seal
from landready.answers import AnswerVerdict
from landready.chain import Entry
from landready.facts import Asked, Measured, Near, PlotFacts, Said, Title
from landready.readiness import readiness
from landready.settings import load
from landready.utilities import Utility

SEAL = seal.Seal("s" * 43)
DAY = date(2026, 3, 2)
RULES = load().gate.all()[0]
SQUARE = [[110.30, 20.01], [110.302, 20.01], [110.302, 20.012], [110.30, 20.012], [110.30, 20.01]]


def said(utility, n):
    if utility is Utility.POWER:
        later = DAY + timedelta(days=60)
        return Said(AnswerVerdict.READY_BY, 1, later, later, works="新建 10 kV 线路", answer_id=n)
    return Said(
        AnswerVerdict.READY, 1, valid_until=DAY + timedelta(days=90), spare=310.5, answer_id=n
    )


def facts(n):
    near = Near("海秀路干管", 64.25 + n, {"dn": "DN300"}, 1200.0, DAY)
    measured = Measured(1, DAY, 1.0, 2000.0, near, 180.0, 240.5, "m³/d", n)
    due = DAY + timedelta(days=5)
    return PlotFacts(
        revision=1,
        released=True,
        asked={u: (Asked(f"{u.value} 公司", due, said(u, n), 7),) for u in Utility},
        measured=dict.fromkeys(Utility, measured),
        title=Title(True, 1, "海自然资净〔2026〕12 号", DAY),
    )


def make(sequence, previous, *, city="460100", day=DAY, of=facts):
    """The entry of one certificate."""
    at = datetime(day.year, day.month, day.day, 1, sequence % 60, tzinfo=UTC)
    place = frozen.Place(city, sequence, previous, at, at + timedelta(days=90))
    plot = frozen.FrozenPlot(
        code=f"HK-{sequence:03d}",
        name="江东新区 示范地块",
        revision=1,
        use="二类城镇住宅用地",
        area_m2=44_512.3,
        plot_ratio="≤2.5",
        geometry={"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        sha256="a" * 64,
    )
    known = of(sequence)
    found = readiness(known, RULES, day)
    calendar = frozen.Calendar(years=(2025, 2026), sha256="b" * 64)
    body = frozen.canonical(frozen.freeze(place, day, plot, known, found, calendar))
    return Entry(body, frozen.digest(previous, body))


def make_chain(length, *, of=facts):
    """A chain and a head of the day of every second certificate."""
    entries, heads, previous = [], [], frozen.FIRST
    for sequence in range(1, length + 1):
        entries.append(make(sequence, previous, of=of))
        previous = entries[-1].sha256
        if sequence % 2 == 0:
            day = DAY + timedelta(days=sequence)
            heads.append(evidence.sign_head("460100", day, sequence, previous, SEAL))
    return entries, heads
