"""Which enterprises are asked about which plots of a plan, and why. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from landready.utilities import Utility


class Reason(StrEnum):
    """Why an enterprise was asked about plots for a utility, or was not."""

    SERVES = "serves"  # its service area touches the plot
    NO_MAP = "no_map"  # it has published no service area: its silence must not hide a plot
    BEYOND_ALL = (
        "beyond_all"  # the plot is outside every published area: someone must answer for it
    )
    NOT_YET = "not_yet"  # not asked: its area here is not approved or not yet in force
    ELSEWHERE = "elsewhere"  # not asked: it serves other places, and another enterprise serves here


LEFT_OUT = (Reason.ELSEWHERE, Reason.NOT_YET)


@dataclass(frozen=True, slots=True)
class Asked:
    """One enterprise and utility: why it was asked, or not, and about which plots (ids)."""

    enterprise_id: int
    enterprise: str
    utility: Utility
    reason: Reason
    plots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An enterprise that could be asked for a utility: the plots (ids) its areas touch, and whether it has published any."""

    enterprise_id: int
    enterprise: str
    utility: Utility
    local: bool
    mapped: bool
    touches: frozenset[int] = frozenset()
    # Its area will touch a plot once it is in force.
    coming: bool = False

    @property
    def left_out(self) -> Reason:
        return Reason.NOT_YET if self.coming else Reason.ELSEWHERE


def concerned(candidates: Iterable[Candidate], plots: Sequence[int]) -> list[Asked]:
    """Decide who is asked about which plots; an enterprise that is not asked comes with ELSEWHERE or NOT_YET and no plots.

    Whose service area touches a plot is asked about it, wherever its seat. An enterprise of the city without any area is asked
    about all plots. A plot outside every area of a utility is put to all enterprises of the city for it: it could never be listed
    if nobody were asked. Source: plan section 五(八), "及时推送…市政公用服务企业".
    """
    by_utility: dict[Utility, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_utility[candidate.utility].append(candidate)
    asked = []
    for group in by_utility.values():
        beyond = set(plots).difference(*(c.touches for c in group))
        for c in group:
            found = _reasons(c, plots, beyond)
            asked += [
                Asked(c.enterprise_id, c.enterprise, c.utility, reason, ids)
                for reason, ids in found.items()
            ]
    return asked


def _reasons(
    candidate: Candidate, plots: Sequence[int], beyond: set[int]
) -> dict[Reason, tuple[int, ...]]:
    if candidate.local and not candidate.mapped:
        return {Reason.NO_MAP: tuple(plots)}
    serves = tuple(p for p in plots if p in candidate.touches)
    extra = tuple(p for p in plots if p in beyond) if candidate.local else ()
    found = {Reason.SERVES: serves, Reason.BEYOND_ALL: extra}
    return {r: ids for r, ids in found.items() if ids} or {candidate.left_out: ()}
