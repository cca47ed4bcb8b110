"""What may hang on an answer is known by its content, and no content stops the server."""

import io
import random
import re
import subprocess
import sys
import zipfile

import pytest

from landready import attachments
from landready.errors import Invalid
from landready.settings import ROOT


def document(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("[Content_Types].xml", "wordprocessingml.document.main+xml" * 50)
        archive.writestr("word/document.xml", "x" * 1000)
    return file.getvalue()


def accepted(content: bytes) -> bool:
    try:
        attachments.inspect("a.bin", io.BytesIO(content))
    except Invalid:
        return False
    return True


@pytest.mark.parametrize("comments", ["", "999\r\nmade by hand\r\n", "999\n\n  999\n0\n"])
def test_dxf_may_begin_with_comments(comments):
    assert accepted(f"{comments}  0\r\nSECTION\r\n  2\r\nHEADER".encode())


def test_comments_without_end_are_refused_at_once():
    """In a process of its own: a search that does not end can only be stopped from outside."""
    hostile = "(b'999\\n' + b'\\n' * 12) * 300"
    code = f"import io; from landready import attachments; attachments.inspect('a.dxf', io.BytesIO({hostile}))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert re.search(r"landready\.errors\.Invalid", ended.stderr)


@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
)
def test_broken_document_is_refused_never_an_error(compression):
    whole, chance = document(compression), random.Random(compression)
    assert accepted(whole)
    refused = 0
    for _ in range(1000):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        refused += not accepted(bytes(broken))
    assert refused > 0


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("总平.pdf", "总平.pdf"),
        ("总平.PDF", "总平.PDF"),
        ("setup.hta", "setup.hta.pdf"),
        ("plan\u202efdp.exe", "planfdp.exe.pdf"),
        ("a\r\nX-Evil: 1.pdf", "aX-Evil: 1.pdf"),
        ("..\\..\\a.pdf", "a.pdf"),
        ("/", ".pdf"),
        ("x" * 400 + ".html", "x" * 246 + ".html.pdf"),
    ],
)
def test_name_says_what_the_content_is(sent, kept):
    """Saved, a file is opened by what its name says: a PDF called .hta would run."""
    assert attachments.kept_name(sent, "application/pdf") == kept
