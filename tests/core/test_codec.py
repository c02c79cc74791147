"""Values of JSON as instances of classes and back, by type hints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule import ConfigError, FormatError
from chainrule.core import codec
from chainrule.core.codec import ASCENDING, Count, above, from_to, one_of, sized

Numbers = NDArray[np.float64]


@codec.as_list
class Step(NamedTuple):
    number: Count
    end: int | None = None


@dataclass(frozen=True)
class Course:
    steps: tuple[Step, ...]
    part: Annotated[float, from_to(0, 1)]
    sizes: Annotated[Numbers, above(0)]
    pair: tuple[str, float] = ("a", 0.0)
    kind: Annotated[str, one_of(("slow", "fast"))] = "slow"
    mode: Literal["x", 1] = "x"
    best: Step | None = None
    names: Annotated[list[str], sized(0, 2)] | None = None
    shares: Mapping[str, Annotated[float, from_to(0)]] | None = None
    edges: Annotated[tuple[float, ...], ASCENDING] = ()
    settings: Any = None
    known: Annotated[Numbers | None, codec.NOT_SAVED] = None

    def requires(self) -> dict[str, bool]:
        return {"a size for each step": len(self.sizes) == len(self.steps)}


WHOLE: dict[str, Any] = {"steps": [[1, 2], [3]], "part": 1, "sizes": [0.5, 2]}
EVERYTHING = Course(
    *((Step(1, 2), Step(3)), 0.25, np.array([0.5, 2.0]), ("b", 1.0), "fast", 1, Step(7), ["c"], {"d": 2.0}),
    (1.0, 1.0, 2.0),
    {"e": [None, {}]},
)


def test_what_is_written_is_read_again():
    for made in (codec.read(Course, WHOLE, "the course"), EVERYTHING):
        data = json.loads(json.dumps(codec.write(made), allow_nan=False))
        again = codec.read(Course, data, "the course")
        assert str(again) == str(made) and codec.write(again) == data
        assert type(again.steps) is tuple and type(again.steps[0]) is Step and again.sizes.dtype == np.float64
    assert data["steps"] == [[1, 2], [3, None]] and "known" not in data
    assert type(codec.read(Course, WHOLE, "").part) is float


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 3}, "steps of the course must be a list of lists of number, end, not 3"),
        ({"steps": [[1], [-1]]}, "steps[1].number of the course must be an integer of at least 0, not -1"),
        ({"steps": [[1], 2]}, "steps[1] of the course must be a list of number, end, not 2"),
        ({"steps": [[1], []]}, "steps[1].number of the course is missing"),
        ({"steps": [[1], [1, 2, 3]]}, "steps[1] of the course must be a list of number, end, not [1, 2, 3]"),
        ({"steps": [[1]]}, "the course must have a size for each step"),
        ({"part": True}, "part of the course must be a number from 0 to 1, not True"),
        ({"part": 2.5}, "part of the course must be a number from 0 to 1, not 2.5"),
        ({"part": 10**400}, "part of the course must be a number from 0 to 1, not 1000"),
        ({"sizes": [1, 0]}, "sizes of the course must be an array of numbers above 0, not [1, 0]"),
        ({"sizes": [1, None]}, "must be an array of numbers above 0"),
        ({"sizes": [1, [2]]}, "must be an array of numbers above 0"),
        ({"pair": ["a"]}, "pair of the course must be a list of 2, not ['a']"),
        ({"kind": "quick"}, "kind of the course must be one of 'slow', 'fast', not 'quick'"),
        ({"mode": True}, "mode of the course must be one of x, 1, not True"),
        ({"best": "x"}, "best of the course must be a list of number, end or null, not 'x'"),
        ({"best": [1, 0.5]}, "best.end of the course must be an integer or null, not 0.5"),
        ({"names": ["a", 3]}, "names of the course must be a list of texts with a length of 0 to 2 or null"),
        ({"names": ["a", "b", "c"]}, "names of the course must be a list of texts with a length of 0 to 2"),
        ({"shares": {"a": -1}}, "shares.a of the course must be a number of at least 0, not -1"),
        ({"shares": {3: 1}}, "shares of the course must be an object or null, not {3: 1}"),
        (
            {"edges": [2, 1.5]},
            "edges of the course must be a list of numbers in ascending order, not [2, 1.5]",
        ),
        ({"edges": [float("nan")]}, "edges of the course must be a list of numbers"),
        ({"known": [1]}, "known of the course is unknown"),
        ({"k" * 99: 1}, f"{'k' * 60} of the course is unknown"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(change: dict[Any, Any], says: str):
    with pytest.raises(FormatError) as raised:
        codec.read(Course, WHOLE | change, "the course")
    assert str(raised.value).startswith(says) or says in str(raised.value)


@pytest.mark.parametrize("value", [None, 3, [], "x", [[1] * 1000] * 1000, {"a": {"b": "x" * 10**6}}])
def test_what_is_no_object(value: object):
    with pytest.raises(FormatError) as raised:
        codec.read(Course, value, "the course")
    assert len(str(raised.value)) < 200


def test_another_error_and_no_place():
    with pytest.raises(ConfigError, match=r"^must be an integer, not 1\.5$"):
        codec.read(int, 1.5, "", ConfigError)
    with pytest.raises(ConfigError, match="x must be an integer"):
        codec.read(int, 1 << 60, "x", ConfigError)
    with pytest.raises(FormatError, match="it must have an end"):
        codec.require({"a begin": True, "an end": False}, "it")
