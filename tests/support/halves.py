"""Of combinations of values every second one in `make test`; the others are slow, and in `make test-all` too."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def half(*axes: Iterable[Any]) -> list[Any]:
    """All combinations, for `parametrize`, of which those on the black squares of a chessboard are slow.

    Each value is so in both halves, with every second value of another axis.
    """
    return [
        pytest.param(
            *(value for _, value in chosen),
            marks=pytest.mark.slow if sum(place for place, _ in chosen) % 2 else (),
        )
        for chosen in product(*map(enumerate, axes))
    ]
