"""The methods of a fitted estimator: prediction, hidden layers' outputs, transfer, and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, _clone_parametrized, clone
from sklearn.utils import estimator_html_repr

from chainrule.bound.predictors import AnyBound, answer_few, bound
from chainrule.core import codec
from chainrule.core.records import view
from chainrule.core.settings import check_number
from chainrule.errors import ConfigError
from chainrule.explain.methods import Explains
from chainrule.fitting import files
from chainrule.fitting.additive import terms_of_another
from chainrule.fitting.held import FittedAttribute, HoldsResult, as_fitted, check_samples, result_of
from chainrule.fitting.hidden import HiddenFeatures
from chainrule.fitting.parameters import about
from chainrule.fitting.result import FitResult
from chainrule.fitting.start import Trunk
from chainrule.fitting.terms import Terms
from chainrule.model import Ensemble, Model, load_any
from chainrule.race import files as best_files
from chainrule.race.blend import Blend, RaceResult
from chainrule.race.report import RaceReport
from chainrule.tables.rows import rows_of
from chainrule.tables.structure import Table, count_of
from chainrule.trained.persistence import Custom
from chainrule.trust.seen import read_columns

if TYPE_CHECKING:
    from chainrule.explain.slopes import Slopes
    from chainrule.export.formats import ExportedFiles
    from chainrule.graph.graph import ComputationGraph
    from chainrule.trust.drift import DriftCheck


def raced(result: FitResult) -> RaceResult:
    """Return the result of a race. Raises AttributeError for another one."""
    if not isinstance(result, RaceResult):
        raise AttributeError("only a fit of preset='best' has it")
    return result


def planned(result: FitResult) -> dict[str, Any]:
    """Return the plan of a race as data. Raises AttributeError where there is none."""
    plan = raced(result).plan
    if plan is None:
        raise AttributeError(
            "only a fit of preset='best' has it, and no file of an earlier version or after an update"
        )
    data: dict[str, Any] = codec.write(plan)
    return data


class Fitted(ClassNamePrefixFeaturesOutMixin, HiddenFeatures, Explains):  # type: ignore[misc]
    """Base class of the estimators: all but the fit."""

    _trunk: Trunk | None = None
    """the hidden layers to begin with, of another estimator"""

    blend_ = FittedAttribute[Blend](lambda result: raced(result).blend, gives=True)
    """the `Blend` that predicts, after a fit of preset="best" """
    report_ = FittedAttribute[RaceReport](lambda result: raced(result).report)
    """what happened in the race"""
    plan_ = FittedAttribute[dict[str, Any]](planned)
    """what the race did, as JSON values, by which `fit(plan=)` repeats it to the bit"""

    # --- prediction -------------------------------------------------------------------------------------------------

    def _check_X(self, X: Any) -> Any:
        """Return X checked against the features of the training: an array, or a CSR matrix."""
        preprocessor = self._fitted.preprocessor
        if preprocessor is not None:
            table: NDArray[Any] = preprocessor.transform(X)
            return table
        return self._check_array(X)

    def _predicted(self, X: Table, precision: str | None = None) -> NDArray[Any]:
        """Return what the loss makes of the output: probabilities or means (n, outputs)."""
        result = self._fitted
        few = answer_few(self._few_rows, result, self.engine, X, precision)
        if few is not None:
            return few.predicted
        return result.predict(X, self.engine, self._check_array, precision)

    def _with_inputs(self, X: Table, precision: str | None = None) -> tuple[Any, NDArray[Any]]:
        """Return the prepared inputs (n, features), and what `_predicted` does."""
        result = self._fitted
        few = answer_few(self._few_rows, result, self.engine, X, precision)
        if few is not None:
            return few
        inputs = result.prepare(X, self._check_array)
        return inputs[0], result.answer(inputs, self.engine, precision)

    def _predictions(self, X: Table, precision: str | None = None) -> Any:
        """Return what `predict` does."""
        predicted = self._predicted(X, precision)
        return self._fitted.predictions(predicted)

    def terms(self) -> Terms:
        """Return what each column and each pair adds to the prediction, after a fit of preset="additive".

        The decision of a row is the intercept plus what its terms add; see `Terms`. Raises ConfigError for another fit.
        """
        found = self._fitted.terms
        if found is None:
            raise ConfigError("only a fit of preset='additive' has terms; other networks are no sums.")
        return found

    def spread(self, X: Table, *, precision: str | None = None) -> NDArray[Any]:
        """Return the disagreement of the members of an ensemble: the standard deviation of their predictions.

        For a regressor that of numbers (n,) or (n, outputs), in the units of y; for a classifier that of
        probabilities, in the shape of `predict_proba`. Raises ConfigError for a single network.
        precision: as in `predict`.
        """
        result = self._fitted
        return result.shown_spread(result.spread(X, self.engine, self._check_array, precision))

    def quantize(self, X: Table) -> Self:
        """Measure the ranges of the networks' values on rows, for `predict(X, precision="int8")`; return the estimator.

            estimator.fit(X, y).quantize(X).save("fast.safetensors")

        X: training rows, as for `predict`. A file keeps the ranges, and no rows; see `Model.quantize`, also for errors.
        """
        from chainrule.model.integers import spaced

        result, n = self._fitted, count_of(X)
        some = X if n is None else rows_of(X, spaced(n))
        result.quantize(result.prepare(some, self._check_array))
        return self

    def _bind(self, kind: type[AnyBound], precision: str | None) -> AnyBound:
        """Return a snapshot that answers one row."""
        result = self._fitted
        self._few_rows.give()  # it has the result
        check = partial(check_samples, as_fitted(self, result))
        return bound(kind, result, self.engine, check, precision)

    # --- over time ---------------------------------------------------------------------------------------------------

    def check(self, X: Table, *, level: float = 0.05) -> DriftCheck:
        """Return whether the rows of a later table look like those of training, column by column.

        X: a table with the columns of training.  level: the probability at most that anything is said to have changed
        if nothing has, over all columns. Compared are the distributions of numbers (Kolmogorov and Smirnov's test) and
        of categories (chi-squared), and the shares of missing values (Fisher's exact test), by statistics that the fit
        keeps of each column. Print the result. Raises ConfigError without such statistics, as of arrays, and DataError
        for a table that lacks a column.
        """
        from chainrule.trust.drift import NO_STATISTICS
        from chainrule.trust.drift import check as check_columns

        result, found = self._fitted, check_number(level, "level", above=0.0, below=1.0)
        if result.preprocessor is None or not result.seen:
            raise ConfigError(NO_STATISTICS)
        return check_columns(result.seen, read_columns(X, result.preprocessor), found)

    # --- transfer ---------------------------------------------------------------------------------------------------

    def freeze(self, *names: str) -> Self:
        """Exclude links from training, by name, or all: a `partial_fit` or a warm start does not change them."""
        self._fitted.model.freeze(*names)
        return self

    def unfreeze(self, *names: str) -> Self:
        """Train these links again, by name, or all."""
        self._fitted.model.unfreeze(*names)
        return self

    def replace_head(self, estimator: Any = None, *, freeze: bool = True) -> Any:
        """Return an estimator for another task whose hidden layers are this one's (transfer learning).

        estimator: an unfitted `MLPClassifier` or `MLPRegressor`, whose parameters of the architecture are replaced by
        this one's; None for one like this.  freeze: whether its fit trains only the last layer.
        Its fit draws a new last layer, and starts from the current hidden layers; so do its clones in a search or a
        cross-validation. A table is prepared like this one's. For an ensemble it is an ensemble, whose members start
        from the layers of one member each.
        """
        result = self._fitted
        if isinstance(result, RaceResult):
            raise ConfigError(
                "replace_head needs the hidden layers of one network, but preset='best' has several networks; fit with "
                "preset='fast'."
            )
        made = clone(self) if estimator is None else clone(estimator, safe=False)
        if not isinstance(made, Fitted):
            raise ConfigError(f"estimator must be an MLPClassifier or MLPRegressor, not {estimator!r}.")
        known = about(type(self)).items()
        same = {name: getattr(self, name) for name, each in known if "hidden layers" in each.of}
        if isinstance(result.model, Ensemble):
            same.pop("n_members")
        return made.set_params(**same)._beginning_with(
            Trunk(tuple(result.members), freeze, result.preprocessor)
        )

    def _beginning_with(self, trunk: Trunk | None) -> Self:
        """Let fits begin with hidden layers, and return the estimator."""
        self._trunk = trunk
        return self

    def __sklearn_clone__(self) -> Any:
        """Return an estimator of the same parameters that is not fitted, with the hidden layers to begin with."""
        return _clone_parametrized(self)._beginning_with(self._trunk)

    # --- export -----------------------------------------------------------------------------------------------------

    def graph(self) -> ComputationGraph:
        """Return what the estimator computes, from a raw row to its answer, as a graph of named operations.

        It has the preparation of the table, every network, the weights and the temperature of an average, the scale of
        the target and the labels; every export format is written from it. Print its `describe()`.
        """
        from chainrule.estimators.graphs import graph_of_estimator

        found = graph_of_estimator(self)
        self._few_rows.give()
        return found

    def slopes(self, X: Table, *, target: object = None) -> Slopes:
        """Return how much each answer changes per unit of each column: its derivatives, through all that answers.

        Of a number by one unit of its column, of a date or a duration by one day. A category and a missing cell have
        the difference to the typical cell instead, answer - answer with it; the result says which is which. The answer
        is a number, or the probability of a class.

        X: (n, columns), as for `predict`.  target: as in `explain`.
        A derivative is that at the cell, what the answer gains with a small step, divided by the step; `explain` has
        the whole way from a typical row. It is 0 where a prediction is at a limit, and by what only chooses a code.
        With several members (`n_members`), but not in a race, each value has a standard error over them.
        Raises ConfigError for a target that there is not, or a layer or a loss without operations.

        >>> slopes = MLPRegressor(preprocess="auto").fit(X, y).slopes(X.head(100))
        >>> print(slopes)               # of the first row; slopes.text(2) of another
        >>> slopes.values.mean(0)       # the mean by column, slopes.names
        """
        from chainrule.estimators.graphs import graph_inputs, graph_of_estimator
        from chainrule.explain.slopes import slopes

        parts, members = self._parts(), result_of(self).members_alone
        graphs = [self.graph(), *(graph_of_estimator(self, member) for member in members)]
        rows, typical = (graph_inputs(self, each) for each in (X, parts.typical()))
        inputs = {name: np.concatenate([rows[name], typical[name]]) for name in rows}
        return slopes(parts, graphs, inputs, X, target)

    def export(self, path: str | os.PathLike[str], X: Table = None, **settings: Any) -> ExportedFiles:
        """Write the estimator for another place to run in, in the format of the path's ending: "net.onnx".

        It has everything from the raw row to the answer. What was written is compared with the estimator on up to 1,000
        rows of X, a table with the columns of training or a matrix, or without it on rows that are drawn; the result
        says how far they are apart, how large the file is, and what was left out.
        settings: of the format, such as dtype="float64"; docs/export.md has them.
        Raises ConfigError for another ending or setting, without the format's packages, and for what it cannot express.
        """
        from chainrule.estimators.graphs import export_estimator

        return export_estimator(self, path, X, settings)

    # --- files and notebooks ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, compact: bool = False) -> None:
        """Write the fitted estimator to one safetensors file, which contains no code; `load` reads it back.

        It has the parameters and the records of the fit, but not the optimizer's state, callbacks or a `RandomState`.
        `chainrule.load` reads the `Model` in it, and `Ensemble.load` an ensemble.
        compact: whether the larger matrices are rounded to 8 bits, with a scale for each output, and what several
        networks have in common is written once: a quarter of the bytes. What is read back then predicts a little
        differently; on four tables the loss changed by at most 0.1 %.
        """
        save(self, path, compact=compact)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, custom: Custom | None = None) -> Self:
        """Read an estimator of this class from a file that `save` wrote. Raises FormatError with the file's fault.

        custom: the classes of custom losses and activations, such as [MyLoss]; a file has only their names.
        """
        found = files.read(cls, path, custom=custom)
        return (
            best_files.restored(found, path, custom) if best_files.KEY in found.metadata else found.estimator
        )

    def _html_repr(self) -> str:
        """Return scikit-learn's diagram, and for a fitted estimator also its architecture and its curve."""
        diagram: str = estimator_html_repr(self)
        result = self._result
        if result is None:
            return diagram
        shown = [result.report.to_html()] if isinstance(result, RaceResult) else []
        shown.append(view(result.members[0], "as_output"))
        if len(result.model.history):
            shown.append(view(result.model.history, "as_output"))
        return "".join([diagram, *shown])

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows; scikit-learn 1.6 calls this, later releases `_html_repr`."""
        return self._html_repr()

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags, with support of sparse matrices."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.prepares_tables
        if self.prepares_tables:  # a table, with text and missing values in it
            tags.transformer_tags.preserves_dtype = []  # that of the preprocessor
            tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def save(
    estimator: HoldsResult,
    path: str | os.PathLike[str],
    more: Mapping[str, Any] | None = None,
    *,
    compact: bool = False,
) -> None:
    """Write a fitted estimator, as its own `save` does. more: further metadata."""
    result = result_of(estimator)
    if isinstance(result, RaceResult):
        best_files.save(estimator, result, path, more, compact)
        return
    if compact and result.terms is not None:
        estimator = as_fitted(estimator, replace(result, terms=compact_terms(result)))
    extra = {**(more or {}), "estimator": files.described(estimator)}
    result.model.save(path, extra=extra, compact=compact)


def compact_terms(result: FitResult) -> Terms | None:
    """Return the terms of the network that a compact file of a result has, whose weights are rounded."""
    with TemporaryDirectory() as folder:
        (path := Path(folder) / "rounded").write_bytes(result.model.to_bytes(is_rounded=True))
        network = result.model.network
        rounded = load_any(path, [type(each) for each in (network.loss, *network.layers)])[0]
    assert isinstance(rounded, Model), "a network with terms is a single one"
    return terms_of_another(result, rounded)
