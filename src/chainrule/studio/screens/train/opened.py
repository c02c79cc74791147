"""Files that are dropped on the page: a network of another library, which goes on show, and rows for the one that is.

A file may not say how a network takes pixels, nor a `state_dict` its activation: they are tried on the pictures of the
shown data, and the page offers the other choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from scipy import special

from chainrule.datasets.headers import AUTOMATIC
from chainrule.datasets.idx import Dataset
from chainrule.errors import DataError
from chainrule.formulas.layers import Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.model import Model
from chainrule.model import open as open_elsewhere
from chainrule.network.network import Network
from chainrule.recipe.data import Data, from_arrays
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.train.commands import named_as_sent, own_name, paths_of
from chainrule.studio.screens.train.desk import desk_of
from chainrule.studio.session.commands import command
from chainrule.studio.session.start import read_table, with_model
from chainrule.studio.session.studio import Studio
from chainrule.trained import packing
from chainrule.trained.persistence import Saved

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu")
PIXELS = {
    "bytes": None,
    "unit": Rescale(1 / 255),
    "signed": Rescale(2 / 255, -1.0),
    "mnist": Rescale(1 / (255 * 0.3081), -0.1307 / 0.3081),
}
"""How a network may take pixels, and what is put before one that takes them otherwise than from 0 to 255."""
USUAL = 0.8
"""The factor of a loss with pixels from 0 to 1, which most networks take."""
TRIED = 200
Guess = dict[str, Any]
"""What a file does not say: its key, the chosen value, and the options."""


@command("model.open")
def open_network(
    studio: Studio, *, upload: str | None = None, chosen: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Show the network of an uploaded file, or of the last one again with what the file does not say (`chosen`)."""
    name = upload or studio.parts.get("opened", "")
    (path,) = paths_of(studio, [name])
    with named_as_sent([path]) as folder:
        file, guesses, trial = folder / own_name(path), list[Guess](), None
        if is_own(file):
            model = with_model(file).model
        else:
            model, guesses, trial = of_file(
                file, shown_part(studio) if studio.has_data else None, chosen or {}
            )
    desk_of(studio).end()  # a run would put its own network in this one's place
    with studio.lock:
        studio.parts["opened"] = name
    studio.show_model(model, file.stem)
    return {"name": file.stem, "size": model.network.size, "guesses": guesses, "trial": trial}


@command("model.rows")
def show_rows(studio: Studio, *, upload: str) -> dict[str, Any]:
    """Show the rows of an uploaded table of numbers for the shown network."""
    (path,) = paths_of(studio, [upload])
    with named_as_sent([path]) as folder:
        file = folder / own_name(path)
        data = rows_of(file, read_table(file, AUTOMATIC), studio.model)
    studio.show_data(data)
    return {"name": data.name, "n": len(data.train)}


def is_own(file: Path) -> bool:
    """Return whether a file has a model of the package, or what only its reader refuses."""
    if file.suffix.lower() != ".safetensors":
        return False
    try:
        with packing.opened(file) as (found, _):
            return "chainrule" in (found.metadata() or {})
    except SafetensorError:
        return True


def one_of(chosen: object, options: Iterable[str]) -> tuple[str, ...]:
    """Return the chosen option, or all."""
    every = tuple(options)
    return (str(chosen),) if chosen in every else every


def of_file(
    file: Path, part: Dataset | None, chosen: Mapping[str, object]
) -> tuple[Model, list[Guess], dict[str, int] | None]:
    """Return the network of a file of another library, what is guessed of it, and how many pictures it reads."""
    is_state = file.suffix.lower() == ".safetensors"
    kinds = one_of(chosen.get("activation"), ACTIVATIONS) if is_state else (None,)
    models = {kind: open_elsewhere(file, activation=kind) for kind in kinds}
    model = models[kinds[0]]
    is_open = model.task == "regression" and model.network.outputs > 1
    is_picture = model.network.inputs == 784
    pixels = one_of(chosen.get("pixels"), PIXELS) if is_picture else ("bytes",)
    kind, way, trial = kinds[0], "unit" if "unit" in pixels else pixels[0], None
    tried = pictures(part, model) if part is not None and is_picture else None
    if tried is not None:
        X, labels = tried
        found = {
            (kind, way): judged(models[kind].outputs(scaled(X, way)), labels)
            for kind in kinds
            for way in pixels
        }
        kind, way = min(found, key=lambda key: found[key][0] * (USUAL if key[1] == "unit" else 1))
        right = found[kind, way][1]
        trial = {"right": right, "n": len(labels)} if 2 * right > len(labels) else None
    answers = chosen.get("answers", "classes" if trial else "numbers")
    if is_open and answers == "classes":
        models[kind] = open_elsewhere(file, activation=kind, loss=SoftmaxCrossEntropy())
    guesses = [
        {"key": key, "value": value, "options": list(options)}
        for key, value, options, is_asked in (
            ("activation", kind, ACTIVATIONS, is_state),
            ("pixels", way, PIXELS, is_picture),
            ("answers", answers, ("numbers", "classes"), is_open),
        )
        if is_asked
    ]
    return behind(PIXELS[way], models[kind], file), guesses, trial


