"""The answers of an average of networks, of a race or of few rows, and what each column did for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.inspection.story.facts import Answer
from chainrule.recipe.data import Data
from chainrule.studio.commands import command
from chainrule.studio.studio import Studio
from chainrule.tables.rows import rows_of

Average = MLPClassifier | MLPRegressor


def cells_of(data: Data, rows: Sequence[int]) -> dict[str, Any]:
    """Return some rows of the shown part of a table, as the average takes them."""
    assert data.table is not None
    places = data.table.train if data.test is None else data.table.test
    found: dict[str, Any] = rows_of(data.table.inputs, places[np.asarray(rows, np.int64)])
    return found


def answers(average: Average, data: Data, row: int) -> list[Answer]:
    """Return the answers for a row, the most probable first."""
    said = average.predict(cells_of(data, [row]))[0]
    if isinstance(average, MLPRegressor):
        assert data.table is not None
        return [Answer(data.table.target.name, float(np.ravel(said)[0]), None, True)]
    p = average.predict_proba(cells_of(data, [row]))[0].tolist()
    labels = average.classes_.tolist()
    found = [Answer(str(label), each, each, label == said) for label, each in zip(labels, p, strict=True)]
    return sorted(found, key=lambda answer: -answer.output)


def is_wrong(average: Average, data: Data, rows: Sequence[int], y: ArrayLike) -> NDArray[np.bool_]:
    """Return whether the answers for rows differ from y, (rows,)."""
    return np.asarray(np.asarray(average.predict(cells_of(data, rows))) != np.asarray(y), np.bool_)


@command("why.reasons", reads=True)
def reasons(studio: Studio, *, row: int, target: str | None = None) -> dict[str, Any]:
    """Return what each column of a row did for an answer of the average: base plus the values is the answer."""
    average, data = studio.average, studio.data
    if average is None or data.table is None:
        raise ConfigError("reasons by column are of an average of networks; open the run of one on a table.")
    cells = cells_of(data, [row])
    label = None
    if target is not None and isinstance(average, MLPClassifier):
        label = next((each for each in average.classes_.tolist() if str(each) == target), None)
        if label is None:
            raise ConfigError(f"{target[:40]!r} is none of the classes of the model.")
    found = average.explain(cells, target=label)
    values = {name: value for name, value in zip(found.names, found.values[0].tolist(), strict=True)}
    shown = {name: np.asarray(each).tolist() for name, each in cells.items()}
    asked = "" if label is None else f", target={label!r}"
    code = [
        f"from chainrule import {type(average).__name__}",
        "",
        f'estimator = {type(average).__name__}.load("model.safetensors")',
        f"row = {shown!r}",
        f"print(estimator.explain(row{asked}))",
    ]
    return {
        "of": str(found.labels[0]) if found.labels else data.table.target.name,
        "values": [{"name": name, "value": value} for name, value in values.items()],
        "base": float(found.base[0]),
        "answer": float(found.answers[0]),
        "error": float(found.error[0]),
        "code": "\n".join(code),
    }
