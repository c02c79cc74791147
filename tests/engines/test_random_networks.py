"""Random networks, drawn by number: the engines agree on each, and the bits depend on nothing that they should not."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from chainrule import Compute
from chainrule.engines.native import engine as native
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.trained.persistence import LAYERS
from full import FULL
from native_runs import FLOATS, SETS
from random_layers import PLACES, stands, wanted
from random_networks import FORMS, Case, Trained, agreement, draw, train
from sanitized import EVERY, SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

QUICK = -(-len(wanted()) // 50) * 50
"""So many numbers are not slow: each pair of a layer and a place has one of them."""


def runs(sets: list[str]) -> list[tuple[str, int]]:
    """Pairs of an instruction set that rounds a product and a sum together and a number of threads."""
    fused = [isa for isa in sets if isa != "baseline" or os.uname().machine == "aarch64"]
    if len(fused) > 1:
        return list(zip(fused, itertools.cycle((1, 3, 2)), strict=False))
    return [((fused or sets)[0], threads) for threads in (1, 3)]


RUNS = {None: runs(FLOATS), "bf16": runs(SETS)}
"""Runs between which no bit may differ, by their precision."""

quick = [pytest.param(range(start, start + 50), id=f"from {start}") for start in range(0, QUICK, 50)]
slow = [
    pytest.param(range(start, start + 50), id=f"from {start}", marks=pytest.mark.slow)
    for start in range(QUICK, 1000, 50 if FULL else 100)
]


def cases(numbers: range) -> list[Case]:
    """Those of the numbers, and for every tenth one with enough samples for micro-batches."""
    return [draw(number) for number in numbers[::EVERY]] + [
        draw(number, many_samples=True) for number in numbers[::10]
    ]


@pytest.mark.parametrize("numbers", [*quick, *slow])
def test_the_native_engine_agrees_with_the_reference(numbers, monkeypatch):
    """Theta, outputs, running statistics and all that is recorded; the step and the link of an error.

    A number that is not slow is on one instruction set, in turn; others, or with CHAINRULE_FULL=1 all, on each.

    A sanitizer looks for faults of memory and of threads: there the native engine trains, and nothing is compared.
    """
    for k, case in enumerate(cases(numbers)):
        reference = None if SANITIZED else train(case, "reference")
        for isa in FLOATS if SANITIZED or FULL or numbers.start >= QUICK else [FLOATS[k % len(FLOATS)]]:
            monkeypatch.setenv("CHAINRULE_ISA", isa)
            if reference is None:
                train(case, "native")
                continue
            found = agreement(case, reference)
            assert found.holds, (case.number, isa, found, case.network)


@pytest.mark.parametrize("numbers", [*quick, *slow])
def test_the_same_bits_on_every_instruction_set_that_fuses_and_any_number_of_threads(numbers, monkeypatch):
    """Whatever the width of vectors: the gradient's norm, the penalty that is recorded, every sum of a layer.

    In float32 for even numbers, by products in bfloat16 for odd ones.
    """
    for case in cases(numbers):
        found: dict[tuple, list] = {}
        precision = "bf16" if case.number % 2 else None
        for isa, threads in RUNS[precision]:
            monkeypatch.setenv("CHAINRULE_ISA", isa)
            monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
            run = train(case, Compute("native", precision=precision), "float32")
            found.setdefault(bits(run), []).append((isa, threads))
        assert len(found) == 1, (case.number, found.values(), case.network)


def bits(run: Trained) -> tuple:
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in run)


READS_THE_INPUT = {
    "embedding": {"first"},
    "standardize": {"first", "middle", "before the loss"},
    "piecewise_linear_embedding": {"first", "middle", "before the loss"},
}
"""Where a layer may stand that may not stand anywhere."""


def test_every_layer_is_drawn_at_every_place():
    """In the numbers that are always run: whatever the registry has, wherever a network takes it."""
    drawn = [draw(number) for number in range(QUICK)]
    found = set().union(*(stands(case.network, case.frozen) for case in drawn))
    learns = {link.layer.kind for case in drawn for link in case.network.walk() if link.params}
    for kind in LAYERS:
        places = READS_THE_INPUT.get(kind, set(PLACES) - (set() if kind in learns else {"frozen"}))
        assert {place for of, place in found if of == kind} == places, kind
    in_blocks = {"in a Residual", "in a block of a block", "behind a fork"}
    assert {place for of, place in found if of == "projection"} >= in_blocks


def test_all_else_is_drawn():
    """In the same numbers: losses, optimizers, forms of X, and every setting of a run with and without."""
    drawn = [draw(number) for number in range(QUICK)]
    losses = [case.network.loss for case in drawn]
    assert {loss.kind for loss in losses} == {*LOSSES, "mean_over_members"}
    assert {isinstance(loss.of_member.q, tuple) for loss in losses if loss.of_member.kind == "quantile"} == {
        True,
        False,
    }
    assert {case.how["optimizer"].kind for case in drawn} == set(OPTIMIZERS) - {"lbfgs"}
    assert {case.form for case in drawn} == set(FORMS)
    for setting in ("schedule", "sample_weight"):
        assert {case.how[setting] is None for case in drawn} == {True, False}, setting
    for bound in ("norm", "value"):
        assert {getattr(case.how["clip"], bound) is None for case in drawn} == {True, False}, bound
    for setting in ("l2", "l1", "max_norm"):
        assert {bool(getattr(case.network, setting)) for case in drawn} == {True, False}, setting
    assert {bool(case.frozen) for case in drawn} == {True, False}
