"""What other libraries call things that have another name here: the next step of the error for such a name.

A user of Keras, PyTorch or scikit-learn tries the names of that library first. Where one does not exist, the error
that Python raises says only that; with `instead_of` it ends with what to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

PACKAGE: Mapping[str, str] = {
    **dict.fromkeys(
        ("Sequential", "MLP", "Module", "Input"), "Model(Network(inputs, [Dense(64), ReLU(), ...], loss))"
    ),
    **dict.fromkeys(("Linear", "LazyLinear"), "Dense(units)"),
    **dict.fromkeys(("BatchNormalization", "BatchNorm1d"), "BatchNorm()"),
    **dict.fromkeys(("Normalization", "StandardScaler"), "Standardize()"),
    **dict.fromkeys(("Swish", "Silu"), "SiLU()"),
    **dict.fromkeys(
        ("CrossEntropyLoss", "SparseCategoricalCrossentropy", "NLLLoss"), "SoftmaxCrossEntropy()"
    ),
    "BCEWithLogitsLoss": "SigmoidCrossEntropy()",
    **dict.fromkeys(("MSELoss", "MSE"), "MeanSquaredError()"),
    **dict.fromkeys(("L1Loss", "MAE"), "MeanAbsoluteError()"),
    **dict.fromkeys(("HuberLoss", "SmoothL1Loss"), "Huber()"),
    **dict.fromkeys(("ReduceLROnPlateau",), "ReduceOnPlateau(), the schedule of a fit"),
    **dict.fromkeys(("CosineAnnealingLR", "CosineDecay"), "Cosine(), the schedule of a fit"),
    "OneCycleLR": "OneCycle(), the schedule of a fit",
    "ModelCheckpoint": "Checkpoint(path), a callback",
    "CSVLogger": "CSVLog(path), a callback",
    **dict.fromkeys(("load_model", "from_pretrained"), "load(path)"),
    "Classifier": "MLPClassifier()",
    "Regressor": "MLPRegressor()",
    **dict.fromkeys(("fit", "train", "Trainer"), "Model(network).fit(X, y)"),
}
"""The names of the package itself."""

MODEL: Mapping[str, str] = {
    "compile": "the loss is Network(..., loss=...), and optimizer and metrics are arguments of fit",
    **dict.fromkeys(
        ("train", "train_on_batch", "train_step", "fit_generator"), "fit(X, y, epochs=...) trains"
    ),
    **dict.fromkeys(("eval", "no_grad"), "predict and evaluate need no other mode: they never drop neurons"),
    **dict.fromkeys(
        ("forward", "predict_on_batch"), "predict(X), predict_proba(X) and outputs(X) compute it"
    ),
    **dict.fromkeys(
        ("backward", "zero_grad", "step"), "fit does it; trace(X, y) has the gradients of some samples"
    ),
    **dict.fromkeys(
        ("state_dict", "get_weights", "weights", "coefs_"), "parameters has the arrays by link name"
    ),
    **dict.fromkeys(
        ("load_state_dict", "set_weights"),
        "Model.with_theta(network, theta) has given parameters, and parameters are views that can be written",
    ),
    "named_parameters": "parameters.items() has them",
    **dict.fromkeys(("count_params", "num_parameters"), "network.size is their number"),
    **dict.fromkeys(("layers", "children", "modules"), "network.links has them"),
    "loss": "network.loss is the function, history['loss'] its values",
    "optimizer": "it is an argument of each fit",
    **dict.fromkeys(("save_weights", "save_model"), "save(path) writes network and parameters"),
    "predict_classes": "predict(X) returns labels",
    "score": "evaluate(X, y) returns the loss and the metrics by name",
    "add": "a network is made whole, from a list of layers",
    **dict.fromkeys(("to", "cuda", "cpu", "device"), "the device is fit(..., engine=Compute(device=...))"),
    "loss_curve_": "history['loss'] has it",
}
"""The attributes of a `Model`."""

FIT: Mapping[str, str] = {
    "validation_split": "validation_fraction",
    **dict.fromkeys(("eval_set", "validation", "val_data"), "validation_data=(X_val, y_val)"),
    **dict.fromkeys(("X_val", "y_val"), "validation_data=(X_val, y_val)"),
    **dict.fromkeys(("lr", "learning_rate", "learning_rate_init"), "optimizer=Adam(learning_rate)"),
    "weight_decay": "optimizer=AdamW(weight_decay=...)",
    **dict.fromkeys(("n_epochs", "num_epochs", "max_epochs", "max_iter", "nb_epoch"), "epochs"),
    **dict.fromkeys(("clipnorm", "max_grad_norm", "gradient_clip_val"), "clip"),
    **dict.fromkeys(
        ("loss", "criterion"), "Network(..., loss=...), because the loss is a part of the network"
    ),
    **dict.fromkeys(("seed", "random_state"), "Model(network, seed=...)"),
    **dict.fromkeys(("patience", "early_stopping"), "callbacks=[EarlyStopping(patience=...)]"),
    **dict.fromkeys(("weights", "weight"), "sample_weight"),
    "scheduler": "schedule",
    "checkpoint": "callbacks=[Checkpoint(path)]",
}
"""The arguments of `Model.fit`."""


def instead_of(name: str, table: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """Return the end of the error for a name that does not exist: "; use WHAT", or "" where none is known.

        instead_of("validation_split", FIT)  # "; use validation_fraction"

    known: the names that exist, one of which may be meant, differently spelled.
    """
    if name in table:
        return f"; use {table[name]}" if table is not MODEL else f"; {table[name]}"
    by_letters = {each.lower().replace("_", ""): each for each in known}
    near = get_close_matches(name.lower().replace("_", ""), by_letters, n=1, cutoff=0.8)
    return f"; is {by_letters[near[0]]} meant?" if near else ""
