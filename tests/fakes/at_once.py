"""Runs one function in several threads that start together."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

START_SECONDS_MAX = 30


def at_once(work: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """The results in the order of `given`; the first error of any thread is raised."""
    start = threading.Barrier(len(given))

    def run(one: Given) -> Made:
        start.wait(START_SECONDS_MAX)
        return work(one)

    with ThreadPoolExecutor(len(given)) as threads:
        return list(threads.map(run, given))
