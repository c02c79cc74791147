"""Messages in the words of whoever reads them: of the library, of a run from Python, of the command."""

from __future__ import annotations

import copy
import pickle
from pathlib import PurePosixPath as Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule import Compute
from chainrule.core import hints
from chainrule.errors import instead, option, renamed
from chainrule.lab import check_options
from chainrule.recipe.longer import value_of
from chainrule.recipe.messages import call_to_resume, in_flags, told, with_value
from chainrule.recipe.preset_choice import _in_settings as in_settings
from chainrule.recipe.run import in_words_of
from chainrule.views.text.tables import warned
from commands import invoke


def test_one_message_in_three_words():
    rate, engine = (
        option("learning_rate", "learning_rate of Adam"),
        option("engine", "engine='auto'", "auto"),
    )
    error = c.ConfigError(f"{rate} is odd for {instead('LBFGS', 'lbfgs')}; use {engine}.")
    assert str(error) == "learning_rate of Adam is odd for LBFGS; use engine='auto'."
    assert told(error) == "lr is odd for lbfgs; use engine='auto'."
    assert told(error, in_flags) == "--lr is odd for lbfgs; use --engine auto."


def test_a_warning_names_options_too():
    with pytest.warns(UserWarning) as given, hints.once() as told_of:
        hints.give(
            f"{option('time_limit', 'time_limit=3', '3')} is short; {instead('fit again', 'train again')}."
        )
    assert str(given[0].message) == "time_limit=3 is short; fit again."
    assert renamed(hints.marked(given[0].message), in_flags) == "--time-limit 3 is short; train again."
    assert warned(told_of.kept[0]) == "--time-limit 3 is short; train again."
    assert pickle.loads(pickle.dumps(given[0].message)).args == given[0].message.args


@pytest.mark.filterwarnings("always:column")
def test_the_command_advises_its_own_options(tmp_path: Any):
    """Of what every table of the estimators warns: free text, numbers with text among them, numbers of accounts."""
    rng = np.random.default_rng(0)
    kinds = {
        "account no": rng.permutation(np.arange(10**8, 10**9, 10**7 - 3))[:90],
        "order": ["rush" if k % 9 == 4 else f"{7 * k}" for k in range(90)],
        "remark": [f"the customer writes in letter {k} that it came too late" for k in range(90)],
        "size": rng.normal(size=90).round(3),
        "y": rng.normal(size=90).round(3),
    }
    rows = [",".join(map(str, row)) for row in zip(*kinds.values(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(kinds), *rows]))
    options = ("--target-column", "y", "--epochs", 1, "--preset", "none", "--quiet", "--report")
    done = invoke(["train", tmp_path / "t.csv", "--out", tmp_path / "run", *options])
    assert done.exit_code == 0, done.output
    said = done.stderr
    assert {name for name in kinds if f"column {name!r}" in said} == {"account no", "order", "remark"}
    assert "--exclude-columns remark" in said and "fit in Python" in said
    assert "pass TablePreprocessor" not in said and "TfidfVectorizer" not in said
    assert "--exclude-columns remark" in (tmp_path / "run/report.html").read_text("utf-8")


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
