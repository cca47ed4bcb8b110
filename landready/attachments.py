"""Files that come with an answer: known by their content, kept under names of our own, given out for saving only (R4)."""

import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import BinaryIO

from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import files
from landready.answers import Answer, Attachment
from landready.db import actor_of
from landready.errors import Invalid, NotFound
from landready.settings import Settings
from landready.uploads import storable

LIMIT_MB = 20
_HEAD = 4096
_OFFICE = "application/vnd.openxmlformats-officedocument."
# What the first bytes say; a name says nothing.
_HEADS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"AC10\d\d"), "image/vnd.dwg"),
    (re.compile(rb"AutoCAD Binary DXF\r\n\x1a\x00"), "image/vnd.dxf"),
    # Comments (group 999) may stand before the first section.
    (
        # Each line is matched in one way only, so that a file made of comments cannot make the search run for ever.
        re.compile(rb"(?:\xef\xbb\xbf)?(?:\s*999[ \t\r]*\n[^\n]*\n)*\s*0[ \t\r]*\n\s*SECTION\b"),
        "image/vnd.dxf",
    ),
)
# The main part of a document without macros; one with macros has another type and is refused.
_PARTS = {
    b"wordprocessingml.document.main+xml": f"{_OFFICE}wordprocessingml.document",
    b"spreadsheetml.sheet.main+xml": f"{_OFFICE}spreadsheetml.sheet",
}
# What a file of a kind may be called: its name decides what opens it once it was saved.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/vnd.dwg": (".dwg",),
    "image/vnd.dxf": (".dxf",),
    f"{_OFFICE}wordprocessingml.document": (".docx",),
    f"{_OFFICE}spreadsheetml.sheet": (".xlsx",),
}
_NAME_LENGTH = 255
_CONTENT_TYPES = "[Content_Types].xml"
_CONTENT_TYPES_LIMIT = 1 << 20
# What zipfile and its decompressors raise over broken archives, found by breaking some at random.
_BROKEN = (
    zipfile.BadZipFile,
    KeyError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    lzma.LZMAError,
)


def inspect(filename: str, stream: BinaryIO) -> str:
    """Return the media type of a file by its content and leave the stream at its start.

    Raises:
        Invalid: empty, larger than `LIMIT_MB`, or not PDF, PNG, JPEG, DOCX, XLSX, DWG or DXF.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    named = {"file": filename[:80]}
    if not size:
        raise _refused("attachment_empty", N_("附件“{file}”是空的。"), named)
    if size > LIMIT_MB << 20:
        text = N_("附件“{file}”超过 {limit} MB，请压缩后再传。")
        raise _refused("attachment_large", text, {**named, "limit": LIMIT_MB})
    head = stream.read(_HEAD)
    kind = next((media for pattern, media in _HEADS if pattern.match(head)), None)
    if kind is None and head.startswith(b"PK\x03\x04"):
        kind = _office_document(stream)
    stream.seek(0)
    if kind is None:
        text = N_(
            "附件“{file}”不是 PDF、PNG、JPEG、DOCX、XLSX、DWG 或 DXF 文件（按内容判断，不看扩展名）。"
        )
        raise _refused("attachment_type", text, named)
    return kind


def _office_document(stream: BinaryIO) -> str | None:
    try:
        with zipfile.ZipFile(stream) as archive:
            if archive.getinfo(_CONTENT_TYPES).file_size > _CONTENT_TYPES_LIMIT:
                return None
            with archive.open(_CONTENT_TYPES) as part:
                said = part.read(_CONTENT_TYPES_LIMIT)
    except _BROKEN:
        return None
    if b"macroEnabled" in said:
        return None
    return next((media for mark, media in _PARTS.items() if mark in said), None)


def _refused(code: str, text: str, params: Mapping[str, object]) -> Invalid:
    return Invalid((Problem(code, "error", text, params),))


def attach(
    session: Session,
    settings: Settings,
    answers: Sequence[Answer],
    filename: str,
    stream: BinaryIO,
) -> list[Attachment]:
    """Keep a file once and hang it on each of the asker's answers.

    Raises:
        Invalid: see `inspect`; nothing is kept.
        NotFound: an answer is not the asker's.
    """
    if any(answer.enterprise_id != actor_of(session).organisation_id for answer in answers):
        raise NotFound
    media_type = inspect(filename, stream)
    name = kept_name(filename, media_type)
    kept = files.store(settings, stream, filename=name)
    attachments = [
        Attachment(
            answer_id=answer.id,
            enterprise_id=answer.enterprise_id,
            filename=name,
            stored_as=kept.name,
            media_type=media_type,
            size=kept.size,
        )
        for answer in answers
    ]
    session.add_all(attachments)
    session.flush()
    return attachments


def repeat(session: Session, attachment_id: int, answers: Sequence[Answer]) -> None:
    """Hang a kept file of the asker's on more of its answers."""
    kept = session.get_one(Attachment, attachment_id)
    session.add_all(
        Attachment(
            answer_id=answer.id,
            enterprise_id=answer.enterprise_id,
            filename=kept.filename,
            stored_as=kept.stored_as,
            media_type=kept.media_type,
            size=kept.size,
        )
        for answer in answers
    )
    session.flush()


def kept_name(filename: str, media_type: str) -> str:
    """The last part of `filename`, without signs that nobody sees or that turn the writing round, and with a suffix of its kind."""
    last: str = storable(PurePath(filename.replace("\\", "/")).name)
    seen = "".join(sign for sign in last if unicodedata.category(sign) not in ("Cc", "Cf"))
    suffixes = _SUFFIXES[media_type]
    if not seen.lower().endswith(suffixes):
        seen += suffixes[0]
    return seen[-_NAME_LENGTH:]


def attachment(session: Session, attachment_id: int) -> Attachment:
    """Return an attachment that the asker may read: the enterprise itself, the office and its supervisors.

    Raises:
        NotFound: there is none, or it is another enterprise's.
    """
    found = session.get(Attachment, attachment_id)
    if found is None:
        raise NotFound
    return found
