"""`chainrule compare`: compare the answers of two models to the same rows."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer
from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand

One = Annotated[str, Argument(metavar="A", help=options.MODEL)]
Other = Annotated[
    str,
    Argument(
        metavar="B", help="Another model; or answers, a .csv or .npy as `predict --out` or a service writes."
    ),
]
ComparedRows = Annotated[
    str,
    Option("--rows", metavar="DATA", help="Rows: a picture, .npy, .npz or a table, as `predict` takes them."),
]
Tolerance = Annotated[
    str,
    Option(
        help="The difference at which two numbers agree, in parts of the larger one, or two probabilities; or class, "
        "for the same class.",
    ),
]


@guard_subcommand
def compare(
    a: One,
    b: Other,
    rows: ComparedRows,
    tolerance: Tolerance = "1e-5",
    header: options.Header = None,
    sheet: options.Sheet = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Compare the answers of two models to the same rows; the exit code is 1 if they differ."""
    from chainrule.cli.models import decision_in, load_with_table
    from chainrule.cli.predict import answer, as_amounts
    from chainrule.datasets.headers import TableLayout
    from chainrule.model.comparison import AnsweredRows, compare_answers
    from chainrule.recipe.answers import given_answers

    within: float | str = tolerance
    with suppress(ValueError):
        within = float(tolerance)
    answered = list[AnsweredRows]()
    for text in (a, b):
        if answered and text.lower().endswith((".csv", ".npy")):
            answered.append(given_answers(text, answered[0]))
            continue
        model, table = load_with_table(text, header, sheet)
        layout = TableLayout(header, None, (), sheet)
        found = as_amounts(answer(model, table, rows, ("auto", None), layout=layout), table)
        found = found.decided(decision_in(text, table), model.labels)
        classes = None if model.classes is None else model.labels
        answered.append(AnsweredRows(found.predicted, found.probabilities, classes))
    compared = compare_answers(answered[0], answered[1], within)
    if as_json:
        output.print_json(compared.to_data())
    else:
        output.print_lines(output.console(), str(compared))
    if not compared.is_equal:
        raise typer.Exit(1)
