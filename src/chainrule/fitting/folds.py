"""Train the members of an ensemble each without another fold, and learn from the rows left out when to stop.

Of few rows those held out once are too few to say anything, and are missed where one learns. So the rows are dealt to
folds, several times over, and each member leaves out one fold of one dealing. What the members that have not seen a row
predict for it, averaged, is an honest prediction for every row, at no further fit:

    out of fold     q_i = mean of p_m(x_i) over the members m that leave out row i
    temperatures    those with the least loss of q, see `chainrule.fitting.few_solved`. For numbers they are 1.
    the shift       of two classes, by which the mean of q is the share of the class, see there
    the epoch       the one with the least loss of q at its temperature, for all members together. Its temperature is
                    then a part of the last layers. Where a class has at most two of very few rows the mean of
                    the parameters of all epochs is taken: what is out of fold for one of two rows is learned from the
                    other alone, and says to learn nothing where learning helps on other rows.

A member begins with a last layer of zeros whose biases predict the shares of the classes, or the mean: early epochs
are close to what is predicted without any input, and a table without signal ends there. The curves of numbers may begin
bent by chance: straight ones hardly bend in as few steps as very few rows have, and then only what is nearly linear is
learned, while bent ones are also the material of jumps, which trees are made of.

Of rows in order of time each member leaves out a stretch. Only the latest one is predicted by members that know nothing
later, so its rows alone count as held out. What comes later may well be beyond the targets of training, so predictions
may be as far beyond their range as it is wide.

How rows are dealt, whole groups and stretches of them too, is in `chainrule.fitting.dealing`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from sklearn.utils import check_random_state

from chainrule.core.random import generator
from chainrule.data.samples import Samples, TargetScale, in_rows
from chainrule.engines import ForwardWalks, Plan, select
from chainrule.fitting import loop
from chainrule.fitting.begin import FitStart, first_model, survival_logits
from chainrule.fitting.curve import LearningCurve
from chainrule.fitting.dealing import Dealt, dealt, latest, out_of_fold
from chainrule.fitting.few_solved import (
    FOR_ALL,
    OF_ALL,
    OF_SEVERAL,
    Beside,
    Bound,
    has_logits,
    loss_of,
    shift,
    slots_to_solve,
    view_of_link,
)
from chainrule.fitting.narrow import Narrow
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.result import FitResult
from chainrule.fitting.start import dense_slots, members_of
from chainrule.formulas.layers import PiecewiseLinearEmbedding, Scale, Shift
from chainrule.formulas.losses import (
    Loss,
    OrdinalCrossEntropy,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SurvivalCrossEntropy,
    ordinal_logits,
)
from chainrule.model import Ensemble, Model
from chainrule.presets.few import VERY_FEW
from chainrule.tables.data import FitData
from chainrule.tables.encoding import ways
from chainrule.tables.held_out import HeldOut, HeldRows, sample_places
from chainrule.trained.evaluation import BATCH
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

RARE = 2
"""Of very few rows of two classes so many of one, or fewer, say nothing of the epoch."""
LEAST_IN_TIME = 2 / 3
"""In order of time the range of predictions is at least that with this weight of a linear part: as wide again above."""


TEMPERATURES = (1.0, 8.0)
"""The least and the largest temperature of networks."""
NEAR_TEMPERATURE = 0.02
"""How near the logarithm of a temperature is to the best one."""


MOST_SHIFT = 1.0
"""The largest shift of the logits."""
NEAR_SHIFT = 1e-4
"""How near a shift is to the right one."""


MOST_WIDER = 100.0
"""The most that the range of the targets is wider at an end, in ranges."""
LONG_TAIL = 3.0
"""So many times as far from the median as the other end of the targets is an end behind a long tail."""


CENTER = 0.5
"""Of the logits of the shares, the part that is the center of the logits."""


class FoldCurve(LearningCurve):
    """The curve of the members of folds: each has its own rows, and the score is the loss out of fold, negated."""

    def __init__(
        self, plan: FitPlan, start: FitStart, samples: Samples, rows: Dealt, is_rare: bool = False
    ) -> None:
        """Begin. samples: of all rows.  is_rare: whether the mean of all epochs is kept in place of the best one."""
        super().__init__(plan, start, loop.is_weighted(samples), self.judged)
        self.samples, self.dealt, self.judge = samples, rows, samples.take(rows.rows)
        self.center = center_of(start.result.model.network.loss, samples)
        self.judged_share = rows.members.size / (samples.n * len(rows.learned))
        self.is_rare = is_rare

    def watch(self, run: Run) -> None:
        """Keep the best epoch, or the mean of all of them."""
        before = self.best
        super().watch(run)
        if self.is_rare:
            self.best = run.snapshot()
            if before is not None:
                self.best["theta"] = before["theta"] + (self.best["theta"] - before["theta"]) / self.n_iter

    def order(self, run: Run) -> NDArray[np.int64]:
        """Return the rows of the next epoch (n, members): each member's own, some of them twice in place of others."""
        n = self.samples.n
        found = np.empty((n, len(self.dealt.learned)), np.int64)
        for member, own in enumerate(self.dealt.learned):
            times = -(-n // len(own))
            found[:, member] = np.concatenate([self.random.permutation(own) for _ in range(times)])[:n]
        self.rows = found
        return found

    def judged(self, run: Run) -> float:
        """Return the loss out of fold, negated, and record it."""
        run.synchronize()
        session: Any = run.session
        states = [each.states for each in session.sessions]
        each = out_of_fold(
            lambda member, X: run.walks.predict(session.theta[member], states[member], X, 1),
            self.dealt,
            self.judge.X,
            run.walks.network.fan_out,
        )
        loss = run.plan.network.loss
        temperature = temperature_of(each, self.center, loss, self.judge)
        found = loss_of(loss.average(cooled(each, self.center, temperature)), loss, self.judge)
        self.begun.validation_loss_curve.append(found)
        run.logs["val_loss"] = found  # what others watch, and the history shows
        return -found


def center_of(loss: Loss, samples: Samples) -> NDArray[np.float64]:
    """Return what logits come nearer to with the temperature (outputs,); 0 for other outputs."""
    return CENTER * of_shares(loss, samples) if has_logits(loss) else np.zeros(samples.outputs)


def cooled(
    out: NDArray[Any], center: NDArray[np.float64], temperature: float, bound: Bound | None = None
) -> NDArray[Any]:
    """center + (out - center) / temperature; with a temperature below 1 inside of the bound of the outputs, if any."""
    if temperature >= 1 or bound is None:
        return center + (out - center) / temperature
    middle = bound.undone(center)
    return bound(middle + (bound.undone(out) - middle) / temperature)


def temperature_of(
    out: NDArray[np.float64],
    center: NDArray[np.float64],
    loss: Loss,
    samples: Samples,
    bound: Bound | None = None,
    ends: tuple[float, float] = TEMPERATURES,
) -> float:
    """Return the temperature, 1 for other losses than a cross-entropy of logits.

    out: those of `out_of_fold`.  center: (outputs,).  samples: the m rows.  bound: of the outputs, if any.
    ends: the least and the largest.
    """
    if not has_logits(loss):
        return 1.0

    def of(log: float) -> float:
        return loss_of(loss.average(cooled(out, center, float(np.exp(log)), bound)), loss, samples)

    low, high = (float(np.log(end)) for end in ends)
    found = minimize_scalar(of, bounds=(low, high), method="bounded", options={"xatol": NEAR_TEMPERATURE})
    return float(np.exp(found.x)) if of(found.x) < of(0.0) else 1.0


def train(plan: FitPlan, data: FitData, start: FitStart, callbacks: tuple[Callback, ...]) -> FitResult:
    """Train the members of a start, in place, and return what the fit has found."""
    result, how = start.result, plan.proposal.folds
    assert how is not None, "the recipe deals folds"
    model = result.model
    samples = data.samples.scaled(model.target_scale)
    random = check_random_state(plan.parameters.random_state)
    trained, learned, narrow = model, samples, start.narrow
    if narrow is None:
        rows = dealt(samples.n, how, data.labels, random, data.structure)
    else:
        rows, learned = narrow.rows, samples._replace(X=samples.X[:, narrow.inputs])
        network = narrow.network(model.network)
        trained = first_model(plan, replace(data, feature_names=None), network, start.random, {}, None)
    own = members_of(trained)
    if start.is_drawn:
        loop.measure(trained, learned)  # the edges of curves
        for number, member in enumerate(own):
            begin_at_shares(member, samples)
            bend(member, how.curves)
            if how.has_linear_part:
                leave_out(member, how.units_beside(samples.outputs).number)
            if narrow is not None:
                narrow.begin(member, number)
    begun = start._replace(result=replace(result, model=trained))
    curve = FoldCurve(plan, begun, learned, rows, has_rare_class(data))
    size = loop.batch_size(plan.parameters.batch_size, samples.n)
    optimizer, epochs = curve.rates.optimizer, int(plan.parameters.max_iter)
    _, limited = loop.run(plan, trained, optimizer, learned, None, size, epochs, curve, callbacks)
    if narrow is not None:
        model = of_all_inputs(model, own, trained, narrow)
        result = replace(result, model=model)
    found = replace(result, records=curve.records, shortfall=limited.shortfall, course=limited.course)
    members, judge = members_of(model), samples.take(rows.rows)
    is_whole = len(members) == len(rows.learned) and len(rows.rows)  # none diverged, and a class has two rows
    if not (start.is_new and is_whole):
        return found
    walks = ForwardWalks(select(plan.parameters.engine, Plan(model.network)), model.network, BATCH)
    out = out_of_fold(
        lambda member, X: walks.predict(members[member].theta, members[member].states, X),
        rows,
        judge.X,
        model.network.fan_out,
    )
    loss = model.network.loss
    is_of_several, bound = isinstance(loss, SoftmaxCrossEntropy), Bound.of(members[0])
    for_all = FOR_ALL if is_of_several and samples.n <= VERY_FEW else 1.0
    ends = OF_SEVERAL if is_of_several and not how.has_linear_part else TEMPERATURES
    temperature = max(temperature_of(out, curve.center, loss, judge, bound, ends) / for_all, ends[0])
    for member in members:
        cool(member, curve.center, temperature)
    out = cooled(out, curve.center, temperature, bound)
    is_in_time = data.structure.time is not None
    weight = LEAST_IN_TIME if is_in_time else 0.0
    if how.has_linear_part:
        scaled = () if result.preprocessor is None else ways(result.preprocessor.learned_)
        beside = Beside(members, samples, rows, how, scaled, None if narrow is None else narrow.strong)
        repeated = plan.conditions.course
        has_time = beside.is_in_time(plan.end) if repeated is None else repeated.has_linear_part
        if has_time and len(beside.at.inputs):
            out, linear = beside.added(out, random)
            weight = max(weight, linear)
            if linear and isinstance(loss, SoftmaxCrossEntropy):
                bound = Bound.of(members[0])  # as the first temperature has left it
                temperature = temperature_of(out, curve.center, loss, judge, bound, OF_ALL) / for_all
                for member in members:
                    cool(member, curve.center, temperature)
                out = cooled(out, curve.center, temperature, bound)
        found = replace(found, course=limited.course._replace(has_linear_part=has_time))
    if not is_in_time:
        bound = Bound.of(members[0])
        by = shift_of(out, loss, judge, bound)
        if by:
            for member in members:
                shift(member, by)
            out = shifted(out, by, bound)
    if model.target_scale is not None and weight:
        few = samples.n <= VERY_FEW and not is_in_time
        wider = widen(model.target_scale, weight, median_of(data.samples) if few else None)
        model.describe(model.classes, model.feature_names, wider)
    predicted = found.predicted_of(loss.average(out))
    held = latest(rows) if is_in_time else np.arange(len(rows.rows))
    if not len(held):  # a label of its own is in all of the latest ones
        return found
    X = judge.X[held[sample_places(len(held))]]
    return replace(found, held_out=HeldOut.of(HeldRows.of_fit(data, rows.rows[held]), predicted[held], X))


def of_all_inputs(
    whole: Model | Ensemble, own: list[Model], trained: Model | Ensemble, narrow: Narrow
) -> Model | Ensemble:
    """Copy networks of the strong inputs into those of all, and return these without those that diverged.

    own: the networks of the strong inputs before training.
    """
    left = [members_of(whole)[own.index(each)] for each in members_of(trained)]
    for member, each in zip(left, members_of(trained), strict=True):
        narrow.finish(member, each)
    if len(left) == len(own):
        return whole
    made = Ensemble.of(left, seed=whole.seed)
    made.describe(whole.classes, whole.feature_names, whole.target_scale)
    return made


def bend(model: Model, curves: float) -> None:
    """Let a network begin with random curves of its numbers: E in N(0, curves^2), in the bins that a column has."""
    if not curves:
        return
    for number, slot in enumerate(model.network.slots):
        if not isinstance(slot.link.layer, PiecewiseLinearEmbedding) or slot.field != "E":
            continue
        bins = model.states[slot.link.name].bins[:, None, None]  # of each column
        drawn = generator(model.seed, "start", number).standard_normal(slot.parameter.shape)
        is_used = np.arange(slot.parameter.shape[1])[:, None] < bins
        model.theta[slot.start : slot.stop] = np.where(is_used, curves * drawn, 0.0).ravel()


def leave_out(model: Model, units: int) -> None:
    """Set the last hidden units to 0, where they stay while the network is trained."""
    W, b, after = slots_to_solve(model.network)
    own = slice(-units, None)
    view_of_link(model, W)[:, own] = 0
    view_of_link(model, b)[own] = 0
    view_of_link(model, after)[own] = 0


def widen(scale: TargetScale, weight: float, median: NDArray[np.float64] | None = None) -> TargetScale:
    """Return a scale whose range R is wider at both ends, by R (2 w - 1) / (1 - w), without a change of sign.

    Up to w = 1/2 it stays. Where no target of training is below 0, or none is above, no prediction is either.

    median: (outputs,) of the targets, where few of them say little of a long tail: an end that is LONG_TAIL times as
    far from it as the other one is further by R w / (1 - w); None for both ends alike.
    """
    if scale.low is None or scale.high is None:
        return scale
    whole, rest = scale.high - scale.low, max(1 - weight, 1 / MOST_WIDER)
    below = above = whole * min(max(2 * weight - 1, 0.0) / rest, MOST_WIDER)
    if median is not None:
        down, up = median - scale.low, scale.high - median
        further = whole * min(weight / rest, MOST_WIDER)
        below = np.where(down > LONG_TAIL * up, further, below)
        above = np.where(up > LONG_TAIL * down, further, above)
    low, high = scale.low - below, scale.high + above
    low = np.where(scale.low >= 0, np.maximum(low, 0.0), low)
    return scale._replace(low=low, high=np.where(scale.high <= 0, np.minimum(high, 0.0), high))


def shifted(out: NDArray[np.float64], shift: float, bound: Bound | None = None) -> NDArray[np.float64]:
    """out + shift, inside of the bound of the outputs, if any."""
    return out + shift if bound is None else bound(bound.undone(out) + shift)


def shift_of(out: NDArray[np.float64], loss: Loss, samples: Samples, bound: Bound | None = None) -> float:
    """Return the shift d; 0 for other outputs than the one logit of two classes, and where only one class counts.

    out: outputs of members for rows that these leave out, (dealings, m, outputs).  samples: the m rows.
    """
    if not isinstance(loss, SigmoidCrossEntropy) or out.shape[2] != 1 or not np.isfinite(out).all():
        return 0.0
    y, weight = samples.targets_of()
    weight = in_rows(weight)
    counted = y[weight > 0]
    if not len(counted) or counted.min() == counted.max():
        return 0.0

    def excess(shift: float) -> float:
        predicted = loss.predict(loss.average(shifted(out, shift, bound)))
        return float(weight @ (predicted - y)[:, 0])

    if excess(-MOST_SHIFT) >= 0 or excess(MOST_SHIFT) <= 0:
        return -MOST_SHIFT if excess(0.0) > 0 else MOST_SHIFT
    return float(brentq(excess, -MOST_SHIFT, MOST_SHIFT, xtol=NEAR_SHIFT))


def cool(model: Model, center: NDArray[np.float64], temperature: float) -> None:
    """Let a network's outputs be those of `cooled`, by a Scale and a Shift at its end, or else by its last Dense."""
    by_name = {slot.link.name: slot for slot in model.network.slots}
    *_, scale, shift = model.network.links
    is_bounded = isinstance(scale.layer, Scale) and isinstance(shift.layer, Shift)
    if is_bounded and temperature >= 1:
        factors, biases = [by_name[scale.name]], by_name[shift.name]
    else:
        bound = Bound.of(model)
        center = center if bound is None else bound.before(center)
        W, biases = (dense_slots(model.network, field)[-1] for field in ("W", "b"))
        factors = [W, biases]
    for slot in factors:
        model.theta[slot.start : slot.stop] /= temperature
    model.theta[biases.start : biases.stop] += center * (1 - 1 / temperature)


def has_rare_class(data: FitData) -> bool:
    """Return whether one of two classes has at most RARE of very few rows, which are not in order of time."""
    if data.labels is None or len(data.labels) > VERY_FEW or data.structure.time is not None:
        return False
    counts = np.unique(data.labels, return_counts=True)[1]
    return len(counts) == 2 and int(counts.min()) <= RARE


def median_of(samples: Samples) -> NDArray[np.float64]:
    """Return the median of the targets of the rows that count (outputs,)."""
    y, weight = samples.targets_of()
    found: NDArray[np.float64] = np.median(y[weight > 0], axis=0)
    return found


def begin_at_shares(model: Model, samples: Samples) -> None:
    """Let a network begin with a last layer that predicts the shares of the classes, or the mean, for every row."""
    network = model.network
    W, b = (dense_slots(network, field)[-1] for field in ("W", "b"))
    model.theta[W.start : W.stop] = 0
    if has_logits(network.loss):
        model.theta[b.start : b.stop] = of_shares(network.loss, samples)


def of_shares(loss: Loss, samples: Samples) -> NDArray[np.float64]:
    """Return the logits (outputs,) of the shares of the classes, or of surviving, each with half a row more."""
    y, weight = samples.targets_of()
    weight = in_rows(weight)
    if isinstance(loss, SurvivalCrossEntropy):
        return survival_logits(y, weight)
    shares = (weight @ y + 0.5) / (weight.sum() + 0.5 * (y.shape[1] if y.shape[1] > 1 else 2))
    log = np.log(shares)
    if isinstance(loss, SoftmaxCrossEntropy):
        return np.asarray(log)
    return np.asarray(
        ordinal_logits(shares) if isinstance(loss, OrdinalCrossEntropy) else log - np.log1p(-shares)
    )
