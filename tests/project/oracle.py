"""What Chainrule promises, one line for each thing with a hash of it, to be compared before and after a refactoring.

    python tests/project/oracle.py > before.txt    # and with the changed package > after.txt
    diff before.txt after.txt

A line is `room/topic/what  hash`: of fits, predictions, files, pages, printed text, public names. Where the value has
numbers, a second line `room/topic/what~6  hash` is of these rounded to 6 significant digits: if the first line alone
differs, sums were rounded otherwise. An error is a promise too: its line has its class. Arguments are the rooms to go
through, such as `race export`; --quick takes those topics alone that are done in seconds.

Everything is asked for by public names, the command and the server's address, so the script goes on working when inner
modules move, and with PYTHONPATH on the source of another commit. The hashes are those of one machine, one version of
NumPy, and the optional packages that are installed. Clocks run a million times slower here: no time limit decides
anything, and the seconds that are printed are 0; folders, versions and the day are replaced by their names.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import importlib
import inspect
import json
import multiprocessing
import os
import pkgutil
import platform
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
os.environ |= {"COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import pandas as pd
from safetensors import safe_open

import chainrule as c
from chainrule.estimators.distilling import distill

GOLDEN = Path(__file__).parent.parent / "golden"
"""Files that earlier versions wrote."""
SLOWER = 1e-6
"""The speed of the clocks."""
DIGITS = 6
"""The significant digits of the second line of a value."""
LANGUAGES = ("en", "zh")
ID = re.compile(
    r"\b0x[0-9a-f]{6,}|(?<![.\w])(?=\d*[a-f])([0-9a-f]{32}|[0-9a-f]{16})\b"
    r"|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)
"""A place in memory, a hash, or a number drawn to be unique."""


# --- values as bytes ----------------------------------------------------------------------------------------


def is_time(key: object) -> bool:
    """Whether the value of a key is a time that something took, or what it was measured on."""
    return str(key) in ("seconds", "versions", "platform") or str(key).endswith("_seconds")


def scrub(text: str) -> str:
    """Replace what differs between two runs of the same code: folders, versions, the day, places in memory."""
    named = {
        os.getcwd(): "FOLDER",
        str(GOLDEN): "GOLDEN",
        platform.platform(): "PLATFORM",
        date.today().isoformat(): "DAY",
    }
    for value, name in named.items():
        text = text.replace(value, name)
    text = re.sub(rf"\b{re.escape(c.__version__)}(?![\d.])", "VERSION", text)
    text = ID.sub("ID", text)
    return re.sub(r'("\w*seconds\\?": ?)[-\d.e]+', r"\g<1>0", text)


def number(value: float, digits: int | None) -> str:
    """Write a number exactly, or rounded to significant digits."""
    return float(value).hex() if digits is None else f"{value:.{digits}g}".replace("-0", "0", int(value == 0))


def array(values: np.ndarray, digits: int | None) -> str:
    """Write an array with its type and shape."""
    head = f"{values.dtype} {values.shape} "
    if values.dtype.kind in "OTUMm":
        return head + json.dumps([plain(each, digits) for each in values.ravel().tolist()])
    if values.dtype.kind != "f" or digits is None:
        return head + hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return head + " ".join(number(each, digits) for each in values.ravel().tolist())


def plain(value: Any, digits: int | None) -> Any:
    """Return a value as JSON, its numbers exact, or rounded to significant digits."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return number(value, digits)
    if isinstance(value, (str, Path)):
        return scrub(str(value))
    if isinstance(value, bytes):
        return scrub(value.decode("latin-1"))
    if isinstance(value, np.ndarray):
        return array(value, digits)
    if isinstance(value, Exception):
        return [type(value).__name__, scrub(str(value))]
    if isinstance(value, pd.DataFrame):
        return {str(name): plain(value[name].to_numpy(), digits) for name in value}
    if hasattr(value, "to_plotly_json"):
        return plain(json.loads(value.to_json()), digits)
    if hasattr(value, "to_data") and not isinstance(value, type):
        return plain(value.to_data(), digits)
    if isinstance(value, Mapping):
        return {str(key): plain(each, digits) for key, each in value.items() if not is_time(key)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict(), digits)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each, digits) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name), digits) for each in dataclasses.fields(value)}
    if hasattr(value, "tolist"):
        return plain(value.tolist(), digits)
    return scrub(repr(value))


