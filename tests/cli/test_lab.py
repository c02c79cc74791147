"""`chainrule lab`: the list, a run, its files, and what is refused."""

from __future__ import annotations

import errno
import io
import json
import re

import pytest
from rich.console import Console

from chainrule.cli.lab import lines
from chainrule.cli.options import Experiment
from chainrule.lab import LABS, vanishing

SMALL = ("--budget", "0.02", "--repeats", "1")


@pytest.fixture
def shallow(monkeypatch):
    """The quickest of experiments."""
    monkeypatch.setitem(vanishing.vanishing.__kwdefaults__, "depths", (2, 3))
    monkeypatch.setattr(vanishing, "RATES", (0.1,))


def test_without_a_name_it_lists_the_experiments(command):
    text = " ".join(command("lab").stdout.split())
    assert all(name in text and what in text for name, what in LABS.items())
    assert command("lab", data=True) == LABS


def test_help_lists_the_experiments():
    text = Experiment.__metadata__[0].help
    assert re.findall(r"[a-z-]+", text.split(";")[0]) == list(LABS)


def test_a_run_prints_and_leaves_a_page_and_data(command, tmp_path, shallow):
    text = command("lab", "vanishing", *SMALL, "--seed", "3").stdout
    for words in (
        "What was found.",
        "What was held fixed.",
        "What this does not show.",
        "sigmoid + skip",
        "seed 3",
    ):
        assert words in text
    assert text.rstrip().endswith("runs/lab/vanishing.html")
    assert "1 seed of" in " ".join(text.split())
    page, data = (tmp_path / "runs" / "lab" / f"vanishing.{ending}" for ending in ("html", "json"))
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert json.loads(data.read_text("utf-8"))["settings"]["seed"] == 3


def test_json_is_the_data_and_nothing_else(command, tmp_path, shallow):
    data = command("lab", "vanishing", *SMALL, "--out", "here", data=True)
    kept = json.loads((tmp_path / "here" / "vanishing.json").read_text("utf-8"))
    assert data == kept and data["name"] == "vanishing" and data["settings"]["budget"] == 0.02


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("alchemy",), "vanishing, without-backprop"),
        (("vanishing", "--budget", "0"), "budget"),
        (("vanishing", "--budget", "nan"), "budget"),
        (("vanishing", "--repeats", "0"), "repeats"),
        (("vanishing", "--seed", "-1"), "seed"),
        (("vanishing", "--out", "file"), "--out"),
        (("vanishing", "--out", "file/below"), "--out must be a writable folder"),
        (("vanishing", "--out", "held"), "--out must be a writable folder"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(command, tmp_path, monkeypatch, words, what):
    monkeypatch.setattr("chainrule.lab.run", lambda *args, **options: pytest.fail("the experiment was begun"))
    if "held" in words:  # a full disk, or one that is read only

        def refused(**options):
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr("tempfile.TemporaryFile", refused)
    (tmp_path / "file").write_text("")
    result = command("lab", *words, code=2)
    assert what in result.stderr and "Traceback" not in result.output and not result.stdout


def test_where_there_is_no_terminal_a_line_says_where_it_is_now_and_then():
    out = io.StringIO()
    console = Console(file=out)
    lines(console, "vanishing", every=1000)(0.5, "tanh")
    assert out.getvalue() == ""
    lines(console, "vanishing", every=0)(0.5, "tanh, 5 hidden layers")
    assert out.getvalue() == "vanishing: 50 %, tanh, 5 hidden layers\n"
