"""MODEL on the command line: a file that Model.save wrote, or the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.errors import ConfigError, DataError
from chainrule.model import Ensemble, Model, load_any
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.recipe.averages import AnyEstimator
    from chainrule.recipe.later_tables import Known
    from chainrule.trust.decisions import Decision


def load_with_table(
    text: str, header: int | None = None, sheet: str | None = None, precision: str | None = None
) -> tuple[Model | Ensemble, Known | None]:
    """Read MODEL, and the metadata of the table that it was trained on, None if there is none.

    header, sheet: where the tables lie that are read for it, as `chainrule.datasets.read_table` takes them.
    precision: in which it predicts; for "int8" the data of its run are read, where its file has no ranges.
    """
    path = model_file(text)
    model, metadata = load_any(path)
    table = None
    if {"estimator", "table"} & metadata.keys():
        from chainrule.recipe import averages, later_tables

        table = later_tables.known(metadata, path)
        table = table and table.laid_out(header, sheet)._replace(average=averages.in_file(metadata, path))
    if precision == "int8":
        from chainrule.model import Model
        from chainrule.recipe.exported import matrix_of, own_data

        known = [each.ranges for each in ([model] if isinstance(model, Model) else model)]
        if None in known and (data := own_data(path)) is not None:
            model.quantize(matrix_of(data, model, table, path))
    return model, table


def load_estimator(text: str, who: str = "reasons by column need") -> tuple[AnyEstimator, str | None]:
    """Read the estimator of a table that MODEL names, and the name of its target, None if the file lacks it.

    who: what needs it, for the error.
    """
    from chainrule.recipe.averages import estimator_of
    from chainrule.recipe.table_data import TARGET

    path = model_file(text)
    metadata = load_any(path)[1]
    return with_table(estimator_of(metadata, path), path, who), metadata.get(TARGET)


def with_table(
    made: AnyEstimator | None, path: str | Path, who: str = "reasons by column need"
) -> AnyEstimator:
    """Return the estimator of a file. Raises ConfigError unless it was trained on a table. who: what needs it."""
    if made is None or not made.prepares_tables:
        raise ConfigError(
            f"{who} a model that was trained on a table by an estimator, as chainrule train does; "
            f"{path} has another one."
        )
    return made


def decision_in(text: str, table: Known | None) -> Decision | None:
    """Return how the estimator of a table that MODEL names chooses labels; None for the likeliest class."""
    if table is None:
        return None
    from chainrule.recipe.averages import estimator_in
    from chainrule.recipe.demands import decision_of

    if table.event is not None:
        return None
    return decision_of(estimator_in(model_file(text)) if table.average is None else table.average)


def describe_average(table: Known | None) -> str:
    """Return a sentence about the inspected network of an average; an empty one without an average."""
    if table is None or not hasattr(table.average, "blend_"):
        return ""
    blend = table.average.blend_
    first = blend.parts[0]
    share = first.weight / len(first.result.members)
    return str(words.command.first_of_average(blend.networks, share))


def model_file(text: str) -> Path:
    """Return the path of the model file that MODEL names."""
    path = Path(text)
    if not path.is_dir():
        return path
    inside = path / "model.safetensors"
    if not inside.is_file():
        unfinished = (path / "config.json").is_file()
        hint = f"finish the run: chainrule train {path} --resume" if unfinished else "name the model's file"
        raise DataError(f"{path} contains no model.safetensors; {hint}.")
    return inside
