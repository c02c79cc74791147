"""Sessions of the native engine that take a few steps by hand, for tests of what is left of one."""

from __future__ import annotations

import os

import numpy as np
import pytest
import scipy.sparse

from chainrule import (
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Model,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.data.samples import Samples
from chainrule.engines import Plan, StepSettings
from chainrule.engines.native import engine as native
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


STEPS = 4 if SANITIZED else 6


class Case:
    """A session, its samples, and a few steps of it."""

    def __init__(
        self, layers, inputs, batch, n=None, optimizer=None, loss=None, dtype=np.float32, **how
    ) -> None:
        self.batch, self.optimizer = batch, optimizer or Adam(1e-3)
        n = n or batch * STEPS
        penalties = {name: how.pop(name) for name in ("max_norm", "l2") if name in how}
        self.network = Network(inputs, layers, loss or SoftmaxCrossEntropy(), **penalties)
        self.how, self.dtype = how, dtype
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(n, inputs)).astype(np.float32)
        self.y = rng.integers(0, 3, n)
        self.rows = np.resize(np.arange(n), batch * STEPS)

    def session(self) -> native.NativeSession:
        model = Model(self.network, seed=1, dtype=np.dtype(self.dtype).name)
        plan = Plan(self.network, self.optimizer, self.batch, 5, self.dtype, **self.how)
        state = self.optimizer.init(model.theta)
        return native.NativeSession(plan, model.theta, model.states, state, 0)

    def take(self, session: native.NativeSession, steps: int) -> None:
        """The next steps."""
        samples = Samples(self.X, self.y, np.ones(self.X.shape[0]), 3)
        first = session.taken
        rows = self.rows[first * self.batch : (first + steps) * self.batch]
        session.steps(samples, rows, StepSettings.of(np.full(steps, 1e-3)), first + 1)

    def numbers(self, session: native.NativeSession) -> list[bytes]:
        """All that a step changes."""
        session.synchronize()
        states = [np.asarray(v).tobytes() for s in session.states.values() for v in s]
        leaves = [np.asarray(leaf).tobytes() for leaf in session.optimizer_state]
        return [session.theta.tobytes(), *states, *leaves, session.sums.tobytes()]

    def history(self) -> list[list[bytes]]:
        """The numbers before the first step, after it, ... without a fault."""
        session = self.session()
        found = [self.numbers(session)]
        for _ in range(STEPS):
            self.take(session, 1)
            found.append(self.numbers(session))
        return found


def sparse_case(is_sorted: bool = False, entries: int = 9) -> Case:
    """A CSR matrix of so many entries a row; of 20 its rows are made dense."""
    case = Case([Dense(90), ReLU(), Dense(3)], 60, 64)
    rows = [np.random.default_rng(i).permutation(60)[:entries] for i in range(len(case.X))]
    rows = [np.sort(row) for row in rows] if is_sorted else rows
    indptr = np.arange(len(rows) + 1) * entries
    values = np.random.default_rng(0).normal(size=entries * len(rows))
    case.X = scipy.sparse.csr_array((values, np.concatenate(rows), indptr), shape=case.X.shape)
    return case


BLOCK = [Dense(130), ReLU(), Dropout(0.2), Residual([Dense(100), Tanh(), Dense(130)]), ReLU(), Dense(3)]


NORM = [Dense(120), BatchNorm(), ReLU(), Residual([Dense(100), BatchNorm(), Tanh()]), Dense(3)]
