"""Train scikit-learn's MLPs for fifty steps and store every loss: python make_sklearn.py

Writes sklearn.npz beside this file: the data, and for each case its settings, start, losses and last parameters, all
in float64, with the versions that made them. Needs numpy and scikit-learn.

Each step is one partial_fit on one batch. Two of scikit-learn's conventions are left as they are here, and converted
in test_sklearn.py: alpha, which it divides by the size of the batch, and its squared error, which is the half. Adam's
epsilon stands elsewhere in its formula (beside sqrt(v), where the paper has it beside sqrt(v / (1 - beta2^t))), so that
no epsilon makes the two equal: it is 1e-30 in both.
"""

from __future__ import annotations

import json
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

STEPS, ROWS = 50, 150

SGD = {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0, "nesterovs_momentum": False}
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": SGD,
    "momentum": SGD | {"learning_rate_init": 0.05, "momentum": 0.9},
    "nesterov": SGD | {"learning_rate_init": 0.05, "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam", "learning_rate_init": 0.02, "epsilon": 1e-30},
}
# alpha counts for the same l2 in every batch only where the batches are of one size: 30. Others end in one of 22.
TASKS: dict[str, dict[str, Any]] = {
    "classes": {
        "data": "iris",
        "hidden_layer_sizes": [7],
        "activation": "tanh",
        "alpha": 0.0,
        "batch_size": 32,
    },
    "classes_alpha": {"data": "iris", "hidden_layer_sizes": [7, 6], "activation": "tanh", "alpha": 0.6}
    | {"batch_size": 30},
    "binary": {"data": "versicolor", "hidden_layer_sizes": [6], "activation": "logistic", "alpha": 0.3}
    | {"batch_size": 30},
    "labels": {
        "data": "labels",
        "hidden_layer_sizes": [6],
        "activation": "tanh",
        "alpha": 0.0,
        "batch_size": 32,
    },
    "regression": {"data": "diabetes", "hidden_layer_sizes": [6, 5], "activation": "tanh", "alpha": 0.3}
    | {"batch_size": 30},
    "relu": {
        "data": "diabetes",
        "hidden_layer_sizes": [8],
        "activation": "relu",
        "alpha": 0.0,
        "batch_size": 32,
    },
    "linear": {"data": "diabetes", "hidden_layer_sizes": [3], "activation": "identity", "alpha": 0.0}
    | {"batch_size": 32},
    "weighted": {
        "data": "iris",
        "hidden_layer_sizes": [7],
        "activation": "tanh",
        "alpha": 0.0,
        "batch_size": 32,
    }
    | {"weighted": True},
}
SLOWER = {"regression": 0.2, "relu": 0.1, "linear": 0.1}  # the learning rate of these tasks, times
CASES = {
    f"{task}_{solver}": settings
    | way
    | {"learning_rate_init": way["learning_rate_init"] * (SLOWER.get(task, 1.0) if solver != "adam" else 1.0)}
    for task, settings in TASKS.items()
    for solver, way in SOLVERS.items()
}


def datasets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Real measurements, features to mean 0 and standard deviation 1; iris with its classes dealt out in turn."""
    iris = load_iris()
    deal = np.arange(ROWS).reshape(3, 50).T.ravel()
    flowers = ((iris.data - iris.data.mean(0)) / iris.data.std(0))[deal]
    species = iris.target[deal]
    diabetes = load_diabetes(scaled=False)
    people, progress = diabetes.data[:ROWS], diabetes.target[:ROWS]
    return {
        "iris": (flowers, species),
        "versicolor": (flowers, (species == 1).astype(np.int64)),
        "labels": (flowers, (flowers[:, 1:] > np.array([0.3, 0.0, -0.2])).astype(np.int64)),
        "diabetes": ((people - people.mean(0)) / people.std(0), progress / 100),
    }


def flat(model: Any) -> np.ndarray:
    """All parameters in Chainrule's order: W (fan_in, fan_out) by rows, then b, layer by layer."""
    pairs = zip(model.coefs_, model.intercepts_, strict=True)
    return np.concatenate([part.ravel() for pair in pairs for part in pair])


def run(case: dict[str, Any], X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    settings = {name: value for name, value in case.items() if name not in ("data", "weighted")}
    settings |= {"hidden_layer_sizes": tuple(case["hidden_layer_sizes"]), "shuffle": False, "random_state": 0}
    regression = case["data"] == "diabetes"
    model = MLPRegressor(**settings) if regression else MLPClassifier(**settings)
    classes = {} if regression else {"classes": np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)}
    weight = np.linspace(0.5, 2.0, len(X)) if case.get("weighted") else np.ones(len(X))

    def step(rows: slice) -> float:
        # Without weights scikit-learn takes another path; both are its own.
        chosen = {"sample_weight": weight[rows]} if case.get("weighted") else {}
        model.partial_fit(X[rows], y[rows], **chosen, **classes)
        return float(model.loss_)

    step(slice(case["batch_size"]))  # makes the arrays; then all of them get numbers that are known
    del model._optimizer
    generator = np.random.Generator(np.random.PCG64(seed))
    for W, b in zip(model.coefs_, model.intercepts_, strict=True):
        W[...] = generator.normal(size=W.shape) / np.sqrt(W.shape[0])
        b[...] = 0.1 * generator.normal(size=b.shape)
    start, size = flat(model), case["batch_size"]
    begins = [i % -(-len(X) // size) * size for i in range(STEPS)]
    losses = [step(slice(begin, min(begin + size, len(X)))) for begin in begins]
    stored = {"start": start, "losses": np.array(losses), "theta": flat(model), "weight": weight}
    return stored | {"outputs": model.predict(X) if regression else model.predict_proba(X)}


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "Got `batch_size`")  # of the last batch, which is smaller
    data = datasets()
    stored: dict[str, np.ndarray] = {}
    for name, (X, y) in data.items():
        stored |= {f"data/{name}/X": X, f"data/{name}/y": y}
    for number, (name, case) in enumerate(CASES.items()):
        stored |= {f"{name}/{part}": value for part, value in run(case, *data[case["data"]], number).items()}
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
    about = {"made_by": Path(__file__).name, "versions": versions, "steps": STEPS, "cases": CASES}
    stored["about"] = np.array(json.dumps(about))
    np.savez_compressed(Path(__file__).with_name("sklearn.npz"), **stored)


if __name__ == "__main__":
    main()
