"""What the parameters that both estimators have mean: the end of their docstrings."""

from __future__ import annotations

from typing import TypeVar

Kind = TypeVar("Kind", bound=type)

PARAMETERS = """
    hidden_layer_sizes: the neurons of each hidden layer, a number or several.
    activation: of the hidden layers: "identity", "logistic", "tanh", "relu", any other activation of the package by
        name ("gelu", "silu", ...) or as a layer such as LeakyReLU(0.1), or a list with one of these by hidden layer.
    solver: "adam", "sgd", or "lbfgs" for SciPy's L-BFGS on all samples at once.
    alpha: the penalty alpha / 2 ||W||^2 of the weights, divided by the samples of a batch.
    batch_size: the samples of a batch; "auto" for min(200, n).
    learning_rate: of solver="sgd": "constant"; "invscaling" for learning_rate_init / t^power_t, with t the samples
        seen; "adaptive" to divide the rate by 5 where nothing improves, until it is below 1e-6.
    learning_rate_init: the learning rate.  power_t: see above.
    max_iter: the most epochs, or iterations of "lbfgs".
    shuffle: whether to draw a new order of the samples in each epoch.
    random_state: an integer, a `RandomState` or None: the start, the orders, and the split for early stopping.
    tol: the least improvement that counts; for "lbfgs" the largest gradient at which it ends.
    verbose: whether to print a line for each epoch; `callbacks=ProgressBar()` draws a bar.
    warm_start: whether `fit` begins with the parameters reached.
    momentum, nesterovs_momentum: of solver="sgd".
    early_stopping: whether to hold out a fraction of the samples, to stop when their score no longer improves, and to
        return to the best epoch.
    validation_fraction: the fraction held out.
    beta_1, beta_2, epsilon: of solver="adam".
    n_iter_no_change: the epochs in a row without an improvement by tol after which training ends.
    max_fun: the most evaluations of "lbfgs".

    Beyond scikit-learn's:
    dropout: the rate of Dropout behind each hidden layer, a number or one by hidden layer.
    batch_norm: whether to normalize each hidden layer before its activation.
    residual: whether to add each hidden layer's input to its output.
    optimizer: an optimizer such as AdamW(1e-3), or its name, whose rate is then learning_rate_init; in place of solver.
    schedule: a learning rate schedule such as OneCycle(), or its name, over max_iter epochs.
    clip_norm: the largest norm of the gradient, which is scaled down to it.
    scoring: what early stopping watches: None for accuracy or R2, "loss" for the validation loss, the name of a
        scikit-learn scorer, or a function scorer(estimator, X, y). By name the positive class is the label 1, or of two
        labels without a 1 the one that sorts last.
    time_limit: the most seconds of a fit, the preparation of a table included. A run with a schedule that is too long
        for it gets as many epochs as it allows, so that the schedule is complete when it ends; the result then depends
        on the clock. A first epoch goes on for as many seconds again at most; a fit that ends within it warns.
    callbacks: `Callback` objects of the package, or functions of the run, called after each epoch; `set_callbacks`
        takes those of scikit-learn's own protocol.
    dtype: "float32" or "float64" to train in; None for float32 if X is, else float64.
    preprocess: "auto" to take X as a table of any types, by a `TablePreprocessor`, with a network and a training for
        tables in place of the parameters that are at their defaults; a `TablePreprocessor` of your own to leave these
        as they are. Numbers to predict are standardized too. None takes arrays as scikit-learn does.
    preset: the network and the training for tables by name: "fast" embeds each number by a piecewise linear curve,
        "realmlp" is the published RealMLP-TD and "tabm" TabM-mini, of n_members (32) members in one network. None for
        the one of preprocess="auto", which is "fast". "best" fits several recipes within time_limit, or 60 s, and
        predicts by a weighted average, `blend_`, of which model_ is the heaviest network; `report_` has a record of
        each. Raises ConfigError without preprocess.
    engine: "native", "reference", "xla" or "auto", see `Model.fit`.
    n_members: the networks of an ensemble, which begin with other weights and are trained together, each on a core of
        its own; None for one, or as many as the preset has. Their average is predicted, and watched by early stopping.
        `members_` is a list of them, `model_` is an `Ensemble`, coefs_ and intercepts_ have an axis of members in
        front, and `spread` says how far they disagree.
    own_batches: whether each of several members has an order of the samples of its own.
    refit: whether to train the network anew on all samples, from the same start and for as many epochs as had the best
        score on those that early stopping held out; `n_iter_refit_` is their number, 0 where there were none. Curves
        and scores stay those of the fit that was watched. None for True with preset="fast" where it holds out a tenth
        of the samples or more, else False. There is none of a fit that goes on (warm_start, `partial_fit`), nor where
        callbacks, Ctrl-C or `time_limit` leave no time for it. Raises ConfigError for True without rows that the fit
        holds out, or with a rate that follows the score.
"""


def documented(kind: Kind) -> Kind:
    """Add the parameters that both estimators have to the docstring of one."""
    kind.__doc__ = f"{(kind.__doc__ or '').rstrip()}\n{PARAMETERS}    "
    return kind
