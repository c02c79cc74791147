"""What native/layout.h finds of a program, and the programs that it refuses."""

from __future__ import annotations

import math
import os
from collections import namedtuple

import numpy as np
import pytest

from chainrule import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    MeanSquaredError,
    Model,
    Network,
    PReLU,
    ReLU,
    Residual,
    Scale,
    Shift,
    Skip,
    SoftmaxCrossEntropy,
    Take,
    Tanh,
)
from chainrule.engines import native
from chainrule.engines.native.program import Program
from chainrule.formulas.initializers import Constant
from chainrule.formulas.layers import Layer, Operation, Parameter

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


def analyzed(
    layers: list[Layer], trains: bool = True, frozen: frozenset[str] = frozenset()
) -> dict[str, list]:
    program = Program(Network(4, layers, SoftmaxCrossEntropy()), frozen)
    return native._native.analyze(program=program.native, trains=trains)


def test_a_chain_of_dense_layers():
    """Three operations, for the activations stand over the dense layers' outputs; each completes the one before it."""
    found = analyzed([Dense(5), ReLU(), Dense(6), Tanh(), Dense(3)])
    assert found["needs_gradient"] == [False, True, True, True]
    assert found["readers"] == [1, 1, 1, 0]
    assert found["completes"] == [-1, 0, 1]
    assert found["is_delta"] == [True, True, False]
    assert not any(found["accumulates"] + found["accumulates2"])


def test_how_much_numbers_grow_between_the_ends():
    """From the first trained layer on: (inputs + 1) 16 there and outputs 16 back for W, 2 and 2 for f."""
    chain = analyzed([Dense(5), ReLU(), Dense(3)])
    assert chain["first_trained"] == 0
    assert chain["growth"] == (5 * 16) * (5 * 16) * 4 * (6 * 16) * (3 * 16) * 4
    with_constant = analyzed([Dense(3), ELU(alpha=3.0), GELU()])
    assert with_constant["growth"] == (5 * 16) * (3 * 16) * 6**2 * 2**2
    columnwise = analyzed(
        [Dense(5), Scale(), Shift(), Take([0] * 7), Dense(3)]
    )  # 7 deltas meet in one column
    assert columnwise["growth"] == (5 * 16) * (5 * 16) * 4 * 16**2 * 17 * 7 * (8 * 16) * (3 * 16) * 4
    tail = analyzed([Dense(5), BatchNorm(), Dense(3)], frozen=frozenset({"dense_1", "batch_norm_1"}))
    assert (tail["first_trained"], tail["growth"]) == (2, (6 * 16) * (3 * 16) * 4)
    for other in ([Dense(5), BatchNorm()], [Dense(4), Residual([Dense(4)])], [Dense(4), Dropout(0.5)]):
        assert analyzed(other)["growth"] == math.inf
    nothing = analyzed([Dense(5)], frozen=frozenset({"dense_1"}))
    assert (nothing["first_trained"], nothing["growth"]) == (1, 1)


def test_prediction_needs_no_gradient():
    found = analyzed([Dense(5), ReLU(), Dense(3)], trains=False)
    assert found["needs_gradient"] == [False, False, False]


def test_a_frozen_beginning_needs_none():
    found = analyzed([Dense(5), BatchNorm(), Dense(3)], frozen=frozenset({"dense_1", "batch_norm_1"}))
    assert found["needs_gradient"] == [False, False, False, True]
    everything = analyzed([Dense(5)], frozen=frozenset({"dense_1"}))
    assert everything["needs_gradient"] == [False, True]  # the loss writes there all the same


def test_where_branches_meet_gradients_add_up():
    """A block after a dense: branch and shortcut read its output, and one of them adds to the other's gradient."""
    found = analyzed([Dense(4), Residual([Dense(4), PReLU()]), Dense(3)])
    names = ["dense", "dense", "prelu", "add", "dense"]
    assert len(found["completes"]) == len(names)
    assert found["readers"] == [1, 2, 1, 1, 1, 0]
    # The operation add begins the gradients of what it reads; the branch's dense adds to that of the first dense.
    assert found["accumulates"] == [False, True, False, False, False]
    assert found["accumulates2"] == [False] * 5
    assert found["completes"] == [
        -1,
        -1,
        -1,
        -1,
        -1,
    ]  # two read the first dense, and prelu and add stand between the others
    assert found["is_delta"] == [False] * 5


def test_a_skip_around_an_activation():
    found = analyzed([Dense(4), Skip([Tanh()]), Dense(3)])
    assert found["readers"] == [1, 2, 1, 1, 0]
    assert found["accumulates"] == [False, True, False, False]


def waves(*columns: int) -> Operation:
    return Operation("periodic", parameters=("p0", "p1", "p2", "p3"), columns=columns)


class Wrong(Layer):
    """Written in operations that do not fit what it is."""

    def forward(self, params, a, ctx):
        return a, None

    def backward(self, params, cache, delta, ctx):
        return (), delta

    written: tuple[Operation, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()

    def parameters(self, fan_in, default):
        if not self.shapes:
            return ()
        fields = [f"p{i}" for i in range(len(self.shapes))]
        return namedtuple("Params", fields)(*(Parameter(shape, Constant(0.0)) for shape in self.shapes))

    def ops(self, fan_in):
        return self.written


@pytest.mark.parametrize(
    ("written", "shapes", "said"),
    [
        ((Operation("dense"),), (), "a dense has no W"),
        ((Operation("dense", parameters=("p0",)),), ((4, 3),), "W or b has another shape"),
        ((Operation("dense", parameters=("p0", "p1")),), ((4, 4), (3,)), "W or b has another shape"),
        ((Operation("prelu"),), (), "a parameter has another shape"),
        ((Operation("prelu", parameters=("p0",)),), ((5,),), "a parameter has another shape"),
        ((Operation("softmax", parameters=("p0",)),), ((4,),), "a parameter has another shape"),
        ((Operation("parametric", function="relu"),), (), "a parameter has another shape"),
        ((waves(0),), ((1, 5), (1, 5), (1, 5, 2), (1, 3)), "a wave has another shape"),
        ((waves(4),), ((1, 5), (1, 5), (1, 5, 2), (1, 2)), "a periodic reads another column"),
        ((waves(1, 1),), ((2, 5), (2, 5), (2, 5, 2), (2, 2)), "a periodic reads another column"),
        ((waves(0),), ((1, 1025), (1, 1025), (1, 1025, 2), (1, 2)), "a periodic has too many frequencies"),
        ((waves(0),), ((1, 5), (1, 5), (1, 5, 2), (1, 2)), "an operation makes another width"),
        ((Operation("standardize"),), (), "a state has another width"),
        ((Operation("add"),), (), "another number of inputs"),
        ((Operation("softmax", width=5), Operation("softmax")), (), "an operation makes another width"),
    ],
)
def test_what_would_be_read_out_of_bounds_is_refused(written, shapes, said):
    """A layer of one's own can say what is not so; the kernels check nothing."""
    kind = type("Wrong", (Wrong,), {"written": written, "shapes": shapes, "ops": Wrong.ops})
    model = Model(Network(4, [kind(), Dense(2)], MeanSquaredError()))
    with pytest.raises(ValueError, match=said):
        model.outputs(np.zeros((3, 4)), engine="native")
    with pytest.raises(ValueError, match=said):
        model.fit(np.zeros((3, 4)), np.zeros((3, 2)), epochs=1, engine="native")
