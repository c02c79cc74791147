"""The model and the data shown by every screen: the network with its parameters, and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.datasets.idx import Dataset
from chainrule.errors import DataError
from chainrule.formulas.layers.base import Link
from chainrule.model import Model
from chainrule.network import tree
from chainrule.studio.screens.table import cells_of, columns_of
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import encode, named_tensors

MAX_SAMPLES = 512
"""The maximum samples that a page may request at once."""


def links_of(links: Sequence[Link]) -> list[dict[str, Any]]:
    """Return links as a tree: each with its name, kind, settings, widths, and the chains of a block."""

    def add(
        link: Link, before: list[dict[str, Any]], ends: tuple[list[dict[str, Any]], ...]
    ) -> list[dict[str, Any]]:
        settings = {k: v for k, v in encode(link.layer).items() if k not in ("layers", "initializer")}
        widths = {"name": link.name, "fan_in": link.fan_in, "fan_out": link.fan_out}
        return [*before, settings | widths | {"branches": [end[len(before) :] for end in ends]}]

    return tree.fold(links, [], add)


def described(model: Model, name: str, shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Return a model as data for the page: its links, its loss and its parameters."""
    network = model.network
    return {
        "name": name,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "task": model.task,
        "classes": None if model.classes is None else [str(label) for label in model.classes.tolist()],
        "features": None if model.feature_names is None else list(model.feature_names),
        "shape": picture_shape(network.inputs, shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "epochs": model.epochs_trained,
        "steps": model.steps_trained,
        "size": network.size,
        "links": links_of(network.links),
        "loss": encode(network.loss),
        "scale": None
        if model.target_scale is None
        else {k: v for k, v in model.target_scale._asdict().items() if v is not None},
        "arrays": arrays_of(model, model.theta),
    }


def arrays_of(model: Model, theta: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return every parameter and state by name as float32."""
    tensors = named_tensors(model.network, theta, model.states)
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}


def picture_shape(inputs: int, shape: tuple[int, ...] | None) -> list[int] | None:
    """Return (height, width) if the inputs are a picture: that of the data, or 28 x 28 for 784."""
    if shape is not None and len(shape) == 2 and shape[0] * shape[1] == inputs:
        return list(shape)
    return [28, 28] if inputs == 784 else None


def on_show(studio: Studio) -> dict[str, Any]:
    """Return the shown model as data for the page."""
    shape = shown_part(studio).shape if studio.has_data else None
    return described(studio.model, studio.name, shape) | {"example": studio.example}


@command("model.get", reads=True)
def get(studio: Studio) -> dict[str, Any]:
    """Return the shown model; {"model": None} without one."""
    return {"model": on_show(studio) | {"networks": studio.networks} if studio.has_model else None}


@command("data.get", reads=True)
def get_data(studio: Studio) -> dict[str, Any]:
    """Return a description of the data; {"data": None} without data."""
    if not studio.has_data:
        return {"data": None}
    data, part = studio.data, shown_part(studio)
    labels = (
        sorted({str(label) for label in np.unique(part.y[:10_000]).tolist()})
        if part.y.dtype.kind in "OUSiub"
        else None
    )
    return {
        "data": {
            "name": data.name,
            "features": int(part.X.shape[1]),
            "shape": list(part.shape) if len(part.shape) == 2 else None,
            "parts": {
                n: len(p) for n in ("train", "validation", "test") if (p := getattr(data, n)) is not None
            },
            "shown": int(part.X.shape[0]),
            "labels": labels if labels is not None and len(labels) <= 100 else None,
            **columns_of(data),
        }
    }


def shown_part(studio: Studio) -> Dataset:
    """Return the part of the data whose samples the screens show: the test samples, or else others."""
    data = studio.data
    return data.test or data.validation or data.train


@command("data.samples", reads=True)
def samples(
    studio: Studio, *, start: int = 0, count: int = 1, rows: list[int] | None = None
) -> dict[str, Any]:
    """Return samples of the shown part: X (n, features) as stored, or float32, and y as numbers or text.

    cells: for a table, the original cells of each row.
    """
    part = shown_part(studio)
    n = int(part.X.shape[0])
    asked = range(start, start + count) if rows is None else rows  # its length is known before a list is made
    if len(asked) > MAX_SAMPLES or any(not 0 <= row < n for row in asked):
        raise DataError(f"at most {MAX_SAMPLES} samples with numbers from 0 to {n - 1} can be requested.")
    chosen = list(asked)
    X = np.asarray(part.X[chosen])
    return {
        "rows": chosen,
        "X": X if X.dtype == np.uint8 else X.astype(np.float32),
        "cells": cells_of(studio.data, chosen),
        "y": [str(v) if isinstance(v, (str, bytes)) else v for v in np.asarray(part.y[chosen]).tolist()],
    }
