"""`chainrule evaluate`: a model on data."""

from __future__ import annotations

from chainrule.cli import options, output
from chainrule.cli.guard import guarded
from chainrule.errors import ConfigError, DataError


@guarded
def evaluate(
    model: options.ModelFile,
    data: options.Data,
    part: options.Part = None,
    positive: options.Positive = None,
    engine: options.Engine = "auto",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Print a model's metrics on data, and its confusion matrix."""
    from chainrule.cli.data import load
    from chainrule.cli.judge import judge
    from chainrule.cli.models import load_model

    chosen = load_model(model)
    found = load(data)
    parts = {"train": found.train, "validation": found.validation, "test": found.test}
    if part is not None and part not in parts:
        raise ConfigError(f"--part must be train, validation or test, not {part!r}.")
    name = part or ("train" if found.test is None else "test")
    samples = parts[name]
    if samples is None:
        held = ", ".join(key for key, value in parts.items() if value is not None)
        raise DataError(f"{data} has no {part} part; it has {held}.")
    label = "given" if part is None and name == "train" else name
    verdict = judge(chosen, samples, label, engine, positive)
    if as_json:
        output.print_json(verdict.to_json())
        return
    out = output.console()
    out.print(f"[bold]On {verdict.samples:,} {label} samples[/bold]")
    verdict.show(out)
