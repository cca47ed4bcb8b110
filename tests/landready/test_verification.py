"""Ten thousand ways to tamper with certificates, chains and files, and none that is not found. No database."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from landready import chain, evidence, frozen, seal, verification
from landready.chain import Entry
from landready.cli import main
from landready.errors import Invalid
from landready.settings import ROOT
from tests.landready.chains import DAY, SEAL, facts, make, make_chain

LENGTH = 4


@pytest.fixture(scope="module")
def made():
    return make_chain(LENGTH)


def codes(entries, heads, keys=(SEAL.public,)):
    return {fault.code for fault in chain.faults(entries, heads, keys)}


def flipped(draw, data):
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def reworded(draw, body):
    """Another body that is written canonically: one value is another."""
    raw = json.loads(body)
    match draw.randrange(5):
        case 0:
            raw["plot"]["area_m2"] += draw.randint(1, 1000)
        case 1:
            raw["facts"]["asked"]["water"][0]["answer"]["verdict"] = "not_possible"
        case 2:
            raw["rules"]["version"] += "x"
        case 3:
            raw["valid_until"] = raw["valid_until"].replace("2026", "2027")
        case _:
            raw["verdict"]["warnings"] = [{"code": "x"}]
    return frozen.canonical(raw)


def rechained(entries, first):
    """Every digest from `first` on computed anew, as whoever holds the database could."""
    made = list(entries)
    for at in range(first, len(made)):
        previous = made[at - 1].sha256 if at else frozen.FIRST
        raw = {**json.loads(made[at].body), "previous": previous}
        body = frozen.canonical(raw)
        made[at] = Entry(body, frozen.digest(previous, body))
    return made


def flip(draw, entries, heads, at):
    entries[at] = replace(entries[at], body=flipped(draw, entries[at].body))


def change_digest(draw, entries, heads, at):
    text = flipped(draw, entries[at].sha256.encode()).decode("latin-1")
    entries[at] = replace(entries[at], sha256=text)


def reword(draw, entries, heads, at):
    entries[at] = replace(entries[at], body=reworded(draw, entries[at].body))


def swap(draw, entries, heads, at):
    other = draw.choice([x for x in range(len(entries)) if x != at])
    entries[at], entries[other] = entries[other], entries[at]


def delete(draw, entries, heads, at):
    del entries[at]


def insert(draw, entries, heads, at):
    other = make(draw.randint(1, 9), entries[at].sha256, of=lambda n: facts(n + 50))
    entries.insert(at, other)


def repeat(draw, entries, heads, at):
    entries.insert(at, entries[at])


def cut(draw, entries, heads, at):
    del entries[at:]


def rewrite(draw, entries, heads, at):
    reword(draw, entries, heads, at)
    entries[:] = rechained(entries, at)


def change_head(draw, entries, heads, at):
    which, name = draw.randrange(len(heads)), draw.choice(["city", "sha256", "key", "signature"])
    text = flipped(draw, getattr(heads[which], name).encode()).decode("latin-1")
    heads[which] = replace(heads[which], **{name: text})


def forge(draw, entries, heads, at):
    """Everything anew, the heads signed by somebody else."""
    rewrite(draw, entries, heads, at)
    stranger = seal.Seal(seal.new_key())
    heads[:] = [
        evidence.sign_head(h.city, h.day, h.sequence, entries[h.sequence - 1].sha256, stranger)
        for h in heads
    ]


def shrink(draw, entries, heads, at):
    """The end cut off, and a true head of the short chain after those of the long one."""
    del entries[1:]
    day = heads[-1].day + timedelta(days=1)
    heads.append(evidence.sign_head("460100", day, 1, entries[0].sha256, SEAL))


TAMPERINGS = (
    flip, change_digest, reword, swap, delete, insert, repeat, cut, rewrite, change_head, forge, shrink,
)  # fmt: skip


def test_ten_thousand_tamperings_of_a_chain_are_all_found(made):
    draw, entries, heads = random.Random(20260302), *made
    assert not chain.faults(entries, heads, [SEAL.public])
    missed = []
    for turn in range(10_000):
        tamper = TAMPERINGS[turn % len(TAMPERINGS)]
        those, their_heads = list(entries), list(heads)
        tamper(draw, those, their_heads, draw.randrange(LENGTH))
        if not chain.faults(those, their_heads, [SEAL.public]):
            missed.append(tamper.__name__)
    assert not missed


def test_each_fault_is_named_with_its_number_and_what_differs(made):
    entries, heads = made
    one = entries[2]
    changed = [
        *entries[:2],
        replace(one, body=one.body.replace(b"HK-003", b"HK-004")),
        *entries[3:],
    ]
    (fault,) = chain.faults(changed, heads)
    assert (fault.code, fault.where) == ("digest", "460100-000003")
    assert one.sha256[:16] in fault.message
    gap = chain.faults([*entries[:2], *entries[3:]], [])
    assert [(f.code, f.where) for f in gap] == [
        ("gap", "460100-000004"),
        ("link", "460100-000004"),
    ]
    assert "第 3 至 3 号" in gap[0].message
    assert codes(entries[:-1], heads) == {"cut"}
    rewritten = rechained(
        [replace(entries[0], body=reworded(random.Random(1), entries[0].body)), *entries[1:]], 0
    )
    assert codes(rewritten, []) == set()  # consistent in itself: only a head tells
    assert codes(rewritten, heads) == {"rewritten"}
    assert codes([entries[1], entries[0], *entries[2:]], []) == {"gap", "order", "link"}
    assert codes(entries, [replace(heads[0], signature=heads[1].signature)]) == {"signature"}
    assert codes(entries, heads, [seal.Seal(seal.new_key()).public]) == {"key"}
    assert codes([Entry(b"{", "")], []) == {"unreadable"}
    other = make(2, entries[0].sha256, city="460200")
    assert codes([entries[0], other], []) == {"city"}


def test_file_of_a_certificate_or_chain_holds_and_any_changed_byte_is_found(made):
    entries, heads = made
    now = evidence.sign_head("460100", DAY + timedelta(days=99), LENGTH, entries[-1].sha256, SEAL)
    single = evidence.certificate_line(evidence.handed_out(entries[0], SEAL))
    whole = evidence.chain_file(now, entries[:2], heads[:1], SEAL).replace(
        evidence.head_line(now), b""
    )
    draw = random.Random(7)
    for data in (single, whole):
        assert verification.verify(evidence.read(data), [SEAL.public]).holds
        for _ in range(300):
            changed = draw.choice((flipped, dropped, doubled))(draw, data)
            try:
                found = verification.verify(evidence.read(changed), [SEAL.public])
            except Invalid:
                continue
            assert changed == data or not found.holds, changed
    cut = evidence.chain_file(now, entries[:-1], heads[:-1], SEAL)
    assert {f.code for f in verification.verify(evidence.read(cut)).faults} == {"cut"}


def dropped(draw, data):
    at = draw.randrange(len(data))
    return data[:at] + data[at + 1 :]


def doubled(draw, data):
    at = draw.randrange(len(data))
    return data[: at + 1] + data[at:]


def test_chain_without_a_head_is_not_believed_to_be_whole(made):
    entries, _ = made
    lines = [evidence.certificate_line(evidence.handed_out(x, SEAL)) for x in entries]
    (fault,) = verification.verify(evidence.read(b"".join(lines))).faults
    assert fault.code == "no_head"


def test_verdict_that_the_frozen_facts_do_not_bear_is_found_though_all_hashes_fit(made):
    raw = json.loads(made[0][0].body)
    raw["facts"]["asked"]["water"] = []
    body = frozen.canonical(raw)
    lie = Entry(body, frozen.digest(frozen.FIRST, body))
    data = evidence.certificate_line(evidence.handed_out(lie, SEAL))
    (fault,) = verification.verify(evidence.read(data)).faults
    assert (fault.code, fault.where) == ("verdict", "460100-000001")
    assert "没有企业被问到" in fault.message


def run(path, *options):
    return CliRunner().invoke(main, ["verify", str(path), *options])


@pytest.fixture
def line(made):
    return evidence.certificate_line(evidence.handed_out(made[0][0], SEAL))


def test_certificate_verifies_offline_without_a_database(line, tmp_path):
    (tmp_path / "certificate.json").write_bytes(line)
    code = "import sys; from landready.cli import main; main(['verify', *sys.argv[1:]])"
    held = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "certificate.json"), "--key", SEAL.public],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANDREADY_DATABASE_URL": "x://"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (held.returncode, held.stderr) == (0, "")
    assert "凭证成立" in held.stdout
    assert "460100-000001" in held.stdout


def test_command_says_what_does_not_hold_and_leaves_with_1_or_2(line, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(line)
    bad.write_bytes(line.replace(b"HK-001", b"HK-002"))
    told = json.loads(run(good, "--json").stdout)
    assert (told["holds"], told["keys"]) == (True, [{"key": SEAL.public, "pinned": False}])
    refused = run(bad)
    assert (refused.exit_code, "内容与摘要不符" in refused.stdout) == (1, True)
    other = run(good, "--key", seal.Seal(seal.new_key()).public)
    assert (other.exit_code, "不是指定的密钥" in other.stdout) == (1, True)
    for faulty in ((good, "--key", "x"), (ROOT / "config.toml",), (tmp_path / "none",)):
        answer = run(*faulty)
        assert (answer.exit_code, bool(answer.stderr)) == (2, True)


def _exempted(raw, **given):
    usual = {
        "id": 1, "document": "x", "reason": "x", "issuer": "x", "issued_on": DAY.isoformat(), "lifts": ["gas"], "city": "460100",
        "plots": [], "start": DAY.isoformat(), "end": DAY.isoformat(),
    }  # fmt: skip
    raw["rules"]["exemptions"] = [{**usual, **given}]


CONTRADICTIONS = {
    "judged on another day": lambda raw: raw.update(day="2026-03-03"),
    "holding longer than its rules allow": lambda raw: raw.update(
        valid_until=raw["valid_until"].replace("2026", "2027")
    ),
    "of another revision": lambda raw: raw["plot"].update(revision=2),
    "by the rules of another city": lambda raw: raw["rules"].update(city="460200"),
    "by rules that had not begun": lambda raw: raw["rules"].update({"from": "2026-03-03"}),
    "by an exception of another city": lambda raw: _exempted(raw, city="460200"),
    "by an exception that was over": lambda raw: _exempted(
        raw, end="2026-03-01", start="2026-03-01"
    ),
}


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_certificate_that_contradicts_itself_does_not_hold_though_digest_and_signature_do(
    made, change
):
    """The verdict is what the rule makes of the facts; that these are of this plot and day the rule does not look at."""
    raw = json.loads(made[0][0].body)
    change(raw)
    body = frozen.canonical(raw)
    entry = Entry(body, frozen.digest(raw["previous"], body))
    handed = evidence.Evidence((evidence.handed_out(entry, SEAL),), (), ())
    found = {fault.code for fault in verification.verify(handed, (SEAL.public,)).faults}
    assert "contradiction" in found


@pytest.mark.parametrize("data", [b"", b"\n", b"# README\n", b"[]\n", b"\x89PNG\r\n"])
def test_a_file_that_is_no_certificate_is_bad_input_and_no_broken_chain(data):
    with pytest.raises(Invalid):
        evidence.read(data)
