"""`chainrule data`: prepare files of data for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guarded
from chainrule.errors import ConfigError

Action = Annotated[str, Argument(metavar="ACTION", help="shuffle.")]
In = Annotated[
    str, Argument(metavar="IN", help="A Parquet or Arrow file, a folder of such files, a pattern or a URL.")
]
Out = Annotated[Path, Argument(metavar="OUT", help="The folder to write to, new or empty.")]
Seed = Annotated[int, Option(help="Seed of the order.")]
RowGroupSize = Annotated[int, Option(help="Rows per row group of the copy.")]


@guarded
def data(
    action: Action,
    source: In,
    out: Out,
    seed: Seed = 0,
    row_group_size: RowGroupSize = 131_072,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Write a uniformly shuffled Parquet copy of files of any size: ACTION is shuffle."""
    if action != "shuffle":
        raise ConfigError(f"ACTION must be shuffle, not {action!r}.")
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
            bar.update(task, completed=share, description=what)

        made = shuffled_copy(
            source, out, seed=check_seed(seed, "--seed"), row_group_size=row_group_size, progress=progress
        )
    if as_json:
        found: dict[str, Any] = made._asdict() | {"path": str(made.path)}
        output.print_json(found)
        return
    from chainrule.errors import counted

    parts = (counted(made.rows, "row"), counted(made.files, "file"), counted(made.row_groups, "row group"))
    line = f"{parts[0]} in {parts[1]} of {parts[2]}, in {made.seconds:.1f} s"
    output.console().print(f"{line}: {made.path}", markup=False, soft_wrap=True)
