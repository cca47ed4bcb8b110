"""Certificates in public: found by number, downloaded, and checked with nothing but what is published."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import segno
from sqlalchemy import select

from landready import evidence, heads, verification
from landready.certificates import Certificate
from landready.db import ENGINE, Actor, Role, transaction
from landready.gate import list_plot, move_listing
from landready.listings import Listing
from landready.seal import Seal
from tests.factories import (
    make_account,
    make_answer,
    make_enterprise,
    make_office,
    make_plan,
    make_push,
    make_supervisor,
)
from web import certificates, paper

NOW = datetime.now(UTC)
NUMBER = "460100-000001"


@pytest.fixture
def office(database, settings):
    """An office with two plots on offer, each by its certificate."""
    with transaction(database, ENGINE) as session:
        office = make_office(session, name="海口市自然资源和规划局")
        account = make_account(session, office)
        plan = make_plan(session, office, plots=2, state="released")
        for utility in ("water", "power"):
            push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
            for plot in plan.plots:
                make_answer(session, push, plot=plot)
        ids = [plot.id for plot in plan.plots]
    actor = Actor(Role.OFFICE, office.id, None, office.city)
    with transaction(database, actor) as session:
        for plot_id in ids:
            list_plot(session, plot_id, settings.gate, account_id=None, now=NOW)
    return account


def withdraw(database, settings, account):
    actor = Actor(Role.OFFICE, account.organisation_id, None, "460100")
    with transaction(database, actor) as session:
        listing = session.scalars(select(Listing).order_by(Listing.id)).first()
        move_listing(session, listing.id, "withdrawn", "复核", settings.gate, NOW)


def row(database):
    with transaction(database, ENGINE) as session:
        return session.scalars(select(Certificate).order_by(Certificate.id)).first()


def test_public_key_is_public_as_a_json_web_key(client, settings):
    ours = Seal(settings.signing_key)
    (key,) = client.get("/api/v1/keys").json["keys"]
    assert key == {
        "kid": ours.key_id, "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "x": ours.public, "first_day": None, "last_day": None,
    }  # fmt: skip


def test_former_keys_stay_published_with_their_days(client, database, settings, office):
    before, day = Seal("f" * 43), NOW - timedelta(days=3)
    with transaction(database, ENGINE) as session:
        assert heads.sign(session, before, day) == 1
        assert heads.sign(session, Seal(settings.signing_key), NOW) == 1
    now, former = client.get("/api/v1/keys").json["keys"]
    assert (now["x"], now["last_day"]) == (Seal(settings.signing_key).public, None)
    assert former["x"] == before.public
    assert former["first_day"] == former["last_day"] < now["first_day"]


def test_anybody_finds_a_certificate_by_its_number_however_it_is_typed(client, office):
    for typed in (
        NUMBER,
        " 460100 - 000001 ",
        "４６０１００－０００００１",
        "460100–000001",
        "460100000001",
    ):
        found = client.get("/certificates", query_string={"number": typed})
        assert found.location == f"/certificates/{NUMBER}"
    page = client.get(f"/certificates/{NUMBER}")
    assert page.status_code == 200
    for word in ("现行有效", "海口市自然资源和规划局", "具备上架条件", "企业确认", "成立"):
        assert word in page.text
    assert re.search(r">没有算出用量</td>", page.text)
    assert "现行有效" in client.get("/certificates/460100000001").text
    for wrong in ("460100-000003", "460100000003", "x", "1' or '1'='1"):
        assert client.get(f"/certificates/{wrong}").status_code == 404


def test_page_says_whether_the_digest_on_the_paper_is_the_issued_one(client, database, office):
    digest = row(database).sha256
    for told, word in ((digest[:16], "一致"), (digest[:15], "不一致"), ("0" * 16, "不一致")):
        page = client.get(f"/certificates/{NUMBER}", query_string={"sha256": told})
        assert f"签发的凭证{word}" in page.text


def test_downloaded_json_verifies_with_the_published_key_and_no_changed_byte(client, office):
    file = client.get(f"/certificates/{NUMBER}/json").data
    assert file == client.get(f"/api/v1/certificates/{NUMBER}").data
    (key,) = client.get("/api/v1/keys").json["keys"]
    report = verification.verify(evidence.read(file), [key["x"]])
    assert report.faults == ()
    assert report.certificates[0].place.number == NUMBER
    changed = file.replace(b'"area_m2":', b'"area_m2":1')
    assert not verification.verify(evidence.read(changed), [key["x"]]).holds


def test_certificate_of_a_plot_that_is_not_public_shows_only_that_it_exists(
    client, sign_in, database, settings, office
):
    withdraw(database, settings, office)
    code = json.loads(row(database).body)["plot"]["code"]
    page = client.get(f"/certificates/{NUMBER}")
    assert "未用于上架" in page.text
    assert code not in page.text
    for address in (f"/certificates/{NUMBER}/pdf", f"/certificates/{NUMBER}/json"):
        assert client.get(address).status_code == 404
    assert client.get(f"/api/v1/certificates/{NUMBER}").status_code == 404
    sign_in(client, office)
    assert code in client.get(f"/certificates/{NUMBER}").text
    assert client.get(f"/certificates/{NUMBER}/json").status_code == 200


def test_whole_chain_is_for_its_office_and_supervisor_and_holds(
    client, sign_in, database, settings, office
):
    with transaction(database, ENGINE) as session:
        heads.sign(session, Seal(settings.signing_key), NOW)
        supervisor = make_account(session, make_supervisor(session, city="460100"))
        elsewhere = make_account(session, make_supervisor(session, city="460200"))
    sign_in(client, office)
    file = client.get("/certificates/chain/460100").data
    report = verification.verify(evidence.read(file), [Seal(settings.signing_key).public])
    assert (report.faults, len(report.certificates), len(report.heads)) == ((), 2, 2)
    lines = file.splitlines(keepends=True)
    assert verification.verify(evidence.read(b"".join([*lines[:2], lines[3]]))).faults
    sign_in(client, supervisor)
    assert client.get("/certificates/chain/460100").status_code == 200
    withdraw(database, settings, office)
    assert client.get("/certificates/chain/460100").status_code == 200
    sign_in(client, elsewhere)  # reads only what everybody reads, which is no whole chain any more
    assert client.get("/certificates/chain/460100").status_code == 409


def test_heads_are_public_page_by_page_and_their_signature_is_over_what_stands_there(
    client, database, settings, office
):
    with transaction(database, ENGINE) as session:
        for back in (2, 1, 0):
            heads.sign(session, Seal(settings.signing_key), NOW - timedelta(days=back))
    first = client.get("/api/v1/certificates/heads?limit=2").json
    rest = client.get(f"/api/v1/certificates/heads?after={first['next']}").json
    assert [len(first["heads"]), len(rest["heads"])] == [2, 1]
    lines = [
        json.dumps(head, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for head in (*first["heads"], *rest["heads"])
    ]
    single = client.get(f"/certificates/{NUMBER}/json").data
    second = client.get("/certificates/460100-000002/json").data
    assert verification.verify(evidence.read(b"".join([single, second, *lines]))).holds
    assert client.get("/api/v1/certificates/heads?city=460200").json == {"heads": [], "next": 0}


def test_pdf_embeds_chinese_fonts_and_says_number_and_digest(client, database, office, tmp_path):
    answer = client.get(f"/certificates/{NUMBER}/pdf")
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    file = tmp_path / "certificate.pdf"
    file.write_bytes(answer.data)
    fonts = tool("pdffonts", file).splitlines()[2:]
    assert {"Noto-Sans-CJK-SC", "Noto-Serif-CJK-SC-Bold"} <= {
        line.split()[0].partition("+")[2] for line in fonts
    }
    assert all(
        re.search(r" yes yes yes +\d+ +0$", line) for line in fonts
    )  # embedded, subset, text
    text = tool("pdftotext", file, "-")
    digest = row(database).sha256
    for words in (NUMBER, "土地接入准入凭证", "该地块具备上架条件", digest[:8], digest[16:24]):
        assert words in text
    assert tool("pdfinfo", file).count("Pages:           2") == 1


def test_page_that_was_printed_once_is_not_laid_out_again(client, office, monkeypatch):
    made = []
    monkeypatch.setattr(paper, "pdf", lambda html: made.append(html) or b"%PDF-")
    first, again = (client.get(f"/certificates/{NUMBER}/pdf").data for _ in range(2))
    assert (first, again, len(made)) == (b"%PDF-", b"%PDF-", 1)
    client.get("/certificates/460100-000002/pdf")
    assert len(made) == 2


def test_qr_code_carries_the_address_and_the_first_digits_of_the_digest(
    client, database, office, app, monkeypatch
):
    of = row(database)
    wanted = f"http://localhost/certificates/{NUMBER}?sha256={of.sha256[:16]}"
    drawn = []
    monkeypatch.setattr(paper, "pdf", lambda html: drawn.append(html) or b"%PDF-")
    client.get(f"/certificates/{NUMBER}/pdf")
    with app.test_request_context():
        assert certificates.qr_text(of) == wanted
    whole = segno.make(wanted, error="q", micro=False)
    path = re.search(r' d="([^"]+)"', whole.svg_inline(omitsize=True, border=0))[1]
    assert path in drawn[0]
    assert whole.version <= 10  # read off paper by any telephone


def test_nothing_is_fetched_when_a_page_is_laid_out(tmp_path, free_port_listener):
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim", encoding="utf-8")
    address, asked = free_port_listener
    html = (
        f'<link rel="stylesheet" href="{address}/a.css"><img src="{address}/b.png">'
        f'<style>@import "{address}/c.css"; p {{ background: url({address}/d.png) }}</style>'
        f'<p>here</p><a rel="attachment" href="file://{secret}">x</a>'
    )
    file = tmp_path / "x.pdf"
    file.write_bytes(paper.pdf(html))
    assert "here" in tool("pdftotext", file, "-")
    assert b"geheim" not in file.read_bytes()
    assert "EmbeddedFile" not in file.read_text("latin-1")
    assert asked == []


@pytest.fixture
def free_port_listener():
    """An address on this machine, and what was asked of it."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def tool(name, *arguments):
    done = subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout
