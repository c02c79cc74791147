# Over 300 lines because it is one list of what tables may hold, and of what they may be.
"""Tables that real data and malice make: each is to be fitted, or refused in a clear sentence, and nothing else.

case = hostile_table(7)         the same for a seed, always
case.X, case.y, case.later      a training table, its target, and a table to predict
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

COUNT = 1000
"""Seeds 0 to 999 are the tables that must not break anything."""


class Hostile(NamedTuple):
    """A hostile table."""

    name: str
    X: Any
    y: list[Any]
    later: Any


Make = Callable[[np.random.Generator, int], list[Any]]


def _some(rng: np.random.Generator, n: int, values: list[Any]) -> list[Any]:
    return [values[i] for i in rng.integers(0, len(values), n)]


def _dates(rng: np.random.Generator, n: int) -> list[datetime.datetime]:
    start = datetime.datetime(2019, 3, 1)
    return [start + datetime.timedelta(hours=int(h)) for h in rng.integers(0, 40_000, n)]


ZONES = (None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=5, minutes=45)))
EMOJI = [
    "🙂",
    "👩‍👩‍👧",
    "",
    "\ufeffx",
    "é",
    "e\u0301",
    "\u202eabc",
    "\x00",
    "a" * 3000,
    "\ud800",
    " ",
    "NaN",
    "=1+1",
]
CELLS: dict[str, Make] = {
    "numbers": lambda rng, n: rng.normal(size=n).tolist(),
    "integers": lambda rng, n: rng.integers(-5, 5, n).tolist(),
    "huge integers": lambda rng, n: _some(rng, n, [10**400, -(10**400), 2**63, 2**64 + 1, 7, 10**18]),
    "longest integers": lambda rng, n: _some(rng, n, [10**5000, 1, "x"]),
    "infinities": lambda rng, n: _some(rng, n, [math.inf, -math.inf, math.nan, 1.0, 2.5]),
    "extremes": lambda rng, n: _some(rng, n, [1.7e308, -1.7e308, 5e-324, -5e-324, 0.0, -0.0]),
    "rounding": lambda rng, n: (1.0 + rng.integers(0, 2, n) * 2.3e-16).tolist(),
    "missing": lambda rng, n: [None] * n,
    "nan": lambda rng, n: [math.nan] * n,
    "kinds of missing": lambda rng, n: _some(
        rng, n, [None, math.nan, pd.NA, pd.NaT, np.datetime64("NaT"), ""]
    ),
    "constant": lambda rng, n: [3] * n,
    "constant text": lambda rng, n: ["x"] * n,
    "nearly constant": lambda rng, n: [0] * (n - 1) + [1],
    "booleans": lambda rng, n: _some(rng, n, [True, False]),
    "booleans and missing": lambda rng, n: _some(rng, n, [True, False, None]),
    "NumPy's": lambda rng, n: _some(
        rng, n, [np.True_, np.int8(3), np.float16(2.5), np.float32("nan"), np.uint64(2**63)]
    ),
    "few words": lambda rng, n: _some(rng, n, ["red", "green", "blue"]),
    "many words": lambda rng, n: [f"w{int(k)}" for k in rng.zipf(1.5, n) % 997],
    "every text differs": lambda rng, n: [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(n)],
    "objects of text": lambda rng, n: [uuid.UUID(bytes=rng.bytes(16)) for _ in range(n)],
    "emoji": lambda rng, n: _some(rng, n, EMOJI),
    "empty text": lambda rng, n: [""] * n,
    "numbers as text": lambda rng, n: _some(rng, n, ["12", "1,234.50", " 5 ", "-3.5e2", "NA", "7", "$8"]),
    "decimal commas": lambda rng, n: _some(rng, n, ["1,5", "1.234,75", "-2,25"]),
    "codes": lambda rng, n: _some(rng, n, ["007", "02139", "10"]),
    "long digits": lambda rng, n: _some(rng, n, ["9" * 5000, "1e999", "1e-999", "3"]),
    "Arabic digits": lambda rng, n: _some(rng, n, ["١٢", "٣", "½", "Ⅷ"]),
    "dates": lambda rng, n: list(_dates(rng, n)),
    "days": lambda rng, n: [each.date() for each in _dates(rng, n)],
    "dates as text": lambda rng, n: [each.isoformat() for each in _dates(rng, n)],
    "dates of two orders": lambda rng, n: _some(rng, n, ["31/12/2020", "12/31/2020", "01/02/2020"]),
    "dates that are not": lambda rng, n: _some(
        rng, n, ["2020-02-30", "0000-00-00", "9999-12-31", "2020-13-01"]
    ),
    "mixed time zones": lambda rng, n: [
        each.replace(tzinfo=_some(rng, 1, list(ZONES))[0]) for each in _dates(rng, n)
    ],
    "first and last dates": lambda rng, n: _some(
        rng, n, [datetime.datetime.min, datetime.datetime.max, None]
    ),
    "dates of NumPy": lambda rng, n: _some(
        rng, n, [np.datetime64("2020-01-01"), np.datetime64("-200000-01-01"), None]
    ),
    "times": lambda rng, n: [datetime.time(int(h), 30) for h in rng.integers(0, 24, n)],
    "durations": lambda rng, n: [datetime.timedelta(seconds=int(s)) for s in rng.integers(-99, 9**9, n)],
    "decimals": lambda rng, n: _some(
        rng, n, [decimal.Decimal(x) for x in ("1.10", "NaN", "Infinity", "1e9999", "sNaN")]
    ),
    "fractions": lambda rng, n: _some(rng, n, [fractions.Fraction(1, 3), fractions.Fraction(10**400, 3)]),
    "complex": lambda rng, n: [complex(1, 2)] * n,
    "bytes": lambda rng, n: _some(rng, n, [b"abc", b"\xff\xfe", b""]),
    "lists": lambda rng, n: [[1, 2]] * n,
    "dicts": lambda rng, n: _some(rng, n, [{"a": 1}, None]),
    "arrays": lambda rng, n: [np.zeros(2)] * n,
    "functions": lambda rng, n: [len] * n,
    "mixed": lambda rng, n: _some(
        rng, n, [1, "1", 1.0, True, None, "a", datetime.date(2020, 1, 1), b"1", 10**400]
    ),
    "mixed, without text": lambda rng, n: _some(
        rng, n, [1, True, datetime.date(2020, 1, 1), datetime.timedelta(1)]
    ),
    "mixed and nested": lambda rng, n: _some(rng, n, [1, "x", (1, 2)]),
    "intervals": lambda rng, n: _some(rng, n, list(pd.interval_range(0, 5))),
    "periods": lambda rng, n: _some(rng, n, list(pd.period_range("2020-01", periods=9, freq="M"))),
    "identifiers": lambda rng, n: rng.permutation(n).tolist(),
}
"""Columns by what is in them."""
NAMES: list[Any] = [
    "age",
    "price (€)",
    "",
    " ",
    "id",
    "🙂",
    "a\nb",
    "x" * 5000,
    "None",
    "\x00",
    "__class__",
    "date",
    "0",
]
ROWS = (1, 2, 3, 9, 40, 120)


def hostile_table(seed: int) -> Hostile:
    """Return the hostile table of a seed."""
    rng = np.random.default_rng([seed, 15])
    if seed % WIDE == WIDE - 1:
        return _wide(rng, "10,000 columns")
    name = list(SHAPES)[seed % len(SHAPES)]
    return SHAPES[name](rng, name)


def _columns(
    rng: np.random.Generator, n: int, count: int, kinds: list[str] | None = None
) -> dict[str, list[Any]]:
    chosen = [str(kind) for kind in rng.choice(kinds or list(CELLS), count)]
    return {f"{kind} {k}": CELLS[kind](rng, n) for k, kind in enumerate(chosen)}


def _target(rng: np.random.Generator, n: int) -> list[Any]:
    return [
        lambda: rng.normal(size=n).tolist(),
        lambda: _some(rng, n, ["yes", "no"]),
        lambda: _some(rng, n, [0, 1, 2]),
        lambda: ["one class"] * n,
    ][int(rng.integers(4))]()


def _rows(rng: np.random.Generator) -> int:
    return int(rng.choice(ROWS))


def _dict(rng: np.random.Generator, name: str) -> Hostile:
    n = _rows(rng)
    X = _columns(rng, n, int(rng.integers(1, 8)))
    return Hostile(name, X, _target(rng, n), {key: list(reversed(value)) for key, value in X.items()})


def _frame(rng: np.random.Generator, name: str) -> Hostile:
    found = _dict(rng, name)
    X, later = (
        pd.DataFrame({k: pd.Series(v, dtype=_dtype(v)) for k, v in part.items()}) for part in found[1::2]
    )
    return found._replace(X=X, later=later)


def _dtype(values: list[Any]) -> Any:
    """A column's type in pandas: objects, where it cannot guess one."""
    try:
        return pd.Series(values).dtype
    except (ValueError, TypeError, OverflowError, pa.ArrowInvalid):
        return object


