"""Predictions for rows: as records for JSON, as the columns of a table, and in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chainrule.explain.reasons import Reasons
    from chainrule.trust.decisions import Decision


class Answers(NamedTuple):
    """Predictions for the rows of one input."""

    source: str
    predicted: Any  # (n,) or (n, outputs)
    probabilities: Any  # (n, classes), or None for numbers
    spread: Any = None  # of the members of an ensemble, in the shape of the numbers or of the probabilities
    covering: Any = None  # (n, 2) or (n, outputs, 2) intervals, or (n, classes) whether each is in the set
    reasons: Reasons | None = None
    """what each column adds to each answer, if that is asked"""
    strange: list[list[str]] | None = None
    """(n,) the columns in which each row is like nothing in training, with the reasons; None where nobody knows"""
    beside: Mapping[str, Any] | None = None
    """(n,) each, more numbers of a row by name; None without"""

    def decided(self, decision: Decision | None, labels: list[Any]) -> Answers:
        """Return the answers with the labels that a decision chooses; as they are for None."""
        if decision is None or self.probabilities is None:
            return self
        import numpy as np

        shares = self.probabilities[:, 1:] if len(labels) == 2 else self.probabilities
        return self._replace(predicted=np.asarray(labels)[decision.chosen(shares)])

    def part(self, begin: int, end: int) -> Answers:
        """Return those for some of the rows, without reasons."""
        own = (self.predicted, self.probabilities, self.spread, self.covering)
        return Answers(self.source, *(None if each is None else each[begin:end] for each in own))


def records(answers: Answers, labels: list[str]) -> list[dict[str, Any]]:
    """Return one record per row: what is predicted, and what else is known of it by the names of the labels.

    labels: those of the columns of the probabilities, as text.
    """
    rows = [{"predicted": predicted} for predicted in answers.predicted.tolist()]
    by_label = answers.probabilities is not None
    if by_label:
        for row, shares in zip(rows, answers.probabilities.tolist(), strict=True):
            row["probabilities"] = dict(zip(labels, shares, strict=True))
    for name, values in (answers.beside or {}).items():
        for row, value in zip(rows, values.tolist(), strict=True):
            row[name] = value
    if answers.spread is not None:
        for row, apart in zip(rows, answers.spread.tolist(), strict=True):
            row["spread"] = dict(zip(labels, apart, strict=True)) if by_label else apart
    if answers.covering is not None:
        for row, found in zip(rows, answers.covering.tolist(), strict=True):
            if by_label:
                row["set"] = [label for label, is_in in zip(labels, found, strict=True) if is_in]
            else:
                row["interval"] = found
    return rows


def as_data(answers: Answers, labels: list[str]) -> list[dict[str, Any]]:
    """Return one record per row, with its source and its number, and the reasons if they are known."""
    rows = []
    for i, found in enumerate(records(answers, labels)):
        row = {"input": answers.source, "row": i, **found}
        if (why := answers.reasons) is not None:
            of = {} if not why.labels else {"of": why.labels[i]}
            because = dict(zip(why.names, why.values[i].tolist(), strict=True))
            row |= {
                "answer": float(why.answers[i]),
                **of,
                "typical_answer": float(why.base[i]),
                "because": because,
            }
        if answers.strange is not None:
            row["strange_columns"] = answers.strange[i]
        rows.append(row)
    return rows


def as_columns(answers: Answers, labels: list[str]) -> dict[str, Any]:
    """Return the columns of a table by name, each (n,): predictions, probabilities, spreads, and intervals or sets."""
    by_label = answers.probabilities is not None
    outputs = [f" {k}" for k in range(*answers.predicted.shape[1:])] if answers.predicted.ndim > 1 else [""]
    columns = dict(zip((f"predicted{k}" for k in outputs), _columns(answers.predicted), strict=True))
    if by_label:
        columns |= zip((f"p({label})" for label in labels), _columns(answers.probabilities), strict=True)
    columns |= answers.beside or {}
    if answers.spread is not None:
        of = [f"({label})" for label in labels] if by_label else outputs
        columns |= zip((f"spread{each}" for each in of), _columns(answers.spread), strict=True)
    if (found := answers.covering) is not None:
        if by_label:
            heads, found = [f"in the set({label})" for label in labels], found.astype("int64")
        else:
            each_output = range(found.shape[1]) if found.ndim == 3 else [""]
            heads = [f"{end} {k}".strip() for k in each_output for end in ("lower", "upper")]
        columns |= zip(heads, _columns(found.reshape(len(found), -1)), strict=True)
    return columns


def _columns(values: NDArray[Any]) -> list[Any]:
    """Return an array (n,) or (n, columns) as a list of columns."""
    return [values] if values.ndim == 1 else list(values.T)


def csv_rows(answers: Answers, labels: list[str]) -> Iterator[list[Any]]:
    """Yield the names of the columns, and then each row: its source, its number, and the reasons if known."""
    columns = as_columns(answers, labels)
    why = answers.reasons
    heads = ["input", "row", *columns]
    if why is not None:
        heads += [*(["because_of"] if why.labels else []), "typical_answer"]
        heads += [f"because_{name}" for name in why.names]
    if answers.strange is not None:
        heads.append("strange_columns")
    yield heads
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    for i, cells in enumerate(rows):
        because: list[Any] = []
        if why is not None:
            because = [*why.labels[i : i + 1], why.base[i], *why.values[i].tolist()]
        strange = [] if answers.strange is None else ["; ".join(answers.strange[i])]
        yield [answers.source, i, *cells, *because, *strange]


def save(path: Path, answers: list[Answers], labels: list[str]) -> None:
    """Write all predictions to a file: an array, or a table with the probabilities."""
    from chainrule.core.files import cells, write_whole

    if path.suffix.lower() == ".npy":
        import numpy as np

        binary = io.BytesIO()
        np.save(binary, np.concatenate([each.predicted for each in answers]), allow_pickle=False)
        write_whole(path, binary.getvalue())
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for k, each in enumerate(answers):
        rows = csv_rows(each, labels)
        heads = next(rows)
        if k == 0:
            writer.writerow(heads)
        writer.writerows(map(cells, rows))
    write_whole(path, text.getvalue().encode())