def digest(value: Any, digits: int | None = None) -> str:
    """Return a hash of a value."""
    text = json.dumps(plain(value, digits), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# --- lines --------------------------------------------------------------------------------------------------


class Teller:
    """The lines of a topic."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: list[str] = []

    def value(self, name: str, value: Any) -> None:
        """Add the lines of a value."""
        exact, rounded = digest(value), digest(value, DIGITS)
        error = f" {type(value).__name__}" if isinstance(value, Exception) else ""
        self.lines.append(f"{self.where}/{name}  {exact}{error}")
        if rounded != exact:
            self.lines.append(f"{self.where}/{name}~{DIGITS}  {rounded}")

    def __call__(self, name: str, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Add the lines of what a function returns, or of its error, and return that."""
        try:
            found = function(*arguments, **settings)
        except Exception as error:
            found = error
        self.value(name, found)
        return found

    def warned(self, name: str, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Call a function, add the lines of its warnings, and return what it returns."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = function(*arguments, **settings)
        self.value(f"{name} warnings", [(each.category.__name__, str(each.message)) for each in said])
        return found

    def files(self, name: str, folder: Path, pattern: str = "**/*") -> None:
        """Add the lines of the files in a folder."""
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                self.file(f"{name} {path.relative_to(folder)}", path)

    def file(self, name: str, path: Path) -> None:
        """Add the lines of a file; of tensors one more for what is said of them."""
        found = content(path)
        if isinstance(found, dict) and "tensors" in found:
            self.value(f"{name} about", found.pop("about"))
        self.value(name, found)


def content(path: Path) -> Any:
    """Return what is in a file: JSON as data, tensors as arrays with their metadata, anything else as it stands."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return json.loads(data)
    if path.suffix == ".csv":
        return [*csv.DictReader(data.decode().splitlines())]
    if path.suffix == ".safetensors" and not path.name.startswith("compact"):
        with safe_open(path, "numpy") as file:
            about = {name: data_of(text) for name, text in (file.metadata() or {}).items()}
            return {"about": about, "tensors": {name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118
    return data


def data_of(text: str) -> Any:
    """Return text as data if it is JSON, without the checksum in front of it."""
    try:
        return json.loads(text[max(0, text.find("{")) :])
    except ValueError:
        return text


# --- data ---------------------------------------------------------------------------------------------------


def table(n: int, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, categories, few, many and one, dates, times, truth values, text that says numbers."""
    r = np.random.default_rng(seed)
    made = pd.DataFrame(
        {
            "size": np.where(r.random(n) < 0.1, np.nan, r.normal(50, 15, n).round(2)),
            "rooms": r.integers(1, 7, n),
            "town": r.choice(["Tainan", "Taipei", "Yilan", None], n),
            "street": [f"street {k}" for k in r.integers(0, 90, n)],
            "sold": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}" for k in r.integers(0, 400, n)],
            "seen": pd.Timestamp("2021-03-04") + pd.to_timedelta(r.integers(0, 9000, n), unit="h"),
            "new": r.choice([True, False], n),
            "paid": [f"{value:,.2f} €" for value in r.lognormal(6, 2, n)],
            "land": "here",
        }
    )
    made.loc[::7, "seen"] = pd.NaT
    return made


def targets(X: pd.DataFrame) -> dict[str, Any]:
    """Return a target of every kind."""
    r = np.random.default_rng(len(X))
    price = X["size"].fillna(50) + 10 * X["rooms"] + 20 * (X["town"] == "Yilan") + r.normal(0, 3, len(X))
    price = price.to_numpy()
    return {
        "number": price,
        "two numbers": np.stack([price, np.sqrt(np.abs(price))], 1),
        "binary": np.where(price > np.median(price), "yes", "no"),
        "multiclass": np.digitize(price, np.quantile(price, [0.3, 0.7])),
        "multilabel": np.stack([price > 90, X["new"], X["rooms"] > 3], 1).astype(int),
    }


def estimator_of(target: str, **settings: Any) -> Any:
    """Return an estimator for a kind of target."""
    kind = c.MLPRegressor if "number" in target else c.MLPClassifier
    return kind(**{"preprocess": "auto", "max_iter": 3, "random_state": 0} | settings)


def rows(X: pd.DataFrame, n: int) -> list[dict[str, Any]]:
    """Return the first rows as a service or a loop has them."""
    return json.loads(X[:n].to_json(orient="records", date_format="iso"))


def arrays(n: int = 90, inputs: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return samples, and classes of them."""
    X = np.random.default_rng(1).normal(size=(n, inputs))
    return X, np.digitize(X[:, 0] + X[:, 1] ** 2, [0.2, 1.2])


# --- what every fit has -------------------------------------------------------------------------------------

CURVES = (
    "loss_curve_", "validation_loss_curve_", "validation_scores_", "loss_", "best_loss_",
    "best_validation_score_", "n_iter_", "n_iter_refit_", "t_", "n_layers_", "n_outputs_",
    "out_activation_",
)  # fmt: skip


def of_model(model: Any) -> dict[str, Any]:
    """Return what a model has learned."""
    return {"theta": model.theta, "states": model.states, "network": str(model.network)}


def of_fit(fitted: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return attributes of a fit by name, where it has them."""
    return {name: getattr(fitted, name) for name in names if hasattr(fitted, name)}


def parameters(fitted: Any) -> Any:
    """Return theta and the states of an estimator's model, or of each one of an average."""
    if hasattr(fitted, "blend_"):
        return [
            (part[0], parameters(part[1])) if hasattr(part[1], "model_") else plain(part[0], None)
            for part in fitted.blend_.parts
        ]
    return of_model(fitted.model_)


def tell_fit(tell: Teller, name: str, fitted: Any, X: pd.DataFrame) -> None:
    """Add what a fitted estimator is and predicts: many rows and single ones, with probabilities."""
    tell(f"{name} parameters", parameters, fitted)
    tell(f"{name} curves", of_fit, fitted, CURVES)
    tell.value(f"{name} table", fitted.preprocessor_)
    for n in (1, 7, 300):
        tell(f"{name} predict {n}", fitted.predict, X[:n])
    tell(f"{name} predict each", lambda: [fitted.predict(X[i : i + 1]) for i in range(5)])
    if hasattr(fitted, "predict_proba"):
        tell(f"{name} predict_proba", fitted.predict_proba, X[:300])
        tell(f"{name} predict_proba 1", fitted.predict_proba, X[:1])
    tell_bound(tell, name, fitted, X)


def tell_bound(tell: Teller, name: str, fitted: Any, X: pd.DataFrame) -> None:
    """Add what an estimator that is bound to single rows answers."""
    bound = tell_error(tell, f"{name} bind", fitted.bind)
    if bound is None:
        return
    for ask in ("predict", "predict_proba", "spread", "answer", "predict_interval", "predict_set"):
        if hasattr(bound, ask):
            tell(f"{name} bind {ask}", lambda ask=ask: [getattr(bound, ask)(row) for row in rows(X, 5)])


def tell_error(
    tell: Teller, name: str, function: Callable[..., Any], *arguments: Any, **settings: Any
) -> Any:
    """Return what a function returns, or add the lines of its error and return None."""
    try:
        return function(*arguments, **settings)
    except Exception as error:
        tell.value(name, error)
        return None


def tell_trust(tell: Teller, name: str, fitted: Any, X: pd.DataFrame, y: Any) -> None:
    """Add what an estimator says of its own answers."""
    tell(f"{name} score", fitted.score, X, y)
    tell(f"{name} spread", fitted.spread, X[:9])
    tell.value(f"{name} held out", fitted.held_out_)
    tell(f"{name} check", fitted.check, X[:200].assign(size=X["size"][:200] * 3))
    tell(f"{name} check text", lambda: str(fitted.check(X[:50].assign(town="Rome"))))
    tell(f"{name} transform", fitted.transform, X[:9])
    if isinstance(fitted, c.MLPRegressor):
        tell(f"{name} intervals", fitted.predict_interval, X[:300], 0.8)
        tell(f"{name} intervals by town", fitted.predict_interval, X[:300], 0.8, by="town")
        return
    tell(f"{name} sets", fitted.predict_set, X[:300], 0.8)
    tell(f"{name} sets per label", fitted.predict_set, X[:300], 0.8, per_label=True)
    tell(f"{name} log", fitted.predict_log_proba, X[:20])
    tell(f"{name} reliability", fitted.reliability, X, y)
    tell(f"{name} other shares", fitted.adjusted_proba, X[:20])


def tell_reasons(tell: Teller, name: str, fitted: Any, X: pd.DataFrame, y: Any) -> None:
    """Add explanations of an estimator."""
    for way, found in {
        "explain": tell(f"{name} explain", fitted.explain, X[:3]),
        "importance": tell(f"{name} importance", fitted.importance, X[:150], y[:150], repeats=2),
        "curves size": tell(f"{name} curves size", fitted.curves, X, "size", points=6, rows=60),
        "curves town": tell(f"{name} curves town", fitted.curves, X, "town", rows=60),
        "pairs": tell(f"{name} pairs", fitted.pairs, X[:150], columns=3),
    }.items():
        if not isinstance(found, Exception):
            tell_shown(tell, f"{name} {way}", found)


def tell_shown(tell: Teller, name: str, result: Any) -> None:
    """Add the forms that a result is shown in, in both languages."""
    for language in LANGUAGES:
        with spoken_in(language):
            tell(f"{name} text {language}", str, result)
            if hasattr(result, "_repr_html_"):
                tell(f"{name} notebook {language}", result._repr_html_)
            for form in ("figure", "html", "latex", "mathml"):
                if hasattr(result, form):
                    tell(f"{name} {form} {language}", getattr(result, form))


@contextmanager
def spoken_in(language: str) -> Iterator[None]:
    """Speak a language for a while."""
    from chainrule.views.words import spoken_in as speak

    with speak(language):
        yield


def tell_saved(tell: Teller, name: str, fitted: Any, X: Any) -> None:
    """Add a model's file, as it is and compact, and what is predicted by what is read of it.

    A compact file of a race is left out, because the seconds that it took are compressed in it.
    """
    for form, settings in {"whole": {}, "compact": {"compact": True}}.items():
        path = Path(f"{form}-{len(tell.lines)}.safetensors")
        if isinstance(tell(f"{name} {form} saved", fitted.save, path, **settings), Exception):
            continue
        if form == "whole" or not hasattr(fitted, "blend_"):
            tell.file(f"{name} {form} file", path)
        read = tell_error(tell, f"{name} {form} read", type(fitted).load, path)
        if read is not None:
            tell(f"{name} {form} predicts", read.predict, X[:20])


# --- public names, and help ---------------------------------------------------------------------------------

MODULES = ("chainrule", "chainrule.estimators", "chainrule.inspection.attribution")
"""Modules all of whose names are public."""
ELSEWHERE = (
    "datasets:load_mnist", "datasets:read_table", "distributed:initialize", "estimators.distilling:distill",
    "estimators.pipelines:register_converters", "export.effect:effect_of_int8",
    "inspection.features.features:best_inputs", "inspection.features.representations:linear_cka",
    "inspection.story:explain", "lab:run", "ray:ChainruleTrainer", "recipe.data:from_arrays", "recipe.run:run",
    "recipe.settings:Settings", "serve.server:served", "tracking:MLflow", "tracking:TensorBoard", "tracking:WandB",
    "views.words:spoken_in",
)  # fmt: skip
"""What else the documentation imports."""
COMMANDS = (
    "train", "tune", "evaluate", "predict", "check", "compare", "info", "data", "explain", "distill", "export",
    "card", "lab", "serve", "studio",
)  # fmt: skip


def signature(of: Any) -> str:
    """Return the signature of a function or class, without the modules that its types are in."""
    try:
        text = str(inspect.signature(of))
    except (TypeError, ValueError):
        text = type(of).__name__
    return re.sub(r"\bchainrule(\.\w+)+\.(?=\w)", "", scrub(text))


def tell_interface(tell: Teller, name: str, public: Any) -> None:
    """Add the signature and the docstring of a public name, and those of its methods, if it is a class."""
    tell(f"{name} signature", signature, public)
    tell(f"{name} doc", inspect.getdoc, public)
    if isinstance(public, type):
        methods = {each: getattr(public, each) for each in dir(public) if not each.startswith("_")}
        tell.value(f"{name} methods", {each: signature(method) for each, method in methods.items()})
        tell.value(f"{name} method docs", {each: inspect.getdoc(method) for each, method in methods.items()})


def public_names(tell: Teller) -> None:
    for module in MODULES:
        found = importlib.import_module(module)
        tell.value(f"{module} names", list(found.__all__))
        for name in found.__all__:
            tell_interface(tell, f"{module}.{name}", getattr(found, name))
    for name in ELSEWHERE:
        public = tell_error(tell, name, pkgutil.resolve_name, f"chainrule.{name}")
        if public is not None:
            tell_interface(tell, name, public)


def help_of_commands(tell: Teller) -> None:
    for language in LANGUAGES:
        for name in ("", *COMMANDS):
            run_command(tell, f"{name or 'chainrule'} {language}", f"{name} --help", language)


# --- networks -----------------------------------------------------------------------------------------------

ENGINES = ("native", "reference")
ACTIVATIONS = (
    "Identity", "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "GELUTanh", "SiLU", "Mish",
    "Softplus", "Sigmoid", "Tanh",
)  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "gradient descent": {"optimizer": c.GradientDescent(0.1), "batch_size": None},
    "nesterov, step decay": {
        "optimizer": c.SGD(0.05, momentum=0.9, nesterov=True),
        "schedule": c.StepDecay(0.5),
    },
    "rmsprop, exponential": {"optimizer": c.RMSprop(), "schedule": c.Exponential(0.9)},
    "adagrad, clipped": {"optimizer": c.Adagrad(), "clip": c.Clip(1.0, 0.1)},
    "adam, one cycle": {"optimizer": c.Adam(), "schedule": "one_cycle"},
    "amsgrad, cosine": {"optimizer": c.AMSGrad(), "schedule": "cosine"},
    "adamw, flat cosine": {"optimizer": c.AdamW(), "schedule": "flat_cosine"},
    "nadam, cos log": {"optimizer": c.Nadam(), "schedule": "cos_log"},
    "plateau": {"optimizer": "adam", "schedule": "reduce_on_plateau", "validation_fraction": 0.2},
    "inverse scaling": {"optimizer": "sgd", "schedule": "inverse_scaling", "shuffle": False},
    "lbfgs": {"optimizer": c.LBFGS(), "batch_size": None},
    "early stopping": {"callbacks": [c.EarlyStopping(patience=1)], "validation_fraction": 0.2, "epochs": 6},
    "weights": {
        "class_weight": "balanced",
        "sample_weight": np.linspace(0.5, 2, 90),
        "metrics": ["accuracy"],
    },
}
LOSSES: dict[str, Any] = {
    "mean squared error": c.MeanSquaredError(),
    "huber": c.Huber(),
    "mean absolute error": c.MeanAbsoluteError(),
    "quantile": c.Quantile(0.3),
    "poisson": c.Poisson(),
    "sigmoid cross-entropy": c.SigmoidCrossEntropy(),
}


def train(tell: Teller, name: str, network: c.Network, X: Any, y: Any, **settings: Any) -> Any:
    """Train a model on each engine, and add its parameters, its history and its predictions."""
    model = None
    for engine in settings.pop("engines", ENGINES):
        model = c.Model(network, seed=3)
        own = {"epochs": 3, "batch_size": 32, "engine": engine} | settings
        history = tell_error(
            tell, f"{name} {engine}", tell.warned, f"{name} {engine}", model.fit, X, y, **own
        )
        if history is None:
            continue
        tell.value(f"{name} {engine} parameters", of_model(model))
        tell(f"{name} {engine} history", history.to_data)
        for n in (1, 7, 300):
            tell(f"{name} {engine} predict {n}", model.predict, X[:n], engine=engine)
        tell(f"{name} {engine} outputs", model.outputs, X, engine=engine)
        tell(f"{name} {engine} evaluate", model.evaluate, X, y, engine=engine)
    return model


def small_network(*layers: Any) -> c.Network:
    """Return a network for the classes of `arrays`."""
    return c.Network(5, [*layers, c.Dense(3)], c.SoftmaxCrossEntropy())


def every_kind() -> c.Network:
    """Return a network with layers of most kinds."""
    block = c.Residual([c.Dense(8), c.BatchNorm(), c.ReLU(), c.Dropout(0.2)])
    body = [c.Rescale(0.5), c.Standardize(), c.Dense(8, initializer=c.HeNormal()), c.BatchNorm(), c.PReLU()]
    return small_network(*body, block, c.Skip([c.Dense(3), c.Tanh()]), c.Scale(), c.Shift())


def layers(tell: Teller) -> None:
    X, y = arrays()
    for name in ACTIVATIONS:
        train(tell, name, small_network(c.Dense(6), getattr(c, name)()), X, y)
    model = train(tell, "every kind", every_kind(), X, y)
    tell("every kind summary", lambda: str(model.summary()))
    for embedding in (c.PiecewiseLinearEmbedding(4, bins=5), c.PeriodicEmbedding(4)):
        train(tell, type(embedding).__name__, small_network(embedding, c.Dense(6), c.ReLU()), X, y)


def optimizers(tell: Teller) -> None:
    X, y = arrays()
    for name, settings in SETTINGS.items():
        train(tell, name, small_network(c.Dense(6), c.Tanh()), X, y, **settings)


def losses(tell: Teller) -> None:
    X, y = arrays()
    for name, loss in LOSSES.items():
        target = (y > 0).astype(int) if name.startswith("sigmoid") else X[:, 0] ** 2
        network = c.Network(5, [c.Dense(6), c.ReLU(), c.Dense(1)], loss, l2=0.01, max_norm=2.0)
        train(tell, name, network, X, target)
    train(tell, "float64", small_network(c.Dense(6), c.SiLU()), X, y)


def methods_without_backpropagation(tell: Teller) -> None:
    X, y = arrays()
    for name in sorted(c.METHODS):
        train(
            tell,
            name,
            small_network(c.Dense(4), c.Tanh()),
            X,
            y,
            method=name,
            epochs=2,
            engines=["reference"],
        )


def ensembles(tell: Teller) -> None:
    X, y = arrays()
    for own in (True, False):
        made = c.Ensemble(small_network(c.Dense(6), c.Dropout(0.2), c.ReLU()), 3, seed=1)
        history = made.fit(X, y, epochs=3, batch_size=32, own_batches=own)
        tell(f"{own} history", history.to_data)
        tell.value(f"{own} parameters", of_model(made))
        for ask in (made.predict, made.predict_proba, made.spread, made.outputs_of_each):
            tell(f"{own} {ask.__name__}", ask, X[:20])
        tell(f"{own} packed", lambda made=made: made.pack().predict_proba(X[:20]))
        tell_saved(tell, f"{own}", made, X)


def checkpoints(tell: Teller) -> None:
    X, y = arrays()

    def fit(epochs: int, **settings: Any) -> Any:
        model = c.Model(every_kind(), seed=2)
        model.fit(X, y, epochs=epochs, batch_size=32, schedule="cosine", validation_fraction=0.2, **settings)
        return model

    whole = fit(5, callbacks=[c.Checkpoint("whole.safetensors", every_steps=4)])
    fit(5, callbacks=[c.Checkpoint("part.safetensors"), c.StopAt("loss", 1e9)])
    resumed = fit(5, resume="part.safetensors")
    for name, model in {"whole": whole, "resumed": resumed}.items():
        tell.value(f"{name} theta", model.theta)
        tell(f"{name} history", lambda model=model: model.history.to_data())
        tell_saved(tell, name, model, X)
    tell.files("files", Path())
    bound = whole.bind()
    tell("bound", lambda: [bound.predict(row) for row in X[:5]])


# --- inspection ---------------------------------------------------------------------------------------------


def traces(tell: Teller) -> None:
    X, y = arrays()
    model = c.Model(every_kind(), seed=2, dtype="float64")
    model.fit(X, y, epochs=2, batch_size=32)
    trace = model.trace(X[:4], y[:4])
    tell("trace", trace.to_data)
    tell("trace frame", trace.to_frame)
    tell_shown(tell, "trace", trace)
    for what in ("dense_1.W[1,2]", "batch_norm_1.gamma[3]", "prelu_1.slope[0]", "dense_2.b[0]", "x[0,3]"):
        derivation = tell(f"derive {what}", trace.derive, what)
        if not isinstance(derivation, Exception):
            tell_shown(tell, f"derive {what}", derivation)
            tell(f"derive {what} step", lambda derivation=derivation: derivation.step(0.1))
    for name, ask in {"gradient_flow": model.gradient_flow, "check_gradients": model.check_gradients}.items():
        tell_shown(tell, name, tell(name, ask, X, y))


def attributions(tell: Teller) -> None:
    from chainrule.inspection.attribution import METHODS
    from chainrule.inspection.story import explain

    X, y = arrays()
    model = c.Model(small_network(c.Dense(8), c.ReLU()), seed=2)
    model.fit(X, y, epochs=2)
    for method in METHODS:
        tell_shown(tell, method, tell(method, model.attribute, X[:2], method))
    story = tell("story", explain, model, X[0], y[:1])
    tell_shown(tell, "story", story)


# --- estimators ---------------------------------------------------------------------------------------------

PRESETS = ("fast", "realmlp", "tabm", "additive")
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"preprocess": "auto"},
    "members": {"n_members": 3, "hidden_layer_sizes": (8,)},
    "early stopping": {
        "early_stopping": True,
        "validation_fraction": 0.3,
        "max_iter": 6,
        "n_iter_no_change": 2,
    },
    "refit": {"preset": "fast", "refit": True},
    "scoring": {"preset": "fast", "scoring": "loss"},
    "monotonic": {"preset": "fast", "monotonic_cst": {"rooms": 1}},
    "without pairs": {"preset": "fast", "interaction_cst": "no_interactions"},
    "layers": {
        "hidden_layer_sizes": (9, 6),
        "dropout": 0.2,
        "batch_norm": True,
        "residual": True,
        "schedule": "cosine",
    },
    "lbfgs": {"solver": "lbfgs", "hidden_layer_sizes": (5,)},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive", "clip_norm": 1.0, "hidden_layer_sizes": (5,)},
    "float64": {"dtype": "float64", "hidden_layer_sizes": (5,)},
    "reference": {"engine": "reference", "hidden_layer_sizes": (5,)},
    "no lookup": {"lookup": False, "preset": "fast"},
}


