"""`chainrule train`: the options, and what is printed of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule.cli import options, output
from chainrule.cli.guard import guarded
from chainrule.cli.settings import NAMES, Settings, flag
from chainrule.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.cli.run import Outcome, Prepared
    from chainrule.training import History


@guarded
def train(
    context: typer.Context,
    data: options.TrainData,
    hidden: options.Hidden = None,
    activation: options.Activation = "relu",
    batch_norm: options.BatchNorm = False,
    dropout: options.Dropout = 0.0,
    input_dropout: options.InputDropout = 0.0,
    residual: options.Residual = False,
    loss: options.Loss = None,
    label_smoothing: options.LabelSmoothing = 0.0,
    l2: options.L2 = 0.0,
    l1: options.L1 = 0.0,
    max_norm: options.MaxNorm = None,
    dtype: options.Dtype = "float32",
    method: options.TrainMethod = "backpropagation",
    optimizer: options.Optimizer = "adam",
    lr: options.LearningRate = None,
    schedule: options.Schedule = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    momentum: options.Momentum = None,
    nesterov: options.Nesterov = False,
    weight_decay: options.WeightDecay = None,
    clip_norm: options.ClipNorm = None,
    precision: options.Precision = None,
    seed: options.Seed = 0,
    validation_fraction: options.ValidationFraction = None,
    patience: options.Patience = None,
    target: options.Target = None,
    positive: options.TrainPositive = None,
    engine: options.TrainEngine = "auto",
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    checkpoint_steps: options.CheckpointSteps = None,
    report: options.Report = False,
    as_json: options.RunAsJson = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    debug: options.RunDebug = False,
) -> None:
    """Train a network, and leave a folder with the model and all about it.

    Bytes are taken for pixels, other numbers are standardized; the loss follows from y. Options decide otherwise.
    """
    values = locals()
    given = Settings(**{name: values[name] for name in NAMES})
    from chainrule.cli import folder
    from chainrule.cli.data import load
    from chainrule.cli.run import carry_out, prepare

    progress = output.console(quiet=quiet or as_json)
    if resume and overwrite:
        raise ConfigError("--resume goes on with a run, --overwrite replaces it; choose one.")
    place = (out or Path(data)) if resume else None
    if place is not None and (place / "config.json").is_file():
        begin = partial(again, place, given, set_on_command_line(context), None if out is None else data)
    elif place is not None and out is None:
        raise ConfigError(f"{place} holds no run to go on with; name its folder, or give DATA and --out.")
    else:
        run = prepare(load(data), given)
        place = folder.choose(None if out is None else str(out), run.data.name)
        begin = partial(anew, place, run, overwrite)
    try:
        with folder.locked(place):
            run, done = begin()
            if done is not None:
                say_done(run, place, progress, done)
            try:
                told = partial(introduce, run, place, progress, verbose)
                outcome = carry_out(run, place, progress, resume, report, told, done)
            except (ConfigError, DataError, ShapeError):
                if not (place / "history.csv").exists() and not (place / "checkpoint.safetensors").exists():
                    (place / "config.json").unlink(missing_ok=True)
                raise
    except (ConfigError, DataError, ShapeError):
        folder.discard(place)
        raise
    if as_json:
        output.print_json(as_data(run, outcome))
    else:
        show(run, outcome, progress, quiet)
    if outcome.reached is False:
        raise typer.Exit(1)


def set_on_command_line(context: typer.Context) -> list[str]:
    """The settings that were given, not left at their defaults."""
    sources = ((name, context.get_parameter_source(name)) for name in NAMES)
    return [name for name, source in sources if source is not None and source.name == "COMMANDLINE"]


def anew(place: Path, run: Prepared, overwrite: bool) -> tuple[Prepared, History | None]:
    """Begin a run in its folder. The caller holds the folder's lock."""
    from chainrule.cli import folder

    folder.empty(place, overwrite)
    folder.write_config(place, run.config(place))
    return run, None


def again(
    place: Path, given: Settings, chosen: list[str], data: str | None
) -> tuple[Prepared, History | None]:
    """The run of a folder, ready to go on, and its history where it is done. The caller holds the folder's lock."""
    from chainrule.cli import folder

    found = resumed(place, given, chosen, data)
    folder.clean(place)
    return found


