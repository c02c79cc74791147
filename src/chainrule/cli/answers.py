"""The predictions of `chainrule predict`: as data, and in files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chainrule.estimators.decisions import Decision
    from chainrule.estimators.explain.reasons import Reasons


class Answers(NamedTuple):
    """Predictions for the rows of one input."""

    source: str
    predicted: Any  # (n,) or (n, outputs)
    probabilities: Any  # (n, classes), or None for numbers
    spread: Any = None  # of the members of an ensemble, in the shape of the numbers or of the probabilities
    covering: Any = None  # (n, 2) or (n, outputs, 2) intervals, or (n, classes) whether each is in the set
    reasons: Reasons | None = None
    """what each column adds to each answer, if that is asked"""

    def decided(self, decision: Decision | None, labels: list[Any]) -> Answers:
        """Return the answers with the labels that a decision chooses; as they are for None."""
        if decision is None or self.probabilities is None:
            return self
        import numpy as np

        shares = self.probabilities[:, 1:] if len(labels) == 2 else self.probabilities
        return self._replace(predicted=np.asarray(labels)[decision.chosen(shares)])


def as_data(answers: Answers, labels: list[str]) -> list[dict[str, Any]]:
    """Return one record per row."""
    rows = []
    for i, predicted in enumerate(answers.predicted.tolist()):
        row = {"input": answers.source, "row": i, "predicted": predicted}
        if answers.probabilities is not None:
            row["probabilities"] = dict(zip(labels, answers.probabilities[i].tolist(), strict=True))
        if answers.spread is not None:
            apart = answers.spread[i].tolist()
            by_label = answers.probabilities is not None
            row["spread"] = dict(zip(labels, apart, strict=True)) if by_label else apart
        if answers.covering is not None:
            found = answers.covering[i].tolist()
            if answers.probabilities is None:
                row["interval"] = found
            else:
                row["set"] = [label for label, is_in in zip(labels, found, strict=True) if is_in]
        if (why := answers.reasons) is not None:
            of = {} if not why.labels else {"of": why.labels[i]}
            because = dict(zip(why.names, why.values[i].tolist(), strict=True))
            row |= {
                "answer": float(why.answers[i]),
                **of,
                "typical_answer": float(why.base[i]),
                "because": because,
            }
        rows.append(row)
    return rows


def as_list(values: object) -> list[Any]:
    """Return a list of one value or several."""
    return values if isinstance(values, list) else [values]


def save(path: Path, answers: list[Answers], labels: list[str]) -> None:
    """Write all predictions to a file: an array, or a table with the probabilities."""
    import numpy as np

    from chainrule.core.files import cells, write_whole

    if path.suffix.lower() == ".npy":
        binary = io.BytesIO()
        np.save(binary, np.concatenate([each.predicted for each in answers]), allow_pickle=False)
        write_whole(path, binary.getvalue())
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    has_shares = answers[0].probabilities is not None
    outputs = answers[0].predicted.shape[1:]
    heads = [f"predicted {k}" for k in range(*outputs)] if outputs else ["predicted"]
    heads += [f"p({label})" for label in labels] if has_shares else []
    if answers[0].spread is not None:
        apart = [f"spread {k}" for k in range(*outputs)] if outputs else ["spread"]
        heads += [f"spread({label})" for label in labels] if has_shares else apart
    if (first := answers[0].covering) is not None:
        each_output = range(first.shape[1]) if first.ndim == 3 else [""]
        ends = [f"{end} {k}".strip() for k in each_output for end in ("lower", "upper")]
        heads += [f"in the set({label})" for label in labels] if has_shares else ends
    if (why := answers[0].reasons) is not None:
        heads += [*(["because_of"] if why.labels else []), "typical_answer"]
        heads += [f"because_{name}" for name in why.names]
    writer.writerow(["input", "row", *heads])
    for each in answers:
        for i, predicted in enumerate(each.predicted.tolist()):
            shares = each.probabilities[i].tolist() if has_shares else []
            apart = [] if each.spread is None else as_list(each.spread[i].tolist())
            covering = [] if each.covering is None else each.covering[i].ravel().tolist()
            covering = [int(is_in) for is_in in covering] if has_shares else covering
            because: list[Any] = []
            if each.reasons is not None:
                because = [
                    *each.reasons.labels[i : i + 1],
                    each.reasons.base[i],
                    *each.reasons.values[i].tolist(),
                ]
            writer.writerow(
                cells([each.source, i, *as_list(predicted), *shares, *apart, *covering, *because])
            )
    write_whole(path, text.getvalue().encode())