def fit(tell: Teller, name: str, target: str, X: pd.DataFrame, **settings: Any) -> Any:
    """Fit an estimator to a target of a table, and add its warnings; None with the lines of its error."""
    estimator, how = estimator_of(target, **settings), {}
    for each in ("groups", "time"):
        if each in X:
            how[each] = X[each]
    return tell_error(tell, name, tell.warned, name, estimator.fit, X, targets(X)[target], **how)


def few_rows(tell: Teller) -> None:
    X = table(120)
    for target in targets(X):
        fitted = fit(tell, target, target, X)
        if fitted is not None:
            tell_fit(tell, target, fitted, table(300, 1))


def tell_preset(tell: Teller, preset: str) -> None:
    """Add fits of a preset to few rows and to many, of each kind of target."""
    for n in (150, 1_700):
        X = table(n)
        for target in targets(X):
            name = f"{n} {target}"
            fitted = fit(tell, name, target, X, preset=preset, max_iter=3 if n < 1_000 else 2)
            if fitted is not None:
                tell_fit(tell, name, fitted, table(300, 1))


def terms(tell: Teller) -> None:
    X = table(400)
    for target in ("number", "multiclass"):
        terms = fit(tell, f"{target}", target, X, preset="additive", max_iter=10).terms()
        tell.value(f"{target}", terms)
        tell(f"{target} decision", terms.decision, X[:20])
        tell(f"{target} page", terms.html, rows(X, 1)[0])
        tell_shown(tell, f"{target}", terms)


