"""Files as they were sent, kept through fsspec under names of our own: a folder under var/, or an object store."""

import hashlib
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from geo.problems import N_, Problem
from landready.errors import Invalid, NotFound
from landready.settings import Settings

_CHUNK = 1 << 20
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_NAME = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,8})?")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a file is kept and what it was when it came."""

    name: str
    sha256: str
    size: int


def store(settings: Settings, stream: IO[bytes], *, filename: str) -> Stored:
    """Keep what `stream` holds under a name of our own; of `filename` only a harmless suffix is used.

    Raises:
        Invalid: larger than `web.upload_mb`, or empty; nothing is kept.
    """
    suffix = PurePath(filename).suffix.lower()
    name = uuid.uuid4().hex + (suffix if _SUFFIX.fullmatch(suffix) else "")
    system, path = _place(settings, name)
    limit = settings.web.upload_mb << 20
    digest, size = hashlib.sha256(), 0
    with system.open(path, "wb") as target:
        while size <= limit and (chunk := stream.read(_CHUNK)):
            size += len(chunk)
            digest.update(chunk)
            target.write(chunk)
    if not 0 < size <= limit:
        system.rm(path)
        raise _refused(filename, size, settings.web.upload_mb)
    return Stored(name, digest.hexdigest(), size)


def _refused(filename: str, size: int, limit_mb: int) -> Invalid:
    params = {"file": filename[:80], "limit": limit_mb}
    text = N_("文件“{file}”超过 {limit} MB，没有保存。请压缩或分批上传。")
    if not size:
        return Invalid(
            (Problem("file_empty", "error", N_("文件“{file}”是空的，没有内容可以读取。"), params),)
        )
    return Invalid((Problem("file_too_large", "error", text, params),))


@contextmanager
def opened(settings: Settings, name: str) -> Iterator[IO[bytes]]:
    """Open a kept file for reading.

    Raises:
        NotFound: no such file is kept.
    """
    system, path = _place(settings, name)
    try:
        file = system.open(path, "rb")
    except FileNotFoundError as error:
        raise NotFound from error
    with file:
        yield file


@contextmanager
def on_disk(settings: Settings, name: str) -> Iterator[Path]:
    """Give a kept file a path of this machine for the length of the block: its own, or that of a copy.

    Raises:
        NotFound: no such file is kept.
    """
    system, path = _place(settings, name)
    if isinstance(system, LocalFileSystem):
        if not Path(path).exists():
            raise NotFound
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="landready-") as folder:
        copy = Path(folder) / name
        with opened(settings, name) as source, copy.open("wb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
        yield copy


def delete(settings: Settings, name: str) -> None:
    """Remove a kept file; one that is not there is no fault."""
    system, path = _place(settings, name)
    if system.exists(path):
        system.rm(path)


def keep(folder: str, name: str, data: bytes) -> bool:
    """Write a file into a folder by its address, whole or not at all. One that is there stays: whether it was written."""
    system, root = _folder(folder)
    path = f"{root}/{name}"
    if system.exists(path):
        return False
    part = f"{path}.{uuid.uuid4().hex}.part"
    system.pipe_file(part, data)
    system.mv(part, path)
    return True


def read(folder: str, name: str) -> bytes | None:
    """Return what `keep` wrote; None when there is no such file."""
    system, root = _folder(folder)
    try:
        found: bytes = system.cat_file(f"{root}/{name}")
    except FileNotFoundError:
        return None
    return found


def names(folder: str) -> set[str]:
    """The names of the files in a folder."""
    system, root = _folder(folder)
    system.invalidate_cache(root)
    return {PurePath(path).name for path in system.ls(root, detail=False)}


def home(settings: Settings) -> str:
    """The address of the folder in which everything is kept that is not told to lie elsewhere."""
    return settings.files.url or (settings.var / "files").absolute().as_uri()


def heads_folder(settings: Settings) -> str:
    """The address of the folder of signed heads; it should not be where whoever holds the database may write."""
    return settings.certificates.heads_url or (settings.var / "heads").absolute().as_uri()


def _folder(url: str) -> tuple[Any, str]:
    system, root = url_to_fs(url)
    system.makedirs(root, exist_ok=True)
    return system, root.rstrip("/")


def _place(settings: Settings, name: str) -> tuple[Any, str]:
    """File system and path of `name`; only names of our own making are places."""
    if not _NAME.fullmatch(name):
        raise NotFound
    system, root = _folder(home(settings))
    return system, f"{root}/{name}"
