"""The help of the options that are settings of a run: by panel, in the order of `--help`.

Type, name and default of an option are those of its setting (`chainrule.recipe.settings`). The names of activations,
losses and so on are listed as text, so that --help does not load them; a test compares them with the registries.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """The help of an option."""

    help: str
    default: str | None = None
    """its description if the data choose it; None to show the setting's default"""


TRAIN = {
    "The data": {
        "target_column": Words("For tables, the column to predict."),
        "header": Words(
            "For tables of CSV and Excel, the row that has the names of the columns, from 1; 0 for none.",
            "the row that has them, below a title",
        ),
        "sheet": Words(
            "For Excel, the sheet to read, by its name, or its number from 1.", "the one with a table"
        ),
        "exclude_columns": Words("For tables, the columns to exclude, such as id,name."),
        "decimal": Words(
            "For CSV, the decimal sign of columns whose numbers are others with either sign, such as 1,234: , or .",
            "that of the other columns",
        ),
        "encoding": Words(
            "For CSV that is not UTF-8, its encoding, such as cp950 (Big5), gb18030 (GBK), cp932 or cp1252.",
            "the one that it reads as",
        ),
        "groups": Words(
            "For tables, the column that says which rows belong together, such as a person: whole groups are held "
            "out for testing and validation. It is no input."
        ),
        "time": Words(
            "For tables, the column that says when each row was, as numbers or dates: what comes last is held out "
            "for testing and validation."
        ),
        "gap": Words(
            "With --time, the minimum distance between rows trained on and those held out, in its units, or for dates "
            "such as 36h or 7d.",
            "0",
        ),
        "exposure": Words(
            "For tables and the loss poisson, gamma or tweedie, the column of what each target is an amount of, as "
            "years or people: rates are learned. It is no input."
        ),
        "time_to_event": Words(
            "For tables, the column that says when each row was last seen, such as days: with --event, a curve of "
            "survival is predicted, also from rows whose event has not come yet."
        ),
        "event": Words(
            "With --time-to-event, the column that says whether the event came then: 1 or 0, true or false, yes or no, "
            "or two words, of which --positive names the event. It is no input."
        ),
        "augment": Words("Rotate, scale, shear, shift and deform each image randomly in each epoch."),
    },
    "The network": {
        "preset": Words(
            "For tables, the network and the training of an estimator's preset, which other options change, "
            "or none for a plain network: fast, realmlp, tabm, additive, best.",
            "fast; none with an option that presets do not support",
        ),
        "members": Words(
            "With a preset, train this many networks together and predict their average; with tabm, the "
            "members of its network.",
            "1, with tabm 32",
        ),
        "monotonic": Words(
            "For tables, a column and its direction: area:+1 if the prediction may never fall when the number rises, "
            "minutes:-1 if it may never rise; once for each column."
        ),
        "hidden": Words(
            "Widths of the hidden layers, such as 256,128; none for a linear model.",
            "256 for images, 64,64 for arrays, 128,128 for tables",
        ),
        "activation": Words(
            "Activation of the hidden layers: identity, relu, leaky_relu, prelu, elu, selu, gelu, "
            "gelu_tanh, silu, mish, softplus, sigmoid, tanh, softmax.",
        ),
        "batch_norm": Words("Batch normalization between a hidden layer's weights and its activation."),
        "dropout": Words("Probability of dropping a hidden neuron.", "0.1 for tables, else 0"),
        "input_dropout": Words("Probability of dropping an input."),
        "residual": Words(
            "From the second hidden layer on, add a layer's input before the activation (a residual block).",
        ),
        "loss": Words(
            "mean_squared_error, huber, mean_absolute_error, quantile, poisson, gamma, tweedie, "
            "sigmoid_cross_entropy, softmax_cross_entropy, focal_cross_entropy, ordinal_cross_entropy, "
            "survival_cross_entropy, binary_cross_entropy, categorical_cross_entropy.",
            "cross entropy for labels and rows of 0 and 1, else squared error",
        ),
        "label_smoothing": Words("Fraction of each label spread over all classes."),
        "l2": Words("Penalty l2/2 * ||W||^2 on the weights."),
        "l1": Words("Penalty l1 * |W| on the weights."),
        "max_norm": Words("Maximum norm of each neuron's incoming weights."),
        "dtype": Words("Precision of all arithmetic: float32 or float64."),
    },
    "Training": {
        "method": Words(
            "How the gradient is computed, or a method without one: backpropagation, central_differences, "
            "forward_differences, forward_gradient, spsa, openai_es, cma_es, random_search, "
            "feedback_alignment, random_features, none.",
        ),
        "optimizer": Words("gradient_descent, sgd, rmsprop, adagrad, adam, amsgrad, adamw, nadam, lbfgs."),
        "lr": Words(
            "Learning rate, multiplied by the schedule.",
            "for adam, amsgrad, adamw and nadam with --schedule one_cycle 0.005 for images (0.008 with "
            "--target and no --epochs) and tables, 0.002 for arrays; else the optimizer's",
        ),
        "schedule": Words(
            "constant, step_decay, exponential, cosine, one_cycle, cos_log, flat_cosine, inverse_scaling, "
            "reduce_on_plateau.",
            "one_cycle",
        ),
        "epochs": Words(
            "Passes over the training samples, including those of a resumed run: a larger number trains it "
            "longer.",
            "4 for images (3 with --target), 40 for arrays, 60 for tables",
        ),
        "batch_size": Words(
            "Samples per step.", "128 for images, 32 for arrays, 32 to 256 for tables, depending on the rows"
        ),
        "momentum": Words("Momentum of sgd and rmsprop."),
        "nesterov": Words("Nesterov momentum of sgd."),
        "weight_decay": Words("Weight decay of adamw."),
        "clip_norm": Words("Maximum norm of the gradient."),
        "precision": Words(
            "bf16 to round the factors of matrix products to bfloat16, with float32 sums and weights: faster "
            "with AMX or AVX-512 BF16, slower without.",
            "the dtype's",
        ),
        "seed": Words("Seed of initial weights, shuffles, dropout masks and splits."),
        "validation_fraction": Words(
            "Fraction of the training samples to hold out for validation. Without it, and without a "
            "validation part in the data, each epoch is evaluated on the test set, only for display; an "
            ".npz without either is split 80 to 20. Of a table a fifth is for testing, and 0.2 of the rest "
            "are held out.",
        ),
        "patience": Words(
            "Stop when the validation loss has not decreased for this many epochs, and keep the best epoch's "
            "weights. Requires held-out samples.",
            "12 for tables, else none",
        ),
        "time_limit": Words("Stop training after this many seconds and keep the result.", "none"),
        "plan": Words(
            "Repeat the race of a run of --preset best to the bit, without a clock: its folder, its "
            "model.safetensors, or its plan as .json; with the same table and the same other options.",
        ),
        "target": Words(
            "Stop as soon as the validation accuracy (on the test set without validation samples) reaches "
            "this, such as 0.98; exit code 1 if it never does.",
        ),
        "positive": Words(
            "Of two classes, the positive one for precision, recall, F1, AUC and average precision.",
            "the one that sorts last",
        ),
        "threshold": Words(
            "For two classes of a table, the probability from which the one that sorts last is predicted, or the score "
            "that it is to maximize on rows held out: accuracy, balanced_accuracy, f1, jaccard, matthews_corrcoef, "
            "precision, recall.",
            "the likeliest class",
        ),
        "costs": Words(
            "For classes of a table, what each prediction costs: a row for each true class, such as 0,1/20,0, in the "
            "order of the labels; the class with the least expected cost is predicted.",
            "the likeliest class",
        ),
        "engine": Words("auto, or the name of an engine that `chainrule info` lists."),
        "device": Words(
            "Device of the xla engine: cpu, gpu or cuda:0; `chainrule info` lists those available."
        ),
        "shards": Words(
            "Parts of each batch, a power of two, distributed over the processes of a run; the result "
            "depends on their number.",
            "8 for several processes, else none",
        ),
        "reduce": Words(
            "How processes sum: tree gives the same bits for any number of them, psum transfers less "
            "between many.",
        ),
    },
    "The run": {
        "checkpoint_steps": Words(
            "Write a checkpoint every so many steps, in addition to the end of each epoch."
        ),
    },
}
"""The options of `chainrule train`."""

