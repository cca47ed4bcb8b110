"""What an enterprise does to an uploaded layer before it is a version, and the layers as they are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from geo import attributes
from geo.problems import N_, Problem
from landready import layers, systems, uploads
from landready.db import actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.layers import Facility, Layer, ServiceArea
from landready.organisations import Organisation
from landready.plans import Upload
from landready.settings import Settings
from landready.shapes import to_geojson
from landready.utilities import Utility

KINDS: tuple[uploads.Kind, ...] = ("facilities", "service_areas")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One facility or service area for a map and a table; `geometry` is GeoJSON lon/lat in EPSG:4490."""

    row: int
    name: str
    geometry: Mapping[str, Any]
    spare_capacity: float | None = None


def upload_layer(
    session: Session,
    settings: Settings,
    *,
    kind: str,
    utility: str,
    title: str,
    filename: str,
    stream: BinaryIO,
    crs: str,
    now: datetime,
) -> Upload:
    """Keep a file that may become a version of a layer. `crs` is a choice of landready.systems, empty: as the file says.

    Raises:
        Invalid: kind or title is missing, the utility is not one of the enterprise's, or the file is empty or too large; nothing is kept.
    """
    asker = actor_of(session)
    kinds = {str(known): known for known in KINDS}
    if asker.organisation_id is None:
        raise NotFound
    own = session.get_one(Organisation, asker.organisation_id).utilities
    if kind not in kinds or utility not in own:
        text = N_("请选择图层类型，以及您的单位登记的公用服务。")
        raise Invalid((Problem("layer_kind", "error", text),))
    return uploads.receive(
        session,
        settings,
        organisation_id=asker.organisation_id,
        account_id=asker.account_id,
        kind=kinds[kind],
        title=title,
        filename=filename,
        stream=stream,
        crs=systems.named(crs),
        purpose={"utility": utility},
        now=now,
    )


def waiting(session: Session) -> list[Upload]:
    """Return the asker's uploads that were not published, newest first, without their features."""
    published = select(Layer.upload_id).where(Layer.upload_id.is_not(None))
    return list(
        session.scalars(
            select(Upload)
            .where(
                Upload.organisation_id == actor_of(session).organisation_id,
                Upload.kind.in_(KINDS),
                Upload.id.not_in(published),
            )
            .options(defer(Upload.features))
            .order_by(Upload.id.desc())
        )
    )


def upload_of(session: Session, upload_id: int) -> Upload:
    """Return an upload of the asker's that is not published, locked for a change.

    Raises:
        NotFound: there is none.
        Conflict: it is a version already.
    """
    upload = session.scalar(
        select(Upload)
        .where(
            Upload.id == upload_id,
            Upload.organisation_id == actor_of(session).organisation_id,
            Upload.kind.in_(KINDS),
        )
        .with_for_update()
    )
    if upload is None:
        raise NotFound
    if session.scalar(select(Layer.id).where(Layer.upload_id == upload.id)):
        raise Conflict(N_("这个文件已经发布为一个版本。"))
    return upload


def preview(upload: Upload, limit: int) -> list[Drawn]:
    """Return up to `limit` features of an upload as the columns named so far tell them."""
    found = []
    for feature in upload.features[:limit]:
        cell = attributes.apply(upload.mapping, feature["properties"])
        name = attributes.text(cell["name"].raw) if "name" in cell else ""
        number = cell["spare_capacity"].number if "spare_capacity" in cell else None
        found.append(Drawn(feature["row"], name, feature["geometry"], number))
    return found


def name_columns(
    session: Session, upload_id: int, mapping: Mapping[str, str], now: datetime
) -> None:
    """Take the engineer's word for which column is what.

    Raises:
        NotFound, Conflict: as `upload_of`.
        Invalid: a column is not in the file or named twice.
    """
    uploads.remap(session, upload_of(session, upload_id), mapping, now)


def name_crs(session: Session, settings: Settings, upload_id: int, crs: str) -> None:
    """Read the file again in the coordinate system the engineer names.

    Raises:
        NotFound, Conflict: as `upload_of`.
    """
    uploads.reread(session, settings, upload_of(session, upload_id), systems.named(crs))


def confirm(session: Session, settings: Settings, upload_id: int, what: str, now: datetime) -> None:
    """Keep what the engineer confirms of the file (landready.confirmations).

    Raises:
        NotFound, Conflict: as `upload_of`.
        Invalid: that is nothing to confirm.
    """
    upload = upload_of(session, upload_id)
    uploads.confirm(session, settings, upload, what, actor_of(session).account_id, now)


def publish(
    session: Session, upload_id: int, now: datetime, valid_from: date | None = None
) -> Layer:
    """Make an upload the current version of its layer; service areas wait for their approval and for `valid_from`.

    Raises:
        NotFound, Conflict: as `upload_of`.
        NotAllowed: the enterprise is not registered for the utility.
        Invalid: the file has an error; the versions stay as they were.
    """
    upload = upload_of(session, upload_id)
    return layers.publish(
        session,
        upload,
        utility=Utility(upload.purpose["utility"]),
        now=now,
        valid_from=valid_from,
    )


def discard(session: Session, upload_id: int) -> str:
    """Delete an upload that was not published and return its title.

    Raises:
        NotFound, Conflict: as `upload_of`.
    """
    upload = upload_of(session, upload_id)
    session.delete(upload)
    session.flush()
    return upload.title


def layer_of(session: Session, layer_id: int) -> Layer:
    """Return a layer of the asker's.

    Raises:
        NotFound: there is none, or it is another's.
    """
    layer = session.scalar(
        select(Layer).where(
            Layer.id == layer_id, Layer.enterprise_id == actor_of(session).organisation_id
        )
    )
    if layer is None:
        raise NotFound
    return layer


def drawn(session: Session, layer: Layer, limit: int) -> list[Drawn]:
    """Return up to `limit` features of a layer in the order of the file."""
    if layer.kind == "facilities":
        facilities = session.scalars(
            select(Facility)
            .where(Facility.layer_id == layer.id)
            .options(defer(Facility.attributes))
            .order_by(Facility.row)
            .limit(limit)
        )
        return [Drawn(f.row, f.name, to_geojson(f.geom), f.spare_capacity) for f in facilities]
    areas = session.scalars(
        select(ServiceArea)
        .where(ServiceArea.layer_id == layer.id)
        .order_by(ServiceArea.row)
        .limit(limit)
    )
    return [Drawn(a.row, a.name, to_geojson(a.geom)) for a in areas]
