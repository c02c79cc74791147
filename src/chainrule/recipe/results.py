"""Write the results of a run into its folder: the model, its history and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.recipe import folder
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import TrainedRun

if TYPE_CHECKING:
    from chainrule.recipe.baselines import BaselineComparison


def write(
    found: TrainedRun,
    judgement: Judgement,
    comparison: BaselineComparison | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write the model, its history and its metrics into the folder of the run. more: more entries of metrics.json."""
    place, history = found.place, found.history
    save_model(found, place / "model.safetensors")
    folder.write_json(place / "history.json", {"records": history.records, "stopped": history.stopped})
    if (matrix := judgement.matrix) is not None:
        folder.write_confusion(place / "confusion_matrix.csv", matrix, judgement.labels)
    compared = {} if comparison is None else comparison.of_run()
    folder.write_json(place / "metrics.json", judgement.to_json() | compared | dict(more or {}))


def save_model(found: TrainedRun, path: Path) -> None:
    """Write the model: for a table the estimator, or what prepares the table, and the name of the target."""
    table = found.data.table
    if table is None:
        found.model.save(path)
        return
    from chainrule.estimators.fitted import save
    from chainrule.recipe.tables import TABLE, TARGET

    extra: dict[str, Any] = {TARGET: table.target.name}
    if found.estimator is not None:
        save(found.estimator, path, extra)
    else:
        found.model.save(path, extra=extra | {TABLE: table.preprocessor.to_data()})


def averaged(found: TrainedRun) -> NDArray[Any] | None:
    """Return the outputs of such an average for the test rows; None for any other run."""
    table = found.data.table
    if table is None or found.estimator is None or not found.is_average:
        return None
    from chainrule.recipe import averages

    return averages.outputs_of_rows(found.estimator, table.columns, table.target.name, table.test)


def compared(found: TrainedRun, judgement: Judgement) -> BaselineComparison | None:
    """Compare the model of a table with simpler models; None for other data."""
    if found.data.table is None:
        return None
    from chainrule.recipe import baselines

    seconds = sum(record["seconds"] for record in found.history)
    if found.estimator is not None and found.is_average:
        seconds = sum(each.seconds for each in found.estimator.report_)
    return baselines.compare(found, judgement, seconds)
