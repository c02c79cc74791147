"""The sample that a page asks about: a row of the shown data, or the numbers of a drawing, and the answers for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.inspection.story import label_names
from chainrule.studio.screens.model import picture_shape, shown_part
from chainrule.studio.screens.neurons.edits import copied
from chainrule.studio.screens.neurons.python import preamble
from chainrule.studio.screens.table import cells_of
from chainrule.studio.studio import Studio
from chainrule.trained.trained import Trained

LARGEST = 1e30
"""The largest absolute number of a sample from a page: it fits float32, and its square float64."""


class Asked(NamedTuple):
    """A model and the sample to explain."""

    model: Trained
    x: NDArray[Any]
    """(1, inputs)"""
    y: Any
    """its label or number; None for a drawing"""
    row: int | None
    shape: tuple[int, int] | None


def asked_about(studio: Studio, row: int | None, x: list[float] | None) -> Asked:
    """Return the sample of a row of the shown data, or of numbers. Raises ConfigError for both or neither."""
    model = copied(studio.model)
    inputs = model.network.inputs
    part = shown_part(studio) if studio.has_data else None
    shape = picture_shape(inputs, None if part is None else part.shape)
    picture = None if shape is None else (shape[0], shape[1])
    if (row is None) == (x is None):
        raise ConfigError("give one sample: row, its index in the data, or x, its numbers.")
    if row is not None:
        part = shown_part(studio)
        if not 0 <= row < len(part.X):
            raise ConfigError(f"row must be from 0 to {len(part.X) - 1}, not {row}.")
        return Asked(model, np.asarray(part.X[[row]]), part.y[row], row, picture)
    numbers = np.asarray([x], np.float64)
    if numbers.shape[1] != inputs:
        raise ConfigError(
            f"x must have {inputs} numbers, one per input of the network, not {numbers.shape[1]}."
        )
    if np.abs(numbers).max() > LARGEST:
        raise ConfigError(f"the absolute values of x must be at most {LARGEST:g}; rescale them.")
    return Asked(model, numbers, None, None, picture)


class AskedColumn(NamedTuple):
    """A column of the table that the inputs of a sample are made of."""

    name: str
    inputs: list[int]
    """the places of its inputs"""
    cell: str | None
    """its cell; None for a sample that is no row of the table"""


def columns_of(studio: Studio, asked: Asked) -> list[AskedColumn] | None:
    """Return the columns of the table that the model was trained on, as far as it uses them; None without one."""
    table = studio.data.table if studio.has_data else None
    if table is None or sum(b.stop - b.start for b in table.blocks.values()) != asked.x.shape[1]:
        return None
    found = None if asked.row is None else cells_of(studio.data, [asked.row])
    cells = {} if found is None else dict(zip(table.inputs, found[0], strict=True))
    return [
        AskedColumn(name, list(range(block.start, block.stop)), cells.get(name))
        for name, block in table.blocks.items()
    ]


def answer_names(studio: Studio, model: Trained) -> list[str]:
    """Return the names of the answers: the labels, or of the only number of a table its target."""
    table = studio.data.table if studio.has_data else None
    is_number = model.task == "regression" and model.network.outputs == 1
    return [table.target.name] if table is not None and is_number else label_names(model)


def label_of(model: Trained, text: str | None) -> Any:
    """Return a label of the data, or the index of an output, by its name on the page."""
    if text is None:
        return None
    names = label_names(model)
    if text not in names:
        raise ConfigError(f"the answers are {', '.join(names[:10])}; {text[:40]!r} is none of them.")
    place = names.index(text)
    return model.labels[place] if model.task in ("binary", "multiclass") else place


def targets_of(model: Trained, target: str | None, against: str | None) -> dict[str, Any]:
    """Return the settings target and against of an attribution, for the names on the page."""
    if target is None and model.task == "regression" and model.network.outputs > 1:
        target = label_names(model)[0]
    pair = {"target": label_of(model, target), "against": label_of(model, against)}
    return {name: label for name, label in pair.items() if label is not None}


def reading(studio: Studio, asked: Asked) -> list[str]:
    """Return the Python that loads the model and makes x (1, inputs)."""
    if asked.row is not None:
        return [*preamble(studio, most=None), f"x = X[[{asked.row}]]"]
    places = np.flatnonzero(asked.x[0])
    return [
        "import numpy as np",
        "from chainrule import load",
        "",
        'model = load("model.safetensors")',
        f"x = np.zeros((1, {asked.x.shape[1]}))",
        f"x[0, {places.tolist()}] = {asked.x[0, places].tolist()}",
    ]
