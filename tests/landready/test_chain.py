"""Each way in which a chain or a head can be wrong, and the very words in which it is told. No database."""

from dataclasses import replace
from datetime import date

import pytest

from landready import chain, seal
from landready.chain import Entry, Head
from landready.evidence import sign_head
from landready.frozen import FIRST, canonical, digest

HAIKOU, SANYA = "460100", "460200"
SEAL, STRANGER = seal.Seal("s" * 43), seal.Seal("t" * 42 + "s")
MONDAY, TUESDAY, WEDNESDAY = (date(2026, 3, day) for day in (2, 3, 4))


def entry(sequence, previous, /, *, city=HAIKOU, **stated):
    """A certificate with nothing but its place in the chain; `stated` changes what its body says of that."""
    place = {"number": f"{city}-{sequence:06d}", "city": city, "sequence": sequence}
    body = canonical({**place, "previous": previous, **stated})
    return Entry(body, digest(previous, body))


def chain_of(length, first=FIRST):
    entries = []
    for sequence in range(1, length + 1):
        entries.append(entry(sequence, entries[-1].sha256 if entries else first))
    return entries


def head(day, entries, sequence=None, *, by=SEAL, **changed):
    sequence = len(entries) if sequence is None else sequence
    stated = {"city": HAIKOU, "sequence": sequence, "sha256": entries[sequence - 1].sha256}
    stated |= changed
    return sign_head(stated["city"], day, stated["sequence"], stated["sha256"], by)


def told(faults):
    faults = list(faults)
    assert {fault.severity for fault in faults} <= {"error"}
    return [(fault.code, fault.where, fault.message) for fault in faults]


def short(sha256):
    return sha256[:16] + "…"


@pytest.fixture
def five():
    return chain_of(5)


def of(number):
    return f"{HAIKOU}-{number:06d}"


def test_whole_chain_and_true_heads_have_no_fault(five):
    heads = [head(MONDAY, five, 1), head(TUESDAY, five, 3), head(WEDNESDAY, five)]
    assert told(chain.faults(five, heads)) == []
    assert told(chain.faults(five, heads[::-1], [STRANGER.public, SEAL.public])) == []
    assert told(chain.faults(five, [*heads, head(date(2026, 3, 5), five)])) == []  # a day without
    assert told(chain.faults([], [])) == []
    assert [told(chain.own_faults(one)) for one in five] == [[]] * 5


def test_what_is_no_certificate_is_told_by_its_place_and_the_rest_is_checked_on(five):
    torn = replace(five[2], body=b"{")
    said = ("unreadable", "", "第 3 份不是凭证，无法读取。")
    assert told(chain.faults([*five[:2], torn, *five[3:]], [])) == [said]
    other = replace(torn, sha256="e" * 64)
    link = f"记载的前一份摘要是 {short(five[2].sha256)}，前一份实际是 {short('e' * 64)}。"
    found = told(chain.faults([*five[:2], other, *five[3:]], []))
    assert found == [said, ("link", of(4), link)]
    gap = ("gap", of(5), "前面缺第 4 至 4 号。")
    assert gap in told(chain.faults([*five[:2], torn, five[4]], []))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"[]", b"7", b"null", b"{}", b"[" * 100_000),
        *(entry(1, FIRST, **{name: wrong}).body
          for name, wrong in (("number", 1), ("city", None), ("sequence", "1"), ("sequence", True),
                              ("sequence", 1.0), ("previous", 0))),
    ],
)  # fmt: skip
def test_body_that_does_not_state_its_place_is_no_certificate(body):
    torn = Entry(body, "")
    assert told(chain.own_faults(torn)) == [("unreadable", "", "不是凭证，无法读取。")]
    assert chain.number_of(torn) == ""


def test_certificate_is_named_by_the_number_it_states(five):
    assert [chain.number_of(one) for one in five] == [of(n) for n in range(1, 6)]


