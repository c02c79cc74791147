"""Smaller models as text: what a network in place of an average costs, and what integers do."""

from __future__ import annotations

from chainrule.estimators.distilling.cost import DistillationCost
from chainrule.export.effect import Int8Effect
from chainrule.views import words
from chainrule.views.tables import Table

COLUMNS_SHOWN = 10


def cost_cells(found: DistillationCost) -> list[tuple[str, ...]]:
    """Return rows with the losses, the seconds, the bytes and the networks of teacher and student."""
    said = words.smaller
    made = []
    if found.losses:
        name = said.RMSE if found.same_labels is None else said.LOG_LOSS
        made.append((name, *(f"{loss:.4g}" for loss in found.losses)))
    made.append((said.SECONDS, *(f"{1000 * seconds:.1f}" for seconds in found.seconds)))
    made.append((said.FILE, *(f"{size:,}" for size in found.bytes)))
    made.append((said.NETWORKS, *(f"{count:,}" for count in found.networks)))
    return made


def cost_sentences(found: DistillationCost) -> list[str]:
    """Return what the student has learned, and how far it is from the teacher."""
    said = words.smaller
    return [
        said.learned(found.own, found.between, found.trained),
        said.agreement(found.judged, found.difference, found.same_labels, found.is_new),
    ]


def cost(found: DistillationCost) -> str:
    """Return the sentences and the table."""
    table = Table(words.smaller.COST_HEADS, tuple(cost_cells(found)))
    return "\n".join([*cost_sentences(found), "", str(table)])


def int8_cells(found: Int8Effect) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return the heads and the rows of a table by layer, by class, and by column.

    Columns that change nothing and empty tables are left out.
    """
    said, percent = words.smaller, words.phrases.percent
    layers: list[tuple[str, ...]] = [
        (
            *(each.name, f"{each.low:.3g} .. {each.high:.3g}", percent(each.error)),
            *(percent(each.at_the_ends), f"{each.used}"),
        )
        for each in found.layers
    ]
    classes: list[tuple[str, ...]] = [
        (
            *(each.label, f"{each.rows:,}", percent(each.same), f"{each.change:.2g}"),
            each.mostly or words.phrases.NOTHING,
        )
        for each in found.classes
    ]
    columns: list[tuple[str, ...]] = [
        (each.name, f"{each.step:.2g}", f"{each.change:.2g}")
        for each in found.columns[:COLUMNS_SHOWN]
        if each.change > 0
    ]
    tables = [(said.LAYER_HEADS, layers), (said.CLASS_HEADS, classes), (said.COLUMN_HEADS, columns)]
    return [(heads, cells) for heads, cells in tables if cells]


def int8_sentences(found: Int8Effect) -> tuple[str, str]:
    """Return how far the answers are from the exact ones, and how the tables are read."""
    said = words.smaller
    return (
        said.of_integers(found.rows, found.difference, bool(found.classes)),
        said.how(any(each.change > 0 for each in found.columns)),
    )


def int8(found: Int8Effect) -> str:
    """Return a sentence, and a table by layer, by class, and by column."""
    tables = [str(Table(heads, tuple(cells))) for heads, cells in int8_cells(found)]
    return "\n".join([*int8_sentences(found), *(f"\n{table}" for table in tables)])
