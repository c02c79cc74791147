"""Everything that can be typed is explained, in --help and in docs/cli.md."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

from chainrule import METHODS
from chainrule.cli import EXAMPLES, app
from chainrule.cli.train_words import TRAIN
from chainrule.datasets import load_mnist
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.formulas.schedules import SCHEDULES
from chainrule.presets import ADDITIVE, BEST, PRESETS
from chainrule.recipe.settings import NAMES, Settings, flag

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
GROUP = get_command(app)
COMMANDS = {name: GROUP.commands[name] for name in sorted(GROUP.commands)}
PARAMETERS = [
    (name, parameter)
    for name, found in COMMANDS.items()
    for parameter in found.params
    if parameter.name != "help"
]


def test_commands():
    assert list(COMMANDS) == [
        "bounds",
        "card",
        "check",
        "compare",
        "data",
        "distill",
        "evaluate",
        "explain",
        "export",
        "info",
        "lab",
        "predict",
        "serve",
        "studio",
        "train",
        "tune",
        "worksheet",
    ]


def test_every_parameter_is_explained():
    missing = []
    for name, parameter in PARAMETERS:
        assert parameter.help, (name, parameter.name)
        section = PAGE.split(f"\n## chainrule {name}\n")[1].split("\n## ")[0]
        words = [parameter.metavar] if parameter.param_type_name == "argument" else parameter.opts
        missing += [
            f"{name} {word}"
            for word in words
            if f"`{word}`" not in section and word not in section.split("\n\n")[0]
        ]
    assert not missing, f"docs/cli.md has not: {missing}"


def test_the_options_of_all_commands_are_explained():
    for parameter in GROUP.params:
        assert f"`{parameter.opts[0]}`" in PAGE.split("\n## ")[0]


def test_documented_options_exist():
    for name, found in COMMANDS.items():
        section = PAGE.split(f"\n## chainrule {name}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`-.*?) \|", section, re.MULTILINE)
        documented = {word for row in rows for word in re.findall(r"`(-[\w-]+)`", row)}
        assert documented == {
            word for parameter in found.params for word in parameter.opts if word[0] == "-"
        } - {
            "--help",
            "-h",
        }


@pytest.mark.parametrize(
    ("panel", "name", "registry"),
    [
        ("The network", "activation", ACTIVATIONS),
        ("The network", "loss", LOSSES),
        ("Training", "optimizer", OPTIMIZERS),
        ("Training", "method", METHODS),
        ("Training", "schedule", SCHEDULES),
        ("The network", "preset", [*PRESETS, ADDITIVE, BEST]),
    ],
)
def test_help_lists_the_registry(panel, name, registry):
    text = TRAIN[panel][name].help
    assert re.findall(r"\b[a-z_]+\b", text.split(": ")[-1]) == list(registry)
    for kind in registry:
        assert f"`{kind}`" in PAGE


def test_every_setting_is_an_option_with_the_same_default():
    found = {parameter.name: parameter for parameter in COMMANDS["train"].params}
    for name in NAMES:
        assert found[name].opts == [flag(name)]
        assert found[name].default == getattr(Settings(), name)


@pytest.mark.parametrize(
    ("function", "example"), EXAMPLES, ids=lambda value: getattr(value, "__name__", None)
)
def test_help_ends_in_an_example(command, function, example):
    text = command(function.__name__, "--help").stdout
    assert " ".join(text.split()).endswith(f"Example: {example}")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_the_terminal(command, monkeypatch, name, width):
    """No line is longer, no name is cut, and a flag, which takes no value, has no type."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = command(*([name] if name else []), "--help").stdout
    assert "bool" not in text and "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for parameter in COMMANDS[name].params if name else GROUP.params:
        assert all(word in text for word in parameter.opts if word[0] == "-")


@pytest.mark.slow
def test_the_examples_run(command, tmp_path):
    Image.fromarray(load_mnist()[1].images[0]).save(tmp_path / "digit.png")
    ending = [
        # The studio and a service end by Ctrl-C, and there is no table to search on, check or distil, and one run.
        example
        for function, example in EXAMPLES
        if function.__name__ not in ("studio", "serve", "tune", "check", "compare", "distill")
    ]
    printed = [command(*shlex.split(example)[1:]).stdout for example in ending]
    assert float(re.search(r"Test accuracy ([\d.]+) %", printed[0])[1]) >= 98
    assert (tmp_path / "runs" / "mnist" / "report.html").is_file()
    assert re.search(r"accuracy +0\.98", printed[1])
    assert re.search(r"digit\.png +7 ", printed[2])
    assert "Proven for " in printed[3]
    assert "203,530" in printed[4]


def test_help_without_the_options_of_subcommands_says_the_same():
    code = "import sys; from chainrule.cli import app, main; sys.argv = ['chainrule', '--help']; "
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    short, whole = (
        run([sys.executable, "-c", code + call]).stdout for call in ("main()", "app(prog_name='chainrule')")
    )
    assert short == whole
    assert all(function.__name__ in short for function, _ in EXAMPLES)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['chainrule', 'train', '--help']\n"
        "from chainrule.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "loaded = {'numpy', 'scipy', 'sklearn', 'plotly', 'safetensors', 'PIL'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_version(command):
    assert re.fullmatch(r"chainrule \d+\.\d+\.\d+\n", command("--version").stdout)
