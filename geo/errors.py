"""The one way geo says no: a refusal carries the problem a person can act on."""

from geo.problems import Problem


class Refused(Exception):
    """The whole file, or the whole request, cannot be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refuse(code: str, text: str, *, where: str = "", **params: object) -> Refused:
    """Make the refusal of a whole file, to be raised where it is found."""
    return Refused(Problem(code, "error", text, params, where=where))
