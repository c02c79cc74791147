"""Compare a network trained on a table with simple models of scikit-learn on the same rows and inputs.

    constant   the mean of the numbers, or the frequency of each class; of times to an event one curve for all rows
    linear     ridge regression (alpha 1), or logistic regression; codes of categories become one column each
    boosting   histogram gradient boosting with its default settings; codes of categories are categorical features

They are fitted to all rows not used for testing, including the validation rows, which the network used for early
stopping.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import errors_of_means
from chainrule.core.random import generator
from chainrule.formulas import metrics, survival
from chainrule.network.answers import true_labels
from chainrule.recipe.data import Data
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import TrainedRun
from chainrule.tables.exposure import times_exposure, weight_of

MOST_ROWS, FEWEST_ROWS = 100_000, 2_000
"""The maximum rows for the linear model and boosting, and the minimum for a wide table or under a time limit; of more,
a random sample is used."""
SECONDS = 30.0
"""The approximate maximum seconds of boosting on one core, without a time limit."""
MOST_TREES = 3000
"""The maximum trees: boosting grows one per class and round, so it has fewer rounds for many classes."""
ROUNDS = 100
"""The rounds of boosting, fewer if they would grow more than MOST_TREES."""
CELLS = 100_000_000
"""The cells, rows times columns times trees, that boosting reads in less than a second on one core."""
SHOWN = {
    **{"regression": ("rmse", "mae", "r2"), "classes": ("accuracy", "log_loss", "auc")},
    "survival": ("integrated_brier", "concordance"),
}
DECIDING = ("rmse", "log_loss", "integrated_brier")
"""The metrics of SHOWN that determine the best model."""
SAME_METRIC = 0.01
"""The relative difference of that metric below which two models count as equally good."""


SURE_ERRORS = 2.0
"""The standard errors from which a difference is no chance; of few groups the quantile of Student's t in its place."""


@records.kind("compared")
class Compared(NamedTuple):
    """One model and its metrics on the test rows."""

    model: str
    """a code: network, constant, linear or boosting; of times to an event network and kaplan_meier"""
    metrics: dict[str, float]
    seconds: float
    """for training"""
    apart: float | None = None
    """how much larger its squared error or log loss of a row is than the network's, in standard errors of the mean
    difference; None for the network, and where there is no such number"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def difference_in_errors(
    network: NDArray[np.float64], other: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> float | None:
    """Return the mean difference of two models' losses of the same rows (n,), in its standard errors.

    groups: (n,) the group of each row, where rows of a group resemble each other, see `errors_of_means`.
    None where it has none: of less than two rows or groups, of equal differences, or of losses that are not finite.
    """
    differences = other - network
    if not np.isfinite(differences).all() or len(differences) < 2 or not np.ptp(differences):
        return None
    error = float(errors_of_means(differences[None], groups)[0])
    return float(differences.mean()) / error if 0 < error < np.inf else None


@records.kind("verdict")
class Verdict(NamedTuple):
    """The result of a network relative to simpler models, by the deciding metric."""

    code: str
    """best: it is the best of all; close: another is better by less than SAME_METRIC; behind: by more than that;
    labels: one of the first two, but its likeliest class is right no more often than the constant one's; nothing: no
    model is better than the constant one by SAME_METRIC"""
    model: str
    """the best of the simpler models; constant for labels"""
    metric: str
    """rmse or log_loss: lower is better"""
    network: float
    other: float
    """the metric of that model"""
    apart: float | None = None
    """how much worse that model is on a row, in standard errors; see `Compared`"""
    groups: int | None = None
    """the groups of the test rows, whose means these errors are of; None where each row counts by itself"""
    constant: float | None = None
    """the metric of the constant model"""
    accuracy: float | None = None
    """of the network's likeliest class; None for numbers"""
    accuracy_of_constant: float | None = None

    @property
    def has_poor_labels(self) -> bool:
        """Whether the network's likeliest class is right no more often than the same class for all rows."""
        own, other = self.accuracy, self.accuracy_of_constant
        return own is not None and other is not None and not own > other

    @property
    def may_be_chance(self) -> bool:
        """Whether one is called better, though other rows of the same kind might well call the other so."""
        if self.code not in ("best", "behind", "labels"):
            return False
        return self.groups == 1 or (self.apart is not None and abs(self.apart) < sure_errors(self.groups))

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def sure_errors(groups: int | None) -> float:
    """Return the standard errors from which a difference is no chance: SURE_ERRORS, or more of few groups (Student)."""
    if groups is None:
        return SURE_ERRORS
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(max(1, groups - 1), ndtr(SURE_ERRORS)))


