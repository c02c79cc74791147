"""The parameters of the estimators: scikit-learn's of its MLP, and further ones, each described once by its field.

Name, type and default are the field's. The rest is its `AboutParameter`: what it may be, what it means, what it is of.
The constraints that scikit-learn checks, the docstrings, what may not change while a network is trained on, what
`replace_head` hands on and what a recipe's own optimizer stands for follow from the fields.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from chainrule.engines import ENGINES
from chainrule.estimators.architecture import ACTIVATION_NAMES
from chainrule.estimators.recipes import BEST, PRESETS
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import ACTIVATIONS, Activation
from chainrule.formulas.optimizers import OPTIMIZERS, AnyOptimizer, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Schedule

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")
YES_OR_NO = ["boolean"]
LINES: dict[str, Any] = {"width": 120, "initial_indent": " " * 4, "subsequent_indent": " " * 8}
LINES |= {"break_long_words": False, "break_on_hyphens": False}
"""How the docstrings are set."""
Of = Literal["network", "hidden layers", "optimizer", "whole fit"]
"""What a parameter may be of.

network: what the network is, which cannot change while it is trained on.
hidden layers: what these are, and so the network, which `replace_head` hands on.
optimizer: how to optimize. A recipe's own optimizer stands for all of these, or for none; a recipe may take some of
them up in its own (`Proposal.beside`).
whole fit: a fit as a whole: an epoch at a time holds nothing out and has no end.
"""


class AboutParameter(NamedTuple):
    """What is known of a parameter beside its name, its type and its default."""

    rule: list[Any]
    """what it may be, as scikit-learn's constraints say it"""
    doc: str
    """what it means, for the docstrings"""
    of: tuple[Of, ...] = ()
    kinds: Mapping[str, Any] | None = None
    """where a file looks its objects up by kind; None for one that is no object of the package"""


Value = TypeVar("Value")


def parameter(
    default: Value, rule: list[Any], doc: str, *of: Of, kinds: Mapping[str, Any] | None = None
) -> Value:
    """Return the field of a parameter, see `AboutParameter`."""
    made: Any = field(default=default, metadata={"about": AboutParameter(rule, doc, of, kinds)})
    return made  # type: ignore[no-any-return]


def hidden_layer_sizes() -> Any:
    """Return the field of the first parameter of the classifier, and the second of the regressor."""
    return parameter(
        (100,),
        ["array-like", COUNT],
        "the neurons of each hidden layer, a number or several.",
        "hidden layers",
    )


def activation() -> Any:
    """Return the field of the parameter behind it."""
    return parameter(
        "relu",
        [StrOptions(set(ACTIVATION_NAMES)), Activation, "array-like"],
        'of the hidden layers: "identity", "logistic", "tanh", "relu", any other activation of the package by name '
        '("gelu", "silu", ...) or as a layer such as LeakyReLU(0.1), or a list with one of these by hidden layer.',
        "hidden layers",
        kinds=ACTIVATIONS,
    )


