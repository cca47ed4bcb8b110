"""Archives, opened without trust: members picked by suffix, written under our own names, bytes counted as they come."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from geo.errors import Refused, refuse
from geo.problems import N_

_CHUNK = 1 << 20
# Attribute tables are mostly blanks: up to here a ratio says nothing (Warehouse uses the same bounds).
_RATIO_FREE = 64 << 20
_NESTED = {".zip", ".kmz", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz"}
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    IndexError,  # a member without a name
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may come out of one archive: bytes in all, bytes out per byte in, number of members."""

    unpacked: int
    ratio: int
    members: int


@contextmanager
def opened(path: Path, bounds: Bounds) -> Iterator[zipfile.ZipFile]:
    """The archive, checked for number of members, encryption, compression method and nesting.

    Raises:
        Refused: any of these, or the archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, bounds)
            yield archive
    except Refused:
        raise
    except _DAMAGED as error:
        raise _damaged() from error


def _damaged() -> Refused:
    return refuse("zip_damaged", N_("压缩包已损坏或不完整，无法解压。请重新压缩后再上传。"))


def _check(archive: zipfile.ZipFile, bounds: Bounds) -> None:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(archive.infolist()) > bounds.members:
        raise refuse(
            "zip_members",
            N_("压缩包里有 {count} 个文件，最多允许 {limit} 个。"),
            count=len(archive.infolist()),
            limit=bounds.members,
        )
    if any(info.flag_bits & 1 for info in infos):
        raise refuse("zip_encrypted", N_("压缩包设有密码，无法读取。请去掉密码后再上传。"))
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise refuse(
            "zip_method", N_("压缩包的压缩方式不受支持。请用系统自带的“压缩为 zip”重新压缩。")
        )
    for info in infos:
        if _suffix(info) in _NESTED:
            raise refuse(
                "zip_nested",
                N_("压缩包里还有压缩包（{name}）。请直接压缩数据文件本身。"),
                name=PurePosixPath(info.filename).name[:80],
            )


def _suffix(info: zipfile.ZipInfo) -> str:
    return PurePosixPath(info.filename.replace("\\", "/")).suffix.lower()


def write(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, budget: int, bounds: Bounds
) -> int:
    """Inflate one member to `target`, a name of ours, counting real bytes; return how many of `budget` it took.

    Raises:
        Refused: more bytes than the budget or the ratio allow, whatever the headers claim.
    """
    done = 0
    packed = max(info.compress_size, 1)
    with archive.open(info) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            done += len(chunk)
            if done > budget or (done > _RATIO_FREE and done / packed > bounds.ratio):
                raise refuse(
                    "zip_bomb",
                    N_("压缩包解压后过大（上限 {limit} MB，压缩比上限 {ratio}）。请拆分后再上传。"),
                    limit=bounds.unpacked >> 20,
                    ratio=bounds.ratio,
                )
            sink.write(chunk)
    return done


def is_shapefile(names: list[str]) -> bool:
    """Is there a .shp among the member names?"""
    return any(name.lower().endswith(".shp") for name in names)


def unpack_shapefile(path: Path, folder: Path, bounds: Bounds) -> Path:
    """Write the one Shapefile of the archive as layer.shp, .shx, .dbf, .prj, .cpg into `folder`.

    Raises:
        Refused: no Shapefile or several, parts missing, twice the same part, too large, nested, damaged.
    """
    with opened(path, bounds) as archive:
        infos = [
            info
            for info in archive.infolist()
            if not info.is_dir() and "__MACOSX" not in info.filename and _suffix(info) in _SHAPEFILE
        ]
        shapes = [info for info in infos if _suffix(info) == ".shp"]
        if not shapes:
            raise refuse(
                "zip_empty",
                N_(
                    "压缩包里没有可用的数据。请放入一套 Shapefile（shp、shx、dbf、prj），或直接上传 GeoJSON、GeoPackage、界址点 TXT。"
                ),
            )
        if len(shapes) > 1:
            raise refuse(
                "several_layers",
                N_("压缩包里有 {count} 个图层（{names}）。请每次只上传一个图层。"),
                count=len(shapes),
                names="、".join(PurePosixPath(i.filename).name for i in shapes[:5]),
            )
        stem = _stem(shapes[0])
        parts = [info for info in infos if _stem(info) == stem]
        found = {_suffix(info): info for info in parts}
        if len(found) != len(parts):
            raise refuse("zip_twice", N_("压缩包里有重名的文件。请重新压缩后再上传。"))
        if missing := [part for part in (".shx", ".dbf") if part not in found]:
            raise refuse(
                "shapefile_part",
                N_("Shapefile 不完整，缺少 {missing}。请把 shp、shx、dbf、prj 一起压缩。"),
                missing="、".join(missing),
            )
        budget = bounds.unpacked
        for suffix, info in found.items():
            budget -= write(archive, info, folder / f"layer{suffix}", budget, bounds)
    return folder / "layer.shp"


def _stem(info: zipfile.ZipInfo) -> str:
    name = info.filename.replace("\\", "/").lower()
    return name.rsplit(".", 1)[0]


def unpack_kml(path: Path, folder: Path, bounds: Bounds) -> Path:
    """Write the one KML of a KMZ as layer.kml into `folder`.

    Raises:
        Refused: no KML in it or several, too large, nested, damaged.
    """
    with opened(path, bounds) as archive:
        found = [info for info in archive.infolist() if _suffix(info) == ".kml"]
        if len(found) != 1:
            raise refuse(
                "kmz_kml", N_("KMZ 里应有且只有一个 KML 文件，现有 {count} 个。"), count=len(found)
            )
        write(archive, found[0], folder / "layer.kml", bounds.unpacked, bounds)
    return folder / "layer.kml"


def check_workbook(path: Path, folder: Path, bounds: Bounds) -> None:
    """Inflate every part of a workbook once, counting, before anything parses it.

    Raises:
        Refused: too large, nested, damaged, or a part declares a document type (entity bombs need one).
    """
    with opened(path, bounds) as archive:
        budget = bounds.unpacked
        scratch = folder / "part"
        for info in archive.infolist():
            if info.is_dir():
                continue
            budget -= write(archive, info, scratch, budget, bounds)
            if _suffix(info) in (".xml", ".rels") and b"<!DOCTYPE" in scratch.read_bytes():
                raise doctype()
        scratch.unlink(missing_ok=True)


def doctype() -> Refused:
    """Refusal of XML that declares a document type."""
    return refuse("doctype", N_("文件含有 <!DOCTYPE 声明，出于安全原因不予读取。请去掉后再上传。"))
