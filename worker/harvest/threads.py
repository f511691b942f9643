"""Runs compiled kernels, which let go of Python's lock, on several threads, each its own range.

A range is always the same for the same count and number of threads. Kernels own disjoint features
or tokens, so that no result depends on which thread is first.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class Threads:
    """A pool of threads; a context manager. n_threads: at least 1."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = max(1, n_threads)
        self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="harvest")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)

    def ranges(self, count: int) -> list[tuple[int, int]]:
        """As many ranges as threads, covering 0 to count; some may be empty."""
        cuts = [count * i // self.n_threads for i in range(self.n_threads + 1)]
        return list(pairwise(cuts))

    def over(self, count: int, work: Callable[[int, int, int], T]) -> list[T]:
        """work(part, start, stop) for each range at once; results in order of the parts."""
        jobs = [self._pool.submit(work, part, start, stop) for part, (start, stop) in enumerate(self.ranges(count))]
        return [job.result() for job in jobs]