@dataclass(eq=False, repr=False)
class Parameters:
    """The parameters by name: those of an estimator, or those that a fit is done by."""

    _: KW_ONLY
    solver: Literal["lbfgs", "sgd", "adam"] = parameter(
        "adam",
        [StrOptions({"lbfgs", "sgd", "adam"})],
        '"adam", "sgd", or "lbfgs" for SciPy\'s L-BFGS on all samples at once.',
        "optimizer",
    )
    alpha: float = parameter(
        0.0001,
        [NOT_NEGATIVE],
        "the penalty alpha / 2 ||W||^2 of the weights, divided by the samples of a batch.",
        "optimizer",
    )
    batch_size: int | str = parameter(
        "auto", [StrOptions({"auto"}), COUNT], 'the samples of a batch; "auto" for min(200, n).'
    )
    learning_rate: Literal["constant", "invscaling", "adaptive"] = parameter(
        "constant",
        [StrOptions({"constant", "invscaling", "adaptive"})],
        'of solver="sgd": "constant"; "invscaling" for learning_rate_init / t^power_t, with t the samples seen; '
        '"adaptive" to divide the rate by 5 where nothing improves, until it is below 1e-6.',
        "optimizer",
    )
    learning_rate_init: float = parameter(0.001, [POSITIVE], "the learning rate.", "optimizer")
    power_t: float = parameter(0.5, [NOT_NEGATIVE], "see learning_rate.", "optimizer")
    max_iter: int = parameter(200, [COUNT], 'the most epochs, or iterations of "lbfgs".')
    shuffle: bool = parameter(True, YES_OR_NO, "whether to draw a new order of the samples in each epoch.")
    random_state: int | np.random.RandomState | None = parameter(
        None,
        ["random_state"],
        "an integer, a `RandomState` or None: the start, the orders, and the split for early stopping.",
    )
    tol: float = parameter(
        1e-4,
        [NOT_NEGATIVE],
        'the least improvement that counts; for "lbfgs" the largest gradient at which it ends.',
    )
    verbose: bool = parameter(
        False, ["verbose"], "whether to print a line for each epoch; `callbacks=ProgressBar()` draws a bar."
    )
    warm_start: bool = parameter(False, YES_OR_NO, "whether `fit` begins with the parameters reached.")
    momentum: float = parameter(0.9, [Interval(Real, 0, 1, closed="both")], 'of solver="sgd".', "optimizer")
    nesterovs_momentum: bool = parameter(True, YES_OR_NO, 'of solver="sgd".', "optimizer")
    early_stopping: bool = parameter(
        False,
        YES_OR_NO,
        "whether to hold out a fraction of the samples, to stop when their score no longer improves, and to return to "
        "the best epoch.",
        "whole fit",
    )
    validation_fraction: float = parameter(0.1, [SHARE], "the fraction held out.")
    beta_1: float = parameter(0.9, [SHARE], 'of solver="adam".', "optimizer")
    beta_2: float = parameter(0.999, [SHARE], 'of solver="adam".', "optimizer")
    epsilon: float = parameter(1e-8, [POSITIVE], 'of solver="adam".', "optimizer")
    n_iter_no_change: float = parameter(
        10,
        [COUNT, Options(Real, {np.inf})],
        "the epochs in a row without an improvement by tol after which training ends.",
    )
    max_fun: int = parameter(15000, [COUNT], 'the most evaluations of "lbfgs".')
    # Beyond scikit-learn's, first those that decide others.
    preprocess: TablePreprocessor | str | None = parameter(
        None,
        [StrOptions({"auto"}), TablePreprocessor, None],
        '"auto" to take X as a table of any types, by a `TablePreprocessor`, with a network and a training for tables '
        "in place of the parameters that are at their defaults; a `TablePreprocessor` of your own to leave these as "
        "they are. Numbers to predict are standardized too. None takes arrays as scikit-learn does.",
        "hidden layers",
    )
    preset: str | None = parameter(
        None,
        [StrOptions({*PRESETS, BEST}), None],
        'the network and the training for tables by name: "fast" embeds each number by a piecewise linear curve, '
        '"realmlp" is the published RealMLP-TD and "tabm" TabM-mini, of n_members (32) members in one network. None '
        'for the one of preprocess="auto", which is "fast". "best" fits several recipes within time_limit, or 60 s, '
        "and predicts by a weighted average, `blend_`, of which model_ is the heaviest network; `report_` has a record "
        "of each. Raises ConfigError without preprocess.",
        "hidden layers",
    )
    dropout: float | Iterable[float] = parameter(
        0.0,
        [SHARE, "array-like"],
        "the rate of Dropout behind each hidden layer, a number or one by hidden layer.",
        "hidden layers",
    )
    batch_norm: bool = parameter(
        False, YES_OR_NO, "whether to normalize each hidden layer before its activation.", "hidden layers"
    )
    residual: bool = parameter(
        False, YES_OR_NO, "whether to add each hidden layer's input to its output.", "hidden layers"
    )
    optimizer: AnyOptimizer | str | None = parameter(
        None,
        [StrOptions(set(OPTIMIZERS)), Optimizer, Solver, None],
        "an optimizer such as AdamW(1e-3), or its name, whose rate is then learning_rate_init; in place of solver.",
        "optimizer",
        kinds=OPTIMIZERS,
    )
    schedule: Schedule | str | None = parameter(
        None,
        [StrOptions(set(SCHEDULES)), Schedule, None],
        "a learning rate schedule such as OneCycle(), or its name, over max_iter epochs.",
        "optimizer",
        "whole fit",
        kinds=SCHEDULES,
    )
    clip_norm: float | None = parameter(
        None, [POSITIVE, None], "the largest norm of the gradient, which is scaled down to it."
    )
    scoring: Any = parameter(
        None,
        [str, callable, None],
        'what early stopping watches: None for accuracy or R2, "loss" for the validation loss, the name of a '
        "scikit-learn scorer, or a function scorer(estimator, X, y). By name the positive class is the label 1, or of "
        "two labels without a 1 the one that sorts last.",
        "whole fit",
    )
    time_limit: float | None = parameter(
        None,
        [POSITIVE, None],
        "the most seconds of a fit, the preparation of a table included. A run with a schedule that is too long for it "
        "gets as many epochs as it allows, so that the schedule is complete when it ends; the result then depends on "
        "the clock. A first epoch goes on for as many seconds again at most; a fit that ends within it warns.",
    )
    callbacks: Any = parameter(
        None,
        ["array-like", callable, HasMethods("on_epoch_end"), None],
        "`Callback` objects of the package, or functions of the run, called after each epoch; `set_callbacks` takes "
        "those of scikit-learn's own protocol.",
    )
    dtype: str | None = parameter(
        None,
        [StrOptions({"float32", "float64"}), None],
        '"float32" or "float64" to train in; None for float32 if X is, else float64.',
    )
    engine: str = parameter(
        "auto", [StrOptions({"auto", *ENGINES})], '"native", "reference", "xla" or "auto", see `Model.fit`.'
    )
    n_members: int | None = parameter(
        None,
        [COUNT, None],
        "the networks of an ensemble, which begin with other weights and are trained together, each on a core of its "
        "own; None for one, or as many as the preset has. Their average is predicted, and watched by early stopping. "
        "`members_` is a list of them, `model_` is an `Ensemble`, coefs_ and intercepts_ have an axis of members in "
        "front, and `spread` says how far they disagree.",
        "hidden layers",  # of preset="tabm", whose members are in them; those of an ensemble are counted
    )
    own_batches: bool = parameter(
        True, YES_OR_NO, "whether each of several members has an order of the samples of its own."
    )
    refit: bool | None = parameter(
        None,
        [*YES_OR_NO, None],
        "whether to train the network anew on all samples, from the same start and for as many epochs as had the best "
        "score on those that early stopping held out; `n_iter_refit_` is their number, 0 where there were none. Curves "
        'and scores stay those of the fit that was watched. None for True with preset="fast" where it holds out a '
        "tenth of the samples or more, else False. There is none of a fit that goes on (warm_start, `partial_fit`), "
        "nor where callbacks, Ctrl-C or `time_limit` leave no time for it. Raises ConfigError for True without rows "
        "that the fit holds out, or with a rate that follows the score.",
    )


