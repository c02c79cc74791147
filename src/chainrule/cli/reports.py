"""Write the page of a run for `--report`, in the language of `--lang`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.recipe.prepare import TrainedRun
    from chainrule.recipe.run import Outcome
    from chainrule.views.report.tables import AverageOfRun, TableRun

LANGUAGES = ("en", "zh")
"""Those of `views.words`, listed so that others are rejected before any import; a test compares them."""


def language_of_report(report: bool, lang: str | None) -> str | None:
    """Return the language of the report, None for no report. Raises ConfigError."""
    if lang is not None and not report:
        raise ConfigError("--lang is the language of the report; add --report, or omit --lang.")
    return check_language(lang or "en") if report else None


def check_language(lang: str) -> str:
    """Return a language of results. Raises ConfigError for another one."""
    if lang not in LANGUAGES:
        raise ConfigError(f"--lang must be {' or '.join(LANGUAGES)}, not {lang!r}.")
    return lang


def write_report(outcome: Outcome, page: Path, language: str, command: str | None = None) -> None:
    """Write the report of a run in a language. command: the one that repeats it; the run's own for None."""
    import dataclasses

    from chainrule.recipe import augmented, folder
    from chainrule.recipe.exported import int8_of_run
    from chainrule.recipe.settings import as_json
    from chainrule.views import report
    from chainrule.views.words import spoken_in

    run, distorted = outcome.run, None
    if run.settings.augment and run.run.image is not None:
        distorted = augmented.examples(run.parts.train, run.run.image, run.settings.seed, *augmented.SHOWN)
    with spoken_in(language):
        report.write(
            page,
            run.model,
            outcome.history,
            run.parts.judged,
            judged=outcome.judgement,
            title=run.data.name,
            watched=run.run.training.watched,
            image_shape=run.run.image,
            rows=run.parts.rows,
            settings=as_json(dataclasses.asdict(run.settings)),
            command=run.run.command if command is None else command,
            versions=folder.versions(),
            table=table_run(outcome),
            distorted=distorted,
            integers=int8_of_run(run),
        )


def table_run(outcome: Outcome) -> TableRun | None:
    """Return the data of the report of a run on a table; None for other data."""
    run = outcome.run
    table = run.data.table
    if table is None:
        return None
    from chainrule.estimators.notices.notice import Notices
    from chainrule.recipe.reasons import of_run, terms_of_run
    from chainrule.recipe.trust import calibration, judged_decision, judged_intervals
    from chainrule.views.report.tables import ReadTerms, TableRun

    read = terms_of_run(run)
    return TableRun(
        table=table,
        comparison=outcome.comparison,
        calibration=calibration(outcome.judgement),
        preset=run.settings.preset,
        intervals=judged_intervals(run, outcome.judgement),
        reasons=of_run(run),
        notices=Notices() if run.estimator is None else run.estimator.notices_,
        read=None if read is None else ReadTerms(*read),
        deciding=judged_decision(outcome.judgement),
        average=_average(run),
    )


def _average(run: TrainedRun) -> AverageOfRun | None:
    """Return what predicts, if it is an average of different networks."""
    from chainrule.views.report.tables import AverageOfRun

    if run.estimator is None or not run.is_average:
        return None
    blend = run.estimator.blend_
    parameters = sum(int(each.theta.size) for part in blend.parts for each in part.result.members)
    compared = 0 if blend.lookup is None else len(blend.lookup)
    return AverageOfRun(blend.networks, parameters, blend.parts[0].weight, compared)
