"""What is wrong with a file, said so that the person who sent it can mend it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


def N_(text: str) -> str:  # noqa: N802 - the name that message extraction looks for
    """Mark `text` for translation without translating it; the web layer does, in the reader's language."""
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or one repair.

    `text` is a Chinese sentence marked by `N_`, with named `{placeholders}` that `params` fill. `row` counts features from 1;
    `where` says it in words a person finds again in their file (line, point number, layer). `place` is lon/lat in
    EPSG:4490 where the map should point.
    """

    code: str
    severity: Literal["error", "warning"]
    text: str
    params: Mapping[str, object] = field(default_factory=dict)
    row: int | None = None
    where: str = ""
    place: tuple[float, float] | None = None

    @property
    def message(self) -> str:
        """The sentence in Chinese, filled in."""
        return self.text.format(**self.params)
