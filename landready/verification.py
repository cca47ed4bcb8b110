"""`landready verify`: does a certificate, or the chain of a city, hold? Pure: nothing is needed but the file.

Of every certificate the digest, the signature and the verdict, judged again by the same rule from the frozen facts; of a chain
also its links and the signed heads.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from geo.problems import N_, Problem, at_line
from landready import chain, seal
from landready.clock import today as local_date
from landready.evidence import Evidence, Handed
from landready.frozen import NotACertificate, Thawed, thaw


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `faults` is empty when everything holds; `where` of a fault is a number, a day or a line."""

    certificates: tuple[Thawed, ...]
    heads: tuple[chain.Head, ...]
    keys: tuple[str, ...]
    pinned: bool
    faults: tuple[Problem, ...] = field(default=())

    @property
    def holds(self) -> bool:
        return not self.faults


def verify(evidence: Evidence, keys: Collection[str] = ()) -> Report:
    """Check everything in a file. With `keys` (public keys, base64url) nothing signed by another is believed."""
    faults: list[Problem] = []
    for line in evidence.reformatted:
        text = N_("这一行与下载时的写法不同：文件被改过或重新排版过。")
        faults.append(Problem("reformatted", "error", text, where=at_line(line)))
    thawed: list[Thawed] = []
    for handed in evidence.certificates:
        faults += _signature_faults(handed, keys)
        try:
            found = thaw(handed.entry.body)
        except NotACertificate as error:
            faults.append(Problem("unreadable", "error", str(error), where=_number(handed)))
            continue
        thawed.append(found)
        faults += _verdict_faults(found)
    entries = [handed.entry for handed in evidence.certificates]
    if len(entries) == 1 and not evidence.heads:
        faults += chain.own_faults(entries[0])
    else:
        faults += chain.faults(entries, evidence.heads, keys)
        if not evidence.heads:
            text = N_("没有链头：看不出末尾是否被截去，也看不出是否被整体改写。")
            faults.append(Problem("no_head", "error", text))
    signers = {handed.key for handed in evidence.certificates} | {h.key for h in evidence.heads}
    return Report(tuple(thawed), evidence.heads, tuple(sorted(signers)), bool(keys), tuple(faults))


def _signature_faults(handed: Handed, keys: Collection[str]) -> Iterator[Problem]:
    if not seal.verify(handed.signed, handed.signature, handed.key):
        text = N_("凭证的签名不对：内容被改过，或不是这把密钥签的。")
        yield Problem("signature", "error", text, where=_number(handed))
    elif keys and handed.key not in keys:
        text = N_("凭证由密钥 {key} 签名，不是指定的密钥。")
        yield Problem("key", "error", text, {"key": handed.key}, where=_number(handed))


def _verdict_faults(found: Thawed) -> Iterator[Problem]:
    number = found.place.number
    if not found.holds:
        again = found.judged_again()
        text = N_("按冻结的事实重新判定，结论与凭证不同：{found}。")
        reasons = "；".join(b.whole for b in again.blockers) or "没有缺失的条件"
        yield Problem("verdict", "error", text, {"found": reasons}, where=number)
    if not _fits(found):
        text = N_("判定日期、有效期、地块版本或规则的适用范围互相矛盾，系统不会签发这样的凭证。")
        yield Problem("contradiction", "error", text, where=number)


def _fits(found: Thawed) -> bool:
    """Whether facts and rules are those of the certificate's own plot, city and moment: the rule alone does not look at that."""
    place, rules, day = found.place, found.rules, found.day
    return (
        day == local_date(place.issued_at)
        and place.valid_until - place.issued_at == timedelta(days=rules.verdict_days)
        and found.plot.revision == found.facts.revision
        and rules.city in ("", place.city)
        and rules.start <= day
        and all(e.city == place.city and e.start <= day <= e.end for e in rules.exemptions)
    )


def as_text(report: Report, today: date) -> str:
    """Say in words what holds and what does not, for people; `today` is the date in Shanghai."""
    lines = [_heading(report)]
    lines += [f"  {_told(one, today)}" for one in report.certificates]
    if report.heads:
        newest = max(report.heads, key=lambda head: head.day)
        lines.append(
            f"  链头 {len(report.heads)} 个，最新 {newest.day}：第 {newest.sequence} 号 · {newest.sha256}"
        )
    for key in report.keys:
        lines.append(f"  签名密钥 {key}（{seal.key_id(key)}）")
    if report.keys and not report.pinned:
        lines.append("  密钥写在文件里：请与公布的 /api/v1/keys 核对，或用 --key 指定。")
    lines += [f"✗ {fault.where or '整个文件'}｜{fault.message}" for fault in report.faults]
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """The answer of `landready verify --json`."""
    answer = {
        "holds": report.holds,
        "certificates": [
            {
                "number": one.place.number,
                "plot": one.plot.code,
                "ready": one.verdict.ready,
                "rules": one.rules.cited,
                "issued_at": one.place.issued_at.isoformat(),
                "valid_until": one.place.valid_until.isoformat(),
            }
            for one in report.certificates
        ],
        "heads": [head.written() for head in report.heads],
        "keys": [{"key": key, "pinned": report.pinned} for key in report.keys],
        "faults": [
            {"code": fault.code, "where": fault.where, "message": fault.message}
            for fault in report.faults
        ],
    }
    return json.dumps(answer, ensure_ascii=False)


def _heading(report: Report) -> str:
    if report.holds:
        return "凭证成立：摘要、签名、重新判定的结论均与凭证一致。 · It holds."
    return f"凭证不成立：{len(report.faults)} 处不符。 · It does not hold."


def _told(one: Thawed, today: date) -> str:
    until = local_date(one.place.valid_until)
    ended = "，已过有效期" if until < today else ""
    return (
        f"{one.place.number}  地块 {one.plot.code} {one.plot.name}  {one.day} 依据规则 {one.rules.cited} 判定"
        f"{'具备' if one.verdict.ready else '不具备'}上架条件，有效至 {until}{ended}"
    )


def _number(handed: Handed) -> str:
    return chain.number_of(handed.entry)
