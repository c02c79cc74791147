"""Jobs in turns: every piece runs once, in its job's order, on any number of threads, and errors reach the caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.threads import in_turns


@given(st.lists(st.integers(0, 5), max_size=7), st.integers(0, 4))
def test_every_piece_runs_once_in_order(sizes: list[int], workers: int):
    done: list[list[int]] = [[] for _ in sizes]

    def job(i: int) -> Iterator[None]:
        for piece in range(sizes[i]):
            done[i].append(piece)
            yield

    in_turns([job(i) for i in range(len(sizes))], workers)
    assert done == [list(range(size)) for size in sizes]


def test_jobs_run_at_once():
    together = threading.Barrier(3, timeout=10)

    def job() -> Iterator[None]:
        together.wait()
        yield

    in_turns([job() for _ in range(3)], 3)


def test_one_worker_is_the_caller():
    seen = []

    def job() -> Iterator[None]:
        seen.append(threading.current_thread())
        yield

    in_turns([job(), job()], 1)
    in_turns([job()], 8)
    assert seen == [threading.current_thread()] * 3


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_jobs(workers: int, error: type[BaseException]):
    pieces = []

    def bad() -> Iterator[None]:
        yield
        raise error

    def long() -> Iterator[None]:
        for piece in range(10_000_000):
            pieces.append(piece)
            yield

    with pytest.raises(error):
        in_turns([bad(), long()], workers)
    assert len(pieces) < 10_000_000
