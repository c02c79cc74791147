"""The checks of settings, and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from chainrule import ConfigError
from chainrule.core.settings import check_count, check_number, count_settings, is_count, number_settings


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(0), Fraction(1, 2)])
def test_numbers_become_floats(value: Any):
    found = check_number(value, "rate", minimum=0, below=1)
    assert type(found) is float and found == value


@pytest.mark.parametrize("value", [True, "0.5", None, 1, -0.1, np.nan, np.inf, 1j, 10**400, np.array([0.5])])
def test_what_is_no_number_in_the_range(value: Any):
    with pytest.raises(ConfigError, match=r"^rate must be a finite number of at least 0 and below 1, not "):
        check_number(value, "rate", minimum=0, below=1)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, "a finite number, not 'x'."),
        ({"above": 0}, "a finite number above 0, not 'x'."),
        ({"above": 0, "maximum": 1}, "a finite number above 0 and at most 1, not 'x'."),
        ({"maximum": 2}, "a finite number of at most 2, not 'x'."),
        ({"minimum": 0, "also": ", or None"}, "a finite number of at least 0, or None, not 'x'."),
        ({"minimum": 0, "hint": "1 is usual"}, "a finite number of at least 0, not 'x'; 1 is usual."),
    ],
)
def test_the_sentence(limits: dict[str, Any], expected: str):
    with pytest.raises(ConfigError) as found:
        check_number("x", "rate", **limits)
    assert str(found.value) == f"rate must be {expected}"


def test_counts():
    assert type(check_count(np.int32(3), "k")) is int and check_count(0, "k", 0) == 0
    for value in (0, 1.0, True, "1", None):
        with pytest.raises(ConfigError, match=f"^k must be an integer of at least 1, not {value!r}.$"):
            check_count(value, "k")


def test_counts_of_a_file():
    assert is_count(0) and is_count(2**53 - 1) and is_count(3, 3)
    for value in (-1, 2**53, True, 1.0, "1", None, np.int64(1)):
        assert not is_count(value)
    assert not is_count(2, 3)


@dataclass(frozen=True)
class Thing:
    count: Any
    size: Any = 0.5

    def __post_init__(self) -> None:
        count_settings(self, "count", hint="give the number of things")
        number_settings(self, "size", above=0)


def test_fields():
    made = Thing(np.int64(2), np.float32(0.25))
    assert made == Thing(2, 0.25) and type(made.count) is int and type(made.size) is float
    with pytest.raises(ConfigError) as found:
        Thing(0)
    assert (
        str(found.value)
        == "count of Thing must be an integer of at least 1, not 0; give the number of things."
    )
    with pytest.raises(ConfigError) as found:
        Thing(1, 0)
    assert str(found.value) == "size of Thing must be a finite number above 0, not 0; 0.5 is usual."
