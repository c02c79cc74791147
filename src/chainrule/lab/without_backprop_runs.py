"""The runs of `without_backprop`: each method on the same network, data and batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.datasets import load_mnist
from chainrule.engines import ENGINES, Plan, StepSettings
from chainrule.errors import NonFiniteError
from chainrule.formulas.layers import Dense, Tanh
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam, GradientDescent
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
class MethodRuns(NamedTuple):
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

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


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
