"""Write the page of a run that `--report` asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.recipe.run import Outcome
    from chainrule.views.report.tables import TableRun


def write_report(outcome: Outcome, page: Path, command: str | None = None) -> None:
    """Write the report of a run. command: that repeats it; the run's own for None."""
    import dataclasses

    from chainrule.recipe import augmented, folder
    from chainrule.recipe.settings import as_json
    from chainrule.views import report

    run = outcome.run
    report.write(
        page,
        run.model,
        outcome.history,
        run.parts.judged,
        judged=outcome.judgement,
        title=run.data.name,
        watched=run.watched,
        image_shape=run.image,
        rows=run.parts.rows,
        settings=as_json(dataclasses.asdict(run.settings)),
        command=run.command if command is None else command,
        versions=folder.versions(),
        table=table_run(outcome),
        distorted=augmented.shown(run),
    )


def table_run(outcome: Outcome) -> TableRun | None:
    """Return what the report of a run on a table shows; None for other data."""
    run = outcome.run
    table = run.data.table
    if table is None:
        return None
    from chainrule.recipe.importance import calibration, permutation_importance
    from chainrule.views.report.tables import TableRun

    importance = permutation_importance(run.model, run.parts.judged, table, engine=run.settings.engine)
    return TableRun(
        table, outcome.comparison, importance, calibration(outcome.judgement), outcome.run.settings.preset
    )
