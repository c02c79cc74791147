"""What a fit begins with: a network and an optimizer at their start, or another fit's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from chainrule.core.random import generator, member_seed
from chainrule.data.samples import Samples, measure_targets
from chainrule.errors import ConfigError, DataError
from chainrule.fitting.dealing import dealt
from chainrule.fitting.narrow import Narrow
from chainrule.fitting.parameters import Parameters, is_stochastic
from chainrule.fitting.plan import FitPlan, numbers, sources
from chainrule.fitting.result import FitResult, RateControl, Records
from chainrule.fitting.start import Trunk, activations_in, dense_slots, members_of, put_parameters, views
from chainrule.formulas.initializers import Constant
from chainrule.formulas.layers import Dense, Embedding, Layer, PiecewiseLinearEmbedding, Take
from chainrule.formulas.losses import LogLink, Poisson, SurvivalCrossEntropy
from chainrule.formulas.optimizers import OPTIMIZERS, SGD, Adam, Optimizer
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.presets.layers import hidden_layers
from chainrule.tables.data import FitData

PIECE = 1 << 14
"""Numbers drawn at a time."""


class FitStart(NamedTuple):
    """What a fit begins with."""

    result: FitResult
    """what there is before its first step"""
    random: np.random.RandomState
    """draws what else is random: the split, and the orders"""
    is_new: bool = True
    """whether a network begins"""
    is_drawn: bool = True
    """whether all of its parameters were drawn"""
    narrow: Narrow | None = None
    """what the members learn from a wide table; None for all of it"""


def begin(
    plan: FitPlan,
    data: FitData,
    before: FitResult | None = None,
    given: Mapping[str, Iterable[NDArray[np.floating]]] = {},
    trunk: Trunk | None = None,
) -> FitStart:
    """Return the start of a fit.

    before: the result of the fit that it goes on with.  given: parameters to begin with, `coefs_` and `intercepts_`.
    trunk: hidden layers to begin with.
    """
    p = plan.parameters
    random = check_random_state(p.random_state)
    is_stochastic_fit = is_stochastic(p)
    watches = bool(p.early_stopping) if is_stochastic_fit else None
    if before is None:
        narrow = None
        if (
            (how := plan.proposal.folds) is not None
            and how.strong is not None
            and not given
            and trunk is None
        ):
            rows = dealt(data.samples.n, how, data.labels, random, data.structure)
            codes = () if data.preprocessor is None else data.preprocessor.embedded_
            narrow = Narrow.of(data.samples, rows, tuple(column for column, *_ in codes), how.strong)
            plan = of_inputs(plan, data, np.flatnonzero(narrow.curved))
        network, group_sizes = network_of(plan, data)
        model = first_model(plan, data, network, random, given, trunk)
        result = FitResult(
            model,
            data.targets,
            group_sizes,
            len(plan.hidden_layer_sizes) + 2,
            data.preprocessor,
            records_of(None, watches),
            as_rates(p) if is_stochastic_fit else None,
            plan.architecture,
            shares=data.shares,
        )
        return FitStart(result, random, True, not given and trunk is None, narrow)
    check_unchanged(plan.architecture, before.architecture)
    goes_on = plan.is_incremental and before.rates is not None
    rates = before.rates if goes_on or not is_stochastic_fit else as_rates(p)
    records = records_of(before.records, watches)
    own = replace(before, records=records, rates=rates, architecture=plan.architecture)
    # What a fit has at its end is not yet there.
    own = replace(own, shortfall=None, floor=None, held_out=None, decision=None, kept=None, is_cut=False)
    return FitStart(own, random, False, False)


def of_inputs(plan: FitPlan, data: FitData, inputs: NDArray[np.int64]) -> FitPlan:
    """Return a plan whose network has the piecewise linear embedding beside the inputs, of the numbers among these."""
    made = data.preprocessor
    assert made is not None, "a recipe prepares the table"
    places = zip(numbers(made), made.numbers_, strict=True)
    columns, kept = tuple(place for place, output in places if output in set(inputs.tolist())), list[Layer]()
    for layer in plan.proposal.front:
        if not isinstance(layer, PiecewiseLinearEmbedding):
            kept.append(layer)
        elif columns:  # which the linear part has as they are
            width = len(sources(made))
            embedded = replace(layer, columns=tuple(range(width, width + len(columns))))
            kept += [Take((*range(width), *columns)), embedded]
    return replace(plan, proposal=plan.proposal._replace(front=tuple(kept)))


def network_of(plan: FitPlan, data: FitData) -> tuple[Network, tuple[int, ...]]:
    """Return the network of a fit, and how many layers each of its hidden ones is."""
    p, proposal = plan.parameters, plan.proposal
    given = proposal.hidden
    if given is None:
        how = plan.activation, p.dropout, p.batch_norm, p.residual
        given = tuple(map(tuple, hidden_layers(list(plan.hidden_layer_sizes), *how)))
    groups = [list(group) for group in given]
    codes = () if data.preprocessor is None else data.preprocessor.embedded_
    coded = [Embedding(codes)] if codes else []
    if proposal.codes is not None:
        coded = [proposal.codes(each) for each in coded]
    front = [*coded, *proposal.front]
    if groups:
        groups[0] = [*front, *groups[0]]
    hidden = [layer for group in groups for layer in group] if groups else front
    outputs = data.targets.outputs
    head = (Dense(outputs),) if proposal.head is None else proposal.head(outputs)
    loss = plan.loss if proposal.loss is None else proposal.loss(plan.loss)
    made = Network(data.samples.X.shape[1], [*hidden, *head], loss, constraints=plan.constraints)
    return made, tuple(map(len, groups))


def first_model(
    plan: FitPlan,
    data: FitData,
    network: Network,
    random: np.random.RandomState,
    given: Mapping[str, Iterable[NDArray[np.floating]]],
    trunk: Trunk | None,
) -> Model | Ensemble:
    """Return a model with scikit-learn's start, or with the parameters or hidden layers that are given."""
    is_single = data.samples.X.dtype == np.float32 or plan.parameters.precision is not None
    dtype = np.dtype(plan.parameters.dtype or (np.float32 if is_single else np.float64))
    count = (plan.parameters.n_members or 1) if trunk is None else len(trunk.models)
    by_layers = plan.proposal.start != "sklearn"
    is_logistic = isinstance(plan.activation, str) and plan.activation == "logistic"
    model = make_untrained(network, random, dtype, is_logistic, count, not given, by_layers)
    scale = None
    if data.preprocessor is not None and network.loss.any_unit:
        scale = measure_targets(data.samples.y, data.samples.weight, plan.proposal.clamp)
        if not np.isfinite(scale.std).all():
            raise DataError("the standard deviation of y is infinite; divide y by a constant.")
    model.describe(data.targets.model_classes, data.feature_names, scale)
    is_as_there = data.preprocessor is None and data.rate_weight is None and isinstance(network.loss, Poisson)
    if not is_as_there:  # scikit-learn's of arrays begins at 1
        start_at_mean(model, data.samples)
    if trunk is not None:
        for member, taken in zip(members_of(model), trunk.models, strict=True):
            take_trunk(member, taken, trunk.freeze)
    for name, values in given.items():
        put_parameters(model, name, values)
    return model


