"""Messages in the words of whoever reads them: of the library, of a run from Python, of the command."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import chainrule as c
from chainrule import Compute
from chainrule.cli.flags import FLAGS
from chainrule.errors import instead, option
from chainrule.lab.base import check_options
from chainrule.recipe.messages import in_words_of, told
from chainrule.recipe.naming import PYTHON
from chainrule.recipe.to_estimator import _in_settings as in_settings


def test_one_message_in_three_words():
    rate, engine = (
        option("learning_rate", "learning_rate of Adam"),
        option("engine", "engine='auto'", "auto"),
    )
    error = c.ConfigError(f"{rate} is odd for {instead('LBFGS', 'lbfgs')}; use {engine}.")
    assert str(error) == "learning_rate of Adam is odd for LBFGS; use engine='auto'."
    assert told(error, PYTHON) == "lr is odd for lbfgs; use engine='auto'."
    assert told(error, FLAGS) == "--lr is odd for lbfgs; use --engine auto."


def test_an_option_that_a_run_does_not_have_keeps_its_name():
    error = c.ConfigError(f"{option('patience of EarlyStopping')} must be {option('repeats')}.")
    assert told(error, PYTHON) == "patience of EarlyStopping must be repeats."
    assert told(error, FLAGS) == "patience of EarlyStopping must be --repeats."


@pytest.mark.parametrize(
    "make",
    [
        lambda: c.Adam(-1),
        lambda: check_options(0, 3, -1.0),
        lambda: check_options(0, 0, 1.0),
        lambda: c.SGD(nesterov=True),
        lambda: c.SoftmaxCrossEntropy(label_smoothing=2),
        lambda: c.Network(2, [c.Dense(1)], c.MeanSquaredError(), l2=-1),
        lambda: c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError()), dtype="float16"),
        lambda: c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError())).fit(
            np.eye(2), [1, 2], engine=Compute(precision="bf16"), optimizer="lbfgs"
        ),
    ],
)
def test_marks_are_not_seen(make):
    """Neither in the text nor in the representation; a copy says the same."""
    with pytest.raises(c.ConfigError) as caught:
        make()
    error = caught.value
    assert str(error).isascii() and repr(error).isascii() and error.args == (str(error),)
    assert str(copy.copy(error)) == str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "--" in told(error, FLAGS) and told(error, FLAGS).isascii()


def test_a_message_that_was_given_later_is_told():
    error = c.ConfigError(f"{option('seed')} is odd.")
    in_words_of(error, FLAGS)
    assert str(error) == told(error, FLAGS) == told(error, PYTHON) == "--seed is odd."


def test_a_message_of_scikit_learn_about_a_parameter_names_the_setting():
    message = (
        "The 'clip_norm' parameter of MLPRegressor must be a float in the\nrange (0.0, inf). Got -1 instead."
    )
    assert in_settings(message, FLAGS) == "--clip-norm must be a float in the range (0.0, inf), not -1."
    assert in_settings(message.replace("clip_norm", "max_iter"), PYTHON).startswith("epochs must be a float")
    other = "clip_norm should be above 0"  # in the words of another release
    assert in_settings(other, FLAGS) == other
