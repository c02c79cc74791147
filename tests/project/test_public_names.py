"""The public names: listed once for Python and once for type checkers, and loaded no earlier than they are used."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from tests.support import commands

import chainrule
from chainrule.formulas import layers

PACKAGE = Path(chainrule.__file__).parent
NAMES = [name for name in chainrule.__all__ if name != "__version__"]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    path = os.pathsep.join(filter(None, sys.path))
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
    stub = {
        name: f"{node.module}.{name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        for name in (import_module(str(node.module)).__all__ if alias.name == "*" else [alias.name])
    }
    assert sorted(stub) == sorted(chainrule.__all__)
    for name, origin in stub.items():
        assert origin == f"chainrule.{chainrule._names()[name]}.{name}"


def test_layers_are_public_by_one_list():
    """Type checkers read the imports beside it."""
    names = set(layers.__all__)
    assert names <= set(NAMES)
    file = ast.parse((PACKAGE / "formulas" / "layers" / "__init__.py").read_text("utf-8"))
    block = next(node for node in file.body if isinstance(node, ast.If))
    found = {a.asname: n.module for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert names <= set(found)
    for name, module in found.items():
        assert getattr(layers, str(name)) is getattr(import_module(str(module)), str(name))
    with pytest.raises(AttributeError, match=r"module 'chainrule.formulas.layers' has no attribute 'Conv'"):
        _ = layers.Conv
    assert layers.LAYERS["dense"] is chainrule.Dense and "activation" not in layers.LAYERS


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_docstring(name: str):
    value = getattr(chainrule, name)
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return  # a table, which has the docstring of its type
    text = value.__doc__ or ""
    assert text.strip() and not text.startswith(f"{name}("), "a dataclass's signature is no docstring"
    for member, function in vars(value).items() if inspect.isclass(value) else ():
        if inspect.isfunction(function) and not member.startswith("_"):
            assert function.__doc__, f"{name}.{member} has no docstring"


def test_dir_lists_the_names():
    assert set(chainrule.__all__) <= set(dir(chainrule))


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'Convolution'"):
        _ = chainrule.Convolution
    with pytest.raises(ImportError):
        from chainrule import Convolution  # noqa: F401


HEAVY = (
    "numpy",
    "sklearn",
    "scipy",
    "plotly",
    "pandas",
    "jax",
    "safetensors",
    "rich",
    "typer",
    "narwhals",
    "PIL",
    "onnx",
    "optuna",
    "pyarrow",
    "starlette",
)


def loaded(code: str) -> set[str]:
    made = f"import sys\n{code}\nprint()\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    return set(run(made).rpartition("\n")[2].split())


def test_import_loads_nothing():
    assert loaded("import chainrule") == set()
    assert loaded("import chainrule; chainrule.__version__; dir(chainrule)") == set()
    assert loaded("from chainrule import ConfigError") == set()


def test_a_network_needs_numpy_alone():
    code = "import chainrule as c\nlayers = [c.Dense(3), c.ReLU(), c.Dense(2)]"
    code += "\nm = c.Model(c.Network(2, layers, c.SoftmaxCrossEntropy()))"
    assert loaded(code) == {"numpy"}
    code += "\nX, y = [[0, 1], [1, 0]], [0, 1]\nm.fit(X, y, epochs=1, validation_data=(X, y))\nm.predict(X)"
    assert loaded(code) == {"numpy"}
    names = "set(chainrule.__all__) - set(chainrule.estimators.__all__)"
    assert loaded(f"import chainrule.estimators\nfor name in {names}: getattr(chainrule, name)") == {"numpy"}


@pytest.mark.slow
def test_the_estimators_load_scikit_learns_base_and_nothing_that_shows():
    base = "import sklearn.base, sklearn.utils.validation, sklearn.model_selection"
    assert "sklearn" in loaded("from chainrule import MLPClassifier")
    assert loaded("from chainrule import MLPRegressor") <= loaded(base) | {"numpy"}


@pytest.mark.slow
def test_the_estimators_leave_what_few_need_until_it_is_used():
    code = "import sys\nfrom chainrule import MLPClassifier, MLPRegressor\nprint(*sys.modules)"
    names = set(run(code).split())
    models = {"ensemble", "linear_model", "metrics", "model_selection", "preprocessing", "svm"}
    assert not {f"sklearn.{room}" for room in models} & names
    late = {
        "explain.explain",
        "estimators.graphs",
        "race.race",
        "export.graph",
        "views",
    }
    late |= {"inspection.attribution", "datasets.parquet_source", "trust.drift"}
    assert not {f"chainrule.{room}" for room in late} & names


@pytest.mark.slow
def test_the_command_opens_no_network_and_reads_the_types_of_a_subcommands_options_once():
    for given, expected in (("'tune', '--help'", "1 False"), ("'--help'", "0 False"), ("'info'", "0 False")):
        code = (
            "import sys, typing\nasked, read = [], typing.get_type_hints\n"
            "typing.get_type_hints = lambda kind, *rest, **more: asked.append(kind) or read(kind, *rest, **more)\n"
            f"sys.argv = ['chainrule', {given}]\nimport chainrule.cli\n"
            "opens = 'socket' in sys.modules\nfrom chainrule.recipe.settings import Settings\n"
            "try:\n    chainrule.cli.main()\nexcept SystemExit:\n    pass\n"
            "print()\nprint(asked.count(Settings), opens)"
        )
        assert run(code).splitlines()[-1] == expected


SHOWS = {"rich", "typer"}
MODELS = SHOWS | {"numpy", "safetensors"}
TABLES = MODELS | {
    "sklearn",
    "scipy",
    "pandas",
    "narwhals",
    "pyarrow",
}  # the last three where they are installed
MAY_LOAD = {
    "train --help": SHOWS,
    "--help": SHOWS,
    "info": MODELS - {"safetensors"} | {"jax"},
    "train digits.npz --epochs 1 --target 0.01 --out again": MODELS,
    "info digits": MODELS,
    "evaluate digits digits.npz": MODELS,
    "predict digits digits.npz": MODELS,
    "explain digits digits.npz --row 1": MODELS | {"PIL", "plotly"},
    "export digits --c --out digits.c": TABLES,
    "card digits": TABLES,
    "train houses.csv --target-column y --epochs 1 --out more": TABLES,
    "info houses": TABLES,
    "predict houses houses.csv --interval 0.9 --explain": TABLES,
    "check houses houses.csv": TABLES,
    "export houses --js --out houses.js": TABLES,
}
"""The packages that a subcommand may load, by an example of it on digits, arrays of pixels, or on houses, a table."""
QUICK = ("--help", "train digits", "predict digits")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and the runs of `MAY_LOAD`."""
    place = tmp_path_factory.mktemp("runs")
    draws = np.random.default_rng(0)
    X = draws.integers(0, 256, (60, 16)).astype(np.uint8)
    np.savez(place / "digits.npz", X=X, y=X[:, 0] > 127)
    rows = [f"{a:.3f},{'uvw'[k % 3]},{a + k % 3:.3f}" for k, a in enumerate(draws.normal(size=60))]
    (place / "houses.csv").write_text("\n".join(["a,kind,y", *rows]), "utf-8")
    for name, *given in (("digits.npz",), ("houses.csv", "--target-column", "y")):
        out = place / Path(name).stem
        assert not commands.invoke(["train", place / name, *given, "--epochs", 1, "--out", out]).exit_code
    return place


