"""The columns of a table by name, that of the target, numbers or classes, and the test rows of one.

Test rows are drawn at random, or are whole groups and what comes later where rows belong together, by columns that the
settings name. What is held out within the fit, for early stopping, in a race or in a search, is held out likewise.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.random import generator
from chainrule.data.checks import check_seed
from chainrule.data.frames import column_names, read_frame
from chainrule.datasets.headers import AUTOMATIC, TableLayout
from chainrule.datasets.numerals import decimal_of
from chainrule.datasets.table_files import read_laid_out
from chainrule.errors import ConfigError, DataError, counted, option
from chainrule.formulas.losses import LOSSES
from chainrule.recipe.settings import Settings
from chainrule.tables import kinds, reading
from chainrule.tables.column import numbers, plain
from chainrule.tables.rows import rows_of
from chainrule.tables.spellings import spellings
from chainrule.tables.splits import holdout
from chainrule.tables.structure import FREE, RowStructure, read_structure
from chainrule.tables.target import infer_task, numbers_with_unit, quantities_with_unit

FEWEST_CLASSES_TOLD = 10
"""The classes above which there is a remark that nearly all rows have numbers."""
MOST_TEXT = 0.1
"""The largest share of the rows of a target that may be text for the others to be called its numbers."""
TEST_SHARE = 0.2
MIN_ROWS_TO_SPLIT = 10
"""The minimum rows with a target for a split into three parts."""


def read_columns(path: str | os.PathLike[str], layout: TableLayout = AUTOMATIC) -> dict[str, Any]:
    """Read the columns of a table by name: arrays, lists or series. layout: where it lies in its file."""
    found = read_laid_out(path, layout)
    return found if isinstance(found, dict) else columns_of(found, os.fspath(path))


def columns_of(found: object, name: str) -> dict[str, Any]:
    """Return the columns of a data frame by name. name: that of the frame, for errors."""
    frame = read_frame(found, name)
    return {each: frame.get_column(each) for each in column_names(found, name) or ()}


def pick(asked: str, columns: Iterable[str], source: str, name: str) -> str:
    """Return the name of a column. name: of the option. Raises ConfigError with a similar one if there is none."""
    columns = list(columns)
    if asked in columns:
        return asked
    from difflib import get_close_matches

    plain = {each.casefold(): each for each in columns}
    near = get_close_matches(asked.casefold(), plain, 1)
    hint = f"did you mean {plain[near[0]]!r}?" if near else f"it has {', '.join(columns[:20])}."
    raise ConfigError(f"{source} has no column {asked!r}, the value of {option(name)}; {hint}")


def excluded(asked: str | None, columns: Iterable[str], target: str, source: str) -> list[str]:
    """Return the names of the columns to exclude, from text such as "id,name"; a name with a comma in quotes.

    Raises ConfigError for a column that does not exist, and for the target.
    """
    columns = list(columns)
    if asked is None:
        return []
    given = [asked] if asked in columns else next(csv.reader(io.StringIO(asked, newline="")), [])
    names = [
        each if each in columns else pick(each.strip(), columns, source, "exclude_columns") for each in given
    ]
    if target in names:
        raise ConfigError(
            f"{option('exclude_columns')} contains {target!r}, the column to predict; exclude others."
        )
    return list(dict.fromkeys(names))


def listed(names: Iterable[str]) -> str:
    """Return names as the text that `excluded` reads."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def as_numbers(columns: Mapping[str, Any], source: str) -> NDArray[np.float64]:
    """Return columns as (n, columns) numbers, NaN for missing ones. Raises DataError for other values."""
    made = []
    for column in reading.read(columns, source).columns:
        there = np.flatnonzero(~column.missing)
        if column.form not in ("number", "boolean") and len(there):
            row = int(there[0])
            cell = columns[column.name][row]
            raise DataError(
                f"{source} contains {str(cell)[:40]!r} in row {row}, column {column.name!r}; encode text as numbers "
                "first."
            )
        made.append(np.where(column.missing, np.nan, column.values))
    return np.stack(made, 1)


class Event(NamedTuple):
    """The column that says whether an event came."""

    column: str
    label: str
    """its value where the event came"""
    other: str
    """where it had not; empty where it always did"""


