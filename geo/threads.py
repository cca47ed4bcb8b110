"""Doing one task for many parts side by side: compiled loops hold no lock."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor


def each(task: Callable[[int], None], starts: Iterable[int], threads: int) -> None:
    """Do the task for every start; an error in one is raised here."""
    if threads == 1:
        for start in starts:
            task(start)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, starts))
