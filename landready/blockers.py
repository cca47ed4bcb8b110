"""What keeps a plot from being listed, in words that can be translated and with the numbers beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Sentence:
    """A Chinese sentence marked by `N_`, with `{placeholders}` that `params` fill."""

    text: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return self.text.format(**self.params) if self.params else self.text


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that is missing: of which utility, from which enterprise, why, and under which rule.

    `text` is a Chinese sentence with `{placeholders}` filled by `params`; `details` are the numbers of it, one sentence each:
    what is nearest, what it can give, what is needed, who closes the gap and by when. `nearest_m` is the measured distance.
    """

    code: str
    text: str
    params: Mapping[str, str] = field(default_factory=dict)
    utility: Utility | None = None
    enterprise: str = ""
    source: str = ""
    nearest_m: float | None = None
    details: tuple[Sentence, ...] = ()

    @property
    def message(self) -> str:
        return self.text.format(**self.params)

    @property
    def whole(self) -> str:
        """Everything in Chinese, for tables and paper: the sentence and its numbers."""
        return "".join([self.message, *(one.message for one in self.details)])