SEARCH = {
    "The search": {
        "trials": Words("Settings to try, including those of a resumed search.", "50 without --time-limit"),
        "time_limit": Words("End the search, including its last fit, after this many seconds.", "none"),
        "folds": Words("Folds of cross-validation per trial.", "one fit that holds out a fifth"),
        "pruner": Words(
            "Criterion that ends a trial after an epoch: median (of earlier trials), halving (successive "
            "halving), none.",
        ),
        "jobs": Words("Trials at a time, in threads that share the cores."),
    },
}
"""The options of `chainrule tune` for the search."""

TUNE = {
    "The data": {
        name: said
        for name, said in TRAIN["The data"].items()
        if name not in ("augment", "exposure", "time_to_event", "event")
    },
    "The network": {
        "preset": Words("The preset to search around: fast, realmlp or tabm.", "fast"),
        "members": Words("Networks of an ensemble in each trial.", "1"),
        "loss": TRAIN["The network"]["loss"],
    },
    "Training": {
        "epochs": Words("The maximum epochs of a trial.", "the preset's"),
        "precision": TRAIN["Training"]["precision"],
        "seed": Words("Seed of proposed settings, networks and splits."),
        "positive": TRAIN["Training"]["positive"],
    },
}
"""The options of `chainrule tune` that are settings of a run."""