def test_certificate_of_another_city_is_told_and_both_are_named(five):
    foreign = entry(3, five[1].sha256, city=SANYA)
    found = told(chain.faults([*five[:2], foreign, entry(4, foreign.sha256)], []))
    assert found == [("city", "460200-000003", "属于市县 460200，这条链属于 460100。")]


def test_number_that_does_not_fit_city_and_sequence_is_told():
    wrong = entry(1, FIRST, number="460100-000010")
    said = ("number", "460100-000010", "编号与市县 460100、序号 1 不符。")
    assert told(chain.own_faults(wrong)) == told(chain.faults([wrong], [])) == [said]


def test_changed_body_and_changed_digest_are_told_with_both_digests(five):
    changed = replace(five[1], body=entry(2, five[0].sha256, more="x").body)
    computed = digest(five[0].sha256, changed.body)
    said = f"内容与摘要不符：内容算出 {short(computed)}，记载 {short(five[1].sha256)}。"
    assert told(chain.own_faults(changed)) == [("digest", of(2), said)]
    assert told(chain.faults([five[0], changed, *five[2:]], [])) == [("digest", of(2), said)]
    stated = replace(five[1], sha256="e" * 64)
    digests, link = told(chain.faults([five[0], stated, *five[2:]], []))
    said = f"内容与摘要不符：内容算出 {short(five[1].sha256)}，记载 {short('e' * 64)}。"
    assert digests == ("digest", of(2), said)
    said = f"记载的前一份摘要是 {short(five[1].sha256)}，前一份实际是 {short('e' * 64)}。"
    assert link == ("link", of(3), said)


def test_digest_of_a_link_that_is_no_text_of_a_digest_cannot_be_computed():
    wrong = Entry(entry(1, FIRST, previous="é").body, "e" * 64)
    said = f"内容与摘要不符：内容算出 …，记载 {short('e' * 64)}。"
    assert told(chain.own_faults(wrong)) == [("digest", of(1), said)]
    assert told(chain.own_faults(replace(wrong, sha256=""))) == []  # the link shows it
    assert [code for code, _, _ in told(chain.faults([wrong], []))] == ["digest", "link"]


def test_first_certificate_follows_nothing():
    (one,) = chain_of(1, first="e" * 64)
    said = f"记载的前一份摘要是 {short('e' * 64)}，前一份实际是 {short(FIRST)}。"
    assert told(chain.faults([one], [])) == [("link", of(1), said)]


def test_missing_certificates_are_counted(five):
    link = f"记载的前一份摘要是 {short(five[3].sha256)}，前一份实际是 {short(five[0].sha256)}。"
    found = told(chain.faults([five[0], five[4]], []))
    assert found == [("gap", of(5), "前面缺第 2 至 4 号。"), ("link", of(5), link)]
    first = told(chain.faults(five[1:], []))
    assert first[0] == ("gap", of(2), "前面缺第 1 至 1 号。")
    assert [code for code, _, _ in first] == ["gap", "link"]


def test_certificates_in_another_order_are_told(five):
    found = told(chain.faults([five[0], five[2], five[1], five[2]], []))
    assert [(code, where) for code, where, _ in found] == [
        *(("gap", of(3)), ("link", of(3))),
        *(("order", of(2)), ("link", of(2))),
    ]
    assert found[2][2] == "次序不对：应为第 4 号，却是第 2 号。"
    again = told(chain.faults([five[0], five[0]], []))
    assert again[0] == ("order", of(1), "次序不对：应为第 2 号，却是第 1 号。")


def test_each_head_must_be_signed_and_by_a_given_key(five):
    true, false = head(MONDAY, five), head(TUESDAY, five, by=STRANGER)
    torn = replace(true, signature=false.signature)
    said = ("signature", "2026-03-02", "链头的签名不对：内容被改过，或不是这把密钥签的。")
    assert told(chain.head_faults(torn)) == told(chain.head_faults(torn, ["x"])) == [said]
    text = f"链头由密钥 {STRANGER.public} 签名，不是指定的密钥。"
    other = ("key", "2026-03-03", text)
    assert told(chain.head_faults(false, [SEAL.public])) == [other]
    assert told(chain.head_faults(false)) == told(chain.head_faults(true, [SEAL.public])) == []
    assert told(chain.faults(five, [false, torn], [SEAL.public])) == [said, other]
    assert told(chain.faults(five, [false])) == []


