"""Messages in the words of whoever reads them: of the library, of a run from Python, of the command."""

from __future__ import annotations

import copy
import pickle
from pathlib import PurePosixPath as Path

import numpy as np
import pytest

import chainrule as c
from chainrule import Compute
from chainrule.cli.subcommand import in_flags
from chainrule.errors import instead, option
from chainrule.lab.base import check_options
from chainrule.recipe.messages import call_to_resume, in_words_of, told, value_of, with_value
from chainrule.recipe.preset_choice import _in_settings as in_settings


def test_one_message_in_three_words():
    rate, engine = (
        option("learning_rate", "learning_rate of Adam"),
        option("engine", "engine='auto'", "auto"),
    )
    error = c.ConfigError(f"{rate} is odd for {instead('LBFGS', 'lbfgs')}; use {engine}.")
    assert str(error) == "learning_rate of Adam is odd for LBFGS; use engine='auto'."
    assert told(error) == "lr is odd for lbfgs; use engine='auto'."
    assert told(error, in_flags) == "--lr is odd for lbfgs; use --engine auto."


def test_an_option_that_a_run_does_not_have_keeps_its_name():
    error = c.ConfigError(f"{option('patience of EarlyStopping')} must be {option('repeats')}.")
    assert told(error) == "patience of EarlyStopping must be repeats."
    assert told(error, in_flags) == "patience of EarlyStopping must be --repeats."


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
    assert "--" in told(error, in_flags) and told(error, in_flags).isascii()


def test_a_message_that_was_given_later_is_told():
    error = c.ConfigError(f"{option('learning_rate')} is odd.")
    in_words_of(error)
    assert str(error) == told(error, in_flags) == told(error) == "lr is odd."


def test_a_message_of_scikit_learn_about_a_parameter_names_the_setting():
    message = (
        "The 'clip_norm' parameter of MLPRegressor must be a float in the\nrange (0.0, inf). Got -1 instead."
    )
    error = c.ConfigError(in_settings(message))
    assert told(error, in_flags) == "--clip-norm must be a float in the range (0.0, inf), not -1."
    error = c.ConfigError(in_settings(message.replace("clip_norm", "max_iter")))
    assert str(error).startswith("epochs must be a float")
    other = "clip_norm should be above 0"  # in the words of another release
    assert in_settings(other) == other


def test_an_option_with_its_value_a_value_alone_and_a_call():
    place = Path("runs/a b")
    error = c.ConfigError(
        f"{with_value('hidden', (256, 128))}, {with_value('resume', True)}, {with_value('out', place)}, "
        f"{value_of('loss', 'mse')}, {option('data')}; {call_to_resume(place)}"
    )
    in_python = "hidden=(256, 128), resume=True, out=PurePosixPath('runs/a b'), 'mse', data; "
    assert told(error) == str(error) == f"{in_python}run(..., out='runs/a b', resume=True)"
    in_command = "--hidden 256,128, --resume, --out runs/a b, mse, DATA; "
    assert told(error, in_flags) == f"{in_command}chainrule train 'runs/a b' --resume"
