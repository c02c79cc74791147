"""Names of other libraries: none exists here, and each error says one that does."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import chainrule as c
from chainrule.core.elsewhere import ESTIMATOR, FIT, LAYER, MODEL, OPTIMIZER, PACKAGE, instead_of
from chainrule.training.options import FitOptions


def model() -> c.Model:
    return c.Model(c.Network(2, [c.Dense(2)], c.SoftmaxCrossEntropy()))


@pytest.mark.parametrize("name", sorted(PACKAGE))
def test_the_package(name: str):
    with pytest.raises(AttributeError, match=re.escape(f"no attribute {name!r}; use {PACKAGE[name]}")):
        getattr(c, name)
    assert hasattr(c, re.findall(r"\w+", PACKAGE[name])[0])


@pytest.mark.parametrize("name", sorted(MODEL))
def test_a_model(name: str):
    made = model()
    made.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], epochs=1)
    with pytest.raises(AttributeError, match=re.escape(f"'Model' object has no attribute {name!r}; use")):
        getattr(made, name)
    first = re.findall(r"\w+", MODEL[name])[0]
    assert hasattr(made, first) or hasattr(c, first)


@pytest.mark.parametrize("name", sorted(FIT))
def test_the_arguments_of_fit(name: str):
    with pytest.raises(TypeError, match=re.escape(f"argument {name!r}; use {FIT[name]}")):
        model().fit([[0.0, 1.0]], [0], **{name: 1})
    first = re.findall(r"\w+", FIT[name])[0]
    assert first in FitOptions.__dataclass_fields__ or hasattr(c, first)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (c.Dense, LAYER),
        (c.Adam, OPTIMIZER),
        (c.MLPClassifier, ESTIMATOR),
        (c.MLPRegressor, ESTIMATOR),
    ],
)
def test_settings(kind: Any, names: dict[str, str]):
    for name, use in names.items():
        with pytest.raises(
            TypeError,
            match=re.escape(f"{kind.__name__}() got an unexpected keyword argument {name!r}; use {use}"),
        ):
            kind(**{name: 1})
        first = re.findall(r"\w+", use)[0]
        known = {
            *kind.__dataclass_fields__,
            *c.AdamW.__dataclass_fields__,
            *c.Dropout.__dataclass_fields__,
            *dir(kind),
        }
        assert first in known or hasattr(c, first) or first in ("a", "fit", "OMP_NUM_THREADS")


def test_an_unknown_name_is_pythons_own_error():
    assert instead_of("no_such_name", PACKAGE) == ""
    with pytest.raises(AttributeError, match=r"has no attribute '__no_such_name__'$"):
        getattr(model(), "__no_such_name__")  # noqa: B009
    with pytest.raises(TypeError, match="unexpected keyword argument 'no_such_name'"):
        c.Dense(3, no_such_name=1)  # type: ignore[call-arg]


def test_an_error_inside_of_a_property_keeps_its_words():
    class Own(c.Model):
        @property
        def inside(self) -> object:
            return getattr(self.network, "words_of_its_own")  # noqa: B009

    own = Own(model().network)
    with pytest.raises(AttributeError, match=r"'Network' object has no attribute 'words_of_its_own'$"):
        _ = own.inside


def test_a_class_that_has_the_name_takes_it():
    assert c.AdamW(weight_decay=0.5).weight_decay == 0.5

    class Own(c.Layer):
        def __init__(self, activation: str) -> None:
            object.__setattr__(self, "activation", activation)

        forward = backward = lambda *_: None

    assert Own(activation="x").activation == "x"


def test_objects_are_copied_and_stored_as_before():
    for made in (c.Dense(3), c.Adam(0.1), c.MLPClassifier(alpha=2.0)):
        assert type(copy.deepcopy(made)) is type(pickle.loads(pickle.dumps(made))) is type(made)
    first = model()
    assert copy.copy(first).theta is first.theta
    assert (pickle.loads(pickle.dumps(first)).theta == first.theta).all()


class Fading(c.Dropout):
    """A layer of a user's own, with a constructor of its own."""

    def __init__(self, first: float, last: float = 0.0) -> None:
        super().__init__(first)


@pytest.mark.parametrize(
    "kind", [c.Adam, c.Dense, c.ReLU, c.MLPClassifier, Fading], ids=lambda kind: kind.__name__
)
def test_tools_see_the_parameters_of_a_constructor(kind: type):
    """Those that would take the signature of `__new__`, which takes everything, ask for `__signature__` first."""
    expected = list(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
    for found in (kind.__signature__, inspect.signature(kind)):
        shown = list(found.parameters.values())
        assert [(one.name, one.kind, one.default) for one in shown] == [
            (one.name, one.kind, one.default) for one in expected
        ]
    assert kind is c.MLPClassifier or all(not isinstance(one.annotation, str) for one in shown)


def test_an_object_has_no_signature_of_its_class():
    assert not hasattr(c.ReLU(), "__signature__")
