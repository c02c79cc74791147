"""`chainrule export`: write a model for another place to run in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chainrule.cli import options, options_to_share, output
from chainrule.cli.flags import FLAGS
from chainrule.cli.guard import guarded
from chainrule.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.export.formats import ExportedFiles


@guarded
def export(
    model: options.ModelFile,
    onnx: options_to_share.AsOnnx = False,
    c: options_to_share.AsC = False,
    js: options_to_share.AsJavaScript = False,
    html: options_to_share.AsPage = False,
    dtype: options_to_share.ExportDtype = "float32",
    label: options_to_share.WithLabel = False,
    rows: options_to_share.RowsToCompare = None,
    out: options_to_share.ExportOut = None,
    lang: options_to_share.PageLanguage = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Write a model, with the preparation of its table, for another place to run in, and compare the answers."""
    from chainrule.cli.models import model_file
    from chainrule.recipe.exported import exported
    from chainrule.views.words import spoken_in

    formats = {".onnx": onnx, ".c": c, ".js": js, ".html": html}
    endings = [ending for ending, asked in formats.items() if asked]
    if len(endings) != 1:
        raise ConfigError("export needs one format to write: --onnx, --c, --js or --html.")
    file = model_file(model)
    is_named = (c or html) and file.parent / "model.safetensors" == file  # in the code, and above the page
    path = out or (
        file.with_name(f"{file.resolve().parent.name}{endings[0]}")
        if is_named
        else file.with_suffix(endings[0])
    )
    settings: dict[str, Any] = {"dtype": dtype, "label": label}
    with spoken_in(lang):
        written = exported(file, path, rows, settings, FLAGS)
    if as_json:
        output.print_json(as_data(written))
        return
    console = output.console()
    output.print_lines(console, "\n".join(said(written)))
    if written.effect is not None:
        with spoken_in(lang):
            output.print_lines(console, f"\n{written.effect}")
    output.print_lines(console, f"\n{written.usage}")


def said(written: ExportedFiles) -> list[str]:
    """Return lines on what was written."""
    files = ", ".join(map(str, written.files))
    lines = [f"Written to {files} ({written.bytes:,} bytes)"]
    if written.rows:
        allowed = f" (tolerance {written.tolerance:.0e})" if math.isfinite(written.tolerance) else ""
        lines.append(
            f"On {written.rows:,} rows its answers are within {written.difference:.1e} of the model's{allowed}."
        )
        same = written.about.get("same_labels")
        if same is not None:
            lines.append(f"The likeliest class is the same for {same:.2%} of them.")
    return [*lines, *written.left_out]


def as_data(written: ExportedFiles) -> dict[str, Any]:
    """Return what was written as JSON values."""
    return {
        "files": [str(path) for path in written.files],
        "bytes": written.bytes,
        "rows": written.rows,
        "difference": written.difference,
        "tolerance": written.tolerance if math.isfinite(written.tolerance) else None,
        "left_out": list(written.left_out),
        "usage": written.usage,
        **({} if written.effect is None else {"int8": written.effect.to_data()}),
        **written.about,
    }