@records.kind("comparison")
class BaselineComparison(NamedTuple):
    """A network and simpler models, on the same rows."""

    models: tuple[Compared, ...]
    names: tuple[str, ...]
    """the names of the metrics"""
    rows: int
    """the training rows of the simpler models"""
    groups: int | None = None
    """the groups of the test rows, where rows belong together"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def of_run(self) -> dict[str, Any]:
        """Return the entries of metrics.json and `chainrule train --json` about the comparison."""
        return {"comparison": self.to_data()["models"], "verdict": self.verdict.to_data()}

    def best(self, name: str) -> str:
        """Return the code of the best model by a metric."""
        sign = 1.0 if (metrics.METRICS[name].better == "higher") else -1.0
        return max(self.models, key=lambda each: np.nan_to_num(sign * each.metrics[name], nan=-np.inf)).model

    def values(self, name: str) -> tuple[list[float], int]:
        """Return a metric of each model, and the place of the best one."""
        models = [each.model for each in self.models]
        return [each.metrics[name] for each in self.models], models.index(self.best(name))

    @property
    def constant(self) -> str:
        """The code of the model that answers the same for every row, the first of the simpler ones."""
        return self.models[1].model

    @property
    def verdict(self) -> Verdict:
        """The result of the network relative to the others."""
        metric = next(name for name in DECIDING if name in self.names)
        losses = {each.model: np.nan_to_num(each.metrics[metric], nan=np.inf) for each in self.models}
        network, constant = losses.pop("network"), losses[self.constant]
        model = min(losses, key=lambda name: losses[name])
        other = losses[model]
        if min(network, other) >= (1 - SAME_METRIC) * constant:
            code = "nothing"
        elif network <= other:
            code = "best"
        else:
            code = "close" if network < (1 + SAME_METRIC) * other else "behind"
        of = {each.model: each for each in self.models}
        accuracies = (of[name].metrics.get("accuracy") for name in ("network", self.constant))
        found = Verdict(
            *(code, model, metric, float(network), float(other), of[model].apart, self.groups),
            *(float(constant), *accuracies),
        )
        if not found.has_poor_labels or code not in ("best", "close"):
            return found
        return found._replace(code="labels", model="constant", other=constant, apart=of["constant"].apart)


def squared_or_log_losses(y: NDArray[Any], said: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared error of each number (n,), or the log loss of each row's probabilities (n, classes)."""
    if said.ndim == 1:
        return np.asarray((said - y) ** 2, np.float64)
    true = said[np.arange(len(y)), y.astype(np.int64)].astype(np.float64)
    return np.asarray(-np.log(np.maximum(true, np.finfo(np.float64).eps)))


def compare(run: TrainedRun, judgement: Judgement) -> BaselineComparison:
    """Fit the simpler models, and evaluate them on the network's test rows. run: on a table."""
    if judgement.task == "survival":
        return _beside_one_curve(run, judgement)
    train, judged = run.parts.train, run.parts.judged
    watched = run.parts.watched
    is_number = judgement.task == "regression"
    X = np.concatenate([train.X, watched.X])
    y = np.concatenate([_plain(judgement.task, part.y) for part in (train, watched)])
    table = run.data.table
    assert table is not None
    e, weight = table.exposure_of(table.train), None
    if e is not None:
        y, weight = y / e, weight_of(e, run.model.network.loss.of_member)
    most = most_rows(run.settings.time_limit, X.shape[1], _trees(is_number, len(judgement.classes)))
    X, y, weight = _few(X, y, weight, most, run.settings.seed)
    codes = [(each.column, each.codes) for each in table.preprocessor.embedded_]
    names = SHOWN["regression" if is_number else "classes"]
    truth = _plain(judgement.task, judged.y)
    found = [Compared("network", {name: judgement.metrics[name] for name in names}, run.seconds)]
    own = judgement.predicted.reshape(len(truth)) if judgement.shares is None else judgement.shares
    groups = None
    if table.tied.groups is not None and len(table.test) == len(truth):
        groups = table.tied.structure(table.test).groups
    for kind in ("constant", "linear", "boosting"):
        start = time.perf_counter()
        rates = _said(kind, is_number, codes, (X, y, weight), judged.X, len(judgement.classes))
        said = times_exposure(rates, table.exposure_of(table.test))
        reached, taken = _metrics(judgement.task, truth, said, names), time.perf_counter() - start
        far = difference_in_errors(
            squared_or_log_losses(truth, own), squared_or_log_losses(truth, said), groups
        )
        found.append(Compared(kind, reached, taken, far))
    return BaselineComparison(tuple(found), names, len(y), None if groups is None else len(np.unique(groups)))


def _beside_one_curve(run: TrainedRun, judgement: Judgement) -> BaselineComparison:
    """Compare predicted times to an event with the same curve for every row."""
    names, begun, learned = SHOWN["survival"], time.perf_counter(), run.data.train.y
    simple = beside_kaplan_meier(judgement.y, learned)
    found = (
        ("network", judgement.metrics, run.seconds),
        ("kaplan_meier", simple, time.perf_counter() - begun),
    )
    models = (Compared(code, {name: own[name] for name in names}, seconds) for code, own, seconds in found)
    return BaselineComparison(tuple(models), names, len(learned))


