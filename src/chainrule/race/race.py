"""The race of preset="best": recipes are fitted in a fixed order, evaluated, weighted, and then trained on all rows.

All random numbers are drawn from the estimator's random_state before the clock is read, and the clock only determines
the number of fits, and the epochs of the last ones. A race that repeats another one takes both from its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, product
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from chainrule.core.random import generator
from chainrule.errors import DataError
from chainrule.fitting.dealing import deal, dealt, latest
from chainrule.fitting.held import HoldsResult, as_fitted
from chainrule.fitting.in_time import with_members_in_time
from chainrule.fitting.plan import few_of, recipe, resolved
from chainrule.fitting.prepare import PreparedFit
from chainrule.fitting.progress import ProgressLine, watcher_of_race
from chainrule.formulas.losses import LogLink, MeanSquaredError, Poisson
from chainrule.presets import DEFAULT
from chainrule.presets.base import FoldMembers
from chainrule.presets.few import DEALINGS, FOLDS
from chainrule.race import candidates, fit_lookup, repeat
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.candidates import Candidate
from chainrule.race.fit_lookup import LearnedLookup
from chainrule.race.judge import (
    Judge,
    Numbers,
    ScoredParts,
    greedy,
    is_by_loss,
    joined,
    judge_of,
    score_weights,
    temperature,
    tempered,
)
from chainrule.race.plan import RacePlan, RandomOrigin, RandomPlace
from chainrule.race.report import RaceReport, Record
from chainrule.race.runner import RacedRows, Runner, of_candidate, warn_of_interruption
from chainrule.race.state import (
    NOTHING,
    SECONDS,
    Drawn,
    Key,
    RaceChoice,
    RaceFit,
    RaceListener,
    RaceState,
    Task,
)
from chainrule.tables.data import FitData
from chainrule.tables.held_out import HeldOut, HeldRows, sample_places, warn_of_lone_classes
from chainrule.tables.rows import rows_of
from chainrule.tables.splits import folds
from chainrule.tables.structure import Split
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
    if request.is_noticed and data.samples.n >= MIN_ROWS_TO_RACE:
        warn_of_lone_classes(data)
    encoded, weight, is_given = data.samples.y, data.samples.weight, data.validation is not None
    judged, judged_weight = encoded, weight
    if data.validation is not None and data.passed_weight is not None:
        judged, judged_weight = data.validation.y, data.passed_weight
    are_few = has_few_rows(estimator, data)
    is_constrained = estimator.monotonic_cst is not None or estimator.interaction_cst is not None
    start = continue_few(start, len(encoded)) if are_few else start
    racing = choose_candidates(estimator, data, start) if are_few else candidates.racing(is_constrained)
    drawn = draw_race(estimator, data, racing, start.plan, are_few) if start.drawn is None else start.drawn
    raced = drawn.raced
    if drawn.rows != len(encoded):
        raise DataError(
            f"the race to go on with had {drawn.rows:,} rows, and these are {len(encoded):,}; pass the same rows."
        )
    if drawn.digest is not None:
        repeat.check_digest(drawn.digest, repeat.digest_of(data), "the race to go on with")
    is_refined = (
        len(encoded) > MAX_ROWS_FOR_ALL_FOLDS and not drawn.learns_most
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
    start = restrict_to_rows(
        start._replace(drawn=drawn), {fold: len(judge.y) for fold, judge in judges.items()}
    )
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
        end -= 0.0 if found is None else NETWORKS * found.seconds
        race.run([*tasks(better, [*range(NETWORKS)], True)], end, end)
    result = _ended(race, data, chosen, found, mean)
    if result.shortfall is None and not race.ended.is_set():
        result.report.warn_of_limit(race.seconds, len(racing))
    return result


def restrict_to_rows(state: RaceState, held_out: Mapping[int, int]) -> RaceState:
    """Return a state without fits that held other rows out, as a time limit may leave others. held_out: by fold."""
    fits = {key: made for key, made in state.fits.items() if len(made.predicted) == held_out.get(key[1])}
    whole = {key: made for key, made in state.whole.items() if (key[0], 0) in fits}
    return state._replace(fits=fits, whole=whole)


def check_score(scorer: HeldOutScorer, n: int) -> None:
    """Check before a race that the targets can be scored, by predictions that are all alike.

    n: the rows.  Raises ConfigError, or what a function of the user's own raises.
    """
    outputs = scorer.targets.outputs
    scorer(np.full((n, outputs), 1 / outputs if scorer.targets.task == "multiclass" else 0.5))


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
    held_out = prepare_raced_rows(race.rows, data, result, chosen.folds, mean)
    own = repeat.plan(race, data, chosen, None if found is None else found.similarity)
    return replace(result, held_out=held_out, plan=own)


def prepare_raced_rows(
    rows: RacedRows, data: FitData, result: RaceResult, folds: list[int], mean: NDArray[np.float64]
) -> HeldOut | None:
    """Return the predictions of a race for the rows held out of some folds, in their order; None without any.

    data: of all rows.  mean: (rows, outputs) the weighted average of what the fits without each fold predict for it.
    """
    if data.validation is not None:
        X, held = rows.given.X_val, HeldRows.passed(data.validation)
    else:
        own = [rows.folds[fold].held_out for fold in folds]
        X, held = rows.given.X, HeldRows.of_fit(data, np.concatenate(own))
    if not len(held.rows):
        return None
    predicted = tempered(mean, result.blend.temperature, data.targets.task == "multiclass")
    assert result.preprocessor is not None, "a race is of tables"
    some = rows_of(X, held.rows[sample_places(len(held.rows))])
    return HeldOut.of(held, predicted, result.preprocessor.transform(some))


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
        key = rank_parts(self.rows.judges[0], self.scorer([0]))
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
            weights = find_weights(predicted, judge, [self.candidates[n].variant is None for n in numbers])
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
        return found**TEMPERED if self.rows.are_few else found

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
        state = RaceState(drawn, finished_fits(self.fits), finished_fits(self.whole))
        blend = Blend(parts, degree, self.estimator.engine)
        return RaceResult.of(parts[0].result, blend, report, state, self.ended.is_set())


def finished_fits(fits: Mapping[Key, RaceFit]) -> dict[Key, RaceFit]:
    """Return the fits that came to their end."""
    return {key: made for key, made in fits.items() if not made.is_cut}


def rank_parts(judge: Judge, scorer: HeldOutScorer | None) -> Callable[[Numbers], tuple[float, ...]]:
    """Return what ranks predictions of some rows: by the negative score and the loss, or without a scorer the loss."""
    if scorer is None:
        return lambda predicted: (judge.mean_loss(judge.truth(predicted)),)
    return ScoredParts([], judge, scorer).misses


# --- A race on few rows: each fit learns from all of them, and predicts each row by the members that have not seen it
# The recipes are that of few rows (`chainrule.presets.few`) and what it becomes with other settings. A fit is
# an ensemble whose members leave out folds, so what it predicts out of fold for all rows is what it is judged by.

DRAWS = 200
"""The draws of the weights of rows."""
TEMPERED = 0.5
"""The power of the temperature of an average whose fits have one of their own, by much the same predictions."""
MIN_WEIGHT = 0.02
"""A smaller weight is 0."""
FEW_TO_JUDGE = 100
"""The rows judged up to which half of all weight is that of the default recipe's fits."""


