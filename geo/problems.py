"""What is wrong with a file, said so that the person who sent it can mend it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


def N_(text: str) -> str:  # noqa: N802 - the name that message extraction looks for
    """Mark `text` for translation without translating it; the web layer does, in the reader's language."""
    return text


LINE = N_("第 {n} 行")
SHAPE = N_("第 {n} 个图形")


def at_line(number: int | str) -> str:
    """Say that a problem is on a line of the file."""
    return LINE.format(n=number)


def at_shape(number: int | str) -> str:
    """Say that a problem is in a shape of the file."""
    return SHAPE.format(n=number)


def numbered(where: str) -> tuple[str, str] | None:
    """Return the marked text and the number that `at_line` or `at_shape` made `where` of, for another language."""
    for text in (LINE, SHAPE):
        before, after = text.split("{n}")
        number = where.removeprefix(before).removesuffix(after)
        if number.isdigit() and where == text.format(n=number):
            return text, number
    return None


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or one repair.

    `text` is a Chinese sentence marked by `N_`, with named `{placeholders}` that `params` fill. `row` counts features from 1;
    `where` says it in words a person finds again in their file (line, point number, layer). `place` is lon/lat in
    EPSG:4490 where the map should point, `shape` a GeoJSON geometry in lon/lat that it should draw.
    """

    code: str
    severity: Literal["error", "warning"]
    text: str
    params: Mapping[str, object] = field(default_factory=dict)
    row: int | None = None
    where: str = ""
    place: tuple[float, float] | None = None
    shape: Mapping[str, Any] | None = None

    @property
    def message(self) -> str:
        """The sentence in Chinese, filled in."""
        return self.text.format(**self.params)