class TargetColumn(NamedTuple):
    """The column to predict."""

    name: str
    y: NDArray[Any]
    """(n,) float64 numbers or labels of the rows that have one, or (n, 2) times and events"""
    rows: NDArray[np.int64]
    """their indices in the table, ascending"""
    is_number: bool
    why: str
    """a code, as of `chainrule.tables.target.InferredTask`; "asked" where the loss decided"""
    event: Event | None = None
    """of times to an event, the column that says whether it came"""

    def of(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of some of its rows, by their indices in the table."""
        return self.y[np.searchsorted(self.rows, rows)]

    @property
    def parts(self) -> NDArray[Any] | None:
        """The classes, or whether the event came, of which a split keeps the shares; None for numbers."""
        return self.y[:, 1] if self.event is not None else None if self.is_number else self.y


def read_target(
    name: str, values: object, source: str, loss: str | None = None, *, to_learn: bool = True
) -> TargetColumn:
    """Return the targets of a column, and their kind.

    to_learn: whether they are training targets, for which useless ones are rejected.
    loss: if given, decides between classes and numbers; otherwise the values do, by `infer_task`.
    Raises DataError for a column without values, with one value, of dates, and of text that is not classes.
    """
    where = f"the column {name!r} of {source}"
    column = reading.read({name: values}, source).columns[0]
    wants = LOSSES[loss].targets if loss in LOSSES else ""
    # Of training targets the values say whether "3 rooms" is a class; of later rows, maybe a single one, the loss does.
    if to_learn or not wants:
        known = quantities_with_unit(column)
    else:
        known = numbers_with_unit(column) if wants not in ("binary", "classes") else None
    if known is not None:
        hints.give(f"{where} is read as numbers without their unit {known.unit!r}.")
        column, values = numbers(name, known.values), known.values
    taken = kinds.take(column, is_target=True)
    rows = np.flatnonzero(~np.isnan(taken.values))
    if not len(rows):
        raise DataError(f"{where} has no values; training needs a target.")
    written = {text.lower(): text for text in column.texts[::-1]} if taken.kind == "boolean" else {}
    found, texts = taken.values[rows], tuple(written.get(text.lower(), text) for text in taken.texts)
    inferred = infer_task(values, where) if to_learn else None
    is_number = (
        wants not in ("binary", "classes")
        if wants
        else inferred is not None and inferred.task == "regression"
    )
    agrees = inferred is not None and is_number == (inferred.task == "regression")
    why = inferred.why if inferred is not None and agrees else "asked"
    if not texts:
        is_whole = bool((found == np.floor(found)).all() and np.abs(found).max() < 2**53)
        y = found if is_number or not is_whole else found.astype(np.int64)
        return TargetColumn(name, y, rows, is_number, why)
    count, among = len(np.unique(found)), _text_among_numbers(where, rows, found, texts)
    if is_number:
        hint = f"omit {option('loss')}" if to_learn else "convert it"
        raise DataError(among if among else f"{where} has text, but must have numbers; {hint}.")
    if to_learn and 2 * count > len(rows) and count > 2:
        if among:
            raise DataError(among)
        raise DataError(
            f"{where} has {count:,} different texts in {len(rows):,} rows, such as "
            f"{texts[int(found[0])][:40]!r}, too many for classes; name a column with fewer, or write "
            "quantities as numbers."
        )
    if to_learn and among and not wants and count > FEWEST_CLASSES_TOLD:
        hints.give(f"{among} It is predicted as {count:,} classes.")
    return TargetColumn(name, np.array(texts)[found.astype(np.int64)], rows, False, why)


def _text_among_numbers(
    where: str, rows: NDArray[np.int64], found: NDArray[np.float64], texts: Sequence[str]
) -> str:
    """Return what is said of a target of numbers some of whose cells are text; "" if it is not mostly numbers.

    rows: (n,) those that have a target.  found: (n,) the number of each one's text.
    """
    are_numbers = np.array([decimal_of([each]) is not None for each in texts])
    is_text = ~are_numbers[found.astype(np.int64)]
    count = int(is_text.sum())
    if not count or count > MOST_TEXT * len(rows):
        return ""
    first = int(is_text.argmax())
    return (
        f"{where} has numbers, but text in {count:,} of {len(rows):,} rows, such as "
        f"{texts[int(found[first])][:40]!r} in row {rows[first]:,}, counted from 0; "
        f"correct {'it' if count == 1 else 'them'}, or leave the cell"
        f"{'s' * (count > 1)} empty."
    )


def as_labels(target: TargetColumn, known: NDArray[Any] | None) -> NDArray[Any]:
    """Return the targets of another table, of text, numbers or true and false, as the labels that a model knows."""
    if known is None or known.dtype.kind in "biuf":
        return target.y
    is_number, names = target.y.dtype.kind in "biuf", list(map(str, known.tolist()))
    labels = [plain(float(label)) if is_number else str(label) for label in target.y.tolist()]
    spelled = {text: names[code] for text, code in spellings(names).items()}
    return np.array([label if label in names else spelled.get(label.lower(), label) for label in labels])


class TiedRows(NamedTuple):
    """The columns of a table by which its rows belong together, or have an order; None without."""

    groups: Any = None
    time: Any = None
    gap: float | str = 0
    names: Mapping[str, str] = {}
    """those of the two columns, by "groups" and "time" """

    def structure(self, rows: NDArray[np.int64]) -> RowStructure:
        """Return the structure of some rows of the table."""
        if self.groups is None and self.time is None:
            return FREE
        return read_structure(None, rows_of(self.groups, rows), rows_of(self.time, rows), self.gap)


Split: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The training and the test rows."""
FREE_ROWS = TiedRows()
"""Of a table whose rows nothing ties together."""


def tied_rows(
    columns: Mapping[str, Any],
    target: str,
    settings: Settings,
    source: str | os.PathLike[str],
) -> TiedRows:
    """Return the columns that the settings name. Raises ConfigError for one that is not there, or the target."""
    names: dict[str, str] = {}
    for kind in ("groups", "time"):
        asked = getattr(settings, kind)
        if asked is None:
            continue
        names[kind] = pick(asked, columns, f"{source}", kind)
        if names[kind] == target:
            raise ConfigError(f"{option(kind)} names {target!r}, the column to predict; name another.")
    gap = gap_of(settings)
    if gap and "time" not in names:
        raise ConfigError(
            f"{option('gap')} lies between times; also name their column with {option('time')}."
        )
    groups, time = (columns.get(names.get(kind, "")) for kind in ("groups", "time"))
    return TiedRows(groups, time, gap, names)


def gap_of(settings: Settings) -> float | str:
    """Return the gap of the settings as an estimator takes it: a number, or the text of a duration."""
    if settings.gap is None:
        return 0
    try:
        return float(settings.gap)
    except ValueError:
        return settings.gap


def divide(target: TargetColumn, seed: int, source: str, tied: TiedRows = FREE_ROWS) -> Split:
    """Draw the training and the test rows among those with a target, each ascending.

    Each class is split in this ratio, and a class with a single row is trained on. Tied rows are split by
    `chainrule.tables.splits`, with rows within the gap in neither part.
    Raises DataError for fewer than MIN_ROWS_TO_SPLIT rows, and ConfigError for a seed that is none.
    """
    n, seed = len(target.y), check_seed(seed)
    if n < MIN_ROWS_TO_SPLIT:
        raise DataError(
            f"{source} has {counted(n, 'row')} with a target; at least {MIN_ROWS_TO_SPLIT} are needed for "
            "training, validation and testing."
        )
    structure = tied.structure(target.rows)
    if not structure.is_free:
        return holdout(structure, TEST_SHARE, target.parts, np.random.RandomState(seed))
    order: NDArray[np.int64] = generator(seed, "split", 1).permutation(n)
    if target.parts is None:
        count = round(TEST_SHARE * n)
        return np.sort(order[count:]), np.sort(order[:count])
    _, codes = np.unique(target.parts, return_inverse=True)
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, each in random order
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    place = np.arange(n) - starts[codes[order]]  # (n,) the index of each row within its class
    test = np.floor((place + 0.5) * TEST_SHARE + 0.5) > np.floor((place - 0.5) * TEST_SHARE + 0.5)
    if not test.any():
        test[np.flatnonzero(place > 0)[:1]] = True
    return np.sort(order[~test]), np.sort(order[test])
