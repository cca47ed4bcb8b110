"""Planning permits uploaded as a file: one transaction per file, all rows or none, every fault by row (R7)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any, Literal

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import files, intake
from landready.db import as_engine
from landready.errors import Conflict, Invalid
from landready.permit_fields import Owner, PermitFields
from landready.permit_receipt import claim, receive_permit
from landready.permits import Permit
from landready.problems import errors
from landready.settings import Settings

# Names as in the API; the owner either as an object or as columns of its own.
_OWNER = {f"owner_{name}": name for name in Owner.model_fields}
_NAMES = {field.alias or name for name, field in PermitFields.model_fields.items()} - {"boundary"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: a new permit, or one that was here before."""

    row: int
    permit_no: str
    outcome: Literal["created", "same"]


def receive_permit_file(
    session: Session,
    settings: Settings,
    *,
    filename: str,
    stream: IO[bytes],
    source_id: int,
    now: datetime,
) -> tuple[Outcome, ...]:
    """Receive every permit of a file whose features are boundaries and whose columns bear the names of the API.

    Read in the guarded child like every upload. Columns with other names are left alone.

    Raises:
        Invalid: with every fault of every row; the caller's transaction must not be committed then, and nothing is kept.
    """
    kept = files.store(settings, stream, filename=filename)
    try:
        with files.on_disk(settings, kept.name) as path:
            reading = intake.read_file(
                path,
                settings.upload,
                region=settings.region,
                crs=None,
                kind="service_areas",
                name=filename,
            )
    finally:
        # What counts is kept with each permit, field for field; the file itself is not needed again.
        files.delete(settings, kept.name)
    found = list(reading.problems)
    if not reading.features and not errors(found):
        found.append(Problem("file_without_permits", "error", N_("文件中没有规划许可的边界。")))
    rows = []
    for feature in reading.features:
        try:
            rows.append((feature.row, _fields(feature.properties, feature.geometry)))
        except ValidationError as error:
            found += _misfits(error, feature.row)
    if errors(found):
        raise Invalid(tuple(found))
    return _receive_all(session, settings, rows, source_id, now)


def _receive_all(
    session: Session,
    settings: Settings,
    rows: list[tuple[int, PermitFields]],
    source_id: int,
    now: datetime,
) -> tuple[Outcome, ...]:
    outcomes, faults = [], []
    with as_engine(session):
        claim(session, [fields for _, fields in rows])
        numbers = [fields.permit_no for _, fields in rows]
        known = set(session.scalars(select(Permit.permit_no).where(Permit.permit_no.in_(numbers))))
        for row, fields in rows:
            try:
                receive_permit(session, settings, fields, source_id=source_id, now=now)
            except Invalid as error:
                faults += [replace(p, row=row) for p in error.problems]
            except Conflict as error:
                faults.append(
                    Problem("conflict", "error", error.detail, error.params, row, "permit_no")
                )
            else:
                same = fields.permit_no in known
                outcomes.append(Outcome(row, fields.permit_no, "same" if same else "created"))
                known.add(fields.permit_no)
        if errors(faults):
            raise Invalid(tuple(faults), N_("文件中有的许可不能接收，整个文件没有接收。"))
    return tuple(outcomes)


def _fields(properties: Mapping[str, object], boundary: Mapping[str, Any]) -> PermitFields:
    """The permit of one row; empty cells are left out, so that they are missing rather than wrong."""
    given = {name: value for name, value in properties.items() if value not in (None, "")}
    said: dict[str, Any] = {name: _plain(given[name]) for name in given if name in _NAMES}
    owner = said.get("owner")
    if not isinstance(owner, Mapping):
        said["owner"] = {ours: _text(given[n]) for n, ours in _OWNER.items() if n in given}
    for name in _NAMES & {"permit_no", "plot_code", "XMDM", "GCDM", "XZQHDM", "SPSXSLBM"}:
        if name in said:
            said[name] = _text(said[name])
    if isinstance(said.get("uses"), str):
        said["uses"] = [
            use.strip() for use in said["uses"].replace("、", ",").split(",") if use.strip()
        ]
    return PermitFields.model_validate({**said, "boundary": boundary})


def _plain(value: object) -> object:
    """An object or list that the reader gave as its JSON text, unwrapped."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _text(value: object) -> str:
    """A code that a table kept as a number, without its `.0`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _misfits(error: ValidationError, row: int) -> Iterator[Problem]:
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            text, params = N_("缺少字段 {field}。"), {"field": where}
        else:
            text = N_("字段 {field} 的值“{value}”不能使用。")
            params = {"field": where, "value": str(fault["input"])[:80]}
        yield Problem("field_misfit", "error", text, params, row, where)
