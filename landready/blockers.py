"""What stands between a plot and its listing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that is missing: of which utility, from which enterprise, why, and under which rule.

    `text` is a Chinese sentence with `{placeholders}` filled by `params`; `nearest_m` is the measured distance to name beside it.
    """

    code: str
    text: str
    params: Mapping[str, str] = field(default_factory=dict)
    utility: Utility | None = None
    enterprise: str = ""
    source: str = ""
    nearest_m: float | None = None

    @property
    def message(self) -> str:
        return self.text.format(**self.params)