def settings_of_fits(tell: Teller) -> None:
    X = table(200)
    for name, settings in RECIPES.items():
        for target in ("number", "multiclass"):
            fitted = fit(tell, f"{name} {target}", target, X, **settings)
            if fitted is not None:
                tell_fit(tell, f"{name} {target}", fitted, table(300, 1))


def like_scikit_learn(tell: Teller) -> None:
    X, y = arrays()
    for name, made in {"classifier": c.MLPClassifier, "regressor": c.MLPRegressor}.items():
        for solver in ("adam", "sgd", "lbfgs"):
            fitted = made(hidden_layer_sizes=(6, 4), solver=solver, max_iter=5, random_state=0).fit(X, y)
            tell.value(f"{name} {solver}", [fitted.coefs_, fitted.intercepts_, of_fit(fitted, CURVES)])
            tell(f"{name} {solver} predict", fitted.predict, X)
        tell(f"{name} partial", lambda made=made: made(random_state=0).partial_fit(X, y).coefs_)
        tell(f"{name} repr", repr, fitted)
    for loss in ("squared_error", "huber", "absolute_error", "quantile", "poisson"):
        fitted = c.MLPRegressor(loss, (4,), max_iter=3, random_state=0).fit(X, X[:, 0] ** 2)
        tell(f"loss {loss}", fitted.predict, X)
    quantiles = c.MLPRegressor("quantile", (4,), quantiles=[0.1, 0.5, 0.9], max_iter=3, random_state=0)
    tell("quantiles", quantiles.fit(X, X[:, 0]).predict, X)


