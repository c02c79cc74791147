"""Train the same network on the same data with every method, with the same number of forward passes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.random import generator
from chainrule.data import checks
from chainrule.data.samples import Samples
from chainrule.datasets import load_mnist
from chainrule.engines import ENGINES, Plan, StepSettings
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.formulas.layers import Dense, Tanh
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam, GradientDescent
from chainrule.lab import Progress, check_options, scaled
from chainrule.network.network import Network
from chainrule.trained.evaluation import evaluate
from chainrule.training.without_backprop import (
    CMAES,
    SPSA,
    Backpropagation,
    CentralDifferences,
    Estimator,
    FeedbackAlignment,
    ForwardDifferences,
    ForwardGradient,
    Method,
    MethodSession,
    NoTraining,
    OpenAIES,
    RandomFeatures,
    RandomSearch,
    Search,
)
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table
from chainrule.views.words.facts import chance

# --- the runs: each method on the same network, data and batches

STEP_SIZES = (0.01, 0.03, 0.1, 0.3)
"""Step sizes over which each method is tuned: Adam's learning rate, or a search's initial sigma."""
TUNING_SHARE = 0.2
"""Share of the passes for each step size tried."""
EVALUATIONS = 36
"""Evaluations of the loss on all samples, evenly spaced in the logarithm of the passes."""
COSINE_EVALUATIONS = 5
"""Of these, the number with the cosine to the gradient."""
TRAIN, BATCH, HIDDEN, POOL = 10_000, 250, 8, 4
STEP_OFFSET = 1 << 30
"""The step offset of the measurements' random draws, which must differ from the run's."""


class MethodArm(NamedTuple):
    """One method in the comparison."""

    name: str
    make: Callable[[float], Method]
    """the method for a step size, which only searches use"""
    family: str
    """exact, numerical, random direction, evolution, other"""
    tuned: float
    """the step size that tuning chose at seed 0 and a budget of 1, taken where nothing is tuned"""
    draws: int = 1
    """estimates averaged per cosine"""


ARMS: dict[str, MethodArm] = {
    arm.name: arm
    for arm in (
        MethodArm("backpropagation", lambda size: Backpropagation(), "exact", 0.1),
        MethodArm("central_differences", lambda size: CentralDifferences(), "numerical", 0.1),
        MethodArm("forward_differences", lambda size: ForwardDifferences(), "numerical", 0.1),
        MethodArm("forward_gradient", lambda size: ForwardGradient(), "direction", 0.03, 16),
        MethodArm("spsa", lambda size: SPSA(), "direction", 0.03, 16),
        MethodArm("openai_es", lambda size: OpenAIES(), "evolution", 0.1, 4),
        MethodArm("cma_es", lambda size: CMAES(sigma=size, diagonal=True), "evolution", 0.3, 4),
        MethodArm("random_search", lambda size: RandomSearch(sigma=size), "evolution", 0.01, 16),
        MethodArm("feedback_alignment", lambda size: FeedbackAlignment(), "other", 0.03),
        MethodArm("random_features", lambda size: RandomFeatures(), "other", 0.03),
        MethodArm("none", lambda size: NoTraining(), "none", 0.1),
    )
}
"""In the order of the table."""


@records.kind("lab_course")
@dataclass
class Course(records.DataResult):
    """The record of one run: one number per measurement."""

    passes: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    """on all training samples"""
    cosines: list[float] = field(default_factory=list)
    steps: int = 0
    accuracy: float = math.nan
    """on the test samples, at the end"""


@records.kind(
    "lab_method_runs",
    fields=("size", "courses"),
    also=("method", "loss", "accuracy", "steps", "passes_a_step", "milliseconds", "cosine"),
)
@dataclass(frozen=True)
class MethodRuns(records.DataResult):
    """The results of one method over all seeds."""

    arm: MethodArm
    size: float | None
    """the tuned step size; None without one"""
    courses: list[Course]

    def mean(self, what: Any) -> float:
        """Return the mean of a number over the runs."""
        return float(np.mean([what(course) for course in self.courses]))

    @property
    def loss(self) -> float:
        """The mean final loss."""
        return self.mean(lambda course: course.loss[-1])

    @property
    def accuracy(self) -> float:
        """The mean final accuracy on the test samples."""
        return self.mean(lambda course: course.accuracy)

    @property
    def steps(self) -> float:
        """The mean number of steps."""
        return self.mean(lambda course: course.steps)

    @property
    def passes_a_step(self) -> float:
        """The mean number of forward passes per step."""
        return self.mean(lambda course: course.passes[-1] / max(course.steps, 1))

    @property
    def milliseconds(self) -> float:
        """The mean milliseconds per step."""
        return self.mean(lambda course: 1000 * course.seconds[-1] / max(course.steps, 1))

    @property
    def cosine(self) -> float | None:
        """The mean cosine over all measurements; None if the method never moved."""
        found = [cosine for course in self.courses for cosine in course.cosines]
        return float(np.mean(found)) if found else None

    def passes_to(self, loss: float) -> float | None:
        """Return the number of passes after which the method reached a loss, on average; None if it never did."""
        found = []
        for course in self.courses:
            at = next((p for p, value in zip(course.passes, course.loss, strict=True) if value <= loss), None)
            if at is None:
                return None
            found.append(at)
        return float(np.mean(found))

    @property
    def method(self) -> str:
        """The method's code."""
        return self.arm.name


