"""The kit is the product towards an enterprise's system: its bytes, its API, and the document that both go by."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature
from jsonschema import Draft202012Validator
from sqlalchemy import select

from landready.checks import Check
from landready.db import ENGINE, Actor, transaction
from landready.outbox import OutboxEvent
from landready.plan_messages import asked_data, near_data
from landready.plans import SupplyPlan
from landready.pushes import Push
from landready.release import release
from landready.settings import ROOT
from push import signing
from push.conformance import events
from push.conformance.__main__ import main as command
from push.conformance.checks import Outcome, checks
from tests.acceptance.conftest import configuration, free_port
from tests.factories import (  # fmt: skip
    NOW,
    make_account,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    point,
)
from tests.push.systems import PACE, System, run
from web.app import create_app

DOCUMENTS = ("docs/integrators.md", "docs/integrators.zh-CN.md")
LANDREADY = str(Path(sys.executable).parent / "landready")


@pytest.fixture
def released(database, settings):
    """A plan of two plots, released to the water company by the product."""
    with transaction(database, ENGINE) as session:
        office = make_office(session, phone="0898-66660000")
        account = make_account(session, office)
        water = make_enterprise(session, "water")
        make_layer(session, water, point(150, 50), spare_capacity=1200.0)
        plan = make_plan(session, office, plots=2)
        actor = Actor(office.role, office.id, account.id, office.city or None)
    with transaction(database, actor) as session:
        release(session, settings, plan.id, NOW, account.id)
    with transaction(database, ENGINE) as session:
        yield session


def test_the_kit_sends_the_bytes_that_the_product_sends(released):
    """Of the same plan the kit makes the same body, but for the event's own id; it signs with the same function."""
    plan = released.scalars(select(SupplyPlan)).one()
    push = released.scalars(select(Push)).one()
    sent = released.scalars(select(OutboxEvent)).one()
    found = released.scalars(select(Check).where(Check.utility == "water")).unique()
    asked = {
        check.plot_id: asked_data(
            check,
            [near_data(x.name, x.distance_m, x.spare_capacity) for x in check.facilities],
            sum((x.share for x in check.areas), 0.0),
        )
        for check in found
    }
    told = events.released(plan, push, plan.plots, asked, NOW)
    same = told.body.replace(str(told.id).encode(), str(sent.id).encode())
    same = same.replace(b'{"number":%d' % push.id, b'{"number":%d' % sent.number)
    assert same == sent.body


def test_what_the_kit_makes_up_has_the_product_s_shape(released):
    product = json.loads(released.scalars(select(OutboxEvent.body)).one())
    ours = json.loads(events.plan(1, 1, datetime.now(UTC)).body)
    assert names(ours) == names(product)


def names(value):
    """The names in a JSON value; the first of a list stands for all, and coordinates are coordinates."""
    if isinstance(value, dict):
        return {k: "xy" if k == "coordinates" else names(v) for k, v in value.items()}
    return [names(one) for one in value[:1]] if isinstance(value, list) else None


@pytest.fixture(scope="module")
def reference(settings):
    return run(System(pace=replace(PACE, patience_s=30)), settings)


def test_the_reference_keeps_every_rule(reference):
    findings, _ = reference
    assert [(x.check.id, x.evidence) for x in findings if x.outcome is not Outcome.PASSED] == []
    assert {x.check.id for x in findings} == set(checks()) - {"journal.pull"}


def test_the_kit_answers_as_the_api_document_says(reference, settings):
    """Every answer of a whole run fits the schema that the product publishes for that operation and status."""
    app = create_app(settings)
    document = app.test_client().get("/api/v1/openapi.json").json
    app.extensions["landready"].engine.dispose()
    app.extensions["landready"].redis.close()
    seen = set()
    for (method, path), answer in reference[1].said:
        responses = document["paths"][path][method.lower()]["responses"]
        # The network between may say these; the product's document need not.
        if answer.status in (307, 429, 503):
            continue
        (media,) = responses[str(answer.status)]["content"].values()
        schema = {**media["schema"], "components": document["components"]}
        assert list(Draft202012Validator(schema).iter_errors(answer.body)) == []
        seen.add((path.removeprefix("/api/v1/"), answer.status))
    assert seen >= {("pushes", 200), ("pushes/ack", 200), ("answers", 200), ("answers", 201), ("answers", 422)}  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_check_asks_what_the_document_says(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    marks = re.findall(r"^- \*\*([WC]\d)\*\* ", text, re.MULTILINE)
    assert len(marks) == len(set(marks))
    assert {one.clause for one in checks().values()} == set(marks)


def test_what_a_check_rests_on_stands_before_it_or_is_a_check():
    for one in checks().values():
        assert set(one.rests_on) <= set(checks()) - {one.id}


def test_the_reference_knows_nothing_of_the_product():
    """Only its command line runs as the product's own commands do."""
    for path in (ROOT / "push" / "mock_enterprise").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
        }
        ours = {x for x in used if x.split(".")[0] in ("geo", "landready", "push", "web")}
        own = {x for x in ours if x.startswith("push.mock_enterprise")}
        assert ours - own == ({"landready.cli"} if path.name == "__main__.py" else set()), path.name