def preparation_of_tables(tell: Teller) -> None:
    X = table(300)
    scales = (
        "robust",
        "realmlp",
        "range",
        "none",
        "quantile",
        "standard+quantile",
        "robust+rank+linear",
        "straight",
    )
    for scale in scales:
        made = c.TablePreprocessor(scale=scale)
        tell.warned(scale, made.fit, X, targets(X)["number"])
        tell(f"{scale} state", made.to_data)
        tell(f"{scale} names", made.get_feature_names_out)
        tell(f"{scale} numbers", made.transform, table(60, 2))
        tell(f"{scale} text", str, made)


# --- trust --------------------------------------------------------------------------------------------------


def tell_answers(tell: Teller, target: str, **settings: Any) -> None:
    """Add all that an estimator says of its answers, before and after an update."""
    X, y = table(260), targets(table(260))[target]
    fitted = fit(tell, target, target, X, **settings)
    tell_trust(tell, target, fitted, X, y)
    tell_reasons(tell, target, fitted, X, y)
    tell_saved(tell, target, fitted, X)
    tell(f"{target} notices", lambda: (fitted.notices_, str(fitted.notices_)))
    updated = tell_error(tell, f"{target} updated", fitted.update, X[:60], y[:60], epochs=2)
    if updated is not None:
        tell_fit(tell, f"{target} updated", updated, table(300, 1))


