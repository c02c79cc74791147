"""Write the results of a run into its folder: the model, its history and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.recipe import folder
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import Prepared
from chainrule.training import History

if TYPE_CHECKING:
    from chainrule.recipe.baselines import BaselineComparison


def write(
    prepared: Prepared,
    history: History,
    judgement: Judgement,
    comparison: BaselineComparison | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write the model, its history and its metrics into the folder of the run. more: more entries of metrics.json."""
    place = prepared.place
    extra = model_extra(prepared, history)
    if is_average(prepared):
        from chainrule.estimators.fitted import save

        save(prepared.estimator, place / "model.safetensors", extra)
    else:
        prepared.model.save(place / "model.safetensors", extra=extra)
    folder.write_json(place / "history.json", {"records": history.records, "stopped": history.stopped})
    if (matrix := judgement.matrix) is not None:
        folder.write_confusion(place / "confusion_matrix.csv", matrix, judgement.labels)
    compared = {} if comparison is None else comparison.of_run()
    folder.write_json(place / "metrics.json", judgement.to_json() | compared | dict(more or {}))


def is_average(prepared: Prepared) -> bool:
    """Return whether a run's estimator predicts an average of different networks."""
    return hasattr(prepared.estimator, "blend_")


def averaged(prepared: Prepared) -> NDArray[Any] | None:
    """Return the outputs of such an average for the test rows; None for any other run."""
    table = prepared.data.table
    if table is None or not is_average(prepared):
        return None
    from chainrule.recipe import averages

    return averages.outputs_of_rows(prepared.estimator, table.columns, table.target.name, table.test)


def model_extra(prepared: Prepared, history: History) -> dict[str, Any] | None:
    """Return the file's metadata besides the model: for a table the estimator, and the name of the target."""
    table = prepared.data.table
    if table is None:
        return None
    from chainrule.estimators import files
    from chainrule.recipe import as_estimator, tables

    made = prepared.estimator
    made = as_estimator.estimator(prepared, history) if made is None else made
    return {"estimator": files.described(made), tables.TARGET: table.target.name}


def compared(prepared: Prepared, judgement: Judgement, history: History) -> BaselineComparison | None:
    """Compare the model of a table with simpler models; None for other data."""
    if prepared.data.table is None:
        return None
    from chainrule.recipe import baselines

    seconds = sum(record["seconds"] for record in history)
    if is_average(prepared):
        seconds = sum(each.seconds for each in prepared.estimator.report_)
    return baselines.compare(prepared, judgement, seconds)
