"""One fit, from its prepared data to its result."""

from __future__ import annotations

from dataclasses import replace

from chainrule.fitting import additive
from chainrule.fitting.begin import begin
from chainrule.fitting.callbacks import FitTasks
from chainrule.fitting.held import HoldsResult, hold
from chainrule.fitting.in_time import with_members_in_time
from chainrule.fitting.parameters import is_stochastic
from chainrule.fitting.plan import FitPlan, name_of_recipe, resolved
from chainrule.fitting.prepare import FitRequest, PreparedFit, prepare_some
from chainrule.fitting.progress import FitBar, ProgressLine
from chainrule.fitting.result import FitResult
from chainrule.fitting.train import Listeners, WholeFit, holdout_of, train
from chainrule.presets import ADDITIVE
from chainrule.tables.data import FitData, parted
from chainrule.tables.held_out import warn_of_lone_classes
from chainrule.training.callbacks import Callback


def fit_one(
    estimator: HoldsResult, prepared: PreparedFit, line: ProgressLine | None, tasks: FitTasks | None
) -> FitResult:
    """Return the result of one fit, of a network or of several that are trained together.

    The estimator holds what there is before the first step, for callbacks that read it, and for a fit that fails.
    line: shows the fit.  tasks: what tells scikit-learn's callbacks of it.
    """
    request, data = prepared.request, prepared.data
    plan, whole = plan_of(estimator, request, data), None
    if request.is_noticed and holds_out(plan):
        warn_of_lone_classes(data)
    if is_held_out_apart(request, plan, data):
        whole = WholeFit(plan, data, begin(plan, data, None, request.start))
        data = prepare_apart(estimator, request, plan, data)
        plan = plan_of(estimator, request, data)
    if request.is_new:
        plan = with_members_in_time(plan, data)
    callbacks: list[Callback] = []
    if tasks is not None:
        passed = request.given if data.table is None else data.table
        tasks.begin(plan.parameters.max_iter, data.samples.X, data.samples.y, passed.sample_weight)
        callbacks.append(tasks)
    if line is not None:  # in place of the lines of the training
        plan = replace(plan, parameters=replace(plan.parameters, verbose=False))
        callbacks.append(FitBar(line, name_of(estimator)))
    start = begin(plan, data, request.before, request.start, request.trunk)
    hold(estimator, start.result)
    result = train(plan, data, start, Listeners(estimator, tuple(callbacks)), whole)
    return additive.finished(result, data) if estimator.preset == ADDITIVE else result


def name_of(estimator: HoldsResult) -> str:
    """Return the name of what is fitted: the recipe, or a network."""
    return name_of_recipe(estimator.preset, estimator.preprocess) or "network"


def plan_of(estimator: HoldsResult, request: FitRequest, data: FitData) -> FitPlan:
    """Return the plan of a request's fit on data."""
    return resolved(
        estimator,
        data,
        incremental=request.incremental,
        conditions=request.conditions,
        trunk=request.trunk,
        begun=request.begun,
        members=None if request.before is None else len(request.before.members),
        of_few=request.of_few,
    )


def holds_out(plan: FitPlan) -> bool:
    """Return whether a fit holds rows out itself."""
    return bool(plan.parameters.early_stopping) and is_stochastic(plan.parameters)


def is_held_out_apart(request: FitRequest, plan: FitPlan, data: FitData) -> bool:
    """Return whether the rows held out, of other groups or later, are prepared as rows to predict will be."""
    deals = plan.proposal.folds is not None  # by which every row is learned from
    is_table = data.preprocessor is not None
    return holds_out(plan) and not data.structure.is_free and not deals and is_table and request.is_new


def prepare_apart(estimator: HoldsResult, request: FitRequest, plan: FitPlan, data: FitData) -> FitData:
    """Return the data of a fit that holds rows out, prepared by what is learned of the others alone."""
    split = holdout_of(plan, data)
    given = request.given.known_by(data.preprocessor).parted(split)
    part = prepare_some(estimator, replace(request, labels=data.targets), given)
    return parted(data, part, split)
