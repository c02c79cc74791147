"""A graph: everything that a fitted thing computes from its raw inputs to its answer, as steps of named operations.

graph = model.graph()                           of a model, an ensemble or a fitted estimator
graph.run({"age": [41.0], "city": ["Graz"]})        {"probabilities": ..., "label": ...}
graph.jacobian({"age": [41.0], "city": ["Graz"]})   {"age": ...}, the derivatives of the probabilities
graph.bounds(low, high)                             what each output can be between two rows
graph.certify(X, 2.0)                               whether no change by 2 of any input changes the label
print(graph.describe())                             a line for each step

Every format of export is written from it, and `run` is their specification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.graph.bounding import BoundedSteps
from chainrule.graph.columns import GraphInput, ToPrecision
from chainrule.graph.operation import EPSILON, INT8, NUMBERS, TEXT, Array, Box, GraphOperation, short
from chainrule.graph.step import GraphStep

NUMBERS_AT_ONCE = 1 << 16
"""The numbers of a step that bounds are computed for at once."""
MOST_UNITS, LEAST_UNITS = 2.0**30, 2.0**-20
"""The multiples of a radius between which the largest proven one is sought."""
METHODS = {"crown": True, "interval": False}
"""Whether bounds are propagated backward too."""
ROUNDINGS = {"float64": EPSILON, "float32": float(np.finfo(np.float32).eps)}
VERSION = 1
"""Of `to_data`: it changes when an operation changes its meaning."""


@dataclass(frozen=True, eq=False)
class ComputationGraph:
    """Steps in an order in which each reads earlier ones, and what they answer.

    outputs: the number of a step by name. "predictions" (n, outputs) are numbers; "probabilities" are (n, classes), two
    columns for two classes, or (n, labels) of several labels a row; "label" (n, 1) is the place of the predicted label
    in `labels`, or (n, labels) 0 or 1 each.
    task: "regression", "binary", "multiclass" or "multilabel".
    labels: the labels of the classes, in the order of the probabilities; () for numbers.
    about: where it comes from, as JSON values: the package's version, the kind of what was fitted.
    """

    steps: tuple[GraphStep, ...]
    outputs: Mapping[str, int]
    task: str
    labels: tuple[Any, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[GraphInput, ...]:
        """What it reads, in the order of the table's columns."""
        return tuple(step.operation for step in self.steps if isinstance(step.operation, GraphInput))

    def run(self, inputs: Mapping[str, Any] | ArrayLike, dtype: DTypeLike = "float64") -> dict[str, Array]:
        """Compute the outputs by NumPy: the specification of every format.

        inputs: the values of each input by name, as `GraphInput` says: (n,) of a column, (n, columns) of a matrix; or,
        of a graph whose only input is a matrix, that matrix.  dtype: "float64", or "float32" for the networks' numbers.
        Raises DataError for missing inputs, and ShapeError for other shapes.
        """
        values = self.values(inputs, dtype)
        return {name: values[k] for name, k in self.outputs.items()}

    def values(self, inputs: Mapping[str, Any] | ArrayLike, dtype: DTypeLike = "float64") -> list[Array]:
        """Compute the value of each step, as `run` does."""
        precision = np.dtype(dtype)
        given = self._checked(inputs)
        values: list[Array] = []
        for step in self.steps:
            operation = step.operation
            if isinstance(operation, GraphInput):
                made = given[operation.label]
                made = made.astype(precision) if operation.holds == NUMBERS else made
            else:
                made = step_value(operation, [values[k] for k in step.reads], precision)
            values.append(made)
        return values

    def jacobian(self, inputs: Mapping[str, Any] | ArrayLike, output: str | None = None) -> dict[str, Array]:
        """Return d output_k / d x_j of each input with numbers, by name: (n, outputs, columns), in float64.

        inputs: as `run` takes them.  output: the name of one with numbers; None for "predictions" or "probabilities".
        A date's or a duration's is per second. At a step, and of a missing value, it is 0; texts and what depends on
        their codes have no derivative. Raises ConfigError for another output, and for operations on 8-bit integers.
        """
        values = self.values(inputs)
        place = self.outputs[self._named(output)]
        n, width = values[place].shape
        made = {each.label: np.zeros((n, width, each.columns)) for each in self.inputs if not each.is_text}
        for k in range(width):
            delta = np.zeros((n, width))
            delta[:, k] = 1.0
            for label, own in self._pulled_back(values, place, delta).items():
                made[label][:, k] = own
        return made

    def _named(self, output: str | None) -> str:
        """Return the name of an output with numbers."""
        known = [name for name, k in self.outputs.items() if self.steps[k].makes == NUMBERS]
        if output is None and known:
            return known[0]
        if output not in known:
            raise ConfigError(f"output must be one with numbers, {' or '.join(known)}, not {output!r}.")
        return output

    def multipliers(self, values: Sequence[Array], place: int, m: Array) -> dict[str, Array]:
        """Return the multipliers of each input with numbers, by name (n, columns): see `GraphOperation.chord`.

        sum over the inputs of multiplier . (x - x') = m . (out - out'), with ' for the last row.
        values: of each step, as `values` returns them of n + 1 rows.  place: the step of out.  m: (n, its width).
        """
        return self._pulled_back(values, place, m, by_chords=True)

    def _pulled_back(
        self, values: Sequence[Array], place: int, delta: Array, by_chords: bool = False
    ) -> dict[str, Array]:
        """Return delta times the Jacobian of a step by the inputs, by name: the chain rule, from step to step."""
        found: dict[int, Array] = {place: delta}
        made: dict[str, Array] = {}
        for k in range(place, -1, -1):
            if k not in found:
                continue
            step, own = self.steps[k], found.pop(k)
            if isinstance(step.operation, GraphInput):
                if not step.operation.is_text:
                    made[step.operation.label] = own
            elif step.operation.takes == step.makes == NUMBERS or (
                by_chords and step.operation.takes != TEXT
            ):
                rule = step.operation.chord if by_chords else step.operation.pullback
                back = rule(own, values[k], *(values[read] for read in step.reads))
                for read, part in zip(step.reads, back, strict=True):
                    found[read] = found[read] + part if read in found else part
            elif INT8 in (step.operation.takes, step.makes):
                raise ConfigError("8-bit integers have no derivative; ask the graph that they were made of.")
        return made

    def bounds(
        self,
        low: Mapping[str, Any] | ArrayLike,
        high: Mapping[str, Any] | ArrayLike,
        *,
        method: Literal["crown", "interval"] = "crown",
        dtype: DTypeLike = "float64",
    ) -> dict[str, Box]:
        """Return what each output can be for all inputs between two rows: a box `low`, `high` of its shape.

        low, high: the least and the largest inputs, as `run` takes them; texts, and missing numbers (NaN), are the same
        in both. No input between them has an output outside of its box, in exact arithmetic as in that of dtype; the
        box may be wider than need be, and is the more so the deeper a network is.
        method: "crown" to bound every step by linear functions of the inputs too, and take the narrower bound;
        "interval" for intervals alone, which are faster and wider.
        dtype: "float64", or "float32" for bounds that also hold for a network's results in single precision.
        Raises DataError for an input whose low is larger than its high, or of which only one is missing.
        Source: Zhang et al., "Efficient neural network robustness certification with general activation functions"
        (CROWN), NeurIPS 2018; Gowal et al., "On the effectiveness of interval bound propagation", 2018.
        """
        is_linear = check_choice(method, METHODS, "method")
        epsilon = check_choice(np.dtype(dtype).name, ROUNDINGS, "dtype")
        ends = self._checked(low), self._checked(high)
        given = {each.label: _box(each, epsilon, *(end[each.label] for end in ends)) for each in self.inputs}
        rows = len(next(iter(given.values())).low)
        at_once = max(1, NUMBERS_AT_ONCE // max(step.width for step in self.steps))
        found: list[dict[str, Box]] = []
        for k in range(0, max(rows, 1), at_once):
            part = {name: Box(*(end[k : k + at_once] for end in box)) for name, box in given.items()}
            boxes = BoundedSteps(self.steps, part, tuple(self.outputs.values()), epsilon, is_linear).boxes
            found.append({name: boxes[k] for name, k in self.outputs.items()})
        return {
            name: Box(*(np.concatenate([each[name][side] for each in found]) for side in (0, 1)))
            for name in self.outputs
        }

    def certify(
        self,
        inputs: Mapping[str, Any] | ArrayLike,
        radius: Mapping[str, Any] | ArrayLike,
        *,
        clip: tuple[ArrayLike, ArrayLike] | None = None,
        dtype: DTypeLike = "float64",
    ) -> NDArray[np.bool_]:
        """Return for each row (n,) whether it is proven that no input within a radius of it has another label.

        inputs: as `run` takes them.  radius: the largest change of each column: a number, or one for each (columns,);
        by the name of a column, where the inputs are several; columns without one do not change.  clip: the least and
        the largest input, such as (0, 255); both as a radius.  dtype: as in `bounds`, whose differences of scores prove
        it: False says that there is no proof, not that there is another label.
        Raises ConfigError for a graph without labels, DataError for a negative radius and names that are no inputs.
        """
        return self._keep_label(*self.around(inputs, radius, clip=clip), dtype)

    def _keep_label(
        self, low: Mapping[str, Array], high: Mapping[str, Array], dtype: DTypeLike
    ) -> NDArray[np.bool_]:
        """Return for each box whether its label is proven to be one."""
        if "label" not in self.outputs:
            raise ConfigError(f"certify needs labels, and the graph is of a {self.task}; ask for its bounds.")
        return np.asarray(self.bounds(low, high, dtype=dtype)["label"].is_point.all(1))

    def certified_radius(
        self,
        inputs: Mapping[str, Any] | ArrayLike,
        unit: Mapping[str, Any] | ArrayLike = 1.0,
        *,
        clip: tuple[ArrayLike, ArrayLike] | None = None,
        dtype: DTypeLike = "float64",
    ) -> NDArray[np.float64]:
        """Return for each row (n,) the largest multiple of a radius that `certify` proves, to 1 %, by bisection.

        unit: the radius, as `certify` takes it; such as the standard deviation of each column.  It is infinite where
        even 2^30 units change no label, and 0 where 2^-20 are not proven.
        """
        given = self._checked(inputs)
        n = len(next(iter(given.values())))
        proven, refuted, tried = np.zeros(n), np.full(n, np.inf), np.ones(n)
        rows = np.arange(n)
        while len(rows):
            some = {name: values[rows] for name, values in given.items()}
            scale = tried[rows, None]
            is_proven = self._keep_label(*self.around(some, unit, clip=clip, scale=scale), dtype)
            proven[rows[is_proven]] = tried[rows[is_proven]]
            refuted[rows[~is_proven]] = tried[rows[~is_proven]]
            middle = np.where(proven > 0, (proven + refuted) / 2, refuted / 2)
            tried = np.where(np.isinf(refuted), 2 * proven, middle)
            proven[tried > MOST_UNITS] = np.inf
            is_open = (tried <= MOST_UNITS) & (tried >= LEAST_UNITS) & (refuted > 1.01 * proven)
            rows = np.flatnonzero(is_open)
        return proven

    def around(
        self,
        inputs: Mapping[str, Any] | ArrayLike,
        radius: Mapping[str, Any] | ArrayLike,
        *,
        clip: tuple[ArrayLike, ArrayLike] | None = None,
        scale: Array | float = 1.0,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the least and the largest inputs within `scale` radii of some, and within `clip`, for `bounds`.

        inputs, radius, clip: as `certify` takes them.  scale: a number, or one for each row (n, 1).
        """
        given = self._checked(inputs)
        radii, *ends = (self._by_name(each) for each in (radius, *(clip or ())))
        low, high = dict(given), dict(given)
        for name, own in radii.items():
            r = np.asarray(own, np.float64) * scale
            if not (r >= 0).all():
                raise DataError(
                    f"radius of {name!r} must have numbers that are at least 0; it has {np.min(r):g}."
                )
            x = given[name]
            low[name] = np.where(r > 0, np.nextafter(x - r, -np.inf), x)
            high[name] = np.where(r > 0, np.nextafter(x + r, np.inf), x)
        if ends:
            for own, end, nearest in ((low, ends[0], np.maximum), (high, ends[1], np.minimum)):
                own.update({name: nearest(own[name], limit) for name, limit in end.items()})
        return low, high

    def _by_name(self, values: Mapping[str, Any] | ArrayLike) -> Mapping[str, Any]:
        """Return numbers of columns by the name of their input."""
        numbers = [each.label for each in self.inputs if not each.is_text]
        if not isinstance(values, Mapping):
            if len(self.inputs) > 1:
                raise DataError(f"radius must be a dict with the names of columns, such as {numbers[0]!r}.")
            values = {numbers[0]: values}
        unknown = [name for name in values if name not in numbers]
        if unknown:
            raise DataError(
                f"radius has {unknown[0]!r}, which is no input with numbers: {', '.join(numbers[:5])}."
            )
        return values

    def _checked(self, inputs: Mapping[str, Any] | ArrayLike) -> dict[str, Array]:
        own = self.inputs
        if not isinstance(inputs, Mapping):
            if len(own) != 1 or own[0].holds != NUMBERS:
                names = ", ".join(each.label for each in own[:5])
                raise DataError(f"inputs must be a dict with the values of each input by name: {names}.")
            inputs = {own[0].label: inputs}
        missing = [each.label for each in own if each.label not in inputs]
        if missing:
            raise DataError(f"inputs must have {missing[0]!r}, which the graph reads; give its values.")
        made = {each.label: _value(each, inputs[each.label]) for each in own}
        if len({len(value) for value in made.values()}) > 1:
            first, *_ = made
            other = next(name for name in made if len(made[name]) != len(made[first]))
            raise ShapeError(
                f"inputs has {len(made[first])} rows in {first!r} and {len(made[other])} in {other!r}; make them equal."
            )
        return made

    def describe(self) -> str:
        """Return a text with a line for each step: its number, operation, what it reads, its width, and constants."""
        names = {k: name for name, k in self.outputs.items()}
        lines = [
            f"{self.task}, {len(self.inputs)} inputs, {len(self.steps)} steps, {self.numbers:,} constants"
        ]
        for k, step in enumerate(self.steps):
            reads = " ".join(f"%{each}" for each in step.reads)
            settings = ", ".join(
                f"{name}={short(value)}"
                for name, value in step.operation.settings().items()
                if isinstance(value, np.ndarray) or value not in ((), "")
            )
            answer = f" -> {names[k]}" if k in names else ""
            origin = f"  # {step.of}" if step.of else ""
            lines.append(
                f"%{k} {step.makes}[{step.width}] = {step.operation.name}({reads}) {settings}".rstrip()
                + answer
                + origin
            )
        if self.labels:
            lines.append(f"labels: {short(self.labels)}")
        return "\n".join(lines)

    @property
    def numbers(self) -> int:
        """How many numbers its constant arrays have."""
        return sum(
            value.size
            for step in self.steps
            for value in step.operation.settings().values()
            if isinstance(value, np.ndarray)
        )

    def to_data(self) -> dict[str, Any]:
        """Return the whole graph as JSON values; numbers that are not finite are text: "inf", "-inf", "nan"."""
        steps = [
            {
                "operation": step.operation.name,
                "reads": list(step.reads),
                "makes": step.makes,
                "width": step.width,
                "of": step.of,
                "settings": to_json(step.operation.settings()),
            }
            for step in self.steps
        ]
        return {
            "kind": "computation_graph",
            "version": VERSION,
            "task": self.task,
            "labels": to_json(self.labels),
            "outputs": dict(self.outputs),
            "about": to_json(dict(self.about)),
            "steps": steps,
        }

    def __repr__(self) -> str:
        """Show the task, the inputs and the number of steps."""
        return f"<ComputationGraph: {self.task}, {len(self.inputs)} inputs, {len(self.steps)} steps>"


def to_json(value: object) -> Any:
    """Return a setting as JSON has it: arrays as nested lists; what is not finite as text, "inf", "-inf" or "nan"."""
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def step_value(operation: GraphOperation, read: Sequence[Array], precision: np.dtype[Any]) -> Array:
    """Return what an operation makes of the values that it reads. precision: of the networks' numbers."""
    if isinstance(operation, ToPrecision):
        return read[0].astype(precision if operation.to == "network" else np.float64, copy=False)
    return operation.compute(*read)


def _value(own: GraphInput, values: Sequence[object] | Array) -> Array:
    """Return the values of an input as an array."""
    if own.is_text:
        texts = np.empty(len(values), object)
        texts[:] = [None if each is None else str(each) for each in values]
        return texts
    try:
        made = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"input {own.label!r} holds {own.holds}s, which must be numbers ({error})."
        ) from error
    if own.holds != NUMBERS and made.ndim == 1:
        made = made[:, None]
    if made.ndim != 2 or made.shape[1] != own.columns:
        raise ShapeError(f"input {own.label!r} must have {own.columns} columns, not the shape {made.shape}.")
    return made


def _box(own: GraphInput, epsilon: float, low: Array, high: Array) -> Box:
    """Return the box of an input; of a matrix, in less precision than float64, wider by its rounding."""
    if low.shape != high.shape:
        raise ShapeError(
            f"input {own.label!r} has {len(low)} rows in low and {len(high)} in high; make them equal."
        )
    is_fine = low == high if own.is_text else (low <= high) | (np.isnan(low) & np.isnan(high))
    if not is_fine.all():
        row = int(np.argmin(is_fine.reshape(len(low), -1).all(1)))
        must = "have the same text" if own.is_text else "be no larger in low than in high, or NaN"
        raise DataError(f"input {own.label!r} must {must} in both; row {row} is {low[row]} and {high[row]}.")
    if own.holds != NUMBERS or epsilon == EPSILON:
        return Box(low, high)
    return Box(low - epsilon * np.abs(low), high + epsilon * np.abs(high))


class GraphValue(NamedTuple):
    """A value of a graph that is being built."""

    number: int
    """of the step that makes it"""
    width: int


class GraphBuilder:
    """Steps that are added one after the other."""

    def __init__(self) -> None:
        """Begin without steps."""
        self.steps: list[GraphStep] = []

    def add(self, operation: GraphOperation, *values: GraphValue, of: str = "") -> GraphValue:
        """Add an operation that reads these values; return what it makes.

        of: where it comes from, for people.  Raises ConfigError for values of another kind or number than it takes.
        """
        arity = operation.arity
        wrong = len(values) != arity if arity is not None else not values
        kinds = {self.steps[value.number].makes for value in values}
        if wrong or not kinds <= {operation.takes}:
            raise ConfigError(
                f"{operation.name} takes {arity if arity is not None else 'some'} values of {operation.takes}, not "
                f"{len(values)} of {', '.join(sorted(kinds)) or 'none'}."
            )
        width = operation.width(*(value.width for value in values))
        self.steps.append(GraphStep(operation, tuple(value.number for value in values), width, of))
        return GraphValue(len(self.steps) - 1, width)

    def done(
        self,
        outputs: Mapping[str, GraphValue],
        task: str,
        labels: Sequence[Any] = (),
        about: Mapping[str, Any] | None = None,
    ) -> ComputationGraph:
        """Return the graph of the steps, with these outputs."""
        numbers = {name: value.number for name, value in outputs.items()}
        return ComputationGraph(tuple(self.steps), numbers, task, tuple(labels), dict(about or {}))
