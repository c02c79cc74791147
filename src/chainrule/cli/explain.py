"""`chainrule explain`: explain one prediction as a story, in the terminal and as a page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError, DataError
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.core.arrays import RowsLike
    from chainrule.datasets.headers import TableLayout
    from chainrule.explain.reasons import Reasons
    from chainrule.model import Ensemble, Model
    from chainrule.recipe.later_tables import Known


class Sample(NamedTuple):
    """One sample with its target and names."""

    source: str
    x: Any  # (1, features)
    truth: Any
    """its target; None if the file has none"""
    shape: tuple[int, int] | None
    names: list[str] | None
    """the names of the features, if the file has them"""
    cells: dict[str, Any] | None = None
    """its cells by column, of a table like that of the training"""


@guard_subcommand
def explain(
    model: options.ModelFile,
    sample: options.ExplainedInput,
    row: options.Row = None,
    true: options.Truth = None,
    method: options.AttributionMethod = "integrated_gradients",
    lr: options.StepRate = 0.001,
    header: options.Header = None,
    sheet: options.Sheet = None,
    time: options.AtTime = None,
    lang: options.Language = "en",
    out: options.StoryPage = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Explain one prediction: the input, the output of each layer, the evidence, and what a training step does."""
    if out is not None and out.suffix.lower() != ".html":
        raise ConfigError(f"--out must end in .html, not {out.name!r}.")
    if lr <= 0:
        raise ConfigError(f"--lr must be above 0, not {lr:g}.")
    from chainrule.cli.models import describe_average, load_with_table
    from chainrule.datasets.headers import TableLayout
    from chainrule.inspection import story

    loaded, table = load_with_table(model, header, sheet)
    if table is not None and table.of_times:
        if out is not None or true is not None:
            raise ConfigError(
                "of times to an event, explain prints what each column adds; omit --out and --true."
            )
        by_column = reasons_of_time(table, sample, row, time)
        if as_json:
            output.print_json(by_column.to_data())
        else:
            output.print_lines(output.console(), by_column.text())
        return
    if time is not None:
        raise ConfigError(f"--time is for times to an event, and {model} predicts something else; omit it.")
    chosen, what = _as_one(loaded)
    what = describe_average(table) or what
    found = read_sample(sample, row, chosen, table, TableLayout(header, sheet))
    truth = found.truth if true is None else parse_truth(true, chosen)
    told = story.explain(
        chosen,
        found.x,
        truth,
        method=method,
        learning_rate=lr,
        shape=found.shape,
        names=found.names,
        source=found.source,
    )
    if out is not None:
        told.write(out)
    reasons = None if found.cells is None else reasons_of_row(model, found.cells)
    if as_json:
        columns = {} if reasons is None else {"columns": reasons.to_data()}
        output.print_json(told.to_json() | columns)
        return
    console = output.console()
    if reasons is not None:
        output.print_lines(console, reasons.text())
        console.print()
    if what:
        console.print(what, style="dim")
    told.show(console)
    if out is not None:
        console.print(words.model.written(str(out)), markup=False)


def _as_one(model: Model | Ensemble) -> tuple[Model, str]:
    """Return one network to inspect, and a sentence that describes it; an empty one for a model.

    An ensemble becomes one network with its members side by side, or its first member if a layer does not support that.
    """
    from chainrule.model import Model

    if isinstance(model, Model):
        return model, ""
    try:
        return model.pack(), words.command.side_by_side(len(model))
    except ConfigError:
        return model.members[0], words.command.first_of_ensemble(len(model))