def _usual(rng: np.random.Generator, name: str) -> Hostile:
    """What most tables hold, in a frame of a random library."""
    n = int(rng.choice((9, 40, 120)))
    kinds = [
        "numbers",
        "integers",
        "booleans and missing",
        "few words",
        "many words",
        "dates",
        "days",
        "infinities",
    ]
    X = _columns(rng, n, 6, kinds)
    make = [pd.DataFrame, lambda data: pd.DataFrame(data).convert_dtypes(), pl.DataFrame, pa.table][
        int(rng.integers(4))
    ]
    return Hostile(name, make(X), _target(rng, n), make({key: value[::-1] for key, value in X.items()}))


def _objects(rng: np.random.Generator, name: str) -> Hostile:
    n = _rows(rng)
    X = np.empty((n, 4), object)
    for k, values in enumerate(_columns(rng, n, 4).values()):
        X[:, k] = [*values]
    return Hostile(name, X, _target(rng, n), X[::-1])


def _numbers(rng: np.random.Generator, name: str) -> Hostile:
    n = _rows(rng)
    dtype = rng.choice(
        ["float16", "float32", "float64", "int8", "uint64", "bool", "complex64", "U3", "M8[s]", "S2"]
    )
    X = (rng.normal(size=(n, 3)) * 10).astype("int64" if dtype[0] in "MUS" else "float64")
    with np.errstate(all="ignore"):
        X = X.astype(dtype)
    return Hostile(name, X, _target(rng, n), X[:1])