def has_few_rows(estimator: HoldsResult, data: FitData) -> bool:
    """Return whether a fit of the default recipe would deal the rows to the folds of its members."""
    if data.table is None or not candidates.OF_FEW_ROWS:
        return False
    return few_of(_default(estimator), data.table, races=True) is not None


def continue_few(start: RaceState, n: int) -> RaceState:
    """Return the start of a race of n few rows: a new one for that which had no time for all members of a fit."""
    drawn = start.drawn
    has_one_recipe = drawn is not None and drawn.rows == n and len(drawn.of_folds) == 1
    return RaceState(more=start.more) if has_one_recipe else start


def choose_candidates(estimator: HoldsResult, data: FitData, start: RaceState) -> tuple[Candidate, ...]:
    """Return the recipes of a race of few rows, or the only one if its limit is too short for all members of a fit.

    start: whose fits and plan tell what raced.
    """
    if start.plan is not None:
        planned = tuple(each for each in candidates.OF_FEW_MEMBERS if each.name in start.plan.recipes)
        return planned or candidates.OF_FEW_ROWS
    if start.fits:
        return candidates.OF_FEW_ROWS
    limit = start.more or estimator.time_limit or SECONDS
    plan = resolved(_default(estimator, time_limit=limit), data, of_few=recipe(DEFAULT, None).of_few)
    members = with_members_in_time(plan, data).parameters.n_members
    if members == plan.parameters.n_members:
        return candidates.OF_FEW_ROWS
    return tuple(each for each in candidates.OF_FEW_MEMBERS if each.members == members)