def test_a_head_says_what_is_signed_in_one_way(five):
    one = head(MONDAY, five)
    plain = {
        "format": "landready-head/1", "city": HAIKOU, "day": "2026-03-02", "sequence": 5,
        "sha256": five[4].sha256, "key": SEAL.public,
    }  # fmt: skip
    assert one.signed == canonical(plain)
    assert one.written() == {**plain, "signature": SEAL.sign(canonical(plain))}
    assert Head(HAIKOU, MONDAY, 1, "", "").written()["signature"] == ""


def test_head_of_another_city_is_told_where_the_chain_has_one(five):
    foreign = head(MONDAY, five, city=SANYA)
    said = ("city", "2026-03-02", "链头属于市县 460200，这条链属于 460100。")
    assert told(chain.faults(five, [foreign])) == [said]
    cut = ("cut", "2026-03-02", "链头记载 5 份，这里只有 0 份：末尾被截去。")
    assert told(chain.faults([], [foreign])) == [cut]


def test_later_head_of_fewer_certificates_is_told(five):
    heads = [head(WEDNESDAY, five, 3), head(MONDAY, five, 2), head(TUESDAY, five, 5)]
    said = "链头记载 3 份，更早的链头已记载 5 份。"
    assert told(chain.faults(five, heads)) == [("shrunk", "2026-03-04", said)]
    heads.append(head(date(2026, 3, 5), five, 4))
    said = "链头记载 4 份，更早的链头已记载 5 份。"
    assert told(chain.faults(five, heads))[1:] == [("shrunk", "2026-03-05", said)]


def test_cut_end_is_told(five):
    said = "链头记载 5 份，这里只有 4 份：末尾被截去。"
    assert told(chain.faults(five[:4], [head(MONDAY, five)])) == [("cut", "2026-03-02", said)]
    none = head(MONDAY, five, 0)
    said = "链头记载 0 份，这里只有 5 份：末尾被截去。"
    assert told(chain.faults(five, [none])) == [("cut", "2026-03-02", said)]


def test_chain_written_anew_is_told_by_the_first_head_that_does_not_fit(five):
    anew = [*five[:2], entry(3, five[1].sha256, more="x")]
    anew.append(entry(4, anew[2].sha256))
    heads = [head(MONDAY, five, 2), head(TUESDAY, five, 4)]
    said = (
        f"链头记载第 4 号的摘要是 {short(five[3].sha256)}，"
        f"这里是 {short(anew[3].sha256)}：凭证被整体改写。"
    )
    assert told(chain.faults(anew, heads)) == [("rewritten", "2026-03-03", said)]
    assert told(chain.faults(anew, [head(MONDAY, five, 1)])) == []


def test_part_of_a_chain_is_checked_from_the_certificate_that_a_head_was_signed_of(five):
    middle = head(MONDAY, five, 3)
    assert told(chain.faults(five[2:], [middle], first=3)) == []
    other = replace(five[3], sha256="e" * 64)
    found = told(chain.faults([five[2], other, five[4]], [middle], first=3))
    assert [(code, where) for code, where, _ in found] == [("digest", of(4)), ("link", of(5))]
    assert [code for code, *_ in told(chain.faults([five[3]], [], first=3))] == ["gap"]
    cut = ("cut", "2026-03-02", "链头记载 3 份，这里只有 2 份：末尾被截去。")
    assert told(chain.faults([], [middle], first=3)) == [cut]
    anew = chain_of(5, first="a" * 64)
    (rewritten,) = told(chain.faults(anew[2:], [middle], first=3))
    assert rewritten[:2] == ("rewritten", "2026-03-02")
    early = told(chain.faults(five[2:], [head(MONDAY, five, 2)], first=3))
    assert [code for code, *_ in early] == ["cut"]
