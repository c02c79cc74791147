"""`chainrule bounds`: prove what the answers to rows can be, and which cannot change, within a radius of each row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError, DataError
from chainrule.views import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.table import Table

    from chainrule.graph.graph import ComputationGraph

ALL = "X"
"""The name of all columns of a matrix."""
PARTS = 10_000
"""The parts of a probability to which its bounds are rounded, outward."""
BoundedRows = Annotated[
    str,
    Option("--rows", metavar="DATA", help="Rows, with true answers or without: an INPUT as for `explain`."),
]
Radii = Annotated[
    list[str],
    Option(
        help="The largest change of each input, such as 2 levels of pixels; for a table also of one column, age:2, "
        "once for each column that changes.",
    ),
]
Clip = Annotated[
    str | None,
    Option(help="The least and the largest input, such as 0,1.", show_default="0,255 for bytes, else none"),
]
Limit = Annotated[int, Option(min=1, help="Maximum rows, the first ones of DATA.")]


@guard_subcommand
def bounds(
    model: options.ModelFile,
    rows: BoundedRows,
    radius: Radii,
    clip: Clip = None,
    limit: Limit = 100,
    header: options.Header = None,
    sheet: options.Sheet = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Prove what a model can answer if the inputs of a row change within a radius, and which labels cannot change."""
    import numpy as np

    from chainrule.cli.explain import read_samples
    from chainrule.cli.models import load_with_table, model_file
    from chainrule.datasets.headers import TableLayout
    from chainrule.estimators.graphs import graph_inputs
    from chainrule.recipe.averages import estimator_in

    chosen, table = load_with_table(model, header, sheet)
    found = read_samples(rows, chosen, table, TableLayout(header, sheet))
    estimator = estimator_in(model_file(model))
    if table is not None and estimator is None:
        raise ConfigError(
            f"bounds needs the preparation of the table, which {model} lacks; train it with a preset."
        )
    graph = chosen.graph() if estimator is None else estimator.graph()
    given: Mapping[str, Any] = {ALL: np.asarray(found.x, np.float64)}
    if estimator is not None and found.cells is not None:
        given = graph_inputs(estimator, found.cells)
    given = {name: values[:limit] for name, values in given.items()}
    radii = parse_radii(radius, graph)
    ends = (0.0, 255.0) if found.x.dtype == np.uint8 else None
    if clip is not None:
        ends = parse_clip(clip)
    limits: Any = None if ends is None else (dict.fromkeys(radii, ends[0]), dict.fromkeys(radii, ends[1]))
    near = graph.around(given, radii, clip=limits)
    if any((near[0][name] > near[1][name]).any() for name in radii):
        raise DataError(f"{rows} has inputs outside of {clip}; widen --clip.")
    boxes, answers = graph.bounds(*near, dtype=chosen.dtype), graph.run(given, chosen.dtype)
    name = next(iter(answers))
    parts = zip(answers[name].tolist(), *(end.tolist() for end in boxes[name]), strict=True)
    each_row = [{"answer": answer, "low": low, "high": high} for answer, low, high in parts]
    proofs: dict[str, Any] = {"rows": len(each_row), "of": len(found.x), "radius": radii}
    if "label" in boxes:
        is_proven: list[bool] = boxes["label"].is_point.all(1).astype(bool).tolist()
        for k, places in enumerate(answers["label"].astype(np.intp)):
            truth = None if found.truth is None else found.truth[k]
            each_row[k] |= labeled(graph, places, truth) | {"proven": is_proven[k]}
        known = [row for row in each_row if "right" in row]
        proofs |= {
            "labels": graph.labels,
            "proven": sum(is_proven),
            "known": len(known),
            "right": sum(row["right"] for row in known),
            "right_and_proven": sum(row["right"] and row["proven"] for row in known),
        }
    if as_json:
        output.print_json(proofs | {"answers": each_row})
    else:
        show_proofs(output.console(), rows, proofs, each_row)


def parse_radii(texts: list[str], graph: ComputationGraph) -> dict[str, float]:
    """Return the radius of each column by name, of a matrix as ALL. Raises ConfigError for text that is none."""
    found = dict[str, float]()
    numbers = [each.label for each in graph.inputs if each.holds in ("number", "numbers")]
    for text in texts:
        name, _, number = text.rpartition(":")
        try:
            found |= dict.fromkeys([name] if name else numbers, float(number))
        except ValueError:
            raise ConfigError(
                f"--radius must be a number, or COLUMN:NUMBER of a table, not {text!r:.60}."
            ) from None
    return found


def parse_clip(text: str) -> tuple[float, float]:
    """Return the ends that --clip names."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--clip must be two numbers such as 0,255, not {text!r:.60}.") from None
    return low, high


def labeled(graph: ComputationGraph, places: NDArray[np.intp], truth: Any) -> dict[str, Any]:
    """Return the predicted label of a row, or its labels, and whether they are right, if that is known.

    places: as the graph answers them.
    """
    if graph.task != "multilabel":
        label = graph.labels[places[0]]
        return {"predicted": label} | ({} if truth is None else {"right": str(label) == str(truth)})
    labels = [label for label, is_in in zip(graph.labels, places, strict=True) if is_in]
    return {"predicted": labels} | ({} if truth is None else {"right": places.tolist() == list(truth)})


def show_proofs(
    out: Console, source: str, proofs: Mapping[str, Any], each_row: Sequence[Mapping[str, Any]]
) -> None:
    """Print what the answers can be, and on how many rows they are proven."""
    import numpy as np

    from chainrule.cli.predict import SHOWN, table_of_numbers
    from chainrule.recipe.answers import Answers

    said = words.command
    if "labels" in proofs:
        out.print(table_of_labels(proofs["labels"], each_row[:SHOWN]))
    else:
        values, *ends = (np.array([row[key] for row in each_row]) for key in ("answer", "low", "high"))
        box = np.stack(ends, 2)
        if values.shape[1] == 1:
            values, box = values[:, 0], box[:, 0]
        output.print_lines(out, said.bounded(proofs["radius"]))
        out.print(table_of_numbers(Answers(source, values, None, None, box), out))
    if len(each_row) > SHOWN:
        out.print(said.more_rows(len(each_row) - SHOWN, is_written=False), style="dim")
    if "proven" in proofs:
        output.print_lines(out, said.proven(proofs["proven"], len(each_row), proofs["of"], proofs["radius"]))
        if proofs["known"]:
            output.print_lines(
                out, said.certified(proofs["right"], proofs["right_and_proven"], proofs["known"])
            )


def table_of_labels(labels: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return what the probabilities can be, rounded outward: of the predicted label, and of the likeliest others."""
    from rich.table import Table
    from rich.text import Text

    from chainrule.cli.predict import TOP

    table = Table.grid(padding=(0, 2))
    for i, row in enumerate(rows):
        low, high, predicted = row["low"], row["high"], row["predicted"]
        chosen = predicted if isinstance(predicted, list) else [predicted]
        order = sorted(
            zip([each not in chosen for each in labels], (-p for p in high), range(len(labels)), strict=True)
        )
        for rank, (is_other, _, k) in enumerate(order[:TOP]):
            ends = max(0.0, math.floor(PARTS * low[k]) / PARTS), min(1.0, math.ceil(PARTS * high[k]) / PARTS)
            proof = words.command.PROVEN if row["proven"] else words.command.NOT_PROVEN
            table.add_row(
                Text(words.command.row(i) * (rank == 0)),
                Text(output.plain(labels[k]), "" if is_other else "bold"),
                Text(" – ".join(map(output.percent, ends)), justify="right"),
                Text(proof * (rank == 0)),
            )
    return table