def _default(estimator: HoldsResult, **changed: object) -> HoldsResult:
    """Return an unfitted estimator with the default recipe in place of the race."""
    return type(estimator)(**{**estimator.get_params(deep=False), "preset": DEFAULT, **changed})


def deal_rows(data: FitData, racing: tuple[Candidate, ...], seeds: Sequence[int]) -> Split:
    """Return all rows, and those that every fit holds out: in order of time the latest, or else all out of fold.

    seeds: of the fits of the recipes.
    """
    how, n, members = FoldMembers(FOLDS, DEALINGS), data.samples.n, racing[0].members
    how = how if members is None else how.first(members)
    if data.structure.time is not None:
        found = dealt(n, how, data.labels, check_random_state(seeds[0]), data.structure)
        return Split(np.arange(n), found.rows[latest(found)])
    each = [
        dealt(n, how, data.labels, check_random_state(seed), data.structure).rows
        for seed in (seeds if data.structure.groups is not None else seeds[:1])
    ]  # which rows are left out depends on the dealing only where whole groups are dealt
    return Split(np.arange(n), reduce(np.intersect1d, each))


def find_weights(
    parts: Sequence[Numbers], judge: Judge, are_default: Sequence[bool] = ()
) -> NDArray[np.float64]:
    """Return the weights (members,), which add up to 1: "pseudo-BMA+" of what each member predicts out of fold.

        w_k = mean over g of l_k(g) / sum_j l_j(g)        g ~ n Dirichlet(1, ..., 1), the weights of the n rows

    l_k(g) is the likelihood of the rows, weighted by g. Where the best member depends on which of the rows count more,
    several have a weight. -log l is n times the loss of probabilities and of counts, and n / 2 log(loss) for numbers,
    whose errors have a scale that is not known. Up to FEW_TO_JUDGE rows tell recipes hardly apart, so half of all
    weight is then that of the default recipe's fits, those that `are_default` says.

    Source: Yao, Vehtari, Simpson and Gelman, "Using stacking to average Bayesian predictive distributions", Bayesian
    Analysis 2018, section 3.4.
    """
    n, truths = len(judge.y), [judge.truth(part) for part in parts]
    draws = n * generator(0, "judging", 1).dirichlet(np.ones(n), DRAWS)  # (draws, n)
    found = np.mean([_shares([*map(_weighted(judge, own), truths)], judge) for own in draws], 0)
    if n <= FEW_TO_JUDGE and any(are_default):
        trusted = np.array(are_default) & [bool(np.isfinite(part).all()) for part in parts]
        found = (found + trusted / trusted.sum()) / 2 if trusted.any() else found
    found[found < MIN_WEIGHT] = 0
    return np.asarray(found / found.sum())


def _weighted(judge: Judge, by: NDArray[np.float64]) -> Callable[[Numbers], float]:
    """Return the mean loss of the rows with other weights: theirs times these."""
    return judge._replace(weight=judge.weight * by).mean_loss


