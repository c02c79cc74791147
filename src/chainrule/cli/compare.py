"""`chainrule compare`: compare the answers of two models to the same rows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand

if TYPE_CHECKING:
    from chainrule.model.comparison import AnsweredRows

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


def given_answers(path: str, like: AnsweredRows) -> AnsweredRows:
    """Return the answers in a .csv or .npy file: probabilities where those of a model to the same rows are, or numbers.

    A table has the columns of `predict --out`, or nothing else than the numbers in their order.
    Raises DataError for text, and ShapeError for other counts.
    """
    import numpy as np

    from chainrule.datasets import read_npy
    from chainrule.errors import ShapeError
    from chainrule.recipe.columns import as_numbers, read_columns

    wanted = np.asarray(like.predicted if like.probabilities is None else like.probabilities)
    if path.lower().endswith(".npy"):
        values = read_npy(path)
    else:
        columns = read_columns(path)
        head = "predicted" if like.probabilities is None else "p("
        own = [name for name in columns if name.startswith(head)]
        values = as_numbers({name: columns[name] for name in own or columns}, path)
    if values.size != wanted.size or len(values) != len(wanted):
        raise ShapeError(
            f"{path} has answers of the shape {values.shape}, and the model's to these rows have {wanted.shape}; write "
            "a number for each output, or a probability for each class, in their order."
        )
    values = values.reshape(wanted.shape)
    if like.probabilities is None:
        return like._replace(predicted=values)
    if np.ndim(like.predicted) > 1:
        return like._replace(predicted=(values > 0.5).astype(np.uint8), probabilities=values)
    classes = range(wanted.shape[1]) if like.classes is None else like.classes
    return like._replace(predicted=np.asarray(classes)[values.argmax(1)], probabilities=values)
