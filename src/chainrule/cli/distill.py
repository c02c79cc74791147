"""`chainrule distill`: one network in place of those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand, hidden_widths
from chainrule.views import words

RunToDistill = Annotated[
    str, Argument(metavar="RUN", help="The folder of a run on a table, such as one of --preset best.")
]
StudentHidden = Annotated[
    str | None,
    Option(
        "--hidden",
        metavar="WIDTHS",
        help="Widths of the network's hidden layers, such as 32; none for a linear model.",
        show_default="those of the preset fast",
    ),
]
RowsBetween = Annotated[
    int | None,
    Option(
        "--between",
        min=0,
        help="Rows in between that are learned too.",
        show_default="as many as there are, and 5,000 in all at least",
    ),
]
StudentEpochs = Annotated[
    int | None, Option("--epochs", min=1, help="Maximum epochs.", show_default="those of the preset fast")
]
StudentSeed = Annotated[int, Option("--seed", help="Seed of the network and of the rows in between.")]
StudentFile = Annotated[
    Path | None,
    Option("--out", help="The file to write.", show_default="distilled.safetensors in the folder"),
]


@guard_subcommand
def distill(
    run: RunToDistill,
    hidden: StudentHidden = None,
    between: RowsBetween = None,
    epochs: StudentEpochs = None,
    seed: StudentSeed = 0,
    out: StudentFile = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Train one network on what a run's networks answer, and say what it costs: so a race fits a chip."""
    from chainrule.recipe.distilled import distilled

    given = {"hidden_layer_sizes": hidden_widths(hidden), "max_iter": epochs}
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    console = output.console()
    if not as_json:
        output.print_lines(console, f"{words.model.learning(run)}\n\n")
    made = distilled(Path(run), out, between=between, seed=seed, **parameters)
    if as_json:
        output.print_json({"file": str(made.path), **made.cost.to_data()})
    else:
        said = made.cost, words.model.written(str(made.path)), f"chainrule export {made.path} --c"
        output.print_lines(console, "\n\n".join(map(str, said)))
