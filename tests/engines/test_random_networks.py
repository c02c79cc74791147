"""Random networks, drawn by number: the engines agree on each, and the bits depend on nothing that they should not."""

from __future__ import annotations

import os

import numpy as np
import pytest

from chainrule.engines.native import engine as native
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.trained.persistence import LAYERS
from random_networks import Case, Trained, agreement, draw, train

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

SETS = native._native.instruction_sets()
FUSED = [isa for isa in SETS if isa != "baseline" or os.uname().machine == "aarch64"]
"""Instruction sets that round a product and a sum together."""

few = [pytest.param(range(start, start + 30), id=f"from {start}") for start in (0, 30)]
many = [
    pytest.param(range(start, min(start + 50, 1000)), id=f"from {start}", marks=pytest.mark.slow)
    for start in range(60, 1000, 50)
]


def cases(numbers: range) -> list[Case]:
    """Those of the numbers, and for every tenth one with enough samples for micro-batches."""
    return [draw(seed) for seed in numbers] + [draw(seed, many_samples=True) for seed in numbers[::10]]


@pytest.mark.parametrize("numbers", [*few, *many])
def test_the_native_engine_agrees_with_the_reference(numbers, monkeypatch):
    """Theta, outputs, running statistics and all that is recorded; the step and the link of an error."""
    for case in cases(numbers):
        reference = train(case, "reference")  # NumPy takes most of the time
        for isa in SETS:
            monkeypatch.setenv("CHAINRULE_ISA", isa)
            found = agreement(case, reference)
            assert found.holds, (case.seed, isa, found, case.network)


def bits(run: Trained) -> tuple:
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in run)


@pytest.mark.skipif(len(FUSED) < 2, reason="needs two instruction sets with FMA; make sanitize builds them")
@pytest.mark.parametrize("precision", [None, "bf16"])
@pytest.mark.parametrize("numbers", [*few, *many])
def test_the_same_bits_on_every_instruction_set_that_fuses(numbers, precision, monkeypatch):
    """Whatever the width of vectors: the gradient's norm, the penalty that is recorded, every sum of a layer."""
    for case in cases(numbers):
        found = set()
        for isa in FUSED:
            monkeypatch.setenv("CHAINRULE_ISA", isa)
            found.add(bits(train(case, "native", "float32", precision=precision)))
        assert len(found) == 1, (case.seed, case.network)


@pytest.mark.parametrize("numbers", [*few, *many])
def test_the_same_bits_on_any_number_of_threads(numbers, monkeypatch):
    for case in cases(numbers):
        found = set()
        for threads in ("1", "3"):
            monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
            found.add(bits(train(case, "native", "float32")))
        assert len(found) == 1, (case.seed, case.network)


def test_a_network_of_any_kind_is_drawn():
    """Every layer, loss and optimizer is among the first 4,000, and a Rescale first in a block that stands first."""
    drawn = [draw(seed) for seed in range(4000)]
    links = [link for case in drawn for link in case.network.walk()]
    kinds = {link.layer.kind for link in links}
    assert kinds == {*LAYERS, "projection"}
    assert {link.branches[0][0].layer.kind for link in links if link.branches} == kinds - {
        "standardize",
        "embedding",
        "piecewise_linear_embedding",
        "projection",
        "take",
        "grouped_dense",
    }
    firsts = [case.network.links[0] for case in drawn]
    assert "rescale" in {link.branches[0][0].layer.kind for link in firsts if link.branches}
    assert {case.network.loss.kind for case in drawn} == {*LOSSES, "mean_over_members"}
    assert {case.how["optimizer"].kind for case in drawn} == set(OPTIMIZERS) - {"lbfgs"}
    assert {type(case.X) for case in drawn} > {np.ndarray}
    assert {bool(case.frozen) for case in drawn} == {True, False}