@pytest.fixture
def kit(tmp_path):
    """The kit and the reference as the document starts them, with 6 seconds for a webhook."""
    config = configuration(tmp_path / "config.toml", {"push.timeout_s": 6})
    given = {"PATH": "/usr/bin:/bin", "LANDREADY_CONFIG": str(config), "LANDREADY_VAR": str(tmp_path / "var")}  # fmt: skip

    def command(*words):
        return subprocess.run(
            [LANDREADY, *words], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
        )  # fmt: skip

    command.environment = given
    return command


def test_the_report_is_verified_as_the_documents_show(kit, tmp_path):
    """An address where nobody listens: everything fails or is not shown, and the report says so under a signature."""
    secret = signing.new_secret()
    done = kit("conformance", "--target", f"http://127.0.0.1:{free_port()}/", "--key", secret, "--json")  # fmt: skip
    assert done.returncode == 1, done.stderr
    written = (tmp_path / "conformance-report.json").read_text(encoding="utf-8")
    assert done.stdout == written
    assert "signature.good" in (tmp_path / "conformance-report.txt").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(import base64, json\n.*?)```", text, re.DOTALL)
        known = {}
        exec(code, known)
        report = known["read_report"](written)
        assert report["format"] == "landready-conformance-1"
        assert report["counts"] == {"passed": 0, "failed": 1, "not_shown": 12}
        with pytest.raises(InvalidSignature):
            known["read_report"](written.replace("failed", "passed", 1))


def test_the_two_commands_work_together_as_the_document_starts_them(kit, tmp_path):
    old, new = signing.new_secret(), signing.new_secret()
    port, api = free_port(), free_port()
    words = ["mock-enterprise", "--port", str(port), "--key", old, "--key", new]
    words += ["--api", f"http://127.0.0.1:{api}", "--api-key", "lr_try", "--poll", "1"]
    system = subprocess.Popen(
        [LANDREADY, *words], cwd=tmp_path, env=kit.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert system.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        done = kit(
            *("conformance", "--target", f"http://127.0.0.1:{port}/", "--key", old, "--new-key", new),
            *("--api-key", "lr_try", "--port", str(api), "--quiet", "1", "--language", "en"),
        )  # fmt: skip
    finally:
        system.terminate()
        said, _ = system.communicate(timeout=20)
    assert done.returncode == 0, done.stdout
    assert "passed 27, failed 0, not shown 0" in done.stdout
    (size,) = re.findall(r'large.{0,80}?evidence.{0,8}?(\d+) B', (tmp_path / "conformance-report.json").read_text())  # fmt: skip
    assert 9_000_000 < int(size) < 10_000_000
    assert said.splitlines()[-1] == "batches: {'refused': 1, 'taken': 12}"


def test_bad_input_is_told_in_one_line(kit):
    done = kit("conformance", "--target", "http://127.0.0.1:1/")
    said = "--target and --key go together (landready conformance --help)\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --target and --key"),
        (("--target", "ftp://x", "--key", signing.new_secret()), "--target is no http"),
        (("--target", "http://127.0.0.1:1/", "--key", "lr_x"), "--key is no whsec_"),
        (("--api-key", "lr_x", "--new-key", "whsec_"), "--new-key is no whsec_"),
    ],
)
def test_what_cannot_be_tried_is_bad_input(words, said):
    done = CliRunner().invoke(command, words)
    assert (done.exit_code, said in done.output) == (2, True), done.output