def thresholds(tell: Teller) -> None:
    X = table(400)
    y = targets(X)["binary"]
    fitted = fit(tell, "binary", "binary", X, preset="fast", max_iter=8)
    for name, how in {
        "f1": {"scoring": "f1"},
        "balanced": {"scoring": "balanced_accuracy", "X": X, "y": y},
        "costs": {"costs": [[0, 1], [9, 0]]},
        "given": {"threshold": 0.3},
    }.items():
        tell(f"{name} set", lambda how=how: fitted.set_threshold(**how).threshold_)
        tell(f"{name} predict", fitted.predict, X)
        tell(f"{name} bind", lambda: [fitted.bind().predict(row) for row in rows(X, 20)])
    tell("scored", lambda: estimator_of("binary", preset="fast", scoring="f1").fit(X, y).threshold_)


def notices(tell: Teller) -> None:
    r = np.random.default_rng(4)
    X = table(500)
    person = r.integers(0, 70, 500)
    own = r.normal(0, 20, 70)[person]
    y = targets(X)["number"] + own
    tables = {
        "copy": X.assign(copy=y * 2 + 1),
        "persons": X.assign(person=[f"P{each}" for each in person]),
        "numbered": X.assign(number=np.arange(500)),
        "doubled": pd.concat([X[:250], X[:250]]),
        "marked": X.assign(size=X["size"].fillna(-999), words=["n/a" if k % 9 else "12" for k in range(500)]),
    }
    for name, made in tables.items():
        target = np.r_[y[:250], y[:250]] if name == "doubled" else y
        fitted = estimator_of("number", hidden_layer_sizes=(6,), max_iter=4)
        tell.warned(name, fitted.fit, made, target)
        tell.value(f"{name} notices", fitted.notices_)
        for language in LANGUAGES:
            with spoken_in(language):
                tell(f"{name} text {language}", lambda fitted=fitted: str(fitted.notices_))
    for how in ({"groups": person}, {"time": np.arange(500)}, {"groups": person, "time": np.arange(500)}):
        fitted = estimator_of("number", hidden_layer_sizes=(6,))
        tell.warned(f"{[*how]}", fitted.fit, X, y, **how)
        tell.value(f"{[*how]} held out", fitted.held_out_)
        tell(f"{[*how]} predict", fitted.predict, X)


# --- races --------------------------------------------------------------------------------------------------


