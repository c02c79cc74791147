"""What is said of the options that are settings of a run: by panel, in the order of `--help`.

Type, name and default of an option are those of its setting (`chainrule.recipe.settings`). The names of activations,
losses and so on are listed as text, so that --help does not load them; a test compares them with the registries.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """What is said of an option."""

    help: str
    default: str | None = None
    """what it is where the setting leaves it open; None to show the setting's default"""


TRAIN = {
    "The data": {
        "target_column": Words("Of a table, the column to predict."),
        "exclude_columns": Words("Of a table, the columns to leave out, as id,name."),
        "augment": Words("Of images, turn, scale, shear, shift and bend each anew in each epoch."),
    },
    "The network": {
        "preset": Words(
            "Of a table, the network and the training that an estimator's preset sets, which other options "
            "change, or none for a plain network: fast, realmlp, tabm, best.",
            "fast; none with an option that presets do not have",
        ),
        "members": Words(
            "Of a preset, train so many networks together and predict by their average; of tabm, the members of "
            "its network.",
            "1, of tabm 32",
        ),
        "hidden": Words(
            "Widths of the hidden layers, as 256,128; none for a linear model.",
            "256 for images, 64,64 for arrays, 128,128 for tables",
        ),
        "activation": Words(
            "After each hidden layer: identity, relu, leaky_relu, prelu, elu, selu, gelu, gelu_tanh, silu, "
            "mish, softplus, sigmoid, tanh, softmax.",
        ),
        "batch_norm": Words("Batch normalization between a hidden layer's weights and its activation."),
        "dropout": Words("Probability of dropping a hidden neuron.", "0.1 for tables, else 0"),
        "input_dropout": Words("Probability of dropping an input."),
        "residual": Words(
            "From the second hidden layer on, what comes in is added before the activation (a residual block).",
        ),
        "loss": Words(
            "mean_squared_error, huber, mean_absolute_error, quantile, poisson, sigmoid_cross_entropy, "
            "softmax_cross_entropy, binary_cross_entropy, categorical_cross_entropy.",
            "by y: a cross entropy for labels and rows of 0 and 1, else the squared error",
        ),
        "label_smoothing": Words("Share of each label that is spread over all classes."),
        "l2": Words("Penalty l2/2 * ||W||^2 on the weights."),
        "l1": Words("Penalty l1 * |W| on the weights."),
        "max_norm": Words("Bound on the norm of each neuron's incoming weights."),
        "dtype": Words("float32 or float64, of all arithmetic."),
    },
    "Training": {
        "method": Words(
            "Where the gradient comes from, or what is done without one: backpropagation, central_differences, "
            "forward_differences, forward_gradient, spsa, openai_es, cma_es, random_search, feedback_alignment, "
            "random_features, none.",
        ),
        "optimizer": Words("gradient_descent, sgd, rmsprop, adagrad, adam, amsgrad, adamw, nadam, lbfgs."),
        "lr": Words(
            "Learning rate, which the schedule multiplies.",
            "for adam, amsgrad, adamw and nadam with --schedule one_cycle 0.005 for images (0.008 with --target "
            "and no --epochs) and tables, 0.002 for arrays; else the optimizer's own",
        ),
        "schedule": Words(
            "constant, step_decay, exponential, cosine, one_cycle, cos_log, flat_cosine, inverse_scaling, "
            "reduce_on_plateau.",
            "one_cycle",
        ),
        "epochs": Words(
            "Walks over the training samples, those of a run that is resumed included: a larger number trains "
            "it longer.",
            "4 for images (3 with --target), 40 for arrays, 60 for tables",
        ),
        "batch_size": Words(
            "Samples a step.", "128 for images, 32 for arrays, 32 to 256 for tables, by their rows"
        ),
        "momentum": Words("Of sgd and rmsprop."),
        "nesterov": Words("Nesterov's momentum, of sgd."),
        "weight_decay": Words("Of adamw."),
        "clip_norm": Words("Bound on the norm of the gradient."),
        "precision": Words(
            "bf16 to round what goes into a product to bfloat16, with float32 sums and weights: faster where "
            "the processor multiplies it.",
            "the dtype's own",
        ),
        "seed": Words("Of the initial weights, the shuffles, the dropout masks and what is held out."),
        "validation_fraction": Words(
            "Share of the training samples to hold out and validate on. Without it, and without a validation "
            "part in the data, the epochs are validated on the test set, which is for watching only; an .npz "
            "that has neither is divided 80 to 20. Of a table a fifth is for testing, and of the rest 0.2 are "
            "held out.",
        ),
        "patience": Words(
            "Stop when the validation loss has not fallen for so many epochs, and keep the best epoch's "
            "weights. Needs samples that are held out.",
            "12 for tables, else none",
        ),
        "time_limit": Words("End the training after so many seconds, with what it has.", "none"),
        "target": Words(
            "Stop as soon as the accuracy that is watched after each epoch (of the validation samples, else of "
            "the test set) reaches this, as 0.98; exit code 1 if it never does.",
        ),
        "positive": Words(
            "Of two classes, the one that precision, recall, F1, AUC and average precision are of.",
            "the one that sorts last",
        ),
        "engine": Words("auto, or the name of an engine that `chainrule info` lists."),
        "device": Words(
            "What the xla engine trains on: cpu, gpu or cuda:0; `chainrule info` lists what there is."
        ),
        "shards": Words(
            "Parts of each batch, a power of two, that the processes of a run share; its result depends on "
            "them.",
            "8 for several processes, else none",
        ),
        "reduce": Words(
            "How processes sum: tree has the same bits for any number of them, psum sends less between many.",
        ),
    },
    "The run": {
        "checkpoint_steps": Words("Write a checkpoint each so many steps, beside the end of each epoch."),
    },
}
"""The options of `chainrule train`."""

SEARCH = {
    "The search": {
        "trials": Words(
            "Settings to try, those of a search that is resumed included.", "50 without --time-limit"
        ),
        "time_limit": Words("End the search, with its last fit, after so many seconds.", "none"),
        "folds": Words(
            "Fits of a trial, each of which holds out other rows.", "one, which holds out a fifth"
        ),
        "pruner": Words(
            "What ends a trial after an epoch: median (of earlier trials), halving (successive halving), none.",
        ),
        "jobs": Words("Trials at a time, in threads that share the cores."),
    },
}
"""The options of `chainrule tune` that say how to search."""

TUNE = {
    "The data": {name: TRAIN["The data"][name] for name in ("target_column", "exclude_columns")},
    "The network": {
        "preset": Words("The preset that is searched around: fast, realmlp or tabm.", "fast"),
        "members": Words("Networks of an ensemble, in each trial.", "1"),
        "loss": TRAIN["The network"]["loss"],
    },
    "Training": {
        "epochs": Words("The most epochs of a trial.", "the preset's"),
        "seed": Words("Of the settings that are tried, the networks, and what is held out or for testing."),
        "positive": TRAIN["Training"]["positive"],
    },
}
"""The options of `chainrule tune` that are settings of a run."""
