"""What an office does to an uploaded base layer before it is a version, and the layers as they are drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from geo.problems import N_, Problem
from landready import base_layers, systems, uploads
from landready.base_layers import KINDS, BaseFeature, BaseLayer
from landready.db import actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.plans import Upload
from landready.road_classes import RoadClass
from landready.settings import Settings
from landready.shapes import to_geojson

# Names of columns as road registers, survey offices and OpenStreetMap write them; the first that fits is taken.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "name": ("道路名称", "路线名称", "路名", "名称", "水体名称", "河流名称", "绿地名称", "dlmc", "name", "street", "roadname"),
    "road_class": ("道路等级", "公路等级", "行政等级", "路线等级", "道路类别", "等级", "类别", "dldj", "roadclass", "class", "fclass", "highway", "ref", "路线编号"),
    "land_width": ("用地宽度", "公路用地宽度", "道路用地宽度", "红线宽度", "道路红线宽度", "红线宽", "landwidth", "rowwidth"),
    "completed": ("交付使用日期", "竣工日期", "建成日期", "通车日期", "建成年份", "竣工年份", "建成时间", "completed", "opened", "yearbuilt"),
    "overhauled": ("大修竣工日期", "大修日期", "大修年份", "大修时间", "overhauled"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """One feature of a base layer for a map and a table; `geometry` is GeoJSON lon/lat in EPSG:4490."""

    row: int
    name: str
    geometry: Mapping[str, Any]
    road_class: str | None = None
    land_width_m: float | None = None
    completed: date | None = None
    overhauled: date | None = None


def receive(
    session: Session,
    settings: Settings,
    *,
    kind: str,
    road_class: str,
    title: str,
    filename: str,
    stream: BinaryIO,
    crs: str,
    now: datetime,
) -> Upload:
    """Keep a file that may become a version of a base layer of the asker's office.

    `road_class`: the class of every road of the file; empty: a column says it. `crs` as in landready.systems.

    Raises:
        Invalid: kind, class or title is missing or unknown, or the file is empty or too large; nothing is kept.
    """
    asker = actor_of(session)
    kinds = {str(known): known for known in KINDS}
    if asker.organisation_id is None:
        raise NotFound
    if kind not in kinds:
        raise Invalid((Problem("layer_kind", "error", N_("请选择底图类型。")),))
    road_class = road_class if kind == "roads" else ""
    if road_class and road_class not in set(RoadClass):
        raise Invalid((Problem("road_class", "error", N_("请选择道路等级。")),))
    upload = uploads.receive(
        session,
        settings,
        organisation_id=asker.organisation_id,
        account_id=asker.account_id,
        kind=kinds[kind],
        title=title,
        filename=filename,
        stream=stream,
        crs=systems.named(crs),
        purpose={"road_class": road_class} if road_class else {},
        now=now,
    )
    _guess(upload)
    session.flush()
    return upload


def _guess(upload: Upload) -> None:
    """Recognise the columns by name, unless a person has named them."""
    if "mapped_at" in upload.purpose:
        return
    upload.mapping = guess(upload.fields, uploads.COLUMNS[upload.kind])


def guess(fields: Iterable[str], ours: Iterable[str]) -> dict[str, str]:
    """Return which column of a file holds which of our fields; a column is used once."""
    left = {name: _plain(name) for name in fields}
    found: dict[str, str] = {}
    for field in ours:
        for synonym in SYNONYMS[field]:
            match = next((name for name, plain in left.items() if plain == synonym), None)
            if match is not None:
                found[field] = match
                del left[match]
                break
    return found


def _plain(name: str) -> str:
    before, _, _ = name.replace("（", "(").partition("(")
    return "".join(before.split()).replace("_", "").lower()


def waiting(session: Session) -> list[Upload]:
    """Return the asker's base uploads that were not published, newest first, without their features."""
    published = select(BaseLayer.upload_id).where(BaseLayer.upload_id.is_not(None))
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
    """Return a base upload of the asker's that is not published, locked for a change.

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
    if session.scalar(select(BaseLayer.id).where(BaseLayer.upload_id == upload.id)):
        raise Conflict(N_("这个文件已经发布为一个版本。"))
    return upload


def preview(upload: Upload, limit: int) -> tuple[list[Drawn], list[Problem]]:
    """Return up to `limit` features as the columns named so far tell them, and what forbids publishing them."""
    rows, found = base_layers.rows_of(upload)
    drawn = [
        Drawn(**_told(row), geometry=feature["geometry"])
        for row, feature in zip(rows[:limit], upload.features[:limit], strict=True)
    ]
    return drawn, found


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "geom"}


def name_columns(
    session: Session, upload_id: int, mapping: Mapping[str, str], now: datetime
) -> None:
    """Take the planner's word for which column is what.

    Raises:
        NotFound, Conflict: as `upload_of`.
        Invalid: a column is not in the file or named twice.
    """
    uploads.remap(session, upload_of(session, upload_id), mapping, now)


def name_crs(session: Session, settings: Settings, upload_id: int, crs: str) -> None:
    """Read the file again in the coordinate system the planner names.

    Raises:
        NotFound, Conflict: as `upload_of`.
    """
    upload = upload_of(session, upload_id)
    uploads.reread(session, settings, upload, systems.named(crs))
    _guess(upload)


def confirm(session: Session, settings: Settings, upload_id: int, what: str, now: datetime) -> None:
    """Keep what the planner confirms of the file (landready.confirmations).

    Raises:
        NotFound, Conflict: as `upload_of`.
        Invalid: that is nothing to confirm.
    """
    upload = upload_of(session, upload_id)
    uploads.confirm(session, settings, upload, what, actor_of(session).account_id, now)
    _guess(upload)


def publish(session: Session, upload_id: int, now: datetime) -> BaseLayer:
    """Make an upload the current version of its layer.

    Raises:
        NotFound, Conflict: as `upload_of`.
        Invalid: the file has an error; the versions stay as they were.
    """
    return base_layers.publish(session, upload_of(session, upload_id), now)


def discard(session: Session, upload_id: int) -> str:
    """Delete an upload that was not published and return its title.

    Raises:
        NotFound, Conflict: as `upload_of`.
    """
    upload = upload_of(session, upload_id)
    session.delete(upload)
    session.flush()
    return upload.title


def layer_of(session: Session, layer_id: int) -> BaseLayer:
    """Return a base layer of the asker's.

    Raises:
        NotFound: there is none, or it is another's.
    """
    layer = session.scalar(
        select(BaseLayer).where(
            BaseLayer.id == layer_id, BaseLayer.office_id == actor_of(session).organisation_id
        )
    )
    if layer is None:
        raise NotFound
    return layer


def withdraw(session: Session, layer_id: int) -> BaseLayer:
    """Take the current version of a layer out of use.

    Raises:
        NotFound: as `layer_of`.
        Conflict: it is an older version.
    """
    layer = layer_of(session, layer_id)
    if not layer.current:
        raise Conflict(N_("这是旧版本，已经不再使用。"))
    base_layers.withdraw(session, layer)
    return layer


def drawn(session: Session, layer: BaseLayer, limit: int) -> list[Drawn]:
    """Return up to `limit` features of a layer in the order of the file."""
    found = session.scalars(
        select(BaseFeature)
        .where(BaseFeature.layer_id == layer.id)
        .order_by(BaseFeature.row)
        .limit(limit)
    )
    return [
        Drawn(
            f.row,
            f.name,
            to_geojson(f.geom),
            f.road_class,
            f.land_width_m,
            f.completed,
            f.overhauled,
        )
        for f in found
    ]
