"""One plot of a plan as the readiness board shows it: plain facts without a language, so that they can be kept and sorted. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from landready.blockers import Blocker
from landready.progress import PlotLine
from landready.provisional import Finding
from landready.quarters import quarter_of
from landready.standing import Standing
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence to translate with its placeholders, and whom it is of; as a Blocker says it."""

    text: str
    params: dict[str, str]
    enterprise: str = ""
    nearest_m: float | None = None
    details: tuple[tuple[str, dict[str, str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One utility: `asked` are the enterprises that were asked; `by` is a promised day, whether or not the gate takes it yet."""

    utility: Utility
    standing: Standing
    blocks: bool
    by: date | None
    asked: tuple[str, ...]
    finding: Finding | None
    words: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One plot. `stage` as landready.progress has it, `listing` the state of its listing; `own` is what the plot itself lacks."""

    plot_id: int
    code: str
    name: str
    use: str
    area_m2: float
    planned: str
    illustrative: bool
    stage: str
    listing: str
    cells: tuple[Cell, ...]
    own: tuple[Words, ...]

    @property
    def hectares(self) -> float:
        return self.area_m2 / 10_000

    @property
    def may_list(self) -> bool:
        return self.stage == "ready"

    @property
    def missing(self) -> tuple[Cell, ...]:
        """The required utilities that keep it from being listed."""
        return tuple(cell for cell in self.cells if cell.blocks and not cell.standing.good)

    @property
    def unforeseen(self) -> tuple[Cell, ...]:
        """The required utilities that nobody has promised for a day."""
        return tuple(cell for cell in self.missing if cell.by is None)

    @property
    def foreseeable(self) -> bool:
        """Is every required utility there or promised? What the plot itself lacks is the planner's to bring, and told beside it."""
        return not self.unforeseen

    @property
    def ready_on(self) -> date | None:
        """The latest promised day of the required utilities; None: all are there already, or it cannot be foreseen."""
        days = [c.by for c in self.cells if c.blocks and c.by and c.standing is not Standing.READY]
        return max(days, default=None) if self.foreseeable else None

    @property
    def quarter(self) -> str:
        """`now`, `2027Q2` or `unknown`: when everything that is required will be there."""
        if not self.foreseeable:
            return "unknown"
        return quarter_of(self.ready_on) if self.ready_on else "now"


def line_of(
    plot: PlotLine,
    asked: Mapping[str, Sequence[str]],
    findings: Mapping[tuple[int, str], Finding],
) -> Line:
    """Say of one judged plot what the board shows; `asked` are the names of the enterprises asked, by utility."""
    found = plot.readiness.blockers + plot.readiness.warnings
    cells = []
    for cell in plot.cells:
        of = [b for b in found if b.utility is cell.utility]
        cells.append(
            Cell(
                cell.utility,
                cell.standing,
                cell.blocks,
                cell.ready_by or _promised(of),
                tuple(asked.get(cell.utility.value, ())),
                findings.get((plot.plot.id, cell.utility.value)),
                tuple(_words(b) for b in of),
            )
        )
    return Line(
        plot_id=plot.plot.id,
        code=plot.plot.code,
        name=plot.plot.name,
        use=plot.plot.use,
        area_m2=plot.plot.area_m2,
        planned=plot.plot.quarter,
        illustrative=plot.plot.illustrative,
        stage=plot.stage,
        listing=plot.listing.state if plot.listing else "",
        cells=tuple(cells),
        own=tuple(_words(b) for b in plot.readiness.blockers if b.utility is None),
    )


def _promised(missing: Sequence[Blocker]) -> date | None:
    """The earliest day for which an enterprise promised a utility that is too far ahead to count yet."""
    days = [date.fromisoformat(b.params["date"]) for b in missing if b.code == "too_far"]
    return min(days, default=None)


def _words(blocker: Blocker) -> Words:
    details = tuple((one.text, dict(one.params)) for one in blocker.details)
    return Words(blocker.text, dict(blocker.params), blocker.enterprise, blocker.nearest_m, details)
