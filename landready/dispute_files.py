"""Files of the parties to a dispute: evidence, looked at by its content and given out for saving only."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import attachments, files
from landready.db import actor_of
from landready.disputes import DisputeFile
from landready.errors import Invalid, NotFound
from landready.settings import Settings

# With one dispute, or one answer to it.
MOST = 5


def attach(
    session: Session,
    settings: Settings,
    dispute_id: int,
    step_id: int | None,
    sent: Iterable[tuple[str, BinaryIO]],
) -> None:
    """Keep files of the asker, who is a party to the dispute.

    Raises:
        Invalid: see `landready.attachments.inspect`; `file_faults` tells all faults before anything is kept.
    """
    for filename, stream in sent:
        media_type = attachments.inspect(filename, stream)
        name = attachments.kept_name(filename, media_type)
        kept = files.store(settings, stream, filename=name)
        session.add(
            DisputeFile(
                dispute_id=dispute_id,
                step_id=step_id,
                organisation_id=actor_of(session).organisation_id,
                filename=name,
                stored_as=kept.name,
                media_type=media_type,
                size=kept.size,
            )
        )
    session.flush()


def file_faults(sent: Sequence[tuple[str, BinaryIO]]) -> list[Problem]:
    """Return what is wrong with files before anything is kept: each by `landready.attachments`, and no more than `MOST`."""
    found = []
    if len(sent) > MOST:
        text = N_("一次最多 {limit} 个附件。")
        found.append(Problem("attachment_many", "error", text, {"limit": MOST}, where="files"))
    for filename, stream in sent:
        try:
            attachments.inspect(filename, stream)
        except Invalid as refused:
            found += refused.problems
    return found


def dispute_file(session: Session, file_id: int) -> DisputeFile:
    """Return a file of a dispute that the asker may see.

    Raises:
        NotFound: there is none for the asker.
    """
    found = session.scalar(select(DisputeFile).where(DisputeFile.id == file_id))
    if found is None:
        raise NotFound
    return found
