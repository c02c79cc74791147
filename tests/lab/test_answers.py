"""What an experiment answers in one sentence: true of the numbers, whatever they are."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.lab import optimizers, regularization, universality
from chainrule.lab.vanishing import Measured
from chainrule.lab.without_backprop import ARMS, Course
from chainrule.lab.without_backprop import MethodRuns as Method
from chainrule.views import words
from chainrule.views.words.facts import CURES, PLAIN


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and not re.search(r"[.!?]\s", text) and text[0].isupper()


# --- universality


@pytest.mark.parametrize("target", (universality.TARGETS[0], universality.TARGETS[4]), ids=lambda t: t.name)
def test_a_wider_network_begins_as_the_narrower_one(target):
    narrow = universality.fit(target, 3, 0, 5)
    X = universality.grid(target.variables, 9)
    np.testing.assert_allclose(
        universality.embedded(narrow, 7).outputs(X), narrow.model.outputs(X), rtol=1e-12, atol=1e-12
    )
    wide = universality.widen(narrow, 7, 20)
    assert wide.width == 7 and wide.largest < narrow.largest
    off = wide.model.outputs(
        universality.grid(target.variables, universality.EVALUATED_POINTS[target.variables])
    )[:, 0]
    off = off - target.f(universality.grid(target.variables, universality.EVALUATED_POINTS[target.variables]))
    assert np.abs(off).max() == pytest.approx(wide.largest)


def test_where_the_steps_do_not_help_a_wider_network_stays_what_it_was():
    narrow = universality.fit(universality.TARGETS[1], 4, 0, 60)
    assert (
        universality.widen(narrow, 8, 60).largest == narrow.largest
    )  # the squares fall, and not the largest


@pytest.mark.slow
@pytest.mark.parametrize(
    "activation",
    [
        pytest.param(name, marks=() if name == "relu" else pytest.mark.slow)
        for name in universality.ACTIVATIONS
    ],
)
def test_no_error_rises_with_the_width(activation: str):
    report = universality.universality(
        seed=5, repeats=1, budget=0.1, widths=(2, 5, 6, 16), activation=activation
    )
    for _, *errors, _, slope in report.table.rows:
        assert errors == sorted(errors, reverse=True) and slope <= 0
    assert "never rises" in report.answer and is_one_sentence(report.answer)


def best(errors):
    """The largest error of the best start, by function and width."""
    return {t.name: row for t, row in zip(universality.TARGETS, errors, strict=True)}


def test_universality_counts_the_steps_that_helped():
    errors = [(1.0, 0.5, 0.5), *[(1.0, 0.5, 0.1)] * 4, (0.8, 0.2, 1e-3)]
    said = words.lab_universality.answer(best(errors), (2, 4, 8))
    assert is_one_sentence(said)
    assert "by a factor of 2 (smooth f(x)) to 800 (steep f(x, y)), in 11 of the 12 steps" in said
    flat = words.lab_universality.answer(best([(1.0, 1.0, 1.0)] * 6), (2, 4, 8))
    assert "in 0 of the 12 steps" in flat


# --- vanishing


def nets(ratio, loss):
    names = (PLAIN, *CURES)
    return {
        name: Measured(
            name, 9, 1, np.array([[ratio[name], 1.0]]), 0.1, np.array([loss[name]]), np.array([0.5])
        )
        for name in names
    }


@pytest.mark.parametrize(
    ("ratio", "losses", "expected"),
    [
        (1e-13, (2.3, 0.1, 0.1, 0.1, 0.1), ("is 1.0e-13 of", "does not learn", "4 of the 4 cures", "4 of those")),
        (0.5, (0.1, 2.3, 2.3, 0.1, math.inf), ("is 0.5 of", "network learns", "4 of the 4", "networks learns ")),
        (0.0, (2.3, 2.3, 2.3, 2.3, 2.3), ("is 0 of", "does not learn", "0 of those networks learn ")),
    ],
)  # fmt: skip
def test_vanishing_counts_the_cures(ratio, losses, expected):
    names = (PLAIN, *CURES)
    said = words.lab_vanishing.answer(
        nets(dict.fromkeys(names, 0.5) | {PLAIN: ratio}, dict(zip(names, losses, strict=True)))
    )
    assert is_one_sentence(said)
    for part in expected:
        assert part in said


def test_vanishing_counts_only_nets_whose_gradient_is_there():
    names = (PLAIN, *CURES)
    said = words.lab_vanishing.answer(nets(dict.fromkeys(names, 1e-9), dict.fromkeys(names, 0.1)))
    assert "0 of the 4 cures" in said and "0 of those networks learn " in said


# --- without backpropagation


def method(name, loss, accuracy, passes=(1.0, 50.0, 100.0), losses=None):
    losses = (2.0, loss, loss) if losses is None else losses
    return Method(ARMS[name], 0.1, [Course(list(passes), [0.0] * 3, list(losses), [], 5, accuracy)])


def test_without_backprop_says_less_more_or_as_much():
    backprop = method("backpropagation", 0.3, 0.9, losses=(2.0, 0.6, 0.3))
    for name, loss, accuracy, expected in (
        (
            "spsa",
            0.7,
            0.75,
            "less, by 15.0 points: the best method without backpropagated errors, SPSA, classifies 75.0 %",
        ),
        ("cma_es", 0.2, 0.95, "more, by 5.0 points"),
        ("random_search", 0.3, 0.9, "as much: "),
    ):
        found = {
            "backpropagation": backprop,
            name: method(name, loss, accuracy),
            "none": method("none", 0.1, 1.0),
        }
        said = words.lab_without_backprop.answer(found, 100)
        assert is_one_sentence(said) and expected in said
        assert ("had its loss after" in said) == (loss >= 0.3)
    alone = words.lab_without_backprop.answer(
        {"backpropagation": backprop, "feedback_alignment": backprop}, 100
    )
    assert is_one_sentence(alone) and "90.0 %" in alone


# --- optimizers


def descents(**ends):
    """A run a rule: 2.0, then 1.0, then its end."""

    return {
        name: [optimizers.Descent(0, np.array([2.0, 1.0, end]), np.arange(3.0), 0.5, np.zeros((3, 1)))]
        for name, end in ends.items()
    }


def test_optimizers_names_the_first_and_the_last():
    task = SimpleNamespace(epochs=2)
    said = optimizers._answer(task, descents(adam=0.05, sgd=0.3, momentum=math.nan), 0.1)
    assert is_one_sentence(said)
    assert "Adam reached the lowest loss, from 2 to 0.05, and momentum the highest, no finite loss" in said
    assert "1 of the 3 rules reached 0.1, Adam first, after 2" in said
    assert "none of the 2 rules reached 0.01" in optimizers._answer(task, descents(adam=0.05, sgd=0.3), 0.01)


# --- regularization


def outcome(test_accuracy, test_loss):
    return [
        regularization.RemedyRun([1.0], [1.0], 1.0, 0.8, accuracy, test_loss) for accuracy in test_accuracy
    ]


def test_regularization_says_from_where_to_where():
    right = {
        "plain": outcome((0.8, 0.9), 0.5),
        "dropout": outcome((0.7, 0.9), 0.6),
        "l2": outcome((0.8, 0.88), 0.4),
    }
    wrong = {"plain": outcome((0.5,), 0.9), "dropout": outcome((0.6,), 0.8), "l2": outcome((0.5,), 0.7)}
    said = regularization._answer({0.0: right, 0.2: wrong})
    assert is_one_sentence(said)
    assert "with correct labels by -5.0 points (dropout) to -1.0 points (L2)" in said
    assert "with 20 % wrong labels by +0.0 points (L2) to +10.0 points (dropout)" in said
    assert "below plain training's for 1 and for 2 of the 2" in said


# --- features


def test_features_says_yes_no_or_in_part():
    rising, falling = np.array([[0.4, 0.6, 0.8, 1.0]]), np.array([[0.8, 0.6, 0.4, 1.0]])
    aligned = np.eye(5)
    aligned[0, 1:4], aligned[-1, 1:4] = (0.9, 0.7, 0.5), (0.5, 0.7, 0.9)
    yes = words.lab_features.answer(rising, rising, aligned)
    assert yes.startswith(
        "Yes, gradually: from layer 1 to layer 3 the alignment with the input falls from 0.90 to 0.50"
    )
    assert words.lab_features.answer(falling, falling, aligned[::-1]).startswith("No: ")
    assert words.lab_features.answer(falling, rising, aligned).startswith("Partly: ")
    assert "the accuracy of a linear probe falls from 80.0 % to 40.0 %" in words.lab_features.answer(
        falling, rising, aligned
    )
    assert is_one_sentence(yes)
