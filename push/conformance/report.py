"""What a run showed: as a table for people, and as a signed document for whoever was not there."""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from landready.seal import Seal
from push.conformance.checks import Finding, Level, Outcome

FORMAT = "landready-conformance-1"
Language = Literal["zh", "en"]
_OUTCOMES = {
    "zh": {Outcome.PASSED: "通过", Outcome.FAILED: "未通过", Outcome.NOT_SHOWN: "未验证"},
    "en": {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.NOT_SHOWN: "not shown"},
}
_HEADS = {
    "zh": ("接口一致性测试", "对象", "结果", "依据", "应做", "条款"),
    "en": ("Conformance", "target", "result", "evidence", "to do", "clause"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `target` is empty where nothing was pushed."""

    level: Level
    target: str
    began_at: datetime
    ended_at: datetime
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        return any(one.outcome is Outcome.FAILED for one in self.findings)

    def counts(self) -> dict[str, int]:
        counted = Counter(one.outcome for one in self.findings)
        return {one.value: counted[one] for one in Outcome}


def as_data(report: Report) -> dict[str, Any]:
    """Return what is signed."""
    return {
        "format": FORMAT,
        "level": report.level.value,
        "target": report.target,
        "began_at": report.began_at.isoformat(timespec="seconds"),
        "ended_at": report.ended_at.isoformat(timespec="seconds"),
        "counts": report.counts(),
        "checks": [
            {
                "id": one.check.id,
                "clause": one.check.clause,
                "outcome": one.outcome.value,
                "evidence": one.evidence,
                "asked": {"zh": one.check.zh[0], "en": one.check.en[0]},
                "to_do": {"zh": one.check.zh[1], "en": one.check.en[1]},
            }
            for one in report.findings
        ],
    }


def signed(report: Report, seal: Seal) -> str:
    """Return a JSON document: `report` is the text that is signed, as it stands, so nothing need be written anew to verify it."""
    text = json.dumps(as_data(report), ensure_ascii=False)
    document = {
        "report": text,
        "algorithm": "Ed25519",
        "key_id": seal.key_id,
        "public_key": seal.public,
        "signature": seal.sign(text.encode()),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def as_text(report: Report, language: Language, key_id: str) -> str:
    """Return a table of one line per check, and below what failed with its evidence and what to do."""
    title, target, *_ = _HEADS[language]
    words = _OUTCOMES[language]
    width = max(map(_width, words.values()))
    ids = max(len(one.check.id) for one in report.findings)
    lines = [
        f"{title} · {report.level} · {target}: {report.target or '—'} · {report.ended_at:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    for one in report.findings:
        said = words[one.outcome]
        pad = " " * (width - _width(said))
        lines.append(
            f"{said}{pad}  {one.check.id:{ids}}  {one.check.clause}  {_asked(one, language)[0]}"
        )
    for one in report.findings:
        if one.outcome is not Outcome.PASSED:
            lines += ["", *_explained(one, language)]
    totals = ", ".join(f"{words[one]} {report.counts()[one]}" for one in Outcome)
    return "\n".join([*lines, "", f"{totals} · Ed25519 {key_id}"])


def _explained(finding: Finding, language: Language) -> list[str]:
    *_, evidence, to_do, clause = _HEADS[language]
    asked, advice = _asked(finding, language)
    head = f"{finding.check.id} · {_OUTCOMES[language][finding.outcome]} · {clause} {finding.check.clause}"
    return [head, f"  {asked}", f"  {evidence}: {finding.evidence}", f"  {to_do}: {advice}"]


def _asked(finding: Finding, language: Language) -> tuple[str, str]:
    return finding.check.zh if language == "zh" else finding.check.en


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
