"""The parameters of the estimators: those of scikit-learn's MLP, and more, each described once by its field.

Name, type and default are the field's. The rest is its `AboutParameter`: what it may be, what it means, what it is of.
The constraints that scikit-learn checks, the docstrings, what may not change while a network is trained on, what
`replace_head` hands on and what a recipe's own optimizer stands for follow from the fields.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from chainrule.core.elsewhere import ESTIMATOR
from chainrule.core.settings import NamesElsewhere
from chainrule.engines import ENGINES
from chainrule.formulas.layers import ACTIVATIONS, Activation
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS, AnyOptimizer, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Schedule
from chainrule.presets import ADDITIVE, BEST, PRESETS
from chainrule.presets.layers import ACTIVATION_NAMES
from chainrule.tables.preprocessor import TablePreprocessor

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")
YES_OR_NO = ["boolean"]
LINES: dict[str, Any] = {"width": 120, "initial_indent": " " * 4, "subsequent_indent": " " * 8}
LINES |= {"break_long_words": False, "break_on_hyphens": False}
"""The layout of the docstrings."""
Of = Literal["network", "hidden layers", "optimizer", "whole fit"]
"""What a parameter may be of.

network: what the network is, which cannot change while it is trained on.
hidden layers: what these are, and so the network, which `replace_head` hands on.
optimizer: how to optimize. A recipe's own optimizer stands for all of these, or for none; a recipe may take some of
them up in its own (`Proposal.beside`).
whole fit: a fit as a whole: an epoch at a time holds nothing out and has no end.
"""


class AboutParameter(NamedTuple):
    """The properties of a parameter besides its name, type and default."""

    rule: list[Any]
    """its valid values, as scikit-learn's constraints"""
    doc: str
    """its description, for the docstrings"""
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
        "the number of neurons of each hidden layer, one or several.",
        "hidden layers",
    )


def activation() -> Any:
    """Return the field of the parameter behind it."""
    return parameter(
        "relu",
        [StrOptions(set(ACTIVATION_NAMES)), Activation, "array-like"],
        'of the hidden layers: "identity", "logistic", "tanh", "relu", any other activation of the package by name '
        '("gelu", "silu", ...) or as a layer such as LeakyReLU(0.1), or a list with one of these per hidden layer.',
        "hidden layers",
        kinds=ACTIVATIONS,
    )