@pytest.mark.parametrize(
    "example",
    [each if each.startswith(QUICK) else pytest.param(each, marks=pytest.mark.slow) for each in MAY_LOAD],
)
def test_a_subcommand_loads_the_packages_that_it_needs(runs: Path, example: str):
    """Scikit-learn, SciPy and pandas take a second, longer than a training to 98 % on MNIST."""
    given = ["chainrule", *example.split()]
    code = f"import os, sys\nos.chdir({str(runs)!r})\nsys.argv = {given!r}\nimport chainrule.cli\n"
    code += (
        "try:\n    chainrule.cli.main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code"
    )
    assert loaded(code) <= MAY_LOAD[example]


def test_training_on_pixels_loads_no_room_of_tables(runs: Path):
    given = ["chainrule", *["train", "digits.npz", "--epochs", "1", "--out", "rooms"]]
    code = f"import os, sys\nos.chdir({str(runs)!r})\nsys.argv = {given!r}\nfrom chainrule.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
    code += "print()\nprint(*sys.modules)"
    names = run(code).rpartition("\n")[2].split()
    rooms = {name.split(".")[1] for name in names if name.startswith("chainrule.")}
    assert {"recipe", "training"} <= rooms
    tables = {"bound", "estimators", "explain", "export", "fitting", "graph", "race", "tables", "trust"}
    assert not (tables | {"lab", "mlflow", "ray", "serve", "studio"}) & rooms


@pytest.mark.parametrize("given", [None, pytest.param("28", marks=pytest.mark.slow)])
def test_waiting_threads_of_the_command_leave_the_cores(given: str | None, monkeypatch: pytest.MonkeyPatch):
    """OpenBLAS reads the ticks of its waiting loop once, when NumPy is imported; a user's own setting is kept."""
    name = "OPENBLAS_THREAD_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(name, given)
    code = "import os, sys\nsys.argv = ['chainrule', 'info']\nfrom chainrule.cli import main\n"
    code += "early = 'numpy' in sys.modules\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    code += f"print()\nprint(early, os.environ[{name!r}])"
    early, ticks = run(code).rpartition("\n")[2].split()
    assert early == "False"
    assert ticks == given if given else 4 <= int(ticks) <= 24


def test_a_model_loads_nothing_that_shows_or_explains():
    code = "import sys, chainrule\nchainrule.Model\nprint(*sys.modules)"
    names = run(code).split()
    late = ("trace.trace", "derivation.", "attribution.", "flow.", "story.", "features.")
    assert "chainrule.model" in names
    assert [
        name for name in names if name.startswith(tuple(f"chainrule.inspection.{room}" for room in late))
    ] == []
    assert [name for name in names if name.startswith("chainrule.views")] == []


@pytest.mark.slow
def test_star_import_brings_every_name():
    assert run("from chainrule import *\nprint(Model.__name__, Adam.__name__)") == "Model Adam"
