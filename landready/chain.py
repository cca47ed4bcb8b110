"""The chain of a city's certificates and the heads that were signed of it: what was changed, and where. Pure.

Each certificate holds the digest of the one before, so a change shows in every later one. Whoever holds the database could
compute the whole chain anew or leave its end away; that shows in a head, which was signed and left the database on its day.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from geo.problems import N_, Problem
from landready import seal
from landready.frozen import FIRST, canonical, digest

HEAD_FORMAT = "landready-head/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate of a chain: its body as it was issued, and the digest that stands beside it."""

    body: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Head:
    """What was signed of a city's chain on a day (Asia/Shanghai): so many certificates, the last with this digest.

    `key` is the public key that `signature` is of.
    """

    city: str
    day: date
    sequence: int
    sha256: str
    key: str
    signature: str = ""

    @property
    def signed(self) -> bytes:
        return canonical(self._plain())

    def written(self) -> dict[str, Any]:
        """Return the head as it is published: what is signed, and the signature."""
        return {**self._plain(), "signature": self.signature}

    def _plain(self) -> dict[str, Any]:
        return {
            "format": HEAD_FORMAT,
            "city": self.city,
            "day": self.day.isoformat(),
            "sequence": self.sequence,
            "sha256": self.sha256,
            "key": self.key,
        }


def faults(
    entries: Sequence[Entry],
    heads: Sequence[Head],
    keys: Collection[str] = (),
    *,
    first: int = 1,
) -> list[Problem]:
    """Check a whole chain, from its first certificate on, against the heads signed of it; no fault, and it holds.

    With `keys` (public keys) a head signed by any other is a fault. `where` of a fault is the number of the certificate, or
    the day of the head. What was issued after the newest head is only as safe as the last digest is known. A part of a chain,
    from the certificate number `first` on, is checked against what that one states of the one before.
    """
    found: list[Problem] = []
    previous, expected, city = FIRST if first == 1 else "", first, ""
    for position, entry in enumerate(entries, first):
        place = _place(entry)
        if place is None:
            found.append(_fault("unreadable", N_("第 {n} 份不是凭证，无法读取。"), "", n=position))
            previous, expected = entry.sha256, expected + 1
            continue
        number, of_city, sequence, stated = place
        city = city or of_city
        found += _own_faults(entry, place)
        if of_city != city:
            text = N_("属于市县 {found}，这条链属于 {city}。")
            found.append(_fault("city", text, number, found=of_city, city=city))
        found += _order_faults(number, sequence, expected)
        if previous and stated != previous:
            text = N_("记载的前一份摘要是 {stated}，前一份实际是 {found}。")
            found.append(
                _fault("link", text, number, stated=_short(stated), found=_short(previous))
            )
        previous, expected = entry.sha256, sequence + 1
    return [*found, *_head_faults(entries, city, heads, keys, first)]


def own_faults(entry: Entry) -> list[Problem]:
    """Check one certificate by itself: its number and its digest."""
    place = _place(entry)
    if place is None:
        return [_fault("unreadable", N_("不是凭证，无法读取。"), "")]
    return list(_own_faults(entry, place))


def number_of(entry: Entry) -> str:
    """The number that a certificate states; empty when it states none."""
    place = _place(entry)
    return place[0] if place else ""


def head_faults(head: Head, keys: Collection[str] = ()) -> Iterator[Problem]:
    """Check that a head was signed, and by one of `keys` where these are given."""
    day = head.day.isoformat()
    if not seal.verify(head.signed, head.signature, head.key):
        yield _fault("signature", N_("链头的签名不对：内容被改过，或不是这把密钥签的。"), day)
    elif keys and head.key not in keys:
        yield _fault("key", N_("链头由密钥 {key} 签名，不是指定的密钥。"), day, key=head.key)


_Place = tuple[str, str, int, str]


def _place(entry: Entry) -> _Place | None:
    """Number, city, sequence and previous digest as the body states them; None: it states none."""
    try:
        raw = json.loads(entry.body)
        number, city, sequence, previous = (
            raw[name] for name in ("number", "city", "sequence", "previous")
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    plain = type(sequence) is int and all(type(x) is str for x in (number, city, previous))
    return (number, city, sequence, previous) if plain else None


def _own_faults(entry: Entry, place: _Place) -> Iterator[Problem]:
    number, city, sequence, previous = place
    if number != f"{city}-{sequence:06d}":
        text = N_("编号与市县 {city}、序号 {sequence} 不符。")
        yield _fault("number", text, number, city=city, sequence=sequence)
    try:
        computed = digest(previous, entry.body)
    except UnicodeEncodeError:
        computed = ""
    if computed != entry.sha256:
        text = N_("内容与摘要不符：内容算出 {found}，记载 {stated}。")
        params = {"found": _short(computed), "stated": _short(entry.sha256)}
        yield _fault("digest", text, number, **params)


def _order_faults(number: str, sequence: int, expected: int) -> Iterator[Problem]:
    if sequence > expected:
        text = N_("前面缺第 {first} 至 {last} 号。")
        yield _fault("gap", text, number, first=expected, last=sequence - 1)
    if sequence < expected:
        text = N_("次序不对：应为第 {expected} 号，却是第 {found} 号。")
        yield _fault("order", text, number, expected=expected, found=sequence)


def _head_faults(
    entries: Sequence[Entry], city: str, heads: Sequence[Head], keys: Collection[str], first: int
) -> Iterator[Problem]:
    signed, last = 0, first + len(entries) - 1
    for head in sorted(heads, key=lambda one: one.day):
        day = head.day.isoformat()
        yield from head_faults(head, keys)
        if city and head.city != city:
            text = N_("链头属于市县 {found}，这条链属于 {city}。")
            yield _fault("city", text, day, found=head.city, city=city)
        elif head.sequence < signed:
            text = N_("链头记载 {found} 份，更早的链头已记载 {before} 份。")
            yield _fault("shrunk", text, day, found=head.sequence, before=signed)
        elif not first <= head.sequence <= last:
            text = N_("链头记载 {stated} 份，这里只有 {found} 份：末尾被截去。")
            yield _fault("cut", text, day, stated=head.sequence, found=last)
        elif (found := entries[head.sequence - first].sha256) != head.sha256:
            text = N_("链头记载第 {n} 号的摘要是 {stated}，这里是 {found}：凭证被整体改写。")
            params = {"stated": _short(head.sha256), "found": _short(found)}
            yield _fault("rewritten", text, day, n=head.sequence, **params)
        signed = max(signed, head.sequence)


def _short(sha256: str) -> str:
    return f"{sha256[:16]}…"


def _fault(code: str, text: str, where: str, **params: object) -> Problem:
    return Problem(code, "error", text, params, where=where)