def _changed(rng: np.random.Generator, name: str) -> Hostile:
    """Every column holds something else in prediction."""
    n = int(rng.choice((9, 40)))
    X, other = _columns(rng, n, 3), list(_columns(rng, n, 3).values())
    return Hostile(name, X, _target(rng, n), dict(zip(X, other, strict=True)))


def _reordered(rng: np.random.Generator, name: str) -> Hostile:
    found = _usual(rng, name)
    names = list(pd.DataFrame(_native(found.later)).columns)
    later = pd.DataFrame(_native(found.later))[names[::-1]].assign(extra=1)
    return found._replace(later=later if rng.random() < 0.5 else later.drop(columns=names[0]))


def _native(X: Any) -> Any:
    return X.to_pandas() if isinstance(X, (pa.Table, pl.DataFrame)) else X


def _named(rng: np.random.Generator, name: str) -> Hostile:
    n = _rows(rng)
    kind = int(rng.integers(4))
    numbers = rng.normal(size=(n, 3))
    others: list[list[Any]] = [
        [1, 2, 3],
        [1, "1", None],
        [("a", 1), ("a", 2), ("b", 1)],
        [1.5, math.nan, "x"],
    ]
    names = [NAMES[k] for k in rng.permutation(len(NAMES))[:3]] if rng.random() < 0.5 else others[kind]
    X = pd.DataFrame(numbers, columns=pd.Index(names, dtype=object))
    return Hostile(name, X, _target(rng, n), X.iloc[:, ::-1])


def _twice(rng: np.random.Generator, name: str) -> Hostile:
    n = _rows(rng)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "a"])
    later = X if rng.random() < 0.5 else X.set_axis(["a", "b", "c"], axis=1)
    return Hostile(name, later if rng.random() < 0.5 else X, _target(rng, n), X)


def _in_one_part(rng: np.random.Generator, name: str) -> Hostile:
    n = 60
    words = [f"c{k}" for k in range(int(rng.integers(2, 30)))]
    X = {
        "word": _some(rng, n, words),
        "flag": [True] * (n - 3) + [False] * 3,
        "n": rng.normal(size=n).tolist(),
    }
    later = {
        "word": [*words, "never seen", None, ""],
        "flag": [None] * (len(words) + 3),
        "n": [1e300] * (len(words) + 3),
    }
    return Hostile(name, X, _target(rng, n), later)


