"""scikit-learn's own tests of its MLP, as they are installed, run with the classes of this package in its place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import sklearn.neural_network

import chainrule

FILE = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
PRIVATE = {
    "test_gradient": "calls _loss_grad_lbfgs; tests/formulas checks the gradients of every layer and loss",
}
"""Tests that are left out, with the reason."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(not FILE.exists(), reason="scikit-learn was installed without its tests"),
]


def load() -> ModuleType:
    """The module of the tests, which took this package's classes for scikit-learn's when it was imported."""
    home = sklearn.neural_network
    spec = importlib.util.spec_from_file_location("sklearn_test_mlp", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    own = {name: getattr(home, name) for name in ("MLPClassifier", "MLPRegressor")}
    try:
        for name in own:
            setattr(home, name, getattr(chainrule, name))
        spec.loader.exec_module(module)
    finally:
        for name, value in own.items():
            setattr(home, name, value)
    return module


if FILE.exists():
    _module = load()
    _tests = {name: value for name, value in vars(_module).items() if name.startswith("test_")}
    globals().update({name: value for name, value in _tests.items() if name not in PRIVATE})


@pytest.fixture
def global_random_seed() -> int:
    """The seed that scikit-learn's own fixture of this name has by default."""
    return 42


def test_the_tests_are_about_our_classes():
    assert _module.MLPClassifier is chainrule.MLPClassifier and _module.MLPRegressor is chainrule.MLPRegressor
    assert len(_tests) > 35 and set(PRIVATE) <= set(_tests)
