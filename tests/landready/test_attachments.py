"""What may hang on an answer is known by its content, and no content stops the server."""

import io
import random
import re
import subprocess
import sys
import zipfile

import pytest
from sqlalchemy.orm import Session

from landready import attachments, files
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Invalid, NotFound
from landready.pushes import Push
from landready.settings import ROOT
from tests.factories import make_answer
from tests.landready.answer_case import Case


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


def office_file(part: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("[Content_Types].xml", f'<Types><Override ContentType="{part}"/></Types>')
    return memory.getvalue()


_DOC = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GOOD = {
    "application/pdf": b"%PDF-1.7\n%...",
    "image/png": b"\x89PNG\r\n\x1a\n0000",
    "image/jpeg": b"\xff\xd8\xff\xe0JFIF",
    "image/vnd.dwg": b"AC1032\x00\x00",
    "image/vnd.dxf": b"999\r\nmade by hand\r\n  0\r\nSECTION\r\n  2\r\nHEADER\r\n",
    _DOC: office_file(f"{_DOC}.main+xml"),
    _SHEET: office_file(f"{_SHEET}.main+xml"),
}


@pytest.mark.parametrize("media_type", GOOD)
def test_an_attachment_is_known_by_its_content_whatever_its_name(media_type: str) -> None:
    stream = io.BytesIO(GOOD[media_type])
    assert attachments.inspect("anything.exe", stream) == media_type
    assert stream.read() == GOOD[media_type]


@pytest.mark.parametrize(
    "content",
    [
        b"<html><script>alert(1)</script></html>",
        b"MZ\x90\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"PK\x03\x04 broken",
        office_file("application/vnd.ms-word.document.macroEnabled.main+xml"),
        office_file("text/plain"),
        b"AC1099"[:4],
    ],
)
def test_anything_else_is_refused_even_when_named_pdf(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", io.BytesIO(content))
    assert [problem.code for problem in refused.value.problems] == ["attachment_type"]


def test_an_empty_attachment_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", io.BytesIO())
    assert [problem.code for problem in refused.value.problems] == ["attachment_empty"]


def test_a_large_attachment_is_refused_with_the_limit() -> None:
    stream = io.BytesIO(b"%PDF-" + bytes(attachments.LIMIT_MB << 20))
    with pytest.raises(Invalid) as refused:
        attachments.inspect("report.pdf", stream)
    (problem,) = refused.value.problems
    assert (problem.code, problem.params["limit"]) == ("attachment_large", 20)


def test_one_file_is_kept_once_for_many_answers(case: Case, session: Session) -> None:
    made = case.answer_many(session, [(plot, "water") for plot in case.plots], case.draft())
    content = GOOD["application/pdf"]
    kept = attachments.attach(
        session, case.settings, made, r"C:\图纸\..\总平.pdf", io.BytesIO(content)
    )
    assert {k.stored_as for k in kept} == {kept[0].stored_as}
    assert (kept[0].filename, kept[0].media_type) == ("总平.pdf", "application/pdf")
    with files.opened(case.settings, kept[0].stored_as) as file:
        assert file.read() == content


def test_an_attachment_is_for_the_enterprise_the_office_and_nobody_else(case: Case) -> None:
    with transaction(case.engine, case.water) as session:
        made = [case.answer(session, case.draft())]
        pdf = io.BytesIO(GOOD["application/pdf"])
        (kept,) = attachments.attach(session, case.settings, made, "a.pdf", pdf)
    for asker in (case.water, case.office):
        with transaction(case.engine, asker) as session:
            assert attachments.attachment(session, kept.id).filename == "a.pdf"
    for asker in (case.power, Actor(Role.PUBLIC)):
        with transaction(case.engine, asker) as session, pytest.raises(NotFound):
            attachments.attachment(session, kept.id)


def test_nobody_attaches_to_anothers_answer(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        answer = make_answer(session, session.get_one(Push, case.push))
    pdf = io.BytesIO(GOOD["application/pdf"])
    with transaction(case.engine, case.power) as session, pytest.raises(NotFound):
        attachments.attach(session, case.settings, [answer], "a.pdf", pdf)