def pictures(part: Dataset, model: Model) -> tuple[Any, Any] | None:
    """Return pictures of the shown data and their classes, if the network takes them; None otherwise."""
    X, y = part.X[:TRIED], np.asarray(part.y[:TRIED])
    fits = X.shape[1] == model.network.inputs and y.dtype.kind in "iu" and y.ndim == 1 and len(y) > 0
    return (
        (np.asarray(X, np.float32), y) if fits and y.min() >= 0 and y.max() < model.network.outputs else None
    )


def scaled(X: Any, way: str) -> Any:
    """Return pixels as a network takes them."""
    layer = PIXELS[way]
    return X if layer is None else X * np.float32(layer.scale) + np.float32(layer.offset)


def judged(out: Any, labels: Any) -> tuple[float, int]:
    """Return the mean cross-entropy of outputs (n, classes), and how many of the labels are right."""
    losses = special.logsumexp(out, 1) - out[np.arange(len(labels)), labels]
    return float(losses.mean()), int((out.argmax(1) == labels).sum())


def behind(layer: Rescale | None, model: Model, file: Path) -> Model:
    """Return a model with a layer before its network."""
    if layer is None:
        return model
    network = Network(model.network.inputs, [layer, *model.network.layers], model.network.loss)
    metadata = {
        "dtype": model.dtype.name,
        "seed": 0,
        "classes": None if model.classes is None else model.classes.tolist(),
        "target_scale": None if model.target_scale is None else model.target_scale.to_data(),
        "frozen": [],
        "epochs_trained": 0,
        "steps_trained": 0,
    }
    return Model.of_saved(file, Saved(network, model.theta, model.states, metadata, {}))


def rows_of(file: Path, table: Mapping[str, Any], model: Model) -> Data:
    """Return the rows of a table as data for a model: its columns by name, or as many as the model takes.

    One more is the target, the column y or the last; without it the model's answers are. Raises DataError.
    """
    names, inputs, known = list(table), model.network.inputs, model.feature_names
    is_named = known is not None and set(known) <= set(names)
    others = [name for name in names if not is_named or name not in (known or ())]
    one_more = ["y"] if "y" in others else others[-1:]
    target = one_more if len(others) == (1 if is_named else inputs + 1) else []
    features = list(known or ()) if is_named else [name for name in names if name not in target]
    if len(features) != inputs:
        raise DataError(
            f"{file.name} has {len(names)} columns, and the shown network takes {inputs} inputs; give it these, and at "
            "most a target behind them."
        )
    for name in features:
        if not isinstance(table[name], np.ndarray) or not np.isfinite(table[name]).all():
            raise DataError(
                f"{file.name} has cells in the column {name} that are no numbers; correct the file."
            )
    X = np.stack([table[name] for name in features], 1).astype(np.float32)
    is_one = model.task in ("binary", "multiclass") or (
        model.task == "regression" and model.network.outputs == 1
    )
    y = answers_of(table[target[0]], model, file) if target and is_one else model.predict(X)
    return from_arrays(X, y, name=file.stem)._replace(features=tuple(features))


def answers_of(column: Any, model: Model, file: Path) -> Any:
    """Return a column of targets as numbers, or as labels of the model. Raises DataError for others."""
    if model.task == "regression":
        if not isinstance(column, np.ndarray) or not np.isfinite(column).all():
            raise DataError(f"{file.name} has targets that are no numbers; correct the file.")
        return column
    known = {str(label): label for label in model.labels}
    cells = [f"{cell:g}" if isinstance(column, np.ndarray) else str(cell) for cell in column]
    if other := next((cell for cell in cells if cell not in known), None):
        raise DataError(
            f"{file.name} has the target {other[:40]!r}, which the shown network does not know; correct it."
        )
    return np.array([known[cell] for cell in cells])
