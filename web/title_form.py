"""The fields of a statement of clear title, as the plan's and the plot's form send them."""

from datetime import date
from typing import TypedDict

from flask import request


class Sent(TypedDict):
    clear: bool
    document: str
    document_date: date | None
    note: str


def sent() -> Sent:
    try:
        day = date.fromisoformat(request.form.get("document_date", ""))
    except ValueError:
        day = None
    return {
        "clear": request.form.get("clear", "1") == "1",
        "document": request.form.get("document", ""),
        "document_date": day,
        "note": request.form.get("note", ""),
    }
