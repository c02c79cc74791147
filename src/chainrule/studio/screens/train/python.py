"""The Python script for a training of the studio: with its data, its network and its settings, ready to run."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import chainrule
from chainrule.fitting.parameters import given as given_parameters
from chainrule.formulas.layers import Rescale
from chainrule.formulas.schedules import Constant
from chainrule.recipe.data import HELD_OUT, Data
from chainrule.recipe.settings import ABOUT
from chainrule.studio.screens.train.form import Planned


def code_of(plan: Planned, everything: Data, source: str) -> str:
    """Return the training as a script.

    everything: the data with all samples.  source: mnist, points, or the name of the file or folder.
    """
    if plan.begun is not None:
        return code_of_preset(plan, source)
    settings, network = plan.settings, plan.network
    train, test = ("X", "y") if plan.samples is None else ("X[rows]", "y[rows]"), None
    lines = []
    if source == "points":
        lines += points_of(everything)
        test = None
    elif source == "mnist":
        lines += ["train, test = load_mnist()"]
        test = "(test.X, test.y)"
    else:
        lines += [f"data = open_data({source!r})", "train = data.train"]
        part = "validation" if plan.data.validation is not None else "test"
        test = f"(data.{part}.X, data.{part}.y)" if getattr(plan.data, part) is not None else None
    X, y = train if source == "points" else (f"train.{name}" for name in train)
    if plan.samples is not None:
        n = "len(X)" if source == "points" else "len(train)"
        lines += [f"rows = np.linspace(0, {n} - 1, {plan.samples}).astype(np.int64)"]
    penalty = [
        f"{name}={getattr(network, name)!r}" for name in ("l2", "l1", "max_norm") if getattr(network, name)
    ]
    layers = ",\n        ".join(map(written, network.layers))
    lines += [
        "network = Network(",
        f"    {network.inputs},",
        f"    [\n        {layers},\n    ],",
        f"    {', '.join([written(network.loss), *penalty])},",
        ")",
        f"model = Model(network, seed={settings.seed})",
    ]
    given = [
        f"epochs={settings.epochs}",
        f"batch_size={settings.batch_size}",
        f"optimizer={written(plan.optimizer)}",
    ]
    if not isinstance(plan.schedule, Constant):
        given += [f"schedule={written(plan.schedule)}"]
    fraction = settings.validation_fraction
    if fraction is None and test is None:
        fraction = HELD_OUT
    given += [f"validation_fraction={fraction}"] if fraction is not None else [f"validation_data={test}"]
    if network.loss.targets == "real":
        given += ["scale_targets=True"]
    if settings.clip_norm is not None:
        given += [f"clip={settings.clip_norm}"]
    if settings.patience is not None:
        given += [f'callbacks=[EarlyStopping("val_loss", {settings.patience})]']
    lines += ["history = model.fit(", f"    {X},", f"    {y},", *(f"    {each}," for each in given), ")"]
    lines += ['print(history["val_loss"][-1])', 'model.save("model.safetensors")']
    return "\n".join([*imports("\n".join(lines)), "", *lines, ""])


def code_of_preset(plan: Planned, source: str) -> str:
    """Return the training of a table by a preset as a script."""
    begun = plan.begun
    assert begun is not None and begun.data.table is not None
    made = begun.estimator([])
    parameters = {name: value for name, value in given_parameters(made).items() if name != "callbacks"}
    given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    names = {name: value for name, value in begun.given.given().items() if "table" in ABOUT[name].of}
    asked = ", ".join(f"{name}={value!r}" for name, value in names.items())
    lines = [f"data = open_data({source!r})"]
    if names:
        lines += [f"data = divided(data, Settings({asked}))"]
    if plan.samples is not None:
        lines += [f"data = fewer(data, {plan.samples})"]
    lines += [
        "table = data.table",
        f"model = {type(made).__name__}({given})",
        "model.fit(**table.to_fit(data.train.y))",
        "print(model.score(rows_of(table.inputs, table.test), data.test.y))",
        'model.save("model.safetensors")',
    ]
    more = ["from chainrule.tables.rows import rows_of"]
    if names:
        more += ["from chainrule.recipe.settings import Settings"]
    used = [name for name, is_used in (("divided", names), ("fewer", plan.samples is not None)) if is_used]
    if used:
        more += [f"from chainrule.studio.screens.train.form import {', '.join(used)}"]
    return "\n".join([*imports("\n".join(lines)), *more, "", *lines, ""])


def written(value: Any) -> str:
    """Return the constructor call of a layer, loss, optimizer or schedule, without settings at their defaults."""
    if isinstance(value, Rescale) and value.scale == 1 / 255 and not value.offset:
        return "Rescale(1 / 255)"
    parts = []
    for f in dataclasses.fields(value):
        setting = getattr(value, f.name)
        if not f.init or setting == f.default:
            continue
        text = f"[{', '.join(map(written, setting))}]" if f.name == "layers" else repr(setting)
        parts.append(text if f.default is dataclasses.MISSING else f"{f.name}={text}")
    return f"{type(value).__name__}({', '.join(parts)})"


def points_of(data: Data) -> list[str]:
    """Return the painted points as array literals."""
    X, y = data.train.X, data.train.y
    rows = [f"    [{', '.join(repr(float(v)) for v in row)}]," for row in X]
    return [
        "X = np.array([",
        *rows,
        "])",
        f"y = np.array({[int(v) for v in y]})",
    ]


def imports(text: str) -> list[str]:
    """Return the imports of a script."""
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    names = sorted(words & set(chainrule.__all__) - {"load"}, key=str.lower)
    found = ["import numpy as np"] if "np" in words else []
    found += [f"from chainrule import {', '.join(names)}"]
    if "load_mnist" in words:
        found += ["from chainrule.datasets import load_mnist"]
    if "open_data" in words:
        found += ["from chainrule.studio.session.start import open_data"]
    return found