@dataclass(eq=False, repr=False)
class Parameters(NamesElsewhere):
    """The parameters by name: those of an estimator, or those that a fit is done by."""

    names_elsewhere: ClassVar = ESTIMATOR
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
        "the penalty alpha / 2 ||W||^2 of the weights, divided by the number of samples in a batch.",
        "optimizer",
    )
    batch_size: int | str = parameter(
        "auto", [StrOptions({"auto"}), COUNT], 'the number of samples in a batch; "auto" for min(200, n).'
    )
    learning_rate: Literal["constant", "invscaling", "adaptive"] = parameter(
        "constant",
        [StrOptions({"constant", "invscaling", "adaptive"})],
        'for solver="sgd": "constant"; "invscaling" for learning_rate_init / t^power_t, with t the samples seen; '
        '"adaptive" to divide the rate by 5 when nothing improves, until it is below 1e-6.',
        "optimizer",
    )
    learning_rate_init: float = parameter(0.001, [POSITIVE], "the learning rate.", "optimizer")
    power_t: float = parameter(0.5, [NOT_NEGATIVE], "see learning_rate.", "optimizer")
    max_iter: int = parameter(200, [COUNT], 'the maximum epochs, or iterations of "lbfgs".')
    shuffle: bool = parameter(True, YES_OR_NO, "whether to draw a new order of the samples in each epoch.")
    random_state: int | np.random.RandomState | None = parameter(
        None,
        ["random_state"],
        "an integer, a `RandomState` or None, for initial weights, shuffles, and the split for early "
        "stopping.",
    )
    tol: float = parameter(
        1e-4, [NOT_NEGATIVE], 'the minimum improvement; for "lbfgs" the maximum gradient at which it ends.'
    )
    verbose: bool = parameter(
        False,
        ["verbose"],
        "True or 1 for a line with what is fitted, how good it is so far and the time left, if standard error is a "
        "terminal or in a notebook; elsewhere, and for 2, a printed line per epoch, or per fit of a race.",
    )
    warm_start: bool = parameter(False, YES_OR_NO, "whether `fit` continues from the current parameters.")
    momentum: float = parameter(0.9, [Interval(Real, 0, 1, closed="both")], 'of solver="sgd".', "optimizer")
    nesterovs_momentum: bool = parameter(True, YES_OR_NO, 'of solver="sgd".', "optimizer")
    early_stopping: bool = parameter(
        False,
        YES_OR_NO,
        "whether to hold out a fraction of the samples, stop when their score no longer improves, and "
        "restore the best epoch.",
        "whole fit",
    )
    validation_fraction: float = parameter(0.1, [SHARE], "the fraction of the samples to hold out.")
    beta_1: float = parameter(0.9, [SHARE], 'of solver="adam".', "optimizer")
    beta_2: float = parameter(0.999, [SHARE], 'of solver="adam".', "optimizer")
    epsilon: float = parameter(1e-8, [POSITIVE], 'of solver="adam".', "optimizer")
    n_iter_no_change: float = parameter(
        10,
        [COUNT, Options(Real, {np.inf})],
        "the number of successive epochs without an improvement by tol after which training stops.",
    )
    max_fun: int = parameter(15000, [COUNT], 'the maximum evaluations of "lbfgs".')
    # Beyond scikit-learn's, first those that affect others.
    preprocess: TablePreprocessor | str | None = parameter(
        None,
        [StrOptions({"auto"}), TablePreprocessor, None],
        '"auto" to treat X as a table of any types, with a `TablePreprocessor` and, for parameters at their defaults, '
        "a network and a training for tables; a `TablePreprocessor` keeps the defaults. Numeric targets are "
        "standardized too. None accepts arrays like scikit-learn.",
        "hidden layers",
    )
    preset: str | None = parameter(
        None,
        [StrOptions({*PRESETS, ADDITIVE, BEST}), None],
        'the network and the training for tables by name: "fast" embeds each number by a piecewise linear function, '
        '"realmlp" is the published RealMLP-TD and "tabm" TabM-mini, with n_members (32) members in one network. '
        '"additive" is a sum of a curve for each number, a value for each category and a table for chosen pairs, '
        "see `terms`. None "
        'for that of preprocess="auto", "fast". "best" fits several recipes within time_limit, or 60 s, and predicts '
        "their weighted average, `blend_`, whose heaviest network is model_; `report_` has a record "
        'of each. With a preset, preprocess is "auto" where it is None.',
        "hidden layers",
    )
    dropout: float | Iterable[float] = parameter(
        0.0,
        [SHARE, "array-like"],
        "the rate of Dropout after each hidden layer, one for all or one per hidden layer.",
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
        "an optimizer such as AdamW(1e-3), or its name, for a rate of learning_rate_init; it replaces "
        "solver.",
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
        None, [POSITIVE, None], "the maximum norm of the gradient, which is scaled down to it."
    )
    scoring: Any = parameter(
        None,
        [str, callable, None],
        'the score for early stopping: None for accuracy or R2, "loss" for the validation loss, the name of a '
        "scikit-learn scorer, or a function scorer(estimator, X, y), higher is better, where X is rows of the table as "
        "it was passed. For a name, and for `make_scorer` without pos_label, the positive class is the label 1, or the "
        'last of two sorted labels without a 1. With preset="best" it judges the recipes and their weights on the '
        "held-out rows, while each network stops by the loss.",
        "whole fit",
    )
    gap: float | str = parameter(
        0,
        [NOT_NEGATIVE, str],
        "with the time of `fit`, the minimum distance between the samples trained on and the first one "
        'held out: a number in the units of time, or for dates a duration such as "36h", in s, min, h, d or w. '
        "Samples between them are in neither part.",
        "whole fit",
    )
    time_limit: float | None = parameter(
        None,
        [POSITIVE, None],
        "the maximum seconds of a fit, including the preparation of a table. A run with a schedule that is "
        "too long gets as many epochs as fit, or a part of the first one, so that the schedule completes; the "
        "result then depends on the clock. Of a table whose preparation would take most of the limit some rows "
        "are used, drawn at random. Both are said by a warning.",
    )
    callbacks: Any = parameter(
        None,
        ["array-like", callable, HasMethods("on_epoch_end"), None],
        "`Callback` objects of the package, or functions of the run, called after each epoch; "
        "`set_callbacks` accepts those of scikit-learn's protocol.",
    )
    monotonic_cst: Any = parameter(
        None,
        ["array-like", dict, None],
        "a direction for each column of X: 1 if the prediction may never fall when the number rises, -1 if it may "
        "never rise, 0 for no constraint; an array by column or a dict by name. With two classes it is the "
        "probability of the second one. It holds for all numbers, also beyond the training data, by the signs of the "
        "weights; a missing number is a category of its own. Not for categories, dates and more than two classes.",
        "network",
    )
    interaction_cst: Any = parameter(
        None,
        [StrOptions({"pairwise", "no_interactions"}), "array-like", None],
        "sets of columns, by index or name: the prediction before the link function is a sum of functions of one set "
        'each, and columns in no set form one more. "no_interactions" is a set for each column, "pairwise" one for '
        "each pair. None for no constraint.",
        "network",
    )
    dtype: str | None = parameter(
        None,
        [StrOptions({"float32", "float64"}), None],
        'the precision, "float32" or "float64"; None for float32 if X is float32 or precision is "bf16", else float64.',
    )
    precision: str | None = parameter(
        None,
        [StrOptions({"bf16"}), None],
        '"bf16" rounds the factors of matrix products in training to bfloat16, with sums, weights and the '
        "optimizer's state in float32; None for the network's own precision. Predictions stay in float32.",
    )
    engine: str = parameter(
        "auto", [StrOptions({"auto", *ENGINES})], '"native", "reference", "xla" or "auto", see `Model.fit`.'
    )
    n_members: int | None = parameter(
        None,
        [COUNT, None],
        "the number of networks of an ensemble, with different initial weights, trained together on one "
        "core each; None for one, or those of the preset. Their average is used for predictions and early "
        "stopping. `members_` is a list of them, `model_` is an `Ensemble`, coefs_ and intercepts_ have a "
        "leading axis of members, and `spread` measures their disagreement.",
        "hidden layers",  # of preset="tabm", whose members are in them; those of an ensemble are counted
    )
    own_batches: bool = parameter(
        True, YES_OR_NO, "whether each of several members has its own order of the samples."
    )
    refit: bool | None = parameter(
        None,
        [*YES_OR_NO, None],
        "whether to train the network again on all samples, with the same initial weights and the number of "
        "epochs with the best score on the samples held out for early stopping; with True also on X_val, from "
        "which it then learns too. `n_iter_refit_` is that number, 0 without a refit. "
        'Curves and scores belong to the first fit. None for True with preset="fast" if it holds out at least a tenth '
        "of the samples, else False. There is none for continued fits (warm_start, `partial_fit`), or if callbacks, "
        "Ctrl-C or `time_limit` leave no time for it. Raises ConfigError for True without held-out rows of the fit, "
        "or with a learning rate that follows the score.",
    )
    lookup: bool = parameter(
        True,
        YES_OR_NO,
        'whether preset="best" corrects its average by training rows that are like the predicted one, where rows held '
        "out are predicted better so. The estimator and its file then contain up to 20,000 training rows.",
    )

    @property
    def prepares_tables(self) -> bool:
        """Whether X is a table of any types, which a preset asks for too."""
        return self.preprocess is not None or self.preset is not None


