"""A session that is over frees all but the moments, and an estimator reads those when it goes on."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from chainrule import MLPClassifier, Nadam
from chainrule.engines.native import engine as native
from native_sessions import BLOCK, NORM, Case, sparse_case

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Case(BLOCK, 40, 96, optimizer=Nadam(1e-3)),
        lambda: Case(NORM, 40, 96, clip_norm=0.1, max_norm=1.0, l2=1e-3),
        lambda: Case(BLOCK, 40, 2048),
        sparse_case,
    ],
    ids=["plain", "norms", "micro-batches", "entries"],
)
def test_only_the_moments_are_left(make):
    case = make()
    session, other = case.session(), case.session()
    for each in (session, other):
        case.take(each, 2)
    session.end()
    for name, value in other.optimizer_state._asdict().items():
        assert np.asarray(getattr(session.optimizer_state, name)).tobytes() == np.asarray(value).tobytes()
    other.synchronize()
    assert session.theta.tobytes() == other.theta.tobytes()
    with pytest.raises(RuntimeError, match="this session is over; only its moments are left"):
        case.take(session, 1)
    with pytest.raises(RuntimeError, match="this session is over"):
        session.native.get_theta(session.theta)


@pytest.mark.parametrize(
    "how", [{}, {"solver": "sgd"}, {"optimizer": "nadam"}, {"engine": "reference"}], ids=str
)
def test_an_estimator_goes_on_from_what_the_session_remembers(how):
    """Also as a pickle and as a copy, which have no session; the samples are not kept with it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)

    def fitted() -> MLPClassifier:
        return (
            MLPClassifier((7,), random_state=0, **how).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
        )

    expected = fitted().partial_fit(X, y).model_.theta.tobytes()
    for other in (pickle.loads(pickle.dumps(fitted())), copy.deepcopy(fitted())):
        assert not hasattr(other._optimizer.session, "native")
        assert other.partial_fit(X, y).model_.theta.tobytes() == expected
    net = fitted()
    assert net._optimizer.steps == 2
    assert getattr(net._optimizer.session, "weights_checked_for", None) is None
    first, again = net._optimizer.kept, net._optimizer.kept
    assert first.steps == again.steps == 2 and first.state is again.state
    assert net.partial_fit(X, y).model_.theta.tobytes() == expected


def test_a_session_that_is_held_until_the_process_ends_is_no_leak():
    """As by a cache or a thread: nothing is said of it."""
    held = (
        "import ctypes; from chainrule import Dense, MeanSquaredError, Model, Network;"
        "held = Model(Network(2, [Dense(1)], MeanSquaredError())).bind(engine='native');"
        "ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))"
    )
    ended = subprocess.run([sys.executable, "-c", held], capture_output=True, text=True, check=True)
    assert ended.stdout + ended.stderr == ""