def reasons_of_time(table: Known, path: str, row: int | None, time: float | None) -> Reasons:
    """Return what each column of a row adds to the probability that its event comes after a time."""
    from chainrule.cli.predict import rows_of_table
    from chainrule.tables.structure import count_of

    cells, made = rows_of_table(path, table), table.average
    number = chosen_row(path, count_of(cells) or 0, row)
    at = float(made.knots_[len(made.knots_) // 2]) if time is None else time
    found: Reasons = made.explain(row_of(cells, number), time=at)
    return dataclasses.replace(found, target=table.target)


def chosen_row(text: str, count: int, row: int | None) -> int:
    """Return the sample to explain of those in INPUT. Raises ConfigError for one that is not there."""
    if row is None and count > 1:
        raise ConfigError(f"{text} contains {count:,} samples; select one with --row, from 0 to {count - 1}.")
    row = row or 0
    if not 0 <= row < count:
        raise ConfigError(f"--row is {row}, but {text} contains {count:,} samples, from 0 to {count - 1}.")
    return row


def reasons_of_row(model: str, cells: dict[str, Any]) -> Reasons | None:
    """Return what each column of a table adds to the answer for a row; None for a model that has no such reasons."""
    from chainrule.cli.models import load_estimator

    try:
        estimator, target = load_estimator(model)
        return dataclasses.replace(estimator.explain(cells), target=target)
    except ConfigError:
        return None


def read_sample(
    text: str, row: int | None, model: Model, table: Known | None = None, layout: TableLayout | None = None
) -> Sample:
    """Read one row of INPUT, as `read_samples` reads all."""
    if row is not None and row < 0:
        raise ConfigError(f"--row counts from 0; it is {row}.")
    from chainrule.cli.predict import PICTURES

    found = read_samples(text, model, table, layout)
    n = len(found.x)
    if Path(text).suffix.lower() in PICTURES and row not in (None, 0):
        raise ConfigError(f"{text} is one picture; omit --row.")
    row = chosen_row(text, n, row)
    return found._replace(
        source=text if n == 1 else f"{text}, row {row}",
        x=found.x[row : row + 1],
        truth=None if found.truth is None else found.truth[row],
        cells=None if found.cells is None else row_of(found.cells, row),
    )


def read_samples(
    text: str, model: Model | Ensemble, table: Known | None = None, layout: TableLayout | None = None
) -> Sample:
    """Read the rows of INPUT. table: the metadata, in the model's file, of the table that it was trained on.

    layout: where a table lies in its file that a model of numbers reads.
    """
    from chainrule.cli.predict import read
    from chainrule.datasets.table_files import TABLES
    from chainrule.recipe.data import image_shape

    columns, shape = None, None
    truth: Any = None
    table_cells: dict[str, Any] | None = None
    if text == "mnist":
        from chainrule.datasets import load_mnist

        test = load_mnist()[1]
        X, truth, shape = test.X, test.y, image_shape(test)
    elif table is not None and text.lower().endswith(TABLES):
        table_cells, X, truth = read_table_and_truth(text, model, table)
        columns = list(model.feature_names or ()) or None
    elif text.lower().endswith(TABLES):
        from chainrule.recipe.later_tables import numbers_of

        columns, X, truth = numbers_of(text, model, layout or TableLayout())
    else:
        X = read(text, model, table)
        shape = picture_shape(text, X, model)
        if Path(text).suffix.lower() == ".npz":
            truth = targets(text, len(X))
    if X.ndim != 2 or X.shape[1] != model.network.inputs:
        raise DataError(
            f"{text} contains samples of {X.shape[1] if X.ndim == 2 else X.shape} features, "
            f"but the model takes {model.network.inputs}; select the same columns."
        )
    return Sample(text, X, truth, shape, columns, table_cells)


def row_of(columns: dict[str, Any], row: int) -> dict[str, Any]:
    """Return a row of a table as a table."""
    import numpy as np

    from chainrule.tables.rows import rows_of

    return dict(rows_of(columns, np.array([row])))


def read_table_and_truth(
    text: str, model: Model | Ensemble, table: Known
) -> tuple[dict[str, Any], Any, list[Any] | None]:
    """Return the columns of a table but the target, the rows as a model takes them, and each row's target, if any."""
    from chainrule.recipe import later_tables

    columns, X = later_tables.inputs_of(text, table)
    inputs = {name: values for name, values in columns.items() if name != table.target}
    try:
        target = later_tables.target_of(columns, text, model, table)
    except DataError:  # rows to predict have no target
        return inputs, X, None
    truth: list[Any] = [None] * len(X)
    for at, value in zip(target.rows.tolist(), target.y.tolist(), strict=True):
        truth[at] = value
    return inputs, X, truth


def picture_shape(text: str, X: RowsLike, model: Model | Ensemble) -> tuple[int, int] | None:
    """Return (height, width) if the samples are gray images: stored as such, or of a square number of bytes."""
    from chainrule.datasets import read_npy, read_npz
    from chainrule.inspection.attribution.explained import check_shape

    suffix, inputs = Path(text).suffix.lower(), model.network.inputs
    if suffix in (".npy", ".npz"):
        X = read_npy(text) if suffix == ".npy" else next(iter(read_npz(text, {"x"}).values()))
        if X.ndim == 3 and X.shape[1] * X.shape[2] == inputs:
            return int(X.shape[1]), int(X.shape[2])
        if X.ndim == 2 and X.shape[1] != inputs and X.size == inputs:
            return int(X.shape[0]), int(X.shape[1])
    return check_shape(None, inputs, X.dtype)


def targets(text: str, n: int) -> Any:
    """Return y of an .npz if it contains one per row, else None."""
    import numpy as np

    from chainrule.datasets import read_npz

    y = next(iter(read_npz(text, {"y"}).values()), None)
    if y is None or y.ndim == 0 or len(y) != n:
        return None
    return np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y


def parse_truth(text: str, model: Model) -> Any:
    """Parse --true: a label, numbers separated by commas, or the true ones of many labels."""
    from chainrule.inspection.story import label_names

    if model.task in ("binary", "multiclass"):
        return text
    words = [word.strip() for word in text.split(",") if word.strip()]
    if model.task == "multilabel":
        labels = label_names(model)
        unknown = [word for word in words if word not in labels and word != "none"]
        if unknown:
            raise ConfigError(
                f"--true names {unknown[0]!r}, which is not a label of the model; its labels are "
                f"{', '.join(labels)}."
            )
        return [float(label in words) for label in labels]
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ConfigError(f"--true must be {model.network.outputs} number(s), not {text!r}.") from error