def about(kind: type[Parameters]) -> dict[str, AboutParameter]:
    """Return the properties of each parameter of an estimator."""
    return {each.name: each.metadata["about"] for each in fields(kind)}


OPTIMIZING = tuple(name for name, each in about(Parameters).items() if "optimizer" in each.of)
"""The parameters of the optimization."""
WHOLE = tuple(name for name, each in about(Parameters).items() if "whole fit" in each.of)
"""The parameters of a fit as a whole."""
FURTHER = "preprocess"
"""The first parameter beyond scikit-learn's."""
Kind = TypeVar("Kind", bound=type[Parameters])


def documented(kind: Kind) -> Kind:
    """Add the descriptions of the parameters to the docstring of an estimator, first those of its own class."""
    own, lines = kind.__annotations__, [f"{(kind.__doc__ or '').rstrip()}\n"]
    for name, each in sorted(about(kind).items(), key=lambda item: item[0] not in own):
        lines += ["\n    Beyond scikit-learn's:"] if name == FURTHER else []
        lines.append(textwrap.fill(f"{name}: {each.doc}", **LINES))
    kind.__doc__ = "\n".join([*lines, "    "])
    return kind


def defaults_of(kind: type[Parameters]) -> dict[str, Any]:
    """Return the defaults of the parameters of an estimator by name."""
    return {field.name: field.default for field in fields(kind)}


def values_of(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters of an estimator by name, including those of its own class."""
    return {name: getattr(parameters, name) for name in defaults_of(type(parameters))}


def given(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters that differ from their defaults."""
    defaults, values = defaults_of(type(parameters)), values_of(parameters)
    return {name: value for name, value in values.items() if not is_default(value, defaults[name])}


def is_default(value: Any, default: Any) -> bool:
    """Return whether a parameter has the value of its default; a list is not the tuple (100,)."""
    return value is default or (type(value) is type(default) and bool(value == default))


WHOLE_FITS = {ADDITIVE: "its members become one network at the end", BEST: "it trains several networks"}
"""Why there is no `partial_fit` with a preset."""


def is_stochastic(p: Parameters) -> bool:
    """Return whether to train by batches; a solver has no `partial_fit`."""
    if p.optimizer is not None:
        return not (isinstance(p.optimizer, Solver) or p.optimizer == LBFGS.kind)
    return bool(p.solver != "lbfgs")


def has_partial_fit(p: Parameters) -> bool:
    """Return True for an estimator that has a `partial_fit`. Raises AttributeError for one with a solver, and a sum."""
    if p.preset in WHOLE_FITS:
        raise AttributeError(
            f"preset={p.preset!r} does not support partial_fit, because {WHOLE_FITS[p.preset]}; fit anew, or use "
            "preset='fast'."
        )
    if not is_stochastic(p):
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {p.solver} is not stochastic."
        )
    return True
