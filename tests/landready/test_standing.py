"""One word for a plot and a utility, never a kinder one than the gate's."""

from types import SimpleNamespace

import pytest

from landready.blockers import Blocker
from landready.readiness import Readiness
from landready.settings import load
from landready.standing import Standing, cell
from landready.utilities import Utility

GATE = load(env={}).gate


@pytest.mark.parametrize(
    ("codes", "standing"),
    [
        (("unanswered",), Standing.WAITING),
        (("late",), Standing.LATE),
        (("late", "unanswered"), Standing.WAITING),
        (("not_possible",), Standing.NOT_POSSIBLE),
        (("not_concerned",), Standing.NOT_CONCERNED),
        (("expired",), Standing.LAPSED),
        (("nobody_asked",), Standing.NOBODY),
    ],
)
def test_what_is_missing_has_its_word(codes, standing):
    missing = Readiness(tuple(Blocker(code, "", utility=Utility.WATER) for code in codes))
    plot = SimpleNamespace(revision=1)
    found = cell(Utility.WATER, plot, missing, [], GATE, None)
    assert (found.standing, found.blocks, found.standing.good) == (standing, True, False)
