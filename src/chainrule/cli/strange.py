"""What `chainrule predict` says of rows that look like nothing in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor
    from chainrule.recipe.tables import Known


def said_of_strange_rows(
    made: MLPClassifier | MLPRegressor | None, table: Known | None, sources: Sequence[str]
) -> Iterator[str]:
    """Yield a sentence for each table with rows unlike those of training; none without statistics of these.

    made: the estimator in the model's file.  table: the metadata of the table of the training.
    sources: the files that were predicted, of any kind.
    """
    from chainrule.cli.covering import rows_of_table
    from chainrule.datasets.table_files import TABLES
    from chainrule.estimators.held import result_of
    from chainrule.views.text.drift import said_of_rows

    if table is None or made is None or not result_of(made).seen:
        return
    for source in sources:
        if source.lower().endswith(TABLES):
            said = said_of_rows(made.check(rows_of_table(source, table)))
            if said:
                yield f"{source}: {said}"