def _empty(rng: np.random.Generator, name: str) -> Hostile:
    X = [
        pd.DataFrame({"a": [], "b": []}),
        pd.DataFrame(index=range(3)),
        np.empty((0, 3)),
        np.empty((3, 0)),
        [],
        {},
        None,
        [[]],
        [[1], [1, 2]],
        [[[1]]],
        "table.csv",
        5,
        pd.Series([1, 2]),
        np.float64(1),
        {"a": 1},
        {"a": [1], "b": [1, 2]},
        {"a": "text"},
        [{"a": 1}],
        pl.DataFrame({"a": []}),
        pl.LazyFrame({"a": [1]}),
        pa.table({"a": pa.array([], "int8")}),
        np.array([(1, 2.0)], "i4,f4"),
        np.ma.masked_array(np.ones((5, 2)), mask=np.eye(5, 2)),
        object(),
        iter([[1]]),
    ]
    chosen = X[int(rng.integers(len(X)))]
    return Hostile(name, chosen, _target(rng, 3), chosen)


def _wide(rng: np.random.Generator, name: str) -> Hostile:
    if rng.random() < 0.5:
        X: Any = rng.normal(size=(8, 10_000))
        return Hostile(name, X, _target(rng, 8), X[:2])
    X = {f"c{k}": ["a", "b", "a", None] if k % 2 else [1.0, 2.0, math.inf, None] for k in range(10_000)}
    return Hostile(name, X, _target(rng, 4), X)


def _nested_frame(rng: np.random.Generator, name: str) -> Hostile:
    n = 6
    X = [
        pl.DataFrame({"a": [[1, 2]] * n, "b": range(n)}),
        pl.DataFrame({"a": [{"x": 1}] * n}),
        pa.table({"a": [[1]] * n}),
        pl.DataFrame({"a": [b"x", b"\xff"] * 3}),
        pl.DataFrame({"a": [decimal.Decimal("1.5"), None] * 3}),
        pl.DataFrame({"t": [datetime.time(1), datetime.time(2)] * 3, "d": [datetime.timedelta(1), None] * 3}),
        pd.DataFrame(
            {"a": pd.Categorical([1, 2, None] * 2), "b": pd.Categorical(list("abcabc"), ordered=True)}
        ),
        pd.DataFrame(
            {"a": pd.array([1, None, 2] * 2, "Int64"), "b": pd.array([True, None, False] * 2, "boolean")}
        ),
        pd.DataFrame(
            {"a": pd.to_datetime(["2020-01-01", None, "2021-05-05"] * 2).tz_localize("Asia/Taipei")}
        ),
        pd.DataFrame(
            {"a": pd.arrays.SparseArray([0, 0, 1] * 2), "b": pd.array([1.5, None, 2] * 2, "Float32")}
        ),
        pl.DataFrame({"a": [datetime.datetime(2020, 1, d, tzinfo=datetime.UTC) for d in range(1, n + 1)]}),
        pl.DataFrame(
            {
                "a": pl.Series(["x", "y", None] * 2, dtype=pl.Categorical),
                "b": pl.Series(["x", "y", None] * 2, dtype=pl.Enum(["x", "y"])),
            }
        ),
        pa.table({"a": pa.array(["x", None, "y"] * 2).dictionary_encode(), "n": pa.nulls(n)}),
        pl.DataFrame({"o": pl.Series([object()] * n, dtype=pl.Object)}),
        pl.DataFrame({"n": [None] * n, "i": [2**126, 1] * 3}, schema={"n": pl.Null, "i": pl.Int128}),
    ]
    chosen = X[int(rng.integers(len(X)))]
    return Hostile(name, chosen, _target(rng, n), chosen)


SHAPES: dict[str, Callable[[np.random.Generator, str], Hostile]] = {
    "columns of anything": _dict,
    "a frame of anything": _frame,
    "usual columns in any library": _usual,
    "an array of objects": _objects,
    "an array of one type": _numbers,
    "other types in prediction": _changed,
    "other columns in prediction": _reordered,
    "strange names": _named,
    "two equal names": _twice,
    "categories in one part only": _in_one_part,
    "hardly a table": _empty,
    "types of frames": _nested_frame,
    "columns of anything, again": _dict,
    "a frame of anything, again": _frame,
}
WIDE = 331
"""Every so many seeds a table has 10,000 columns."""
