"""The race of preset="best": recipes are fitted in a fixed order, evaluated, weighted, and then trained on all rows.

All random numbers are drawn from the estimator's random_state before the clock is read, and the clock only determines
the number of fits, and the epochs of the last ones. A race that repeats another one takes both from its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.fitting.held import HoldsResult, as_fitted
from chainrule.fitting.prepare import PreparedFit
from chainrule.fitting.progress import ProgressLine, watcher_of_race
from chainrule.race import candidates, draw, fit_lookup, repeat
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.fit_lookup import LearnedLookup
from chainrule.race.judge import (
    ScoredParts,
    check_score,
    greedy,
    is_by_loss,
    joined,
    judge_of,
    ranking,
    score_weights,
    temperature,
    tempered,
)
from chainrule.race.report import RaceReport, Record
from chainrule.race.rows import RacedRows, of_race
from chainrule.race.runner import Runner, finished, of_candidate, of_rows, warn_of_interruption
from chainrule.race.state import NOTHING, RaceChoice, RaceListener, RaceState, Task
from chainrule.tables.data import FitData
from chainrule.tables.held_out import warn_of_lone_classes
from chainrule.trust.scorers import HeldOutScorer

T = TypeVar("T")
RACE, AGAIN = 0.4, 0.3
"""The fractions of the time for the race and for the fits to further folds; the rest is for networks of all rows."""
SURE, BETTER, WEIGHTED = 5_000, 8, 4
"""The rows on which weights are sure; with fewer held out so many of the better recipes are fitted to a further fold,
which counts if so many of them were in time."""


def fit_several(
    estimator: HoldsResult,
    prepared: PreparedFit,
    start: RaceState = NOTHING,
    listen: RaceListener | None = None,
    line: ProgressLine | None = None,
) -> RaceResult:
    """Return the result of a race, a fit of several recipes. prepared: the data of all rows.

    start: that of another race of this estimator on these rows, to go on from; the seconds of its fits count. A result
    has the `state` from which a race can go on. With a plan in it the race is repeated, and no clock is read.
    listen: called with each fit that comes to its end.
    line: shows where the race is, when a fit begins and when it has ended.
    Raises DataError for a start or a plan of other rows.
    """
    request, data = prepared.request, prepared.data
    given, begun, watch = request.given, request.begun, watcher_of_race(line, estimator.verbose)
    if request.is_noticed and data.samples.n >= draw.MIN_ROWS_TO_RACE:
        warn_of_lone_classes(data)
    encoded, weight, is_given = data.samples.y, data.samples.weight, data.validation is not None
    judged, judged_weight = encoded, weight
    if data.validation is not None and data.passed_weight is not None:
        judged, judged_weight = data.validation.y, data.passed_weight
    are_few = draw.are_few(estimator, data)
    is_constrained = estimator.monotonic_cst is not None or estimator.interaction_cst is not None
    start = draw.gone_on(start, len(encoded)) if are_few else start
    racing = draw.racing(estimator, data, start) if are_few else candidates.racing(is_constrained)
    drawn = draw.drawn(estimator, data, racing, start.plan, are_few) if start.drawn is None else start.drawn
    raced = drawn.raced
    if drawn.rows != len(encoded):
        raise DataError(
            f"the race to go on with had {drawn.rows:,} rows, and these are {len(encoded):,}; pass the same rows."
        )
    if drawn.digest is not None:
        repeat.check_digest(drawn.digest, repeat.digest_of(data), "the race to go on with")
    is_refined = (
        len(encoded) > draw.MAX_ROWS_FOR_ALL_FOLDS and not drawn.learns_most
    )  # else the race is all there is
    has_whole = estimator.refit is not False and (
        is_refined
        or (data.structure.time is not None and not are_few)  # of few the fits are of all rows
        or (is_given and estimator.refit is True)
    )
    judges = {
        one: judge_of(estimator, data, judged, judged_weight, None if is_given else drawn.folds[one].held_out)
        for one in range(len(drawn.folds))
    }
    rows = RacedRows(given.known_by(data.preprocessor), drawn.folds, judges, are_few)
    start = of_rows(start._replace(drawn=drawn), {fold: len(judge.y) for fold, judge in judges.items()})
    race = Race(estimator, rows, data, begun, racing, start, listen, watch)
    if start.plan is not None:
        chosen = repeat.made(race, start.plan)
        return _ended(race, data, chosen, *race.looked_up(chosen, end=begun))
    if not len(judges[raced[0]].y):  # too few rows to hold some out
        racing = racing[:1]
    elif (scorer := race.scorer(raced[:1])) is not None:
        check_score(scorer, len(judges[raced[0]].y))

    def tasks(numbers: list[int], folds: list[int], is_of_all: bool = False) -> Iterator[Task]:
        for one, number in product(folds, numbers):
            seeds = drawn.of_all if is_of_all else drawn.of_folds
            yield Task(racing[number], number, one, seeds[number][one], is_of_all)

    first, second, end = (begun + seconds for seconds in race.stages(raced))
    each = [*chain(*(tasks([number], raced) for number in range(len(racing))))]
    last = end - (fit_lookup.seconds(race, judges[0]) if drawn.learns_most or are_few else 0.0)
    race.run(each, first if is_refined or has_whole else last, end, len(raced) > 1)
    numbers = race.complete(raced)
    if is_refined and not is_given:
        numbers, raced = race.again(numbers, second, end, tasks)
    weights, degree = race.weigh(numbers, raced)
    chosen = RaceChoice(numbers, race.shared(numbers, raced), weights, degree)
    found, mean = race.looked_up(chosen, end)
    if has_whole:
        better = [numbers[i] for i in np.argsort(-weights, kind="stable") if weights[i]]
        end -= 0.0 if found is None else draw.NETWORKS * found.seconds
        race.run([*tasks(better, [*range(draw.NETWORKS)], True)], end, end)
    result = _ended(race, data, chosen, found, mean)
    if result.shortfall is None and not race.ended.is_set():
        result.report.warn_of_limit(race.seconds, len(racing))
    return result


def _ended(
    race: Race, data: FitData, chosen: RaceChoice, found: LearnedLookup | None, mean: NDArray[np.float64]
) -> RaceResult:
    """Return the result of a race whose fits are made, with what it predicts for the rows held out and its plan.

    found: its lookup.  mean: (rows, outputs) what the average, after it, predicts for the rows held out.
    """
    weights = dict(zip(chosen.numbers, chosen.weights.tolist(), strict=True))
    tempered_after = chosen
    if found is not None and race.plan is None:
        tempered_after = chosen._replace(temperature=race.temperature(mean, chosen.folds))
    result = race.result(weights, tempered_after.temperature)
    if found is not None:
        looked_up = race.unless_ended(fit_lookup.of_all, race, result, found)
        if looked_up is None:
            found, mean = None, race.average(chosen.numbers, chosen.weights, chosen.folds)
            result = race.result(weights, chosen.temperature)
        else:
            result, chosen = looked_up, tempered_after
    held_out = of_race(race.rows, data, result, chosen.folds, mean)
    own = repeat.plan(race, data, chosen, None if found is None else found.similarity)
    return replace(result, held_out=held_out, plan=own)


class Race(Runner):
    """A race: its fits, the weights of the recipes, and the final result."""

    def stages(self, raced: list[int]) -> tuple[float, float, float]:
        """Return the seconds from the beginning to the end of the race, of the fits to further folds and of everything.

        The seconds of each stage are its fraction of the time limit, less those of its fits that a start has.
        """
        fits = {key: made for key, made in self.fits.items() if key[1] in raced}
        again = {key: made for key, made in self.fits.items() if key[1] not in raced}
        end = self.left(1.0, [*self.fits.values(), *self.whole.values()])
        first = min(end, self.left(RACE, fits.values()))
        return first, min(end, first + self.left(AGAIN, again.values())), end

    def complete(self, folds: list[int]) -> list[int]:
        """Return the candidates that were fitted to all of the folds. Raises the error of the first fit if none was."""
        numbers = sorted({number for number, _ in self.fits})
        found = [number for number in numbers if all((number, fold) in self.fits for fold in folds)]
        if not found and numbers:  # the time was over within the first one
            found = numbers[:1]
        if not found:
            raise self.errors[0][1]
        return found

    def again(
        self,
        numbers: list[int],
        stage: float,
        end: float,
        tasks: Callable[[list[int], list[int]], Iterator[Task]],
    ) -> tuple[list[int], list[int]]:
        """Fit the better candidates to further folds by `stage`; return those that have all that count, and these."""
        folds = [0]
        key = ranking(self.rows.judges[0], self.scorer([0]))
        better = sorted(numbers, key=lambda number: key(self.fits[number, 0].predicted))[:BETTER]
        enough = len(self.rows.folds)
        while sum(len(self.rows.judges[fold].y) for fold in folds) < SURE and len(folds) < enough:
            fold, least = len(folds), min(WEIGHTED, len(better))
            each = [*tasks(better, [fold])]
            if not self.has_time_for(each[:least], stage):
                break
            self.run(each, stage, end)
            done = [number for number in better if (number, fold) in self.fits]
            if len(done) < least:
                break
            numbers, better, folds = done, done, [*folds, fold]
        return numbers, folds

    def scorer(self, folds: list[int]) -> HeldOutScorer | None:
        """Return what scores predictions of the rows held out of folds, one fold behind the other; None by the loss."""
        if is_by_loss(self.estimator.scoring):
            return None
        return HeldOutScorer(self.estimator.scoring, self.targets, *self.rows.held_out(folds))

    def weigh(self, numbers: list[int], wanted: list[int]) -> tuple[NDArray[np.float64], float]:
        """Return the weights of candidates on the rows held out of the folds that all have, and the temperature."""
        folds = self.shared(numbers, wanted)
        judge = joined([self.rows.judges[fold] for fold in folds])
        if not len(judge.y):
            return np.eye(len(numbers))[0], 1.0
        if self.rows.are_few:
            predicted = [self.fits[number, 0].predicted for number in numbers]
            weights = draw.weights(predicted, judge, [self.candidates[n].variant is None for n in numbers])
        elif (scorer := self.scorer(folds)) is None:
            truths = [np.concatenate([self.truth(number, fold) for fold in folds]) for number in numbers]
            weights = greedy(truths, judge.mean_loss)
        else:
            predicted = [np.concatenate([self.fits[n, fold].predicted for fold in folds]) for n in numbers]
            weights = score_weights(ScoredParts(predicted, judge, scorer), self.seconds)
        return weights, self.temperature(self.average(numbers, weights, folds), folds)

    def temperature(self, mean: NDArray[np.float64], folds: list[int]) -> float:
        """Return the temperature of average predictions (rows, outputs) for the rows held out of folds."""
        judge = joined([self.rows.judges[fold] for fold in folds])
        if judge.loss is not None:
            return 1.0
        exclusive = judge.y.ndim == 1

        def loss(degree: float) -> float:
            return judge.mean_loss(judge.truth(tempered(mean, degree, exclusive)))

        found = temperature(loss)
        return found**draw.TEMPERED if self.rows.are_few else found

    def looked_up(self, chosen: RaceChoice, end: float) -> tuple[LearnedLookup | None, NDArray[np.float64]]:
        """Return the lookup, if it helps, and what is then predicted (rows, outputs) for the rows held out."""
        mean = self.average(chosen.numbers, chosen.weights, chosen.folds)
        found = self.unless_ended(fit_lookup.learned, self, chosen, mean, end)
        return found, mean if found is None else found.predicted

    def unless_ended(self, make: Callable[..., T], *of: object) -> T | None:
        """Return make(*of); None where Ctrl-C ends the race in the meantime, whose fits are kept."""
        try:
            return make(*of)
        except KeyboardInterrupt:
            if self.plan is not None:
                raise
            self.ended.set()
            warn_of_interruption(self.fits, self.whole)
            return None

    def shared(self, numbers: list[int], wanted: list[int]) -> list[int]:
        """Return those of the wanted folds to which all of the candidates were fitted."""
        return [fold for fold in wanted if all((number, fold) in self.fits for number in numbers)]

    def average(
        self, numbers: list[int], weights: NDArray[np.float64], folds: list[int]
    ) -> NDArray[np.float64]:
        """Return the weighted average (rows, outputs) of the predictions for the rows held out of folds."""
        predicted = [np.concatenate([self.fits[n, fold].predicted for fold in folds]) for n in numbers]
        return np.asarray(np.tensordot(weights, np.stack(predicted), 1))

    def result(self, weights: dict[int, float], degree: float) -> RaceResult:
        """Return what the estimator has after its fit: of a recipe the networks of all rows, where there are some."""
        parts, report, drawn = [], RaceReport(), self.drawn
        assert drawn is not None, "a race draws before its first fit"
        for number, candidate in enumerate(self.candidates):
            own, whole = of_candidate(self.fits, number), of_candidate(self.whole, number)
            error = next((f"{error}" for other, error in self.errors if other == number), "")
            if not own:
                if error:
                    nothing = 0, 0, 0.0, float("nan"), 0.0
                    report.append(Record(candidate.name, dict(candidate.changed), *nothing, error))
                continue
            weight = weights.get(number, 0.0)
            judge, first = joined([self.rows.judges[fold] for fold in own]), next(iter(own.values())).result
            truth = np.concatenate([self.truth(number, fold) for fold in own])
            score = None
            if len(truth) and (scorer := self.scorer([*own])) is not None:
                score = scorer(np.concatenate([made.predicted for made in own.values()]))
            report.append(
                Record(
                    candidate.name,
                    dict(candidate.changed),
                    len(own) + len(whole),
                    first.records.n_iter,
                    sum(made.seconds for made in (*own.values(), *whole.values())),
                    judge.mean_loss(truth) if len(truth) else float("nan"),
                    weight,
                    error,
                    score,
                    None if first.shortfall is None else first.shortfall.planned,
                )
            )
            if weight:
                used, seeds = whole or own, drawn.of_all if whole else drawn.of_folds
                for one, made in used.items():
                    unfitted = self.estimator_of(Task(candidate, number, one, seeds[number][one]))
                    fitted = as_fitted(unfitted, made.result)
                    parts.append(BlendPart(weight / len(used), fitted, candidate.name, made.result))
        parts.sort(key=lambda part: -part.weight)
        state = RaceState(drawn, finished(self.fits), finished(self.whole))
        blend = Blend(parts, degree, self.estimator.engine)
        return RaceResult.of(parts[0].result, blend, report, state, self.ended.is_set())