def beside_kaplan_meier(y: NDArray[np.float64], learned: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics of one curve for all rows, that of Kaplan and Meier of times and events (m, 2).

    y: (n, 2), those of the rows.  learned: those of the curve.
    """
    curve, at = survival.kaplan_meier(learned), survival.brier_times(y)
    curves = np.tile(curve(at), (len(y), 1))
    said = survival.PredictedSurvival(np.zeros(len(y)), curve(y[:, 0]), at, curves)
    return metrics.evaluate("survival", y, y, said)


def of_table(data: Data, kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """Fit simpler models to a table's training rows; return their metrics on the test rows, by model.

    kinds: constant, linear or boosting.
    """
    assert data.table is not None and data.test is not None
    is_number = data.table.target.is_number
    y, truth, classes = data.train.y, data.test.y, 0
    if not is_number:
        labels = np.unique(np.concatenate([y, truth]))
        y, truth, classes = np.searchsorted(labels, y), np.searchsorted(labels, truth), len(labels)
    task = "regression" if is_number else "binary" if classes == 2 else "multiclass"
    codes = [(each.column, each.codes) for each in data.table.preprocessor.embedded_]
    trees = _trees(is_number, classes) if "boosting" in kinds else 1
    learned = _few(data.train.X, y, None, most_rows(None, data.train.X.shape[1], trees), 0)
    names = SHOWN["regression" if is_number else "classes"]
    return {
        kind: _metrics(task, truth, _said(kind, is_number, codes, learned, data.test.X, classes), names)
        for kind in kinds
    }


Learned: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]
"""Inputs, targets, and weights; None for 1 each."""


def _few(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[np.float64] | None, most: int, seed: int
) -> Learned:
    """Return at most this many of the rows."""
    if len(y) <= most:
        return X, y, weight
    rows = np.sort(generator(seed, "judging", 0).permutation(len(y))[:most])
    return X[rows], y[rows], None if weight is None else weight[rows]


def _said(
    kind: str,
    is_number: bool,
    codes: list[tuple[int, int]],
    learned: Learned,
    judged: NDArray[Any],
    classes: int,
) -> NDArray[Any]:
    """Fit a simpler model, and return its predictions for other rows: numbers (n,), or probabilities (n, classes)."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    X, y, weight = learned
    model = _model(kind, is_number, codes, X.shape[1], classes)
    last = f"{model.steps[-1][0]}__" if hasattr(model, "steps") else ""
    # Threads synchronize after each leaf of a tree: if others use the cores too, they wait there for minutes.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a baseline need not converge
        model.fit(X, y, **{} if weight is None else {f"{last}sample_weight": weight})
        return np.asarray(model.predict(judged) if is_number else _shares(model, judged, classes))


def most_rows(time_limit: float | None, columns: int, trees: int) -> int:
    """Return the maximum training rows of simpler models, such that they take no longer than a time limit."""
    seconds = SECONDS if time_limit is None else time_limit
    return max(FEWEST_ROWS, min(MOST_ROWS, int(seconds * CELLS / (columns * trees))))


def _trees(is_number: bool, classes: int) -> int:
    """Return the number of trees of boosting: one per round, and with more than two classes one per class."""
    return ROUNDS if is_number else _rounds(classes) * (classes if classes > 2 else 1)


def _rounds(classes: int) -> int:
    """Return the rounds of boosting for this many classes."""
    return ROUNDS if classes <= 2 else min(ROUNDS, max(10, MOST_TREES // classes))


def _plain(task: str, y: NDArray[Any]) -> NDArray[Any]:
    """Return targets of samples as numbers (n,) or class indices (n,)."""
    return np.asarray(true_labels(task, y))


def _metrics(task: str, y: NDArray[Any], said: NDArray[Any], names: Sequence[str]) -> dict[str, float]:
    """Return the metrics of predicted numbers (n,), or of probabilities (n, classes)."""
    if task == "regression":
        return metrics.evaluate(task, y, said, said, None, tuple(names), positive=1)
    scores = said[:, 1] if task == "binary" else said
    return metrics.evaluate(task, y, said.argmax(1), scores, None, tuple(names), positive=1)


def _shares(model: Any, X: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return probabilities (n, classes), 0 for a class that the model does not know."""
    shares = np.zeros((len(X), classes))
    shares[:, model.classes_.astype(int)] = model.predict_proba(X)
    return shares


def _model(kind: str, is_number: bool, codes: list[tuple[int, int]], inputs: int, classes: int) -> Any:
    """Return an unfitted model of scikit-learn."""
    from sklearn.compose import make_column_transformer
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if kind == "constant":
        return DummyRegressor() if is_number else DummyClassifier(strategy="prior")
    if kind == "linear":
        linear = Ridge() if is_number else LogisticRegression(max_iter=200)
        if not codes:
            return linear
        encoder = OneHotEncoder(handle_unknown="ignore")
        places = [column for column, _ in codes]
        return make_pipeline(make_column_transformer((encoder, places), remainder="passthrough"), linear)
    few = [column for column, count in codes if count <= 255]
    settings = {"categorical_features": few or None, "random_state": 0}
    if is_number:
        return HistGradientBoostingRegressor(max_iter=ROUNDS, **settings)
    return HistGradientBoostingClassifier(max_iter=_rounds(classes), **settings)
