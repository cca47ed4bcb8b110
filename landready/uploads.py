"""Uploads: the bytes are kept as sent, read in the guarded child, and every column is understood or asked about."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any, Literal

from sqlalchemy.orm import Session

from geo import attributes
from geo.problems import N_, Problem
from landready import confirmations, files, intake, problems
from landready.errors import Invalid
from landready.plans import Upload
from landready.settings import Settings

Kind = Literal[
    "plots", "facilities", "service_areas", "roads", "greens", "waters", "planning_areas"
]
# What a person can say of a column, by kind of upload; `spare_capacity` in the unit of the utility.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "plots": tuple(attributes.SYNONYMS),
    "facilities": ("name", "spare_capacity", "stated_at"),
    "service_areas": ("name",),
    "roads": ("name", "road_class", "land_width", "completed", "overhauled"),
    "greens": ("name",),
    "waters": ("name",),
    "planning_areas": ("name",),
}
# Of base layers the reader asks nothing more than of facilities; landready.base_layers says which shapes fit.
_READ_AS: Mapping[str, intake.Kind] = {
    "plots": "plots",
    "facilities": "facilities",
    "service_areas": "service_areas",
}
# The reader compares areas by the column it guesses; in a plan the column the planner names counts (landready.plot_rows).
_COMPARED_LATER = {"area_differs", "area_unit"}


def receive(
    session: Session,
    settings: Settings,
    *,
    organisation_id: int,
    account_id: int | None,
    kind: Kind,
    title: str,
    filename: str,
    stream: IO[bytes],
    crs: str | None = None,
    purpose: Mapping[str, Any] | None = None,
    now: datetime,
) -> Upload:
    """Keep a file and what the reader makes of it; a file that cannot be used is kept with its problems.

    `crs` is what the person says (EPSG:n); None: what the file says. `purpose`: utility and title of a layer, year of a plan.

    Raises:
        Invalid: the file is empty or larger than `web.upload_mb`, or has no title; nothing is kept.
    """
    if not title.strip():
        raise Invalid((Problem("title_missing", "error", N_("请填写名称。")),))
    kept = files.store(settings, stream, filename=filename)
    upload = Upload(
        organisation_id=organisation_id,
        kind=kind,
        title=storable(title).strip()[:200],
        filename=storable(filename)[-255:],
        stored_as=kept.name,
        sha256=kept.sha256,
        purpose=dict(purpose or {}),
        created_at=now,
        created_by=account_id,
    )
    reread(session, settings, upload, crs)
    session.add(upload)
    session.flush()
    return upload


def reread(session: Session, settings: Settings, upload: Upload, crs: str | None) -> None:
    """Read the kept file again under the CRS the person named, and with its axes turned if that was confirmed.

    The mapping is guessed anew where fields changed.

    Raises:
        NotFound: the file is no longer kept.
    """
    with files.on_disk(settings, upload.stored_as) as path:
        reading = intake.read_file(
            path,
            settings.upload,
            region=settings.region,
            crs=crs,
            kind=_READ_AS.get(upload.kind, "facilities"),
            name=upload.filename,
            swap="axes" in confirmations.confirmed(upload),
        )
    upload.purpose = {**upload.purpose, "crs": crs or ""}
    found = [p for p in reading.problems if upload.kind != "plots" or p.code not in _COMPARED_LATER]
    upload.source_crs = reading.source_crs or ""
    upload.features = [_kept(feature) for feature in reading.features]
    upload.problems = storable(problems.replaced([], "reading", found))
    fields = storable(list(reading.fields))
    if fields != upload.fields:
        upload.fields = fields
        guessed = attributes.guess(fields)
        upload.mapping = {
            ours: field for ours, field in guessed.items() if ours in COLUMNS[upload.kind]
        }
    session.flush()


def confirm(
    session: Session,
    settings: Settings,
    upload: Upload,
    what: str,
    account_id: int | None,
    now: datetime,
) -> None:
    """Keep what the person confirmed (landready.confirmations) and read the file again where that changes the reading.

    Raises:
        Invalid: that is nothing to confirm.
        NotFound: the file is no longer kept.
    """
    confirmations.confirm(upload, what, account_id, now)
    if what == "axes":
        reread(session, settings, upload, upload.purpose.get("crs") or None)
    session.flush()


def _kept(feature: intake.Feature) -> dict[str, Any]:
    """A GeoJSON feature with the file's own properties, its row and its geodesic area beside them."""
    return {
        "type": "Feature",
        "row": feature.row,
        "geometry": feature.geometry,
        "properties": storable(dict(feature.properties)),
        "area_m2": feature.area_m2,
    }


def storable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What PostgreSQL's text and JSON have no room for is left out: NUL, broken surrogates, numbers that are none."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return value


def remap(session: Session, upload: Upload, mapping: Mapping[str, str], now: datetime) -> None:
    """Take the person's word for which column is what; an empty field name means that no column is.

    Raises:
        Invalid: a name is not one of ours, a column is not in the file, or one column is named twice.
    """
    chosen = {ours: field for ours, field in mapping.items() if field}
    known = COLUMNS[upload.kind]
    faults = [
        Problem("column_unknown", "error", N_("文件里没有“{column}”这一列。"), {"column": field})
        for ours, field in chosen.items()
        if ours not in known or field not in upload.fields
    ]
    faults += [
        Problem("column_twice", "error", N_("“{column}”这一列被选了两次。"), {"column": field})
        for field in sorted(set(chosen.values()))
        if list(chosen.values()).count(field) > 1
    ]
    if faults:
        raise Invalid(tuple(faults))
    upload.mapping = chosen
    upload.purpose = {**upload.purpose, "mapped_at": now.isoformat()}
    session.flush()


def problems_of(upload: Upload) -> tuple[Problem, ...]:
    """Return what is known to be wrong with an upload, errors first, then by row; repairs without consent are an error."""
    found = [problems.from_json(kept) for kept in upload.problems]
    found += confirmations.outstanding(upload)
    return tuple(sorted(found, key=lambda p: (p.severity != "error", p.row or 0)))
