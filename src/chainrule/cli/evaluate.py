"""`chainrule evaluate`: evaluate a model on data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError, DataError, FormatError, ShapeError
from chainrule.views import words

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from chainrule.data.samples import Samples
    from chainrule.datasets import Dataset
    from chainrule.model import Ensemble, Model
    from chainrule.recipe.columns import TargetColumn
    from chainrule.recipe.data import Data
    from chainrule.recipe.judge import Judgement
    from chainrule.recipe.later_tables import Known
    from chainrule.recipe.settings import Settings

PARTS = ("train", "validation", "test", "all")


@guard_subcommand
def evaluate(
    model: options.ModelFile,
    data: options.Data,
    part: options.Part = None,
    positive: options.Positive = None,
    header: options.Header = None,
    sheet: options.Sheet = None,
    engine: options.Engine = "auto",
    precision: options.Precision = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Print a model's metrics on data, and its confusion matrix."""
    from chainrule.cli.models import decision_in, load_with_table
    from chainrule.data.checks import check_samples
    from chainrule.data.samples import Samples
    from chainrule.datasets.column_files import are_many
    from chainrule.datasets.table_files import TABLES
    from chainrule.recipe.data import NAMES, load
    from chainrule.recipe.judge import judge, judge_times, positive_of

    if part is not None and part not in PARTS:
        raise ConfigError(f"--part must be train, validation, test or all, not {part!r}.")
    chosen, table = load_with_table(model, header, sheet, precision)
    if data.lower().endswith(TABLES):
        whole, found, run = table_of_run(model, chosen, table, data)
    else:
        if are_many(data):
            raise DataError(f"{data} names several files; evaluate takes them one at a time.")
        found = load(data)
        whole, run = found.train, parts_of_run(model, chosen, found)
    held = None if run is None else run.held_out
    parts: dict[str, Dataset | Samples | None] = {
        "train": found.train if run is None else run.train,
        "validation": found.validation if held is None else held,
        "test": found.test,
        "all": whole,
    }
    name = part or ("test" if found.test is not None else "all" if held is None else "validation")
    samples = parts[name]
    if samples is None:
        has = ", ".join(key for key, value in parts.items() if value is not None)
        raise DataError(f"{data} has no {part} part; it has {has}.")
    if not isinstance(samples, Samples):
        own = "validation" if samples is found.validation else "test" if samples is found.test else "train"
        samples, _ = check_samples(
            chosen.network, samples.X, samples.y, classes=chosen.classes, names=NAMES[own]
        )
    label, asked = positive_of(chosen, positive), name if found.test is not None else "all"
    said, how = "given" if name == "all" else name, decision_in(model, table)

    def judged(precision: str | None) -> Judgement:
        """Return the metrics of predictions in a precision."""
        outputs = None
        if table is not None and table.event is not None:
            from chainrule.tables.rows import rows_of

            columns, target, rows = rows_of_part(model, chosen, table, data, asked)
            return judge_times(table.average, rows_of(columns, rows), target.of(rows), said, precision)
        if table is not None and data.lower().endswith(TABLES):
            if table.average is not None:
                outputs = average_of(model, chosen, table, data, asked, precision)
            elif table.exposure is not None:
                from chainrule.recipe.table_data import log_exposure

                columns, _, rows = rows_of_part(model, chosen, table, data, asked)
                outputs = chosen.outputs(samples, engine=engine, precision=precision)
                outputs = outputs + log_exposure(columns, table.exposure, rows)
        return judge(
            *(chosen, samples),
            part=said,
            positive=label,
            engine=engine,
            precision=precision,
            outputs=outputs,
            decision=how,
        )

    judgement = judged(precision)
    exact = None if precision is None else judged(None).metrics
    learned = None if run is None else run.train.n if name in ("train", "all") else 0
    simple = dict[str, float]()
    if table is not None and table.event is not None:
        from chainrule.recipe.baselines import beside_kaplan_meier

        _, target, rows = rows_of_part(model, chosen, table, data, "train" if run else "all")
        simple = beside_kaplan_meier(judgement.y, target.of(rows))
    if as_json:
        beside = {} if exact is None else {"metrics_exact": exact}
        beside |= {"kaplan_meier": simple} if simple else {}
        output.print_json(judgement.to_json() | beside | {"learned_from": learned})
        return
    out = output.console()
    part_said = words.model.PARTS.get(judgement.part, judgement.part)
    out.print(f"[bold]{words.command.on_samples(judgement.n, part_said)}[/bold]")
    if run is not None:
        explain_part(out, run, name, is_asked=part is not None)
    both = None if exact is None else {str(precision): judgement.metrics, str(chosen.dtype): exact}
    if simple:
        both = {words.tables.MODELS["network"]: judgement.metrics, **(both or {}), "Kaplan-Meier": simple}
    output.show_judgement(out, judgement, both)
    output.show_decision(out, judgement)


