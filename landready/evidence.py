"""Certificates and heads as files that are handed out and checked elsewhere: one canonical JSON object a line.

A certificate: `{"body": …, "format": "landready-certificate-file/1", "key": …, "sha256": …, "signature": …}`, signed over all but
body and signature, which the digest covers. The chain of a city: its state now as a head, every certificate in order, then the
heads of its days. A byte that is not where the one canonical spelling has it is a fault.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from geo.problems import N_, Problem, at_line
from landready import seal
from landready.chain import HEAD_FORMAT, Entry, Head
from landready.errors import Invalid
from landready.frozen import canonical

FILE_FORMAT = "landready-certificate-file/1"


@dataclass(frozen=True, slots=True)
class Handed:
    """A certificate as it was handed out, signed with `key`."""

    entry: Entry
    key: str
    signature: str

    @property
    def signed(self) -> bytes:
        return _signed(self.entry.sha256, self.key)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a file holds. `reformatted` are the lines (from 1) that are not spelled as they were handed out."""

    certificates: tuple[Handed, ...]
    heads: tuple[Head, ...]
    reformatted: tuple[int, ...]


def handed_out(entry: Entry, by: seal.Seal) -> Handed:
    return Handed(entry, by.public, by.sign(_signed(entry.sha256, by.public)))


def sign_head(city: str, day: date, sequence: int, sha256: str, by: seal.Seal) -> Head:
    bare = Head(city, day, sequence, sha256, by.public)
    return replace(bare, signature=by.sign(bare.signed))


def certificate_line(handed: Handed) -> bytes:
    """Return a certificate as a line of a file."""
    return canonical({**_stated(handed.entry.sha256, handed.key), **_covered(handed)}) + b"\n"


def head_line(head: Head) -> bytes:
    return canonical(head.written()) + b"\n"


def chain_file(now: Head, entries: Iterable[Entry], heads: Iterable[Head], by: seal.Seal) -> bytes:
    """Return the whole chain of a city as a file; `now` is its state when the file was made."""
    lines = [head_line(now)]
    lines += [certificate_line(handed_out(entry, by)) for entry in entries]
    lines += [head_line(head) for head in heads]
    return b"".join(lines)


def read(data: bytes) -> Evidence:
    """Read a file of certificates and heads.

    Raises:
        Invalid: a line is neither; `where` names it.
    """
    certificates: list[Handed] = []
    heads: list[Head] = []
    reformatted = []
    # An empty file is one line that is neither, not a chain without certificates.
    lines = data.split(b"\n")
    if lines[-1] or not data:
        reformatted.append(len(lines))  # the last line was not ended
    else:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            one = _line(json.loads(line))
            again = certificate_line(one) if isinstance(one, Handed) else head_line(one)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            text = N_("不是准入凭证或链头文件。请使用下载的原文件。")
            where = at_line(number)
            raise Invalid((Problem("unreadable", "error", text, where=where),)) from error
        if again != line + b"\n":
            reformatted.append(number)
        if isinstance(one, Handed):
            certificates.append(one)
        else:
            heads.append(one)
    return Evidence(tuple(certificates), tuple(heads), tuple(sorted({*reformatted})))


def _line(raw: Any) -> Handed | Head:  # noqa: ANN401 - whatever JSON holds
    if raw["format"] == HEAD_FORMAT:
        day, sequence = date.fromisoformat(raw["day"]), int(raw["sequence"])
        words = (str(raw[name]) for name in ("sha256", "key", "signature"))
        return Head(str(raw["city"]), day, sequence, *words)
    if raw["format"] != FILE_FORMAT:
        raise ValueError
    sha256, key, signature = (str(raw[name]) for name in ("sha256", "key", "signature"))
    return Handed(Entry(canonical(raw["body"]), sha256), key, signature)


def _signed(sha256: str, key: str) -> bytes:
    return canonical(_stated(sha256, key))


def _stated(sha256: str, key: str) -> dict[str, Any]:
    return {"format": FILE_FORMAT, "sha256": sha256, "key": key}


def _covered(handed: Handed) -> dict[str, Any]:
    return {"body": json.loads(handed.entry.body), "signature": handed.signature}