def fixed(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a race with other weights, an end within one of its fits, and an even similarity."""
    made = json.loads(json.dumps(plan))
    share = 1 / len(made["weights"])
    made["weights"] = dict.fromkeys(made["weights"], share)
    made["fits"][0]["course"]["end"] = None
    if made["similarity"]:
        made["similarity"] |= {"prior": 0.5, "numbers": [0.25] * len(made["similarity"]["numbers"])}
    return made


def tell_race(tell: Teller, target: str, n: int, **settings: Any) -> None:
    """Add a race, the same one by its plan, and one by a plan with other weights."""
    X, y = table(n), targets(table(n))[target]
    raced = fit(tell, "raced", target, X, **settings)
    tell.value("plan", raced.plan_)
    tell.value("report", raced.report_)
    tell_fit(tell, "raced", raced, table(300, 1))
    tell_saved(tell, "raced", raced, X)
    for name, plan in {"again": raced.plan_, "fixed": fixed(raced.plan_)}.items():
        again = tell_error(tell, name, estimator_of(target, **settings).fit, X, y, plan=plan)
        if again is not None:
            tell_fit(tell, name, again, table(300, 1))
            tell.value(f"{name} plan", again.plan_)
    tell_trust(tell, "fixed", again, X, y)
    tell_reasons(tell, "fixed", again, X[:60], y[:60])
    tell_exports(tell, "fixed", again, X, (".js", ".c"))
    tell("updated", lambda: again.update(X[:50], y[:50], epochs=1).predict(X[:50]))


def distilled(tell: Teller) -> None:
    for target in ("number", "multiclass"):
        X, y = table(160), targets(table(160))[target]
        teacher = estimator_of(target, n_members=3, hidden_layer_sizes=(8,)).fit(X[:120], y[:120])
        student, cost = distill(
            teacher, X[:120], X_test=X[120:], y_test=y[120:], hidden_layer_sizes=(4,), max_iter=2
        )
        tell_fit(tell, target, student, table(300, 1))
        tell.value(f"{target} losses", cost.losses)
        tell_shown(tell, f"{target} cost", cost)


def tuned(tell: Teller) -> None:
    from chainrule.estimators import tune  # takes the clock as it is imported

    X, y = table(160), targets(table(160))["number"]
    found = tune(estimator_of("number", max_iter=4), X, y, trials=4, folds=2, seed=1)
    tell.value("trials", found.trials)
    tell("best", lambda: (found.best, found.default, found.importances, found.estimator.predict(X)))


# --- exports ------------------------------------------------------------------------------------------------

FORMATS = (".onnx", ".c", ".js", ".html")


def tell_exports(
    tell: Teller, name: str, model: Any, X: Any, formats: tuple[str, ...] = FORMATS, **settings: Any
) -> None:
    """Add the files that a model is written to, and what is said of them."""
    for form in formats:
        folder = Path(f"{len(tell.lines)}")
        folder.mkdir()
        made = tell(f"{name} {form}", model.export, folder / f"model{form}", X, **settings)
        if not isinstance(made, Exception):
            tell.files(f"{name} {form}", folder)


def exported_networks(tell: Teller) -> None:
    X, y = arrays()
    model = c.Model(every_kind(), seed=2)
    model.fit(X, y, epochs=2)
    tell("graph", lambda: str(model.graph()))
    tell_exports(tell, "network", model, X)
    tell_exports(tell, "float64 with label", model, X, dtype="float64", label=True)
    tell_exports(tell, "int8", model, X, (".c", ".onnx"), dtype="int8")


def exported_tables(tell: Teller) -> None:
    X = table(200)
    for target, settings in {
        "number": {"preset": "fast"},
        "binary": {"n_members": 2, "hidden_layer_sizes": (6,)},
        "multiclass": {"preset": "realmlp"},
        "multilabel": {"hidden_layer_sizes": (6,)},
    }.items():
        fitted = fit(tell, target, target, X, **settings)
        if target == "binary":
            fitted.set_threshold(threshold=0.3)
        tell(f"{target} graph", lambda fitted=fitted: str(fitted.graph()))
        tell_exports(tell, target, fitted, X)
    tell_exports(
        tell, "int8", fit(tell, "small", "number", X, hidden_layer_sizes=(6,)), X, (".c",), dtype="int8"
    )


# --- files of earlier versions ------------------------------------------------------------------------------


def earlier_files(tell: Teller) -> None:
    model = c.load(GOLDEN / "model_format_1.safetensors")
    X = np.random.default_rng(0).normal(size=(20, model.network.inputs))
    tell.value("format 1 parameters", of_model(model))
    tell("format 1 predict", model.predict_proba if model.task != "regression" else model.predict, X)
    kept = json.loads((GOLDEN / "table_preprocessor_1.json").read_text("utf-8"))
    for place, made in enumerate(kept["made"]):
        read = c.TablePreprocessor.from_data(made["data"])
        tell(f"table {place}", read.to_data)
        tell(f"table {place} numbers", read.transform, kept["later"])
    houses = pd.read_csv(GOLDEN / "runs_0.1" / "houses.csv")
    for name, load in {"plain": c.load, "fast": c.MLPRegressor.load}.items():
        read = load(GOLDEN / "runs_0.1" / name / "model.safetensors")
        rows_of = houses.drop(columns="price") if name == "fast" else np.linspace(-1, 1, 240).reshape(20, 12)
        tell.value(f"{name} theta", getattr(read, "model_", read).theta)
        tell(f"{name} predict", read.predict, rows_of)


# --- the command --------------------------------------------------------------------------------------------


def run_command(tell: Teller, name: str, line: str, language: str = "en") -> None:
    """Add what the command prints, and its exit code."""
    from commands import invoke

    with mock.patch.dict(os.environ, {"CHAINRULE_LANG": language}):
        done = invoke(line.split())
    tell.value(f"{name} printed", [done.stdout, done.stderr, done.exit_code])


def write_tables() -> None:
    """Write the tables and arrays of the command's runs into this folder."""
    X = table(220)
    y = targets(X)
    names = {"price": y["number"], "size_of_it": y["multiclass"], "dear": y["binary"]}
    X.assign(person=[f"P{k % 40}" for k in range(220)], **names).to_csv("houses.csv", index=False)
    X.assign(size=X["size"] * 2)[:60].to_csv("later.csv", index=False)
    A, labels = arrays()
    np.savez("arrays.npz", X=A, y=np.array(["low", "mid", "high"])[labels])
    images = np.random.default_rng(0).integers(0, 256, (80, 64)).astype(np.uint8)
    np.savez("pictures.npz", X=images, y=np.arange(80) % 4)


NUMBERS = "train houses.csv --target-column price --hidden 8 --exclude-columns size_of_it,dear,person"
RUNS = {
    "arrays": "train arrays.npz --epochs 4 --batch-norm --dropout 0.2 --patience 2",
    "pictures": "train pictures.npz --epochs 2 --hidden 8,8 --augment --residual",
    "numbers": f"{NUMBERS} --epochs 3",
    "classes": "train houses.csv --target-column size_of_it --preset fast --epochs 3 --hidden 8 "
    "--exclude-columns price,dear --groups person",
    "ordered": "train houses.csv --target-column dear --preset fast --epochs 3 --hidden 8 "
    "--exclude-columns price,size_of_it,person --time sold --threshold f1",
    "additive": f"{NUMBERS.replace('--hidden 8', '--preset additive')} --epochs 3",
    "network": f"{NUMBERS} --epochs 3 --preset none --schedule one_cycle --validation-fraction 0.2",
    "race": f"{NUMBERS} --epochs 2 --preset best",
}
"""Runs by the name of their folder."""


def tell_run(tell: Teller, name: str) -> None:
    """Add a run: what it prints, every file that it leaves, and what each subcommand says of it."""
    write_tables()
    data = RUNS[name].split()[1]
    later = "later.csv" if data == "houses.csv" else data
    for language in LANGUAGES:
        run = f"{name}-{language}"
        run_command(tell, f"train {language}", f"{RUNS[name]} --out {run} --report", language)
        tell.files(f"run {language}", Path(run))
    for line in (
        f"evaluate {run} {data}",
        f"predict {run} {later} --explain",
        f"predict {run} {later} --interval 0.8",
        f"check {run} {later}",
        f"info {run}",
        f"explain {run} {data} --row 3",
    ):
        run_command(tell, f"{line} --json", f"{line} --json")
        for language in LANGUAGES:
            run_command(tell, f"{line} {language}", line, language)
    run_command(tell, "predict file", f"predict {run} {later} --out predicted.csv")
    run_command(tell, "story", f"explain {run} {data} --row 3 --out why.html", "zh")
    run_command(tell, "check page", f"check {run} {later} --out check.html")
    run_command(tell, "card", f"card {run} --out card.md")
    tell.files("file", Path(), "*.*")
    (Path(run) / "metrics.json").unlink()  # as of a run that was stopped
    run_command(tell, "resume", f"train {run} --resume")
    tell.files("resumed", Path(run))


def race_again(tell: Teller) -> None:
    write_tables()
    run_command(tell, "race", f"{RUNS['race']} --out race --quiet")
    run_command(tell, "plan", f"{NUMBERS} --plan race --epochs 2 --out again")
    tell.files("again", Path("again"))


def other_commands(tell: Teller) -> None:
    write_tables()
    run_command(tell, "train", f"{NUMBERS} --epochs 3 --members 2 --out run --quiet")
    for form in ("--onnx", "--c", "--js", "--html"):
        for language in LANGUAGES:
            run_command(tell, f"export {form} {language}", f"export run {form}", language)
    run_command(tell, "export int8", "export run --c --dtype int8 --out small.c")
    run_command(tell, "tune", "tune houses.csv --target-column price --trials 3 --out tuned")
    run_command(tell, "distill", "distill run --hidden 4 --epochs 2 --between 40")
    run_command(tell, "data", "data diabetes")
    run_command(tell, "wrong", "train houses.csv --target-column cost", "zh")
    run_command(tell, "lab", "lab")
    Path("tuned/journal.log").unlink()  # it has the time of each trial
    tell.files("file", Path())


def runs_of_earlier_versions(tell: Teller) -> None:
    shutil.copytree(GOLDEN / "runs_0.1", ".", dirs_exist_ok=True)
    for name in ("plain", "fast"):
        run_command(tell, f"{name} predict", f"predict {name} houses.csv --out {name}.csv")
        run_command(tell, f"{name} evaluate", f"evaluate {name} houses.csv --json")
        run_command(tell, f"{name} info", f"info {name}")
        run_command(tell, f"{name} explain", f"explain {name} houses.csv --row 3")
        run_command(tell, f"{name} longer", f"train {name} --resume --epochs 24")
    tell.files("file", Path())


def experiments(tell: Teller) -> None:
    for name in ("universality", "regularization", "vanishing"):
        for language in LANGUAGES:
            folder = f"{name}-{language}"
            line = f"lab {name} --budget 0.01 --repeats 1 --out {folder}"
            run_command(tell, f"{name} {language}", line, language)
            tell.files(f"{name} {language}", Path(folder))


# --- the server ---------------------------------------------------------------------------------------------


def ask(url: str, body: object = None, kind: str = "application/json") -> Any:
    """Return the reply to a request: its status, and its body as data."""
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request) as reply:
            text = reply.read().decode()
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    return json.loads(text) if text[:1] in "[{" else text


