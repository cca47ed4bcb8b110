"""A filled-in workbook as rows of texts, read in the guarded child: a sheet is a hostile file like any other upload."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from geo.problems import Problem
from landready import intake
from landready.errors import Invalid
from landready.settings import Upload


def rows_of(file: BinaryIO, limits: Upload) -> list[list[str]]:
    """Return the cells of the first sheet of a workbook, row by row; formulas count as the values they last showed.

    Raises:
        Invalid: it is no workbook, or too large.
        Busy: as many files are being read already as this process reads at once.
    """
    with intake.turn(), tempfile.TemporaryDirectory(prefix="landready-cells-") as name:
        folder = Path(name)
        path, answer = folder / "upload.xlsx", folder / "answer.json"
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        request = {
            "task": "cells",
            "folder": name,
            "path": str(path),
            "answer": str(answer),
            "limits": {**limits.model_dump(), "answer_mb": max(limits.unpacked_mb * 2, 64)},
        }
        stopped = intake.run_child(request, folder)
        if stopped is not None:
            raise Invalid((stopped,))
        said = json.loads(answer.read_text(encoding="utf-8"))
    if problem := said["problem"]:
        raise Invalid((Problem(problem["code"], "error", problem["text"], problem["params"]),))
    rows: list[list[str]] = said["rows"]
    return rows
