"""Every module of the domain that has tables, imported once for migrations and tenancy."""

from landready import (
    answer_batches,
    answer_links,
    answers,
    applications,
    base_layers,
    checks,
    deadlines,
    demand,
    disputes,
    layers,
    listings,
    organisations,
    outbox,
    permits,
    plans,
    pushes,
    reminders,
    reservations,
    works,
)
from landready import tenancy as tenancy  # the walls come with the tables
from landready.db import Base

__all__ = [
    "Base",
    "answer_batches",
    "answer_links",
    "answers",
    "applications",
    "base_layers",
    "checks",
    "deadlines",
    "demand",
    "disputes",
    "layers",
    "listings",
    "organisations",
    "outbox",
    "permits",
    "plans",
    "pushes",
    "reminders",
    "reservations",
    "works",
]
