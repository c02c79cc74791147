"""What other libraries call things that have another name here: the next step of the error for such a name.

A user of Keras, PyTorch or scikit-learn tries the names of that library first. Where one does not exist, the error
that Python raises says only that; with `instead_of` it ends with what to write.
"""

from __future__ import annotations

from collections.abc import Mapping

Names = Mapping[str, str]
"""What to use for each name of another library."""
PACKAGE: Names = {
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

MODEL: Names = {
    "compile": "Network(..., loss=...), and the arguments optimizer and metrics of fit",
    **dict.fromkeys(("train", "train_on_batch", "train_step", "fit_generator"), "fit(X, y, epochs=...)"),
    "eval": "predict(X) and evaluate(X, y) as they are, which never drop neurons",
    **dict.fromkeys(("forward", "predict_on_batch"), "predict(X), predict_proba(X) or outputs(X)"),
    **dict.fromkeys(("backward", "zero_grad"), "fit(X, y), or trace(X, y) for the gradients of some samples"),
    **dict.fromkeys(
        ("state_dict", "get_weights", "weights", "coefs_"), "parameters, the arrays by link name"
    ),
    **dict.fromkeys(("load_state_dict", "set_weights"), "parameters, whose arrays can be written"),
    "named_parameters": "parameters.items()",
    **dict.fromkeys(("count_params", "num_parameters"), "network.size"),
    **dict.fromkeys(("layers", "children", "modules"), "network.links"),
    "loss": "network.loss, or history['loss'] for its values",
    "optimizer": "fit(..., optimizer=...)",
    **dict.fromkeys(("save_weights", "save_model"), "save(path)"),
    "predict_classes": "predict(X)",
    "score": "evaluate(X, y)",
    "add": "Network(inputs, [...], loss), made from all layers at once",
    **dict.fromkeys(("to", "cuda", "cpu", "device"), "fit(..., engine=Compute(device=...))"),
    "loss_curve_": "history['loss']",
}
"""The attributes of a `Model`."""

FIT: Names = {
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


LAYER: Names = {
    "activation": "a layer of its own behind this one, as in [Dense(64), ReLU()]",
    **dict.fromkeys(("use_bias", "bias"), "BatchNorm() behind it, which leaves a bias without effect"),
    **dict.fromkeys(("kernel_initializer", "weight_init", "init"), "initializer=HeNormal()"),
    "kernel_regularizer": "Network(..., l2=...)",
    **dict.fromkeys(("out_features", "n_units", "num_units"), "units"),
    **dict.fromkeys(("in_features", "input_shape", "input_dim"), "Network(inputs, layers, loss)"),
    **dict.fromkeys(("p", "drop_prob"), "rate"),
    "num_features": "BatchNorm(), which takes what comes",
}
"""The settings of a layer."""

OPTIMIZER: Names = {
    "lr": "learning_rate",
    **dict.fromkeys(("betas", "beta_1", "beta_2"), "beta1 and beta2"),
    "epsilon": "eps",
    "weight_decay": "AdamW(weight_decay=...)",
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), "fit(..., clip=...)"),
    "params": "fit(..., optimizer=...), which knows the parameters",
}
"""The settings of an optimizer."""

ESTIMATOR: Names = {
    **dict.fromkeys(("epochs", "n_epochs", "max_epochs", "n_estimators", "iterations"), "max_iter"),
    **dict.fromkeys(("lr", "eta"), "learning_rate_init"),
    **dict.fromkeys(("hidden", "layers", "hidden_layers", "units"), "hidden_layer_sizes"),
    **dict.fromkeys(("patience", "early_stopping_rounds"), "n_iter_no_change, with early_stopping=True"),
    **dict.fromkeys(("validation_split", "val_fraction"), "validation_fraction"),
    "weight_decay": "optimizer=AdamW(weight_decay=...)",
    **dict.fromkeys(("batch_normalization", "batchnorm"), "batch_norm"),
    **dict.fromkeys(("seed", "random_seed"), "random_state"),
    **dict.fromkeys(("eval_set", "validation_data"), "fit(X, y, eval_set=[(X_val, y_val)])"),
    **dict.fromkeys(
        ("cat_features", "categorical_features"), "preprocess=TablePreprocessor(kinds={name: 'category'})"
    ),
    **dict.fromkeys(("metric", "eval_metric", "metrics"), "scoring"),
    **dict.fromkeys(("device", "use_gpu"), "engine"),
    **dict.fromkeys(("n_jobs", "num_threads"), "OMP_NUM_THREADS, the variable of the environment"),
}
"""The parameters of an estimator."""


def instead_of(name: str, table: Names) -> str:
    """Return the end of the error for a name that does not exist: "; use WHAT", or "" where none is known.

    instead_of("validation_split", FIT)  # "; use validation_fraction"
    """
    return f"; use {table[name]}" if name in table else ""
