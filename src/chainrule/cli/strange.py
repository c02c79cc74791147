"""What `chainrule predict` says of rows that look like nothing in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.recipe.tables import Known


def said_of_strange_rows(model: str, sources: Sequence[str], table: Known | None) -> Iterator[str]:
    """Yield a sentence for each table with rows unlike those of training; none without statistics in MODEL's file.

    sources: the files that were predicted, of any kind.  table: the metadata of the table of the training.
    """
    from chainrule.cli.covering import rows_of_table
    from chainrule.cli.models import model_file
    from chainrule.datasets.table_files import TABLES
    from chainrule.estimators.held import result_of
    from chainrule.recipe.averages import estimator_in
    from chainrule.views.text.drift import said_of_rows

    made = None if table is None else estimator_in(model_file(model))
    if table is None or made is None or not result_of(made).seen:
        return
    for source in sources:
        if source.lower().endswith(TABLES):
            said = said_of_rows(made.check(rows_of_table(source, table)))
            if said:
                yield f"{source}: {said}"