# --- the task


class MethodTask(NamedTuple):
    """The network and the data shared by all methods."""

    network: Network
    train: Samples
    test: Samples


def network() -> Network:
    """Build the network: 49 pooled pixels, 8 hidden neurons, 10 classes, 490 parameters."""
    return Network((28 // POOL) ** 2, [Dense(HIDDEN), Tanh(), Dense(10)], loss=SoftmaxCrossEntropy())


def samples() -> tuple[Samples, Samples]:
    """Load 10,000 training and 10,000 test images of MNIST, averaged over 4 x 4 pixels, from 0 to 1."""
    parts = []
    for data, n in zip(load_mnist(), (TRAIN, None), strict=True):
        images = data.images[:n].reshape(-1, 28 // POOL, POOL, 28 // POOL, POOL)
        X = images.mean((2, 4)).reshape(len(images), -1) / 255  # (n, 49)
        parts.append(Samples(X, np.asarray(data.y[:n], np.int64), np.ones(len(X)), 10))
    return parts[0], parts[1]


# --- runs


def run(task: MethodTask, arm: MethodArm, size: float | None, seed: int, passes: int, looks: int) -> Course:
    """Train with one method from the initial weights of a seed until its passes are used up, for at least one step.

    looks: the number of comparisons of its direction with the gradient; with 0 the loss is evaluated only before and
    after. A non-finite loss ends the run.
    """
    net, method = task.network, arm.make(size or 1.0)
    optimizer = GradientDescent() if isinstance(method, Search) else Adam(size or 1.0)
    plan = Plan(net, optimizer, BATCH, seed, np.float64)
    theta = net.initial_theta(seed, np.float64)
    session = MethodSession(plan, method, theta, net.initial_states(np.float64), 0)
    course, order, rate = Course(), Order(task.train.n, seed), np.array([size or 1.0])
    marks = (
        np.geomspace(1, passes, EVALUATIONS) if looks else np.array([float(passes)])
    )  # passes at which to evaluate
    watched = set(np.linspace(0, EVALUATIONS - 1, looks).astype(int).tolist())
    seconds = 0.0
    note(course, task, session, seconds)
    for i, mark in enumerate(marks.tolist()):
        if i in watched:
            course.cosines += cosines(task, plan, session, order.rows(course.steps), course.steps, arm.draws)
        while session.sums[3] < mark:
            a_step = session.sums[3] / course.steps if course.steps else math.inf
            count = max(1, min(int((mark - session.sums[3]) / a_step), 1000))
            rows = np.concatenate([order.rows(course.steps + k) for k in range(count)])
            start = time.perf_counter()
            try:
                session.steps(task.train, rows, StepSettings.of(np.repeat(rate, count)), course.steps + 1)
            except NonFiniteError:
                note(course, task, session, seconds, math.inf)
                return course
            course.steps += count
            seconds += time.perf_counter() - start
        if session.sums[3] > course.passes[-1]:
            note(course, task, session, seconds)
    found = evaluate(net, ENGINES["reference"], theta, session.states, task.test, ("accuracy",))
    course.accuracy = found["accuracy"]
    return course


class Order:
    """The batches of a seed, the same for every method: shuffled epochs, one after another."""

    def __init__(self, n: int, seed: int) -> None:
        """Store the seed and the number of whole batches of n samples."""
        self.n, self.seed, self.epochs = n, seed, dict[int, NDArray[np.int64]]()

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the samples (BATCH,) of a step, counted from 0."""
        epoch, place = divmod(step, self.n // BATCH)
        if epoch not in self.epochs:
            self.epochs = {epoch: generator(self.seed, "shuffle", epoch).permutation(self.n)}
        return self.epochs[epoch][place * BATCH : (place + 1) * BATCH]


def note(
    course: Course, task: MethodTask, session: MethodSession, seconds: float, loss: float | None = None
) -> None:
    """Evaluate the loss over all training samples, and record it with the seconds so far."""
    if loss is None:
        engine = ENGINES["reference"]
        loss = evaluate(task.network, engine, session.theta, session.states, task.train, ())["loss"]
    course.passes.append(float(session.sums[3]))
    course.seconds.append(seconds)
    course.loss.append(loss)


def cosines(
    task: MethodTask, plan: Plan, session: MethodSession, rows: NDArray[np.int64], step: int, draws: int
) -> list[float]:
    """Compute the cosine between the next step of the method and the negative gradient; None if it does not move.

    Both use the same batch; the draws are independent, and none changes the run.
    """
    truth = MethodSession(plan, Backpropagation(), session.theta, session.states, 0)
    g = truth.look(task.train, rows, 1).walk_back()  # (P,)
    found = []
    for draw in range(draws):
        here = session.look(task.train, rows, STEP_OFFSET + step * draws + draw)
        full = np.zeros_like(g)
        if isinstance(session.method, Search):
            full[session.trained] = here.x - session.method.move(here, session.optimizer_state)[0]
        else:
            assert isinstance(session.method, Estimator)
            full[session.trained] = session.method.estimate(here)
        length = float(np.linalg.norm(full) * np.linalg.norm(g))
        if length > 0:
            found.append(float(full @ g / length))
    return found


# --- the experiment

PASSES = 12_000
"""The number of forward passes per method, at a budget of 1."""


def without_backprop(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    methods: Sequence[str] | None = None,
) -> Report:
    """Train one network with every method, for the same number of forward passes, and fill in the lesson's table.

    seed, repeats: seeds seed .. seed + repeats - 1, each with initial weights and batches shared by all methods.
    budget: share of 12,000 passes.  progress: called with the completed share.  methods: names, None for all;
    backpropagation is always included.  Raises ConfigError for invalid options.
    """
    check_options(seed, repeats, budget)
    names = _names(methods)
    if "cma_es" in names:
        CMAES(diagonal=True).check(network(), 0)  # its library, before anything is trained
    start, passes = time.perf_counter(), scaled(PASSES, budget, 500)
    train, test = samples()
    task = MethodTask(network(), train, test)
    clock = Clock(progress, len(names) * (repeats + len(STEP_SIZES) * TUNING_SHARE))
    found: dict[str, MethodRuns] = {}
    for name in names:
        arm = ARMS[name]
        size = tuned(task, arm, seed, passes, clock)
        courses = []
        for k in range(repeats):
            clock.at(words.experiments.of_seed(words.lab_without_backprop.METHODS[name], seed + k))
            courses.append(run(task, arm, size, seed + k, passes, looks=COSINE_EVALUATIONS))
            clock.add(1)
        found[name] = MethodRuns(arm, size, courses)
    return _report(task, found, passes, {"seed": seed, "repeats": repeats, "budget": budget}, start)


def _names(methods: Sequence[str] | None) -> list[str]:
    chosen = list(ARMS) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    for name in chosen:
        checks.check_choice(name, ARMS, "methods")
    if not chosen:
        raise ConfigError("methods must contain at least one method, or be None for all.")
    return [name for name in ARMS if name in chosen or name == "backpropagation"]


# --- tuning


class Clock:
    """Reports the progress of a known number of units."""

    def __init__(self, progress: Progress | None, total: float) -> None:
        """Start at 0. total: the number of units that `add` counts."""
        self.progress, self.total, self.done, self.what = progress, total, 0.0, ""

    def at(self, what: str) -> None:
        """Set the description of the current unit."""
        self.what = what
        self.add(0)

    def add(self, units: float) -> None:
        """Advance the progress by `units`."""
        self.done += units
        if self.progress is not None:
            self.progress(min(self.done / self.total, 1.0), self.what)


def tuned(task: MethodTask, arm: MethodArm, seed: int, passes: int, clock: Clock) -> float | None:
    """Return the step size with the lowest loss after a fifth of the passes, at the first seed."""
    if isinstance(arm.make(1.0), NoTraining):
        clock.add(len(STEP_SIZES) * TUNING_SHARE)
        return None
    losses = []
    for size in STEP_SIZES:
        clock.at(words.lab_without_backprop.trying(arm.name, size))
        losses.append(run(task, arm, size, seed, round(TUNING_SHARE * passes), looks=0).loss[-1])
        clock.add(TUNING_SHARE)
    return STEP_SIZES[int(np.argmin(losses))]


# --- what it came to


def _report(
    task: MethodTask, found: dict[str, MethodRuns], passes: int, settings: dict[str, Any], start: float
) -> Report:
    from chainrule.views.figures import laboratory

    said, lesson, P = words.lab_without_backprop, words.lab_lesson, task.network.size
    curves = [
        laboratory.Curve(
            said.METHODS[outcome.arm.name],
            outcome.arm.family,
            [course.passes for course in outcome.courses],
            [course.seconds for course in outcome.courses],
            [course.loss for course in outcome.courses],
        )
        for outcome in found.values()
    ]
    angles = [
        (said.METHODS[o.arm.name], o.arm.family, o.cosine) for o in found.values() if o.cosine is not None
    ]
    figures = (
        laboratory.loss_curves(curves, "passes"),
        laboratory.loss_curves(curves, "seconds"),
        laboratory.cosines(angles, chance(P)),
    )
    tables = (measured(found), Table(lesson.HEADS, lesson.rows(found, P), lesson.CAPTION))
    return Report(
        "without-backprop",
        said.TITLE,
        said.QUESTION,
        said.answer(found, passes),
        said.finding(found, P, passes),
        said.held_fixed(task.network, task.train.n, settings, passes, BATCH, STEP_SIZES, TUNING_SHARE),
        said.limits(P),
        tables,
        figures,
        settings | {"parameters": P, "passes": passes},
        time.perf_counter() - start,
    )


def measured(found: dict[str, MethodRuns]) -> Table:
    """Return the table with each method's numbers."""
    rows, said = [], words.lab_without_backprop
    backprop = found["backpropagation"]
    for name, outcome in found.items():
        moves = name not in ("backpropagation", "none")
        rows.append(
            (
                said.METHODS[name],
                outcome.size,
                outcome.passes_a_step,
                outcome.milliseconds,
                outcome.cosine,
                round(outcome.steps),
                outcome.loss,
                100 * outcome.accuracy,
                backprop.passes_to(outcome.loss) if moves else None,
            )
        )
    return Table(said.HEADS, tuple(rows), said.CAPTION)
