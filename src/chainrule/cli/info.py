"""`chainrule info`: describe this installation, or a model."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.core.version import __version__
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.model import Ensemble, Model

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "safetensors",
    "pillow",
    "plotly",
    "narwhals",
    "typer",
    "rich",
    "jax",
    "optuna",
)
THREAD_VARIABLES = ("CHAINRULE_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@guard_subcommand
def info(
    model: options.OptionalModelFile = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Print versions, engines, threads and folders; with MODEL, describe it and its costs."""
    from chainrule.cli.models import describe_average, load_with_table

    chosen, table = (None, None) if model is None else load_with_table(model)
    found: dict[str, Any] = installation() if chosen is None else describe(chosen)
    if table is not None and table.of_times:
        found |= {"task": "survival", "knots": table.average.knots_.tolist()}
        found |= {} if table.event is None else {"event": f"{table.event.column} = {table.event.label}"}
    if table is not None:
        columns = table.preprocessor.columns_
        found["table"] = {"target": table.target, "columns": columns.to_data()["columns"]}
    found["engines"] = engines(chosen)
    if as_json:
        output.print_json(found)
        return
    out = output.console()
    if chosen is not None:
        if said := describe_average(table):
            out.print(f"{said}\n")
        if "members" in found:
            out.print(f"{words.command.ensemble(found['members'])}\n")
        out.print(f"{output.summary(out, chosen)}\n", markup=False, soft_wrap=not out.is_terminal)
    if table is not None:
        del found["table"], found["feature_names"]
        out.print(words.command.columns(output.plain(table.target or words.command.TARGET)), markup=False)
        output.columns_table(out, columns, whole=True)
        out.print()
        from chainrule.recipe.card import verdict_of
        from chainrule.views.text.verdict import verdict

        if model is not None and (by := verdict_of(Path(model))) is not None:
            out.print(f"{output.plain(verdict(by))}\n", markup=False)
    show(out, found)


def installation() -> dict[str, Any]:
    """Return versions, threads and folders of this installation."""
    from chainrule.datasets import cache_folder

    return {
        "chainrule": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": {name: installed(name) for name in PACKAGES},
        "threads": threads(),
        "devices": accelerators(),
        "cache": str(cache_folder()),
    }


def installed(package: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def threads() -> dict[str, Any]:
    """Return the number of usable processors, the environment variables, and NumPy's BLAS."""
    import numpy as np
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processors": len(affinity(0)) if affinity else os.cpu_count(),
        "environment": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "blas": [
            f"{pool['internal_api']} {pool.get('version') or ''}, {pool['num_threads']} threads".replace(
                " ,", ","
            )
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ],
    }


def accelerators() -> list[str]:
    """Return the names of JAX's devices, for the xla engine; none if it is not installed."""
    from chainrule.engines.xla import devices

    return [] if devices.missing() else devices.names()


def engines(model: Model | Ensemble | None) -> list[dict[str, Any]]:
    """Return each engine, whether it runs this model (by default a plain network), and if not, why."""
    from chainrule.engines import ENGINES, Plan
    from chainrule.formulas.layers import Dense, ReLU, Rescale
    from chainrule.formulas.losses import SoftmaxCrossEntropy
    from chainrule.formulas.optimizers import Adam
    from chainrule.network.network import Network

    plain = [Rescale(1 / 255), Dense(256), ReLU(), Dense(10)]
    network = Network(784, plain, SoftmaxCrossEntropy()) if model is None else model.network
    rows: list[dict[str, Any]] = []
    for name, engine in ENGINES.items():
        refusal = engine.refusal(Plan(network, Adam()))
        auto = refusal is None and not any(row["auto"] for row in rows)
        why = refusal or (words.command.CHOSEN if auto else words.command.RUNS)
        rows.append({"name": name, "auto": auto, "runs": refusal is None, "why": why})
    return rows


def describe(model: Model | Ensemble) -> dict[str, Any]:
    """Return a model's metadata and costs."""
    from chainrule.trained.persistence import network_config

    costs, members = model.summary(), getattr(model, "members", None)
    return {
        "task": model.task,
        **({} if members is None else {"members": len(members)}),
        "inputs": model.network.inputs,
        "outputs": model.network.outputs,
        "classes": None if model.classes is None else model.classes.tolist(),
        "feature_names": None if model.feature_names is None else list(model.feature_names),
        "target_scale": None if model.target_scale is None else model.target_scale.to_data(),
        "loss": model.network.loss.kind,
        "dtype": model.dtype.name,
        "seed": model.seed,
        "epochs_trained": model.epochs_trained,
        "steps_trained": model.steps_trained,
        "frozen": sorted(model.frozen),
        "parameters": model.theta.size,
        "operations": costs.operations * (1 if members is None else len(members)),
        "network": network_config(model.network),
    }


def show(out: Console, found: dict[str, Any]) -> None:
    """Print names and values in two columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in found.items():
        for i, line in enumerate(lines(name, value)):
            table.add_row(named(name) if i == 0 else "", Text(output.plain(line)))
    out.print(table)


def lines(name: str, value: Any) -> list[str]:
    """Format a value for people, one line per item."""
    if name == "engines":
        return [f"{row['name']}: {words.messages.translated(row['why'])}" for row in value]
    if name == "network":
        return []  # shown by the summary
    if name in ("classes", "feature_names") and value is not None:
        return [", ".join(map(str, value[:20])) + (f", ... ({len(value)})" if len(value) > 20 else "")]
    if isinstance(value, dict):
        return [f"{key if name == 'packages' else named(key)} {said(item)}" for key, item in value.items()]
    return [f"{value:,}" if isinstance(value, int) and name != "seed" else said(value)]


def named(name: str) -> str:
    """Return the name of what is listed."""
    return str(words.command.ABOUT.get(name) or words.phrases.spoken(name))


def said(value: object) -> str:
    """Format one item of a line."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or words.command.NOT_SET
    if isinstance(value, list):
        return ", ".join(map(said, value)) or words.command.NONE
    if isinstance(value, float):
        return f"{value:.6g}"  # --json has all digits
    return words.command.NONE if value is None else f"{value}"