def _shares(losses: list[float], judge: Judge) -> NDArray[np.float64]:
    """Return the likelihoods (members,), divided by their sum, for mean losses; 0 for one that is not finite."""
    each, n = np.nan_to_num(np.array(losses), nan=np.inf, posinf=np.inf), len(judge.y)
    least = each.min()
    if not np.isfinite(least):
        return np.full(len(each), 1 / len(each))
    if judge.loss is None or isinstance(judge.loss, Poisson):
        behind = n * (each - least)
    elif isinstance(judge.loss, LogLink):  # half the deviance, as 0 is the least that it can be
        rest = float(np.average(judge.loss.saturated(judge.y), weights=judge.weight))
        return _shares([value + rest for value in losses], judge._replace(loss=MeanSquaredError()))
    elif least > 0:
        behind = n / 2 * np.log(each / least)
    else:  # without an error
        behind = np.where(each > least, np.inf, 0.0)
    likelihood = np.exp(-behind)
    return np.asarray(likelihood / likelihood.sum())


# --- the draws of a race before its clock is read: the folds of the rows, and the seeds of all fits ------------------

RACE_FOLDS = 5
MAX_ROWS_FOR_ALL_FOLDS = 2_000
"""With more rows the race is on the first fold alone."""
MIN_ROWS_TO_RACE = 20
MOST_HELD_OUT = 10_000
"""The most rows of a fold."""
NETWORKS = 3
"""The networks of all rows per recipe."""


def origin_of(random_state: object) -> RandomOrigin | None:
    """Return that of an estimator's random_state, before anything is drawn; None where nobody can tell it.

    An integer of NumPy is a place, because `seed_of_rows` draws rows as with no seed.
    """
    if isinstance(random_state, int):
        return int(random_state)
    kind, key, place, *_ = cast(tuple[Any, ...], check_random_state(random_state).get_state())
    return RandomPlace(tuple(map(int, key)), int(place)) if kind == "MT19937" else None


def begin_at(origin: RandomOrigin) -> np.random.RandomState:
    """Return a generator that begins there."""
    if isinstance(origin, int):
        return np.random.RandomState(origin)
    made = np.random.RandomState()
    made.set_state(("MT19937", np.array(origin.key, np.uint32), origin.place, 0, 0.0))
    return made


def draw_race(
    estimator: HoldsResult,
    data: FitData,
    racing: tuple[Candidate, ...],
    plan: RacePlan | None,
    are_few: bool = False,
) -> Drawn:
    """Draw the folds of the rows and the seeds of the candidates' fits, with a plan as its race did."""
    if plan is None:
        origin, random = origin_of(estimator.random_state), check_random_state(estimator.random_state)
    else:
        origin, random = plan.random_state, begin_at(plan.random_state)
    folds, raced = ([], [0]) if are_few else _folds(data, random)
    of_folds, of_all = (
        random.randint(2**31 - 1, size=(len(racing), each)).tolist() for each in (RACE_FOLDS, NETWORKS)
    )
    if are_few:
        folds = [deal_rows(data, racing, [seeds[0] for seeds in of_folds])]
    made = Drawn(data.samples.n, folds, raced, of_folds, of_all, origin, repeat.digest_of(data))
    return made if plan is None else repeat.planned(plan, data, racing, made)


def _folds(data: FitData, random: np.random.RandomState) -> tuple[list[Split], list[int]]:
    """Return the folds of the rows, at most FOLDS, and which of them the race is over: the latest one of many rows."""
    n, structure = data.samples.n, data.structure
    if data.validation is not None or n < MIN_ROWS_TO_RACE:
        return [Split(np.arange(n), np.empty(0, np.int64))], [0]
    count = max(RACE_FOLDS, -(-n // MOST_HELD_OUT))
    if structure.is_free:
        fold = deal(n, count, data.labels, random)
        found = [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(RACE_FOLDS)]
    else:
        found = folds(structure, count, data.labels, random)[:RACE_FOLDS]
    return found, [*range(len(found))] if n <= MAX_ROWS_FOR_ALL_FOLDS else [0]
