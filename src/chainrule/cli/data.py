"""`chainrule data`: prepare files of data for training."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError
from chainrule.views import words

TARGETS = {"breast_cancer": "diagnosis", "diabetes": "progression", "iris": "species", "wine": "cultivar"}
"""Tables that come with scikit-learn, with a name for the column to predict, which has none there."""
ROW_GROUP_SIZE = 131_072

Action = Annotated[
    str,
    Argument(metavar="ACTION", help=f"shuffle, or a table to write: {', '.join(TARGETS)}."),
]
In = Annotated[
    str | None,
    Argument(
        metavar="IN",
        help="For shuffle: a Parquet or Arrow file, a folder of such files, a pattern or a URL. For a table: the CSV "
        "file to write.",
        show_default="diabetes.csv for diabetes",
    ),
]
Out = Annotated[
    Path | None, Argument(metavar="OUT", help="For shuffle: the folder to write to, new or empty.")
]
Seed = Annotated[int, Option(help="Seed of the order.")]
RowGroupSize = Annotated[int, Option(help="Rows per row group of the copy.")]


@guard_subcommand
def data(
    action: Action,
    source: In = None,
    out: Out = None,
    seed: Seed = 0,
    row_group_size: RowGroupSize = ROW_GROUP_SIZE,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Write a table to begin with, such as diabetes.csv, or a uniformly shuffled Parquet copy of files of any size."""
    if action in TARGETS:
        if out is not None or (seed, row_group_size) != (0, ROW_GROUP_SIZE):
            raise ConfigError(
                f"OUT, --seed and --row-group-size are for shuffle; type chainrule data {action} FILE.csv."
            )
        _write_table(action, Path(source or f"{action}.csv"), as_json)
    elif action != "shuffle":
        raise ConfigError(f"ACTION must be shuffle or a table ({', '.join(TARGETS)}), not {action!r}.")
    elif source is None or out is None:
        raise ConfigError("shuffle needs two places; type chainrule data shuffle IN OUT.")
    else:
        _shuffle(source, out, seed, row_group_size, as_json)


def _write_table(name: str, path: Path, as_json: bool) -> None:
    """Write a table of scikit-learn as CSV, the column to predict last, and print the command that trains on it."""
    import sklearn.datasets

    from chainrule.core.files import write_whole

    given = {"scaled": False} if name == "diabetes" else {}
    table = getattr(sklearn.datasets, f"load_{name}")(**given)
    labels = table.target_names[table.target] if "target_names" in table else table.target
    rows = [
        [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in (*row, label)]
        for row, label in zip(table.data.tolist(), labels.tolist(), strict=True)
    ]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([[*table.feature_names, TARGETS[name]], *rows])
    written = text.getvalue().encode()
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"IN must be a file with the ending .csv, not {str(path)!r}.")
    if path.exists() and path.read_bytes() != written:
        raise ConfigError(
            f"{path} already exists and has other content; name another file: chainrule data {name} other.csv."
        )
    write_whole(path, written)
    command = f"chainrule train {shlex.quote(str(path))} --target-column {TARGETS[name]} --report"
    if as_json:
        output.print_json(
            {"path": str(path), "rows": len(rows), "target_column": TARGETS[name], "next": command}
        )
        return
    said = words.command
    sizes = said.table(len(rows), len(table.feature_names), TARGETS[name])
    for line in (f"{path}: {sizes}", said.next_is(command)):
        output.console().print(line, markup=False, soft_wrap=True)


def _shuffle(source: str, out: Path, seed: int, row_group_size: int, as_json: bool) -> None:
    """Write the shuffled copy, with a bar of its progress."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from chainrule.data.checks import check_seed
    from chainrule.datasets import shuffled_copy

    bar = Progress(
        *(TextColumn("{task.percentage:>3.0f} %"), BarColumn(), TimeRemainingColumn()),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True, highlight=False),
        transient=True,
        disable=as_json,
    )
    with bar:
        task = bar.add_task("", total=1.0)

        def progress(share: float, what: str) -> None:
            bar.update(task, completed=share, description=words.messages.translated(what))

        made = shuffled_copy(
            source, out, seed=check_seed(seed, "--seed"), row_group_size=row_group_size, progress=progress
        )
    if as_json:
        found: dict[str, Any] = made._asdict() | {"path": str(made.path)}
        output.print_json(found)
        return
    line = words.command.shuffled(made.rows, made.files, made.row_groups, made.seconds, str(made.path))
    output.console().print(line, markup=False, soft_wrap=True)
