"""The values of a joint application as they are shown: label, value, original and source (R9)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_
from landready import form
from landready.applications import ApplicationField
from landready.clock import Note
from landready.organisations import Organisation

SOURCES = {
    "permit": N_("来自建设工程规划许可证 {ref}"),
    "plot": N_("来自供地计划中的地块 {ref}"),
    "answer": N_("来自企业的接入情况反馈"),
    "check": N_("由系统按地块 {ref} 测算"),
    "unverified": N_("由系统按地块 {ref} 的用地估算，指标未经核实"),
    "planner": N_("由规划部门就地块 {ref} 填报"),
    "route": N_("由系统按接入路线测算"),
    "registry": N_("来自单位登记信息 {ref}"),
    "": N_("尚无来源"),
}
STANDINGS = {
    "ready": N_("企业已确认具备条件"),
    "ready_by": N_("企业承诺 {day} 前具备"),
    "not_possible": N_("企业答复无法接入"),
    "not_concerned": N_("企业答复不涉及"),
}


@dataclass(frozen=True, slots=True)
class FieldView:
    """One value of the form. `value` counts; `original` is what was seeded, where the owner corrected it.

    `standing` says in words what a coded value means; `about` is the utility and `enterprise` the one who answered.
    """

    name: str
    label: str
    value: str
    original: str | None
    source: Note
    source_at: datetime | None
    standing: Note | None
    utility: str
    enterprise: str
    required: bool
    correctable: bool


def field_views(session: Session, fields: Iterable[ApplicationField]) -> Iterable[FieldView]:
    """Yield the views of an application's values, with one query for the names of the enterprises."""
    keyed = [(form.key_of(field.name), field) for field in fields]
    ids = {key.enterprise_id for key, _ in keyed if key.enterprise_id}
    query = select(Organisation.id, Organisation.name).where(Organisation.id.in_(ids))
    names = dict(session.execute(query).all())
    for key, field in keyed:
        yield FieldView(
            name=field.name,
            label=key.field.label,
            value=field.value if field.corrected is None else field.corrected,
            original=None if field.corrected is None else field.value,
            source=Note(SOURCES[field.source], {"ref": field.source_ref}),
            source_at=field.source_at,
            standing=_standing(field.value) if key.field.kind == "standing" else None,
            utility=key.utility,
            enterprise=names.get(key.enterprise_id or 0, ""),
            required=key.field.required,
            correctable=key.field.correctable,
        )


def _standing(value: str) -> Note | None:
    verdict, _, day = value.partition(" ")
    return Note(STANDINGS[verdict], {"day": day}) if verdict else None