def tell_served(tell: Teller, target: str, **settings: Any) -> None:
    """Add what the server answers for an estimator."""
    from chainrule.serve.server import served

    X = table(200)
    fit(tell, target, target, X, **settings).save(f"{target}.safetensors")
    sent = rows(X, 12)
    with served(f"{target}.safetensors") as url:
        tell(f"{target} one", ask, f"{url}/predict", sent[0])
        tell(f"{target} several", ask, f"{url}/predict", sent)
        tell(f"{target} listed", ask, f"{url}/predict", [list(row.values()) for row in sent])
        tell(f"{target} interval", ask, f"{url}/predict?interval=0.8", sent)
        tell(f"{target} spread", ask, f"{url}/predict?spread=true", sent)
        tell(f"{target} CSV", ask, f"{url}/predict", X[:12].to_csv(index=False), "text/csv")
        tell(f"{target} refused", ask, f"{url}/predict", [{"town": 3}])
        for path in ("schema", "openapi.json", "healthz", "v2", f"v2/models/{target}"):
            tell(f"{target} {path}", ask, f"{url}/{path}")


# --- all of it ----------------------------------------------------------------------------------------------


class Topic(NamedTuple):
    """A function that goes through one subject, and its arguments."""

    room: str
    name: str
    is_quick: bool
    go: Callable[..., None]
    given: tuple[Any, ...] = ()
    settings: Mapping[str, Any] = {}


SMALL: dict[str, Any] = {"n_members": 2, "hidden_layer_sizes": (8,)}
BEST: dict[str, Any] = {"preset": "best", "hidden_layer_sizes": (8,), "max_iter": 2}
FAST: dict[str, Any] = {"preset": "fast"}
TOPICS = [
    Topic("names", "public", True, public_names),
    Topic("help", "commands", True, help_of_commands),
    Topic("model", "layers", True, layers),
    Topic("model", "methods", True, methods_without_backpropagation),
    Topic("model", "checkpoints", True, checkpoints),
    Topic("model", "optimizers", False, optimizers),
    Topic("model", "losses", False, losses),
    Topic("model", "ensembles", False, ensembles),
    Topic("inspection", "traces", True, traces),
    Topic("inspection", "attributions", True, attributions),
    Topic("estimators", "few rows", True, few_rows),
    Topic("estimators", "like scikit-learn", True, like_scikit_learn),
    Topic("estimators", "tables", True, preparation_of_tables),
    Topic("estimators", "settings", False, settings_of_fits),
    Topic("estimators", "terms", False, terms),
    *(Topic("estimators", preset, False, tell_preset, (preset,)) for preset in PRESETS),
    Topic("trust", "number", True, tell_answers, ("number",), SMALL),
    *(
        Topic("trust", target, False, tell_answers, (target,), FAST)
        for target in ("two numbers", "binary", "multiclass", "multilabel")
    ),
    Topic("trust", "thresholds", False, thresholds),
    Topic("trust", "notices", False, notices),
    Topic("race", "few rows", True, tell_race, ("binary", 90), BEST),
    Topic("race", "numbers", False, tell_race, ("number", 1_600), BEST),
    Topic("race", "classes", False, tell_race, ("multiclass", 1_600), BEST),
    Topic("race", "distilled", True, distilled),
    Topic("race", "tuned", False, tuned),
    Topic("export", "networks", True, exported_networks),
    Topic("export", "tables", False, exported_tables),
    Topic("files", "earlier", True, earlier_files),
    *(Topic("command", name, name == "arrays", tell_run, (name,)) for name in RUNS),
    Topic("command", "race again", False, race_again),
    Topic("command", "others", False, other_commands),
    Topic("command", "earlier runs", True, runs_of_earlier_versions),
    Topic("lab", "experiments", False, experiments),
    Topic("serve", "number", True, tell_served, ("number",), SMALL),
    Topic("serve", "multiclass", False, tell_served, ("multiclass",), FAST),
    Topic("serve", "race", False, tell_served, ("binary",), BEST),
]


def slower(clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock that goes on from now by a millionth of the speed."""
    start = clock()
    return lambda: start + (clock() - start) * SLOWER


def prepare() -> None:
    """Slow the clocks of this process down."""
    time.monotonic, time.perf_counter = slower(time.monotonic), slower(time.perf_counter)


def go_through(place: int) -> list[str]:
    """Return the lines of a topic, in a folder of its own."""
    topic, before = TOPICS[place], os.getcwd()
    tell = Teller(f"{topic.room}/{topic.name}")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        try:
            topic.go(tell, *topic.given, **topic.settings)
        except Exception as error:
            tell.value("ended", error)
        finally:
            os.chdir(before)
    return tell.lines


def lines(places: list[int]) -> Iterator[str]:
    """Go through topics, two at a time, and return their lines in order."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), prepare) as pool:
        for found in pool.map(go_through, places):
            yield from found


def main(words: list[str]) -> None:
    """Print the lines of the topics that are asked for."""
    rooms = list(dict.fromkeys(each.room for each in TOPICS))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(rooms)}; all without one")
    parser.add_argument("--quick", action="store_true", help="only the topics that are done in seconds")
    asked = parser.parse_args(words)
    if unknown := set(asked.rooms) - set(rooms):
        parser.error(f"there is no room {', '.join(sorted(unknown))}; there are {', '.join(rooms)}")
    places = [
        place
        for place, each in enumerate(TOPICS)
        if each.room in (asked.rooms or rooms) and (each.is_quick or not asked.quick)
    ]
    for line in lines(places):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
