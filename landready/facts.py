"""What readiness looks at: the facts of one plot, as plain values that can be frozen in a certificate. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from landready.answers import AnswerVerdict
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Said:
    """The latest answer of an enterprise. `spare` is what it says is free, in the unit of the utility."""

    verdict: AnswerVerdict
    plot_revision: int
    ready_by: date | None = None
    valid_until: date | None = None
    reason: str = ""
    works: str = ""
    spare: float | None = None
    answer_id: int | None = None
    version: int = 1
    answered_on: date | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One enterprise that was asked about a plot for one utility, and what it last said."""

    enterprise: str
    due_on: date
    answer: Said | None = None
    enterprise_id: int | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest facility of a check. `spare` is stated by its enterprise; None: not stated."""

    name: str
    distance_m: float | None
    attributes: Mapping[str, str] = field(default_factory=dict)
    spare: float | None = None
    spare_on: date | None = None


@dataclass(frozen=True, slots=True)
class LayerSeen:
    """A layer version that a check was measured against, with the hash of its content."""

    layer_id: int
    version: int
    content: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The newest check of one utility: `served_share` of the plot (0 to 1); `nearest` None: nothing within `radius_m`."""

    plot_revision: int
    measured_on: date
    served_share: float | None
    radius_m: float | None
    nearest: Near | None = None
    need_low: float | None = None
    need_high: float | None = None
    unit: str = ""
    check_id: int | None = None
    layers: tuple[LayerSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Reserved:
    """What an answer holds of a facility. `total` is wanted up to and with it, `spare` stated now (None: not stated)."""

    utility: Utility
    enterprise_id: int
    answer_id: int
    facility: str
    state: str
    expires_on: date | None = None
    high: float | None = None
    total: float | None = None
    spare: float | None = None
    exception: str = ""


@dataclass(frozen=True, slots=True)
class Title:
    """What the planner stated of the land (净地): clear or not, by which document."""

    clear: bool
    plot_revision: int
    document: str
    document_date: date
    note: str = ""


@dataclass(frozen=True, slots=True)
class Overlapping:
    """Land of another plot that this one lies on. `state`: `listed`, `suspended`, `sold`, or `planned` in an earlier plan."""

    code: str
    plan: str
    state: str
    area_m2: float | None


@dataclass(frozen=True, slots=True)
class PlotFacts:
    """Everything the rule looks at. A utility without an entry in `asked` was asked of nobody.

    `failed` names inputs (of INPUTS) that could not be read, with what happened.
    """

    revision: int
    released: bool
    asked: Mapping[Utility, tuple[Asked, ...]] = field(default_factory=dict)
    measured: Mapping[Utility, Measured] = field(default_factory=dict)
    reserved: tuple[Reserved, ...] = ()
    title: Title | None = None
    overlaps: tuple[Overlapping, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
