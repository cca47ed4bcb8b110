"""Heads leave the database once a day, and nobody can take them back."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from landready import chain, evidence, heads
from landready.certificates import Certificate
from landready.db import ENGINE, transaction
from landready.issued import entry_of
from landready.plans import Plot
from landready.seal import Seal
from push.sweep import export_heads, sign_heads
from tests.factories import NOW, make_certificate, make_office, make_plan

SEAL = Seal("h" * 43)
TOMORROW = NOW.date() + timedelta(days=1)


@pytest.fixture
def folder(settings, tmp_path):
    """Settings with a folder of their own for heads."""
    at = settings.certificates.model_copy(update={"heads_url": tmp_path.as_uri()})
    return settings.model_copy(update={"certificates": at}), tmp_path


@pytest.fixture
def plots(database):
    """Plots of two cities, each with a certificate."""
    with transaction(database, ENGINE) as session:
        made = [
            make_plan(session, make_office(session, city=city), plots=1).plots[0]
            for city in ("460100", "460200")
        ]
        for plot in made:
            make_certificate(session, plot)
        return [plot.id for plot in made]


def issue(database, plot_id, now):
    with transaction(database, ENGINE) as session:
        make_certificate(session, session.get_one(Plot, plot_id), now=now)


def test_each_city_has_one_head_a_day_and_its_file(database, folder, plots):
    settings, at = folder
    for day in range(2):
        now = NOW + timedelta(days=day)
        with transaction(database, ENGINE) as session:
            assert heads.sign(session, SEAL, now) == 2
            assert heads.sign(session, SEAL, now + timedelta(minutes=1)) == 0
            assert heads.export(session, settings) == 2
            assert heads.export(session, settings) == 0
        issue(database, plots[0], now)
    with transaction(database, ENGINE) as session:
        rows = session.scalars(select(heads.CertificateHead).order_by(heads.CertificateHead.id))
        known = {(row.city, row.sequence): row.head for row in rows}
        issued = session.scalars(
            select(Certificate).where(Certificate.city == "460100").order_by(Certificate.sequence)
        )
        entries = [entry_of(row) for row in issued]
    assert set(known) == {("460100", 1), ("460100", 2), ("460200", 1)}
    files = sorted(path.name for path in at.iterdir())
    assert len(files) == 4
    exported = evidence.read((at / files[1]).read_bytes())
    assert exported.reformatted == ()
    assert not chain.faults(entries, [h for (city, _), h in known.items() if city == "460100"])
    assert [f.code for f in chain.faults(entries[:1], exported.heads, [SEAL.public])] == ["cut"]


def test_file_that_left_is_never_overwritten(database, folder, plots):
    settings, at = folder
    with transaction(database, ENGINE) as session:
        heads.sign(session, SEAL, NOW)
        heads.export(session, settings)
    (first, *_) = sorted(at.iterdir())
    witness = first.read_bytes()
    first.write_bytes(b"other")
    with transaction(database, ENGINE) as session:
        assert heads.export(session, settings) == 0
    assert first.read_bytes() == b"other" != witness


def test_sweep_signs_and_tries_again_while_the_folder_is_away(database, folder, plots):
    settings, at = folder
    (at / "blocked").write_text("a file, no folder")
    blocked = settings.certificates.model_copy(
        update={"heads_url": (at / "blocked" / "heads").as_uri()}
    )
    away = settings.model_copy(update={"certificates": blocked})
    sign_heads(database, SEAL)
    assert not export_heads(database, away)
    with transaction(database, ENGINE) as session:
        assert session.scalar(select(func.count(heads.CertificateHead.id))) == 2
    assert export_heads(database, settings)
    (file,) = at.glob("460100-*.json")
    assert json.loads(file.read_bytes())["key"] == SEAL.public


def test_no_head_is_signed_of_a_chain_that_was_tampered_with(database, owner, plots, caplog):
    """Else the head would vouch for it; the other city has its head, and the log says which certificate does not fit."""
    with transaction(database, ENGINE) as session:
        heads.sign(session, SEAL, NOW)
    for _ in range(2):
        issue(database, plots[0], NOW)
    with owner.begin() as link:
        link.execute(text("select set_config('app.role', 'engine', true)"))
        change = "update certificate set body = body || ' ' where city = '460100' and sequence = 2"
        link.execute(text(change))
    sign_heads(database, SEAL)
    with transaction(database, ENGINE) as session:
        later = select(heads.CertificateHead.city).where(heads.CertificateHead.day > NOW.date())
        assert session.scalars(later).all() == ["460200"]
    (said,) = caplog.messages
    assert said.startswith("certificates of 460100, 460100-000002: 内容与摘要不符")


def test_chain_is_looked_at_from_its_newest_head_on(database, owner, plots):
    issue(database, plots[0], NOW)
    with transaction(database, ENGINE) as session:
        heads.sign(session, SEAL, NOW)
        assert heads.unsound(session, TOMORROW) == {}
    with owner.begin() as link:
        link.execute(text("select set_config('app.role', 'engine', true)"))
        link.execute(text("delete from certificate where city = '460100' and sequence = 2"))
        link.execute(text("update certificate set sha256 = repeat('0', 64) where city = '460200'"))
    with transaction(database, ENGINE) as session:
        found = heads.unsound(session, TOMORROW)
        assert heads.unsound(session, NOW.date()) == {}  # has its head
    assert {city: [one.code for one in wrong] for city, wrong in found.items()} == {
        "460100": ["cut"],
        "460200": ["digest", "rewritten"],
    }


@pytest.mark.parametrize(
    "statement", ["update certificate_head set sequence = 9", "delete from certificate_head"]
)
def test_application_cannot_change_or_delete_a_head(database, plots, statement):
    with transaction(database, ENGINE) as session:
        heads.sign(session, SEAL, NOW)
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        transaction(database, ENGINE) as session,
    ):
        session.execute(text(statement))
