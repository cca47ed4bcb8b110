"""Every module of the domain that has tables, imported once for migrations and tenancy."""

from landready import (
    answer_batches,
    answers,
    applications,
    base_layers,
    checks,
    demand,
    layers,
    listings,
    organisations,
    outbox,
    permits,
    plans,
    pushes,
    reservations,
)
from landready import tenancy as tenancy  # the walls come with the tables
from landready.db import Base

__all__ = [
    "Base",
    "answer_batches",
    "answers",
    "applications",
    "base_layers",
    "checks",
    "demand",
    "layers",
    "listings",
    "organisations",
    "outbox",
    "permits",
    "plans",
    "pushes",
    "reservations",
]