def about(kind: type[Parameters]) -> dict[str, AboutParameter]:
    """Return what is known of each parameter of an estimator."""
    return {each.name: each.metadata["about"] for each in fields(kind)}


OPTIMIZING = tuple(name for name, each in about(Parameters).items() if "optimizer" in each.of)
"""The parameters that say how to optimize."""
WHOLE = tuple(name for name, each in about(Parameters).items() if "whole fit" in each.of)
"""The parameters of a fit as a whole."""
FURTHER = "preprocess"
"""The first parameter beyond scikit-learn's."""
Kind = TypeVar("Kind", bound=type[Parameters])


def documented(kind: Kind) -> Kind:
    """Add what the parameters mean to the docstring of an estimator, those of its class alone first."""
    own, lines = kind.__annotations__, [f"{(kind.__doc__ or '').rstrip()}\n"]
    for name, each in sorted(about(kind).items(), key=lambda item: item[0] not in own):
        lines += ["\n    Beyond scikit-learn's:"] if name == FURTHER else []
        lines.append(textwrap.fill(f"{name}: {each.doc}", **LINES))
    kind.__doc__ = "\n".join([*lines, "    "])
    return kind


def defaults_of(kind: type[Parameters]) -> dict[str, Any]:
    """Return the defaults of the parameters of an estimator by name."""
    return _defaults(kind)  # type: ignore[arg-type]  # mypy takes the class's own __hash__ for that of its objects


@cache
def _defaults(kind: type[Parameters]) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}


def values_of(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters of an estimator by name, those of its class alone included."""
    return {name: getattr(parameters, name) for name in defaults_of(type(parameters))}


def given(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters that have another value than their default."""
    defaults, values = defaults_of(type(parameters)), values_of(parameters)
    return {name: value for name, value in values.items() if not is_default(value, defaults[name])}


def is_default(value: Any, default: Any) -> bool:
    """Return whether a parameter has the value of its default; a list is not the tuple (100,)."""
    return value is default or (type(value) is type(default) and bool(value == default))