def start_at_mean(model: Model | Ensemble, samples: Samples) -> None:
    """Add what is best without any input to the biases of the last layer, for losses whose outputs are far from 0.

    For a loss of amounts it is log mean(y), so that their unit does not matter; for times `survival_logits`.
    """
    loss = model.network.loss.of_member
    if isinstance(loss, LogLink):
        mean = np.average(samples.y, 0, weights=samples.weight)  # (outputs,)
        first = np.log(np.where(mean > 0, mean, 1))
    elif isinstance(loss, SurvivalCrossEntropy):
        first = survival_logits(samples.y, samples.weight)
    else:
        return
    for member in members_of(model):
        bias = views(member.network, member.theta, "b")[-1]
        bias += np.tile(first, bias.size // len(first)).reshape(bias.shape)


def survival_logits(y: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logits (outputs,) of surviving each interval, of all rows alike, each with half a row more."""
    lasted, died = weight @ np.maximum(y, 0), weight @ np.maximum(-y, 0)
    found: NDArray[np.float64] = np.log((lasted + 0.5) / (died + 0.5))
    return found


def make_untrained(
    network: Network,
    random: np.random.RandomState,
    dtype: Any,
    logistic: bool,
    members: int,
    drawn: bool,
    by_layers: bool = False,
) -> Model | Ensemble:
    """Return a model, or an ensemble of several, with the start that scikit-learn draws; with zeros unless drawn.

    The members' draws follow each other, so the first one begins as a single network does.
    by_layers: whether each layer's own initializers draw it in place of this, from a seed that `random` draws.
    """
    if by_layers:
        seed = int(random.randint(2**32, dtype=np.uint32))
        made = [
            Model(network, seed=member_seed(seed, member) if member else seed, dtype=dtype)
            for member in range(members)
        ]
        return made[0] if members == 1 else Ensemble.of(made, seed=seed)
    thetas = [
        initial_theta(network, random, dtype, logistic) if drawn else np.zeros(network.size, dtype)
        for _ in range(members)
    ]
    is_random = any(link.layer.is_random for link in network.walk())
    seed = int(random.randint(2**32, dtype=np.uint32)) if is_random else 0
    models = [
        Model.with_theta(network, theta, seed=member_seed(seed, member) if member else seed)
        for member, theta in enumerate(thetas)
    ]
    return models[0] if members == 1 else Ensemble.of(models, seed=seed)


def initial_theta(
    network: Network, random: np.random.RandomState, dtype: Any, logistic: bool
) -> NDArray[Any]:
    """Draw the parameters (size,): those of every Dense as scikit-learn does, all others by their own initializers.

    W and then b of each Dense, uniform in +-sqrt(6 / (fan_in + fan_out)), or +-sqrt(2 / ...) if logistic, in float64
    and then rounded.  random: a `numpy.random.RandomState`, of which the others take one integer if one of them draws.
    """
    theta, seed = np.empty(network.size, dtype), None
    for number, (link, _, parameter, start, stop) in enumerate(network.slots):
        if isinstance(link.layer, Dense):
            bound = math.sqrt((2.0 if logistic else 6.0) / (link.fan_in + link.fan_out))
            for first in range(start, stop, PIECE):  # the float64 draws stay in the cache
                part = theta[first : min(first + PIECE, stop)]
                part[...] = random.uniform(-bound, bound, len(part))
        else:
            if seed is None and not isinstance(parameter.initializer, Constant):
                seed = int(random.randint(2**32, dtype=np.uint32))
            draw = parameter.initializer(
                generator(seed or 0, "weights", number), parameter.shape, link.fan_in, link.fan_out
            )
            theta[start:stop] = np.broadcast_to(draw, parameter.shape).ravel()
    return theta if network.bounds is None else network.bounds.first(theta)


def take_trunk(model: Model, trunk: Model, freeze: bool) -> None:
    """Copy the hidden layers of another model into this one, and freeze them if asked. Raises DataError for others."""
    stop, their_stop = (dense_slots(each.network, "W")[-1].start for each in (model, trunk))
    own, theirs = (
        {
            (slot.link.name, slot.field): slot.parameter.shape
            for slot in each.network.slots
            if slot.start < end
        }
        for each, end in ((model, stop), (trunk, their_stop))
    )
    if trunk.network.inputs != model.network.inputs:
        raise DataError(
            f"X has {model.network.inputs} features but the hidden layers were trained on {trunk.network.inputs}; "
            "select the same columns."
        )
    if own != theirs or activations_in(model.network) != activations_in(trunk.network):
        raise DataError(
            "the hidden layers differ from those of the estimator that replace_head was called on; do not "
            "change hidden_layer_sizes, activation, batch_norm and residual."
        )
    model.theta[:stop] = trunk.theta[:stop]
    states = {name: trunk.states[name] for name in model.states}
    model.states = {name: type(s)(*(np.array(v, model.dtype) for v in s)) for name, s in states.items()}
    if freeze:
        model.freeze(*(name for name, _ in own))


def records_of(before: Records | None, watches: bool | None) -> Records:
    """Return the records of a fit before its first epoch: empty ones, or those of the fit that it goes on with.

    What training by batches counts begins anew where another thing is watched now.
    watches: whether early stopping watches a score; None for a solver, which counts nothing.
    """
    if before is None:
        found = Records()
    else:
        curves = [*before.loss_curve], [*before.validation_loss_curve]
        found = replace(
            before, n_iter=0, n_iter_refit=0, loss_curve=curves[0], validation_loss_curve=curves[1]
        )
    if watches is None:
        return found
    best = found.best_validation_score if watches else found.best_loss
    if best is not None:
        scores = found.validation_scores
        return replace(found, validation_scores=None if scores is None else [*scores])
    return replace(
        found,
        no_improvement=0,
        validation_scores=[] if watches else None,
        best_validation_score=-np.inf if watches else None,
        best_loss=None if watches else np.inf,
    )


def check_unchanged(now: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Check that the network which is trained on is still asked for. Raises ConfigError otherwise.

    Both are as `FitPlan.architecture`; before: empty where it is not known.
    """
    for name, value in now.items():
        if before and before[name] != value:
            raise ConfigError(
                f"{name} cannot change when the training of a network continues: it was {before[name]} and is {value}; "
                "set it back, or fit with warm_start=False."
            )


def as_rates(p: Parameters) -> RateControl:
    """Return the optimizer that the parameters describe, at its start."""
    rate = float(p.learning_rate_init)
    if isinstance(p.optimizer, str):
        kind: Any = OPTIMIZERS[p.optimizer]
        return RateControl(kind(learning_rate=rate), rate)
    if p.optimizer is not None:
        assert isinstance(p.optimizer, Optimizer), "a solver has no rates"
        return RateControl(p.optimizer, p.optimizer.learning_rate)
    if p.solver == "adam":
        made = Adam(rate, float(p.beta_1), float(p.beta_2), float(p.epsilon), uncorrected_eps=True)
        return RateControl(made, rate)
    momentum = min(float(p.momentum), np.nextafter(1.0, 0.0))  # 1 is allowed, and differs in no digit
    sgd = SGD(rate, momentum, nesterov=bool(p.nesterovs_momentum and momentum > 0))
    return RateControl(sgd, rate, p.learning_rate, float(p.power_t))