def table_of_run(
    text: str, model: Model | Ensemble, table: Known | None, path: str
) -> tuple[Dataset, Data, Learned | None]:
    """Return a table as a model takes it, and how the model's run split it; whole if it was not trained on it."""
    from chainrule.recipe import later_tables
    from chainrule.recipe.data import Data

    whole, target = later_tables.judged_of(path, model, table)
    usual = None if table is None else table.layout.usual_encoding
    found = config_of_run(text)
    halves = None if found is None else later_tables.divided(whole, target, found[1], path, usual)
    if halves is not None:
        data = Data(whole.name, path, path, halves[0], None, halves[1])
        run = parts_of_run(text, model, data)
        if run is not None:
            return whole, data, run
    return whole, Data(whole.name, path, path, whole), None


def average_of(
    text: str, model: Model | Ensemble, table: Known, path: str, part: str, precision: str | None
) -> Any:
    """Return the outputs of an average of networks on a part of a table, as `rows_of_part`."""
    from chainrule.recipe import averages

    columns, target, rows = rows_of_part(text, model, table, path, part)
    return averages.outputs_of_rows(table.average, columns, target.name, rows, precision)


def rows_of_part(
    text: str, model: Model | Ensemble, table: Known, path: str, part: str
) -> tuple[dict[str, Any], TargetColumn, NDArray[np.int64]]:
    """Return the columns of a table, its target, and the rows of a part: train, test, or all with a target.

    Raises DataError without the exposure of a model that needs it.
    """
    from chainrule.recipe import later_tables
    from chainrule.recipe.columns import read_columns

    columns, found = read_columns(path, table.layout), config_of_run(text)
    target = later_tables.target_of(columns, path, model, table)
    rows = target.rows
    if part != "all" and found is not None:
        halves = later_tables.divided_rows(target, found[1], path, table.layout.usual_encoding)
        rows = rows[halves[("train", "test").index(part)]]
    if table.exposure is not None and table.exposure not in columns:
        raise DataError(f"{path} lacks the column {table.exposure!r}, the exposure of the amounts; add it.")
    return columns, target, rows


class Learned(NamedTuple):
    """The training samples of a run, and its held-out ones."""

    train: Samples
    held_out: Samples | Dataset | None
    """a part of X, or the validation part of the data; None without either"""


def parts_of_run(text: str, model: Model | Ensemble, data: Data) -> Learned | None:
    """Return how a model's run split these data; None if it was not trained on them, or if that is unknown."""
    from chainrule.data.checks import check_samples
    from chainrule.recipe import folder
    from chainrule.recipe.data import split

    found = config_of_run(text)
    if found is None:
        return None
    config, settings = found
    try:
        samples, _ = check_samples(model.network, data.train.X, data.train.y, classes=model.classes)
    except (DataError, ShapeError):  # other data
        return None
    if config["data"].get("fingerprint") != samples.fingerprint():
        return None
    if folder.is_of_estimator(config, settings.has_preset):  # which chooses the held-out rows
        return Learned(samples, None)
    rows = split(data, settings.validation_fraction, settings.seed)
    if rows is None:
        return Learned(samples, data.validation)
    return Learned(samples.take(rows.train), samples.take(rows.held_out))


def config_of_run(text: str) -> tuple[dict[str, Any], Settings] | None:
    """Return the config.json of a model's run, and its settings; None if there is none, or of another version."""
    from chainrule.recipe import folder
    from chainrule.recipe.settings import Settings

    place = _run_folder(text)
    if place is None:
        return None
    try:
        config = folder.read_config(place)
        return config, Settings.from_json(config["resolved"], str(place / "config.json"))
    except FormatError:  # another program's
        return None


def _run_folder(text: str) -> Path | None:
    """Return the folder of the run that wrote MODEL; None if it is not in one."""
    from pathlib import Path

    path = Path(text)
    folder = path if path.is_dir() else path.parent
    return folder if (folder / "config.json").is_file() else None


def explain_part(out: Console, run: Learned, name: str, is_asked: bool) -> None:
    """Print which of the samples the model was trained on."""
    said = words.command
    judged_apart = said.HELD_OUT if run.held_out is not None else said.OTHERS
    if name == "train":
        out.print(said.on_very_samples(judged_apart), style="orange1")
    elif name == "all":
        out.print(said.on_some_samples(run.train.n, judged_apart), style="orange1")
    elif name == "validation" and not is_asked:
        out.print(said.on_other_samples(run.train.n), style="dim")
