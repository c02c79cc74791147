"""What a model card says of a run, read from its folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from chainrule.errors import DataError, FormatError
from chainrule.fitting.held import result_of
from chainrule.model import load_any
from chainrule.recipe import folder
from chainrule.recipe.averages import AnyEstimator, estimator_of
from chainrule.recipe.baselines import Verdict
from chainrule.tables import calendar
from chainrule.trust.notice import Notices

NUMBERS = ("regression", "survival")
"""The tasks that the Hugging Face Hub calls a regression; the others are classifications."""


class CardRange(NamedTuple):
    """The values of a column in training."""

    name: str
    kind: str
    missing: float
    """the share of the rows without a value"""
    least: float | str | None = None
    """the smallest number, or the first date as text; None of categories"""
    most: float | str | None = None
    categories: tuple[str, ...] = ()


class RunCard(NamedTuple):
    """A run as a card describes it."""

    name: str
    """of the folder"""
    data: str
    file: str
    """the name of the model's file"""
    command: str
    versions: Mapping[str, str]
    task: str
    is_table: bool
    inputs: int
    labels: tuple[str, ...]
    networks: int
    parameters: int
    part: str
    """what the samples are that judged it: test, validation, ..."""
    samples: int
    metrics: Mapping[str, float]
    comparison: tuple[tuple[str, Mapping[str, float]], ...]
    """each model beside the network, itself included, with its metrics"""
    verdict: Verdict | None
    ranges: tuple[CardRange, ...]
    notices: Notices

    @property
    def pipeline(self) -> str:
        """The pipeline tag of the Hugging Face Hub."""
        kind = "regression" if self.task in NUMBERS else "classification"
        return f"tabular-{kind}" if self.is_table or kind == "regression" else "image-classification"


def read_card(path: Path) -> RunCard:
    """Read what a card says from the folder of a run.

    Raises DataError for a folder without a complete run, and FormatError for a damaged one.
    """
    judged, file = folder.read_metrics(path), path / "model.safetensors"
    if not judged or not file.is_file():
        raise DataError(
            f"{path} is no folder of a complete run, which has metrics.json and model.safetensors; name the folder "
            "that chainrule train wrote."
        )
    config = folder.read_config(path)
    try:
        model, metadata = load_any(file)
        estimator = estimator_of(metadata, file)
        members = getattr(model, "members", (model,)) if estimator is None else result_of(estimator).networks
        return RunCard(
            name=path.resolve().name,
            data=str(config["data"]["name"]),
            file=file.name,
            command=str(config["command"]),
            versions=dict(config["versions"]),
            task=model.task if estimator is None else result_of(estimator).targets.task,
            is_table=estimator is not None or "table" in metadata,
            inputs=model.network.inputs if estimator is None else int(estimator.n_features_in_),
            labels=tuple(map(str, model.classes if model.classes is not None else ())),
            networks=len(members),
            parameters=sum(int(member.theta.size) for member in members),
            part=str(judged["part"]),
            samples=int(judged["samples"]),
            metrics={name: value for name, value in judged["metrics"].items() if isinstance(value, float)},
            comparison=tuple(
                (each["model"], {name: _figure(value) for name, value in each["metrics"].items()})
                for each in judged.get("comparison") or ()
            ),
            verdict=verdict_of(path),
            ranges=() if estimator is None else tuple(ranges_of(estimator)),
            notices=Notices() if estimator is None else estimator.notices_,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the files of {path} are damaged ({error}); train the run again.") from error


def verdict_of(path: Path) -> Verdict | None:
    """Return how the network of a run's folder stands beside simpler models; None where nothing says it."""
    found = folder.read_metrics(path).get("verdict")
    return None if found is None else Verdict(*(found.get(name) for name in Verdict._fields))


def ranges_of(estimator: AnyEstimator) -> Iterator[CardRange]:
    """Yield what each column that the networks see held in training."""
    result = result_of(estimator)
    if result.preprocessor is None:
        return
    learned = {each.name: each for each in result.preprocessor.learned_}
    for seen in result.seen:
        own, share = learned[seen.name], seen.missing / max(seen.rows, 1)
        made = CardRange(seen.name, own.kind, share, categories=own.categories)
        if seen.quantiles:
            ends = seen.quantiles[0], seen.quantiles[-1]
            least, most = map(_date, ends) if own.kind == "date" else ends
            made = made._replace(least=least, most=most)
        yield made


def _figure(value: float | None) -> float:
    """Return a metric of a file, in which NaN is null."""
    return math.nan if value is None else float(value)


def _date(seconds: float) -> str:
    return calendar.as_text(seconds).removesuffix(".000000").removesuffix("T00:00:00")
