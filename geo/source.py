"""What any reader of a file hands on, before anything is measured or transformed."""

from dataclasses import dataclass, field

from shapely.geometry.base import BaseGeometry

from geo.problems import Problem


@dataclass(slots=True)
class Record:
    """One feature as it stood in the file: `geometry` in the CRS of the file, x = east or longitude."""

    row: int
    geometry: BaseGeometry | None
    properties: dict[str, object]
    where: str = ""


@dataclass(slots=True)
class Source:
    """All features of one file. `crs` is EPSG:n or WKT as the file states it; None: it states none.

    `refused` is set when the file is damaged although some of its features can be shown.
    """

    format: str
    crs: str | None
    fields: list[str]
    records: list[Record]
    problems: list[Problem] = field(default_factory=list)
    refused: bool = False
    # The reader itself has put X and Y into each other's place, as the user confirmed.
    swapped: bool = False
