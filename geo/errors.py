"""The one way geo says no: a refusal carries the problem a person can act on."""

from geo.problems import Problem


class Refused(Exception):  # noqa: N818 - it is a verdict about input, not a fault of the program
    """The whole file, or the whole request, cannot be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refuse(code: str, text: str, *, where: str = "", **params: object) -> Refused:
    """Build the refusal of a whole file: `raise refuse("empty_file", N_("…"))`."""
    return Refused(Problem(code, "error", text, params, where=where))
