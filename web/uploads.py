"""The parts that every upload form shares: the file, its coordinate system, and which of its columns is what."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

from flask import request
from flask_babel import gettext as _

from geo.problems import N_, Problem
from landready import confirmations, uploads
from landready.errors import Invalid
from landready.plans import Upload
from landready.systems import CHOICES

ACCEPT = ".geojson,.json,.gpkg,.zip,.txt,.kml,.kmz,.dxf,.csv,.tsv,.xlsx"
# How many cells of a column are shown beside its name.
_SAMPLES = 3
_CELL = 40


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file as a browser sent it."""

    filename: str
    stream: BinaryIO


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file with cells of the first rows."""

    name: str
    samples: tuple[str, ...]

    @property
    def shown(self) -> str:
        if not self.samples:
            return self.name
        shown: str = _("%(name)s（%(values)s）", name=self.name, values=_("、").join(self.samples))
        return shown


@dataclass(frozen=True, slots=True)
class Choice:
    """One of our fields, and the column that was chosen for it so far; empty: none."""

    ours: str
    chosen: str


@contextmanager
def sent_file() -> Iterator[SentFile]:
    """Give the file of the form field `file` for the length of the block, and let go of it.

    Raises:
        Invalid: none was chosen.
    """
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid((Problem("file_missing", "error", N_("请选择要上传的文件。")),))
    with closing(file):
        yield SentFile(file.filename, cast("BinaryIO", file.stream))


def sent_crs() -> str:
    """Return the coordinate system of the form: the typed code, else the chosen one, else nothing."""
    return request.form.get("crs_typed", "").strip() or request.form.get("crs", "").strip()


def sent_mapping(kind: str) -> Mapping[str, str]:
    """Return which column the person chose for each of our fields."""
    return {ours: request.form.get(f"column_{ours}", "") for ours in uploads.COLUMNS[kind]}


def columns(upload: Upload) -> list[Column]:
    """Return the columns of the file in their order."""
    rows = [cast("Mapping[str, Any]", f["properties"]) for f in upload.features[:_SAMPLES]]
    return [Column(str(name), _samples(rows, str(name))) for name in upload.fields]


def choices(upload: Upload) -> list[Choice]:
    """Return our fields for this kind of file, with the columns that were chosen or guessed."""
    return [Choice(ours, upload.mapping.get(ours, "")) for ours in uploads.COLUMNS[upload.kind]]


def question(upload: Upload, *codes: str) -> Problem | None:
    """Return the first problem of these codes: what only the person who sent the file can answer."""
    return next((p for p in uploads.problems_of(upload) if p.code in codes), None)


def crs_question(upload: Upload) -> Problem | None:
    """Return why the coordinate system must be named; a file that is elsewhere altogether was read in a wrong one."""
    codes = ("crs_missing", "crs_unknown", "crs_conflict")
    elsewhere = ("wrong_zone", "not_degrees", "not_on_earth", "outside_region")
    return question(upload, *codes, *(() if upload.features else elsewhere))


def asked(upload: Upload) -> dict[str, Problem]:
    """Return what the person may confirm: "axes", "repairs" or "shift" → the problem that it answers."""
    found = {what: question(upload, code) for what, code in confirmations.ANSWERS.items()}
    done = confirmations.confirmed(upload)
    return {what: p for what, p in found.items() if p is not None and what not in done}


def confirmed(upload: Upload) -> dict[str, datetime]:
    """Return what the person confirmed, and when."""
    kept = confirmations.confirmed(upload)
    return {what: datetime.fromisoformat(kept[what]["at"]) for what in sorted(kept)}


def system_name(crs: str) -> str:
    """Return the words for a coordinate system, as in the choices."""
    return _(CHOICES[crs]) if crs in CHOICES else crs


def systems() -> dict[str, str]:
    """Return the coordinate systems to choose from, in the reader's language."""
    return {code: _(name) for code, name in CHOICES.items()}


def _samples(rows: list[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    cells = [str(row[name]) for row in rows if row.get(name) not in (None, "")]
    return tuple(f"{c[:_CELL]}…" if len(c) > _CELL else c for c in cells)