def resumed(
    place: Path, given: Settings, chosen: list[str], data: str | None
) -> tuple[Prepared, History | None]:
    """The run of a folder, and its history where it is done.

    What the command line says beside it must agree with what the run was asked for; only --epochs may be more.
    """
    from chainrule.cli import folder, longer
    from chainrule.cli.data import load
    from chainrule.cli.run import prepare

    config = folder.read_config(place)
    path = f"{place / 'config.json'}"
    asked = Settings.from_json(config["settings"], path)
    resolved = Settings.from_json(config["resolved"], path)
    source = config["data"]["source"]
    for name in chosen:
        mine, theirs = getattr(given, name), getattr(asked if name != "epochs" else resolved, name)
        if mine != theirs and not (name == "epochs" and theirs is not None and mine > theirs):
            was = "without it" if theirs is None else f"with {theirs}"
            raise ConfigError(
                f"{flag(name)} is {mine}, but the run in {place} was started {was}; leave it out"
                + (", or give more to train it longer." if name == "epochs" else ".")
            )
    if data is not None and source not in (data, f"{Path(data).resolve()}"):
        raise ConfigError(f"DATA is {data}, but the run in {place} was started with {source}; name that.")
    found = load(source)._replace(text=config["data"]["text"])
    run = prepare(found, asked, resolved)
    return longer.taken_up(run, place, config, given.epochs if "epochs" in chosen else None)


def say_done(run: Prepared, place: Path, out: Console, done: History) -> None:
    """Of a run that is finished: that it is, and how to train it longer."""
    from chainrule.cli.longer import resume_command

    why = f" ({done.stopped})" if done.stopped else ""
    again = resume_command(place, 2 * max(len(done), run.settings.epochs or 0))
    lines = (
        f"This run is done: {len(done)} of {run.settings.epochs} epochs{why}.",
        "Nothing is left to train; its results are written again.",
        f"To train it longer: {again}",
    )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def introduce(run: Prepared, place: Path, out: Console, verbose: bool) -> None:
    """What is trained on what; and a run that is trained longer is said to be in its config.json."""
    from chainrule.cli import folder

    if folder.read_config(place)["resolved"]["epochs"] != run.settings.epochs:
        folder.write_config(place, run.config(place))
    parts, settings, network = run.parts, run.settings, run.model.network
    held = f", {len(parts.watched):,} to validate on" if parts.held_out else ""
    held += f", {len(parts.judged):,} to test on" if parts.judged_name == "test" else ""
    widths = [network.inputs, *(link.fan_out for link in network.walk() if link.name.startswith("dense_"))]
    rate = "" if settings.lr is None else f" at {settings.lr:g}"
    how = f"{settings.optimizer}{rate}, {settings.schedule}, "
    if run.method is not None:
        how = f"{settings.method}, " + (how if run.optimizer is not None else "")
    batches = "all samples a step" if settings.optimizer == "lbfgs" else f"batches of {settings.batch_size}"
    lines: tuple[str, ...] = (
        f"{'-'.join(map(str, widths))}, {network.size:,} parameters, {settings.loss}",
        f"{how}{batches}",
    )
    out.print(f"[bold]{output.plain(run.data.name)}[/bold]  {len(parts.train):,} samples to train on{held}")
    if run.earlier:
        lines += (f"epochs {len(run.records) + 1} to {settings.epochs}: a new training from the run's model",)
    out.print("\n".join(lines) + "\n", style="dim", markup=False)
    if verbose:
        text = output.summary(out, run.model, settings.batch_size or 128)
        out.print(f"{text}\n", markup=False, soft_wrap=not out.is_terminal)


def show(run: Prepared, outcome: Outcome, progress: Console, quiet: bool) -> None:
    """The result, for people."""
    from chainrule.network.summary import counted

    out = output.console()
    verdict = outcome.verdict
    progress.print()
    if "accuracy" in verdict.metrics:
        epochs = counted(len(outcome.history), "epoch")
        out.print(
            f"[bold]{verdict.part.capitalize()} accuracy {output.percent(verdict.metrics['accuracy'])}[/bold]"
            f"  of {verdict.samples:,} samples, after {epochs} in {outcome.seconds:.1f} s"
        )
    else:
        out.print(f"[bold]On {verdict.samples:,} {verdict.part} samples[/bold]")
    if outcome.reached is False:
        out.print(
            f"The target of {output.percent(run.settings.target or 0)} was not reached.", style="orange1"
        )
    verdict.show(out)
    out.print(f"Run folder: {outcome.folder}", markup=False, soft_wrap=True)
    if outcome.report is not None:
        out.print(f"Report:     {outcome.report}", markup=False, soft_wrap=True)


def as_data(run: Prepared, outcome: Outcome) -> dict[str, Any]:
    """The result, for programs."""
    return {
        "run": str(outcome.folder),
        "model": str(outcome.folder / "model.safetensors"),
        "report": None if outcome.report is None else str(outcome.report),
        "data": run.data.name,
        "task": run.model.task,
        "parameters": run.model.network.size,
        "epochs": len(outcome.history),
        "stopped": outcome.history.stopped,
        "seconds": outcome.seconds,
        "target": run.settings.target,
        "reached": outcome.reached,
        **outcome.verdict.to_json(),
    }
