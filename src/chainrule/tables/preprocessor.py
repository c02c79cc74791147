"""The preprocessor of tables: it converts columns of any types to a network's inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from chainrule.core import codec
from chainrule.core.codec import from_to, sized
from chainrule.core.settings import check_choice, check_count, check_number
from chainrule.data.frames import places
from chainrule.data.slopes import LinearInputs
from chainrule.errors import ConfigError, DataError, FormatError, ShapeError
from chainrule.tables import calendar, fitting, kinds, marks, reading
from chainrule.tables.cells import DescribedColumn, DescribedTable
from chainrule.tables.column import LONGEST
from chainrule.tables.crossed import Crossed, sides
from chainrule.tables.encoding import Embedded, Encoder, numbers, places_of, read_for
from chainrule.tables.learned import LearnedColumn, place_columns
from chainrule.tables.marks import check_missing
from chainrule.tables.rarity import KnownTarget
from chainrule.tables.rows import as_weights
from chainrule.tables.scaling import LARGEST, LINEAR, SCALES

_SETTINGS = (
    *("max_one_hot", "embeddings", "embedding_size", "min_count", "category_scale", "scale"),
    *("impute", "near_constant", "identifiers", "kinds", "missing", "out_of_range", "dtype"),
)

BLOCK = 8192
"""The rows whose inputs are made and used at a time: one network's input of them stays in the cache, and 1,024 divides
them, by which the engines take rows."""


MOST_CLASSES = 20
"""Whole numbers of more values are numbers, and text of more is not looked at."""


class TablePreprocessor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Convert a table of any types to a network's inputs, with columns matched by name.

        inputs = TablePreprocessor().fit_transform(frame)       (n, outputs) float32

    Numbers are scaled, and a missing one is replaced by the median and marked by an indicator; categories become one
    output each or, if more than `max_one_hot`, a code for an embedding; dates become days, year, cycles of season, week
    and day and, where y of two years or more is another on days that come again each year, a number for these
    (`chainrule.tables.recurring`). Text that parses as numbers or dates is treated as such, but for few words among
    numbers, which are missing, and whole numbers of a data frame's text that come again, which are codes. Uninformative
    columns are dropped, with the reason in `columns_`. In prediction columns are matched by name: others are ignored, a
    missing one is an error, and an unseen category counts as a rare one, or as missing if there were none.

    max_one_hot: the maximum categories with an output each; two become one output of -1 and 1, 0 for missing.
    embeddings: whether more categories become a code, 0 for missing; otherwise the 255 most frequent become outputs.
    embedding_size: the size of each embedding; None for min(50, round(1.6 c^0.56)) of c categories. On four tables with
    many categories, one split each, the test loss was 0.7 to 8 % lower with 4 than with 8, and by the formula 1 % lower
    to 16 % higher than with 8. On five, five splits each, it was the same with max_one_hot 8 as with 64 (in the mean;
    0.954 to 1.039 of it by split).
    min_count: the minimum rows of a category for its own code, in columns with more than `max_one_hot`; rarer ones
    share one. "auto" is 10 or, if the targets differ between rare categories, as few as distinguish them, at least 2
    (`chainrule.tables.rarity` has the formula and figures). It needs y in `fit`, which the estimators pass.
    category_scale: the value, above 0, of the outputs of columns with more than 8 categories, instead of 1, unless
    `scale` is "realmlp". The smaller it is, the less a network learns from single categories relative to numbers.
    scale: "robust", "realmlp", "standard", "quantile", "rank", "linear", "straight", "affine", "range", "none" or, with
    several outputs a number, "robust+quantile", "standard+quantile", "robust+rank+linear" or "robust+rank+straight";
    the formulas are in `chainrule.tables.scaling`.
    impute: "median" or "mean".
    near_constant: a column that differs from its most frequent value in a smaller fraction of rows is dropped.
    identifiers: "drop" columns that number the rows, by their values and name, and numbers like those of accounts, with
    a warning; or "keep" them.
    kinds: the kinds of columns by name, such as {"zip": "category"}: "number", where text without a digit is missing,
    "category", "date" or "drop".
    missing: numbers that stand for missing values, in later rows too. "auto" finds such as -999 or 99, in two rows or
    more, that stand apart from all other numbers of their column (`chainrule.tables.marks`), and warns;
    {"age": [-1, 999]} names those of a column, [] for none; None looks for none.
    out_of_range: what becomes of a number, or a date, beyond those of training: "keep" leaves it as it is, and a
    network goes on as it went at the end of the range; "clip" makes it the smallest or the largest one of training,
    which is what trees do. An estimator's own preprocessor clips with `fit(..., time=)`, because what grows with time,
    such as the number of a day, is then always beyond what was learned.
    dtype: "float32" or "float64".

    After fit: `columns_`, a description of each column; `embedded_`, the outputs that are codes, as (column, codes,
    size); `n_features_in_`; `feature_names_in_` if all names are text.
    Raises DataError for cells that are not single values and tables without a usable column; ConfigError for settings.
    """

    _learned: tuple[LearnedColumn, ...]
    feature_names_in_: NDArray[np.object_]
    _encoder: Encoder
    _rows: int | None
    _crossed: tuple[Crossed, ...] = ()
    _named: bool

    def __init__(
        self,
        *,
        max_one_hot: int = 64,
        embeddings: bool = True,
        embedding_size: int | None = 4,
        min_count: int | str = "auto",
        category_scale: float = 1.0,
        scale: str = "standard+quantile",
        impute: str = "median",
        near_constant: float = 1e-4,
        identifiers: str = "drop",
        kinds: dict[str, str] | None = None,
        missing: str | dict[str, Any] | None = "auto",
        out_of_range: str = "keep",
        dtype: str = "float32",
    ) -> None:
        self.max_one_hot = max_one_hot
        self.embeddings = embeddings
        self.embedding_size = embedding_size
        self.min_count = min_count
        self.category_scale = category_scale
        self.scale = scale
        self.impute = impute
        self.near_constant = near_constant
        self.identifiers = identifiers
        self.kinds = kinds
        self.missing = missing
        self.out_of_range = out_of_range
        self.dtype = dtype

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        time: NDArray[np.float64] | None = None,
    ) -> TablePreprocessor:
        """Learn the kind and the encoding of each column from a training table.

        X: a data frame of pandas, Polars, PyArrow or another library that narwhals supports; a dict of columns; an
        array (n, columns); or a list of mappings, one per row.
        y: (n,) or (n, outputs), or None; only for min_count="auto" and the recurring days of dates.
        sample_weight: (n,) weights of at least 0; one of 2 counts as two equal rows, one of 0 as none.
        time: (n,) the time of each row, or None; only for out_of_range="clip", which uses another limit for a number
        that goes up or down with time, see `chainrule.tables.fitting`.
        """
        rules = self._rules()
        table = reading.read(X)
        _check_size(table)
        columns = table.columns
        asked = {**rules.kinds, **(rules.missing or {})}
        unknown = [name for name in asked if name not in {column.name for column in columns}]
        if unknown:
            places(unknown, [column.name for column in columns], "X")
        weights = row_weights(sample_weight, table.rows)
        if weights is not None:
            kept = weights > 0
            columns = [replace(each, values=each.values[kept], written=None) for each in columns]
            weights = weights[kept]
            weights = weights / min(1.0, float(weights.mean()))  # weights of mean 1 or more count rows

        @cache
        def target() -> KnownTarget | None:  # asked for if a column has many categories
            known = read_known_target(y, table.rows)
            return known if known is None or weights is None else known.take(kept)

        learned = fitting.learn(columns, weights, rules, target)
        if self.out_of_range == "clip":
            when = time if time is None or weights is None else time[kept]
            learned = fitting.with_ends(learned, columns, when)
        self._publish(tuple(learned), table.named, table.rows)
        return self

    def transform(self, X: object) -> NDArray[np.floating]:
        """Return the (n, outputs) inputs of a network for a table with the columns of training.

        X: as for `fit`, or rows by the names of their columns: a mapping of values, a list of mappings, or a row of a
        pandas frame. A few rows are prepared all columns at once, to the same bits.
        Raises DataError for a missing column and for values of another kind than in training.
        """
        self._check_fitted()
        return self.encoded(read_for([self._learned], self._named, X))

    def encoded(self, table: reading.RawTable) -> NDArray[np.floating]:
        """Return the (n, outputs) inputs of a network for a table that `cells.read_for` has read."""
        at = places_of(self._learned, table, self._named)
        return self._with_crossed(self._encoder.encode(table, at, self._rules_dtype()))

    def blocks(self, table: reading.RawTable) -> Iterator[NDArray[np.floating]]:
        """Iterate over the inputs of a table that was read, as `encoded` returns them, some rows at a time."""
        if table.rows < 2 * BLOCK:
            yield self.encoded(table)
            return
        at = places_of(self._learned, table, self._named)
        columns = self._encoder.columns(table, at, self._rules_dtype())
        ends = [*range(BLOCK, table.rows - BLOCK + 1, BLOCK), table.rows]
        for begin, end in pairwise([0, *ends]):
            yield self._with_crossed(columns.inputs(begin, end))

    def _with_crossed(self, made: NDArray[np.floating]) -> NDArray[np.floating]:
        """Append the codes of pairs of columns."""
        if not self._crossed:
            return made
        return np.concatenate(
            [made, np.stack([pair.codes(made) for pair in self._crossed], 1)], 1, dtype=made.dtype
        )

    def crossed(self, pairs: Sequence[Crossed]) -> TablePreprocessor:
        """Return a copy that appends a code for each pair of columns, see `chainrule.tables.crossed`."""
        made = TablePreprocessor(**self.get_params(deep=False))
        made._publish(self._learned, self._named, self._rows, tuple(pairs))
        return made

    @property
    def crossed_(self) -> tuple[Crossed, ...]:
        """The pairs of columns whose cells are the last outputs."""
        self._check_fitted()
        return self._crossed

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the outputs: "sex=male", "signed days", "age missing".

        input_features: None, or the names of training, as scikit-learn passes them.
        """
        self._check_fitted()
        if input_features is not None:
            given = [str(each) for each in input_features]
            known = [each.name for each in self._learned]
            if len(given) != len(known) or (self._named and given != known):
                raise ConfigError(
                    f"input_features is not equal to feature_names_in_: it should have length equal to number of "
                    f"features ({len(known)}) and name the columns of training; pass None."
                )
            learned = [each._replace(name=name) for each, name in zip(self._learned, given, strict=True)]
        else:
            prefix = "" if self._named else "x"
            learned = [each._replace(name=f"{prefix}{each.name}") for each in self._learned]
        names = [name for each in learned for name in each.outputs()]
        both = [(learned[pair.first.column].name, learned[pair.second.column].name) for pair in self._crossed]
        return np.array([*names, *(f"{first} x {second}" for first, second in both)], object)

    def to_data(self) -> dict[str, Any]:
        """Return everything learned as JSON values: text, numbers and lists."""
        self._check_fitted()
        settings = {name: getattr(self, name) for name in _SETTINGS}
        if isinstance(self.missing, dict):
            settings["missing"] = {
                name: list(each) for name, each in (check_missing(self.missing) or {}).items()
            }
        written = write(self._learned, self._named, settings)
        return written | {"crossed": codec.write(self._crossed)} if self._crossed else written

    @classmethod
    def from_data(cls, data: Any) -> TablePreprocessor:
        """Return the preprocessor that `to_data` wrote, which transforms to the same bits.

        Raises FormatError for data that are not whole.
        """
        learned, named, settings = read(data)
        unknown = [name for name in settings if name not in _SETTINGS]
        if unknown:
            raise FormatError(f"settings has the unknown key {unknown[0]!r:.60}; fit the preprocessor again.")
        made = cls(**settings)
        try:
            made._rules()
        except (ConfigError, TypeError) as error:
            raise FormatError(f"settings of the preprocessor are damaged: {error}") from error
        made._publish(tuple(learned), named, None, read_pairs(data.get("crossed", []), learned))
        return made

    @property
    def columns_(self) -> DescribedTable:
        """The kind of each column, the reason, and its encoding. Print it."""
        self._check_fitted()
        return describe_columns(self._learned, self._rows)

    @property
    def learned_(self) -> tuple[LearnedColumn, ...]:
        """What was learned of each column, as data."""
        self._check_fitted()
        return self._learned

    @property
    def embedded_(self) -> tuple[Embedded, ...]:
        """The outputs that are codes: (column of the output, codes with 0, size of the embedding)."""
        self._check_fitted()
        width = sum(len(each.outputs()) for each in self._learned)
        crossed = [Embedded(width + k, pair.cells, pair.size) for k, pair in enumerate(self._crossed)]
        placed = place_columns(self._learned)
        own = (Embedded(at, each.codes, each.size) for at, each in placed if each.became == "embedded")
        return (*own, *crossed)

    @property
    def numbers_(self) -> tuple[int, ...]:
        """The outputs that are scaled numbers, each column's own, and the parts of its dates; not their ranks again."""
        self._check_fitted()
        return numbers(self._learned)

    @property
    def rising_(self) -> tuple[int, ...]:
        """The outputs that never fall when the number in their column rises: scaled numbers and ranks."""
        self._check_fitted()
        scaled = ((at, each.lanes) for at, each in place_columns(self._learned) if each.became == "scaled")
        return tuple(at + k for at, lanes in scaled for k in range(len(lanes)))

    @property
    def linear_(self) -> LinearInputs:
        """The columns of which one number is an output, scaled linearly, for slopes by the columns."""
        self._check_fitted()
        of = [
            (k, at, each.lanes[0].scale.spread)
            for k, (at, each) in enumerate(place_columns(self._learned))
            if each.kind == "number" and [lane.scale.way in LINEAR for lane in each.lanes] == [True]
        ]
        dropped = frozenset(k for k, each in enumerate(self._learned) if each.became == "dropped")
        return LinearInputs(tuple(each.name for each in self._learned), of, dropped)

    @property
    def sources_(self) -> tuple[int, ...]:
        """The index of each output's column, from 0."""
        self._check_fitted()
        own = (k for k, each in enumerate(self._learned) for _ in each.outputs())
        return (*own, *(pair.first.column for pair in self._crossed))

    def _publish(
        self,
        learned: tuple[LearnedColumn, ...],
        named: bool,
        rows: int | None,
        crossed: tuple[Crossed, ...] = (),
    ) -> None:
        self._learned, self._named, self._rows, self._crossed = learned, named, rows, crossed
        self._encoder = Encoder(learned)
        self.n_features_in_ = len(learned)
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if named:
            self.feature_names_in_ = np.array([each.name for each in learned], object)

    def _check_fitted(self) -> None:
        if not hasattr(self, "_learned"):
            raise NotFittedError(
                "This TablePreprocessor instance is not fitted yet; call fit with a training table first."
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` was called."""
        return hasattr(self, "_learned")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may pass: text, categories and missing values, in two dimensions."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _rules_dtype(self) -> str:
        return str(
            check_choice(str(np.dtype(self.dtype)), {"float32": "float32", "float64": "float64"}, "dtype")
        )

    def _rules(self) -> fitting.Rules:
        """Check the settings."""
        check_choice(
            self.dtype if isinstance(self.dtype, str) else None, {"float32": 0, "float64": 0}, "dtype"
        )
        check_choice(self.identifiers, {"drop": 0, "keep": 0}, "identifiers")
        check_choice(self.out_of_range, {"keep": 0, "clip": 0}, "out_of_range")
        check_choice(self.impute, {"median": 0, "mean": 0}, "impute")
        check_choice(self.scale, SCALES, "scale")
        size, is_automatic = self.embedding_size, self.min_count == "auto"
        return fitting.Rules(
            max_one_hot=check_count(self.max_one_hot, "max_one_hot", 2),
            embeddings=bool(self.embeddings),
            embedding_size=None if size is None else check_count(size, "embedding_size"),
            min_count=None if is_automatic else check_count(self.min_count, "min_count"),
            category_scale=check_number(self.category_scale, "category_scale", above=0.0, maximum=LARGEST),
            scale=self.scale,
            impute=self.impute,
            near_constant=check_number(self.near_constant, "near_constant", minimum=0.0, below=0.5),
            drop_identifiers=self.identifiers == "drop",
            kinds=kinds.check_kinds(self.kinds),
            missing=check_missing(self.missing),
        )


def row_weights(sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64] | None:
    """Return the weights as float64, None where all are 1."""
    if sample_weight is None:
        return None
    weights = np.asarray(as_weights(sample_weight))
    if weights.shape != (rows,):
        raise ShapeError(f"sample_weight must have shape ({rows},), one number per row, not {weights.shape}.")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise DataError("sample_weight must be finite, at least 0, and not zero in every row.")
    return None if (weights == 1).all() else weights


def read_known_target(y: Any, rows: int) -> KnownTarget | None:
    """Return targets of any type; None where they are not known, or are nothing that this is for."""
    if y is None:
        return None
    try:
        found = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        found = found.reshape(len(found), -1)
        if len(found) != rows or not found.size:
            return None
        try:
            numbers = found.astype(np.float64)
        except (TypeError, ValueError):
            numbers = None
        if numbers is not None and not np.isfinite(numbers).all():
            return None
        if found.shape[1] == 1 and (numbers is None or (numbers == np.floor(numbers)).all()):
            column = found[:, 0].astype(str) if numbers is None else numbers[:, 0]
            distinct, codes = np.unique(column, return_inverse=True)
            if len(distinct) <= MOST_CLASSES:
                return KnownTarget(codes, len(distinct))
    except (TypeError, ValueError, OverflowError):  # what a target may be is not checked here
        return None
    if numbers is None:
        return None
    numbers = numbers / np.maximum(np.abs(numbers).max(0), np.finfo(float).tiny)
    deviation = numbers.std(0)
    return KnownTarget(numbers / np.where(deviation > 0, deviation, 1.0))


def read_pairs(data: object, learned: Sequence[LearnedColumn]) -> tuple[Crossed, ...]:
    """Return pairs from JSON values. Raises FormatError for others, and for columns that the table has not."""
    made = codec.read(tuple[Crossed, ...], data, "the pairs of columns")
    known = {side[:5] for side in sides(learned)}
    if not all(side[:5] in known for pair in made for side in pair[:2]):
        raise FormatError("crossed must be pairs of columns of the table; the data was damaged.")
    return made


def describe_columns(learned: Sequence[LearnedColumn], rows: int | None) -> DescribedTable:
    """Return what was learned as a table of its own."""
    return DescribedTable(
        tuple(
            DescribedColumn(
                *(each.name, each.kind, each.why, each.became, each.missing, each.infinite, each.distinct),
                *(each.merged, len(each.outputs()), each.size, each.marks, each.recurring),
            )
            for each in learned
        ),
        rows,
    )


def _check_size(table: reading.RawTable) -> None:
    shape = (table.rows, len(table.columns))
    for count, what in ((shape[1], "feature(s)"), (shape[0], "sample(s)")):
        if not count:
            raise ShapeError(
                f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required; X needs rows and columns."
            )


def transform_each(preprocessors: Sequence[TablePreprocessor], X: object) -> list[NDArray[np.floating]]:
    """Return the inputs that each preprocessor makes of a table, which is read once if they know the same columns."""
    tables = _read_each(preprocessors, X)
    return [each.encoded(table) for each, table in zip(preprocessors, tables, strict=True)]


def transform_blocks(
    preprocessors: Sequence[TablePreprocessor], X: object
) -> Iterator[tuple[NDArray[np.floating], ...]]:
    """Iterate over what `transform_each` returns, some rows at a time: those of a block stay in the cache."""
    tables = _read_each(preprocessors, X)
    return zip(*(each.blocks(table) for each, table in zip(preprocessors, tables, strict=True)), strict=True)


def _read_each(preprocessors: Sequence[TablePreprocessor], X: object) -> list[reading.RawTable]:
    """Return a table as each preprocessor reads it: one for all if they know the same columns."""
    known = {
        (hasattr(each, "feature_names_in_"), tuple(column.name for column in each.learned_))
        for each in preprocessors
    }
    if len(known) > 1:
        return [_read_each([each], X)[0] for each in preprocessors]
    ((named, _),) = known
    return [read_for([each.learned_ for each in preprocessors], named, X)] * len(preprocessors)


# --- write what a preprocessor learned as JSON values, and read it back: text, numbers and lists, no code ------------
# A file may come from anywhere, so each value is checked before it is used: its type, its range and its size.

KIND, VERSION = "table_preprocessor", 1
MOST_COLUMNS = 1_000_000
Number = Annotated[int, from_to(-1e15, 1e15)] | Annotated[float, from_to(-1e15, 1e15)]
Text = Annotated[str, sized(0, LONGEST)]
Setting = bool | Number | Text | dict[str, Text | Annotated[list[Number], sized(0, marks.MOST)]] | None
"""What a setting of the preprocessor can be; it checks the rest."""


def write(learned: Sequence[LearnedColumn], named: bool, settings: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values: the settings and, of each column, what differs from the default."""
    columns = []
    for each in learned:
        values, defaults = each._asdict().items(), LearnedColumn._field_defaults
        fields = {key: value for key, value in values if key not in defaults or value != defaults[key]}
        if each.kind == "date":
            fields["origin"] = calendar.as_text(each.origin)
        if each.lanes:
            fields["lanes"] = [
                [lane.part, lane.fill, *lane.scale[:3], *lane.scale.grid] for lane in each.lanes
            ]
        columns.append(
            {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
        )
    return {"kind": KIND, "version": VERSION, "settings": settings, "named": named, "columns": columns}


def read(data: Any) -> tuple[list[LearnedColumn], bool, dict[str, Any]]:
    """Return the columns, whether they have names, and the settings that `write` wrote.

    Raises FormatError for anything else, in one sentence that says where.
    """
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise FormatError(f"data is no {KIND}, as TablePreprocessor.to_data() writes it; pass that.")
    if data.get("version") != VERSION:
        raise FormatError(
            f"version is {data.get('version')!r:.40}, and this release reads {VERSION}; fit the preprocessor anew."
        )
    named = codec.read(bool, data.get("named"), "named", _damaged)
    settings = codec.read(dict[str, Setting], data.get("settings"), "settings", _damaged)
    columns = codec.read(list[dict[str, Any]], data.get("columns"), "columns", _damaged)
    if not 0 < len(columns) <= MOST_COLUMNS:
        raise _damaged(f"columns must be a list of 1 to {MOST_COLUMNS:,} columns")
    learned = [_column(column, f"columns[{k}]") for k, column in enumerate(columns)]
    if len({each.name for each in learned}) < len(learned):
        raise _damaged("columns must be columns of different names")
    return learned, named, settings


def _column(data: dict[str, Any], where: str) -> LearnedColumn:
    own = dict(data)
    if own.get("kind") == "date":
        try:
            own["origin"] = calendar_from_text(str(data.get("origin"))[:40])
        except (ValueError, OverflowError) as error:
            raise _damaged(f"origin of {where} must be a date such as 2024-12-31T00:00:00.000000") from error
    if isinstance(lanes := data.get("lanes"), list) and all(isinstance(lane, list) for lane in lanes):
        own["lanes"] = [[*lane[:2], [*lane[2:5], lane[5:]]] for lane in lanes]
    return codec.read(LearnedColumn, own, where, _damaged)


def calendar_from_text(text: str) -> float:
    """Return the seconds since 1970 of what `as_text` wrote. Raises ValueError for other text."""
    if not re.fullmatch(r"-?\d{4,5}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}", text, re.ASCII):
        raise ValueError(text[:40])
    return float(np.datetime64(text, "us").astype(np.int64)) / 1e6


def _damaged(fault: str) -> FormatError:
    return FormatError(f"{fault}; the data was damaged or written by another program.")
