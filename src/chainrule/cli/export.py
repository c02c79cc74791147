"""`chainrule export`: write a model for another place to run in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.export.formats import ExportedFiles

AsOnnx = Annotated[bool, Option("--onnx", help="As an ONNX file; needs the extra onnx.")]
AsC = Annotated[bool, Option("--c", help="As C99: a source, a header, and a program that tests them.")]
AsJavaScript = Annotated[bool, Option("--js", help="As a JavaScript module without dependencies.")]
AsPage = Annotated[bool, Option("--html", help="As a page with a form, which answers offline.")]
ExportDtype = Annotated[
    str,
    Option(
        "--dtype",
        help="The precision of the networks and of the answer: float32, float64, or int8.",
    ),
]
WithLabel = Annotated[
    bool, Option("--label", help="Also the place of the predicted label, as a second output.")
]
RowsToCompare = Annotated[
    str | None,
    Option(
        "--rows",
        metavar="DATA",
        help="Rows to compare answers on, and to measure ranges of int8: a table, mnist, IDX files or an .npz.",
        show_default="rows that are drawn; for int8 the run's own",
    ),
]
ExportOut = Annotated[
    Path | None, Option("--out", help="The file to write.", show_default="beside the model's file")
]


@guard_subcommand
def export(
    model: options.ModelFile,
    onnx: AsOnnx = False,
    c: AsC = False,
    js: AsJavaScript = False,
    html: AsPage = False,
    dtype: ExportDtype = "float32",
    label: WithLabel = False,
    rows: RowsToCompare = None,
    header: options.Header = None,
    sheet: options.Sheet = None,
    out: ExportOut = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Write a model, with the preparation of its table, for another place to run in, and compare the answers."""
    from chainrule.cli.models import model_file
    from chainrule.recipe.exported import exported
    from chainrule.trained.persistence import file_and_output

    formats = {".onnx": onnx, ".c": c, ".js": js, ".html": html}
    endings = [ending for ending, asked in formats.items() if asked]
    if len(endings) != 1:
        raise ConfigError("export needs one format to write: --onnx, --c, --js or --html.")
    file = model_file(model)
    is_named = (c or html) and file.parent / "model.safetensors" == file  # in the code, and above the page
    own = file_and_output(file)[0]
    path = out or (
        file.with_name(f"{file.resolve().parent.name}{endings[0]}")
        if is_named
        else own.with_suffix(endings[0])
    )
    if path.resolve() == own.resolve():
        raise ConfigError(f"{path} is the model's own file; name another with --out.")
    settings: dict[str, Any] = {"dtype": dtype, "label": label}
    written = exported(file, path, rows, settings, header, sheet)
    if as_json:
        output.print_json(as_data(written))
        return
    console = output.console()
    output.print_lines(console, "\n".join(describe_export(written)))
    if written.effect is not None:
        output.print_lines(console, f"\n{written.effect}")
    output.print_lines(console, f"\n{words.messages.translated(written.usage)}")


def describe_export(written: ExportedFiles) -> list[str]:
    """Return lines on what was written."""
    of = words.command
    lines = [of.written(list(map(str, written.files)), written.bytes)]
    if written.rows:
        allowed = f"{written.tolerance:.0e}" if math.isfinite(written.tolerance) else None
        lines.append(of.compared(written.rows, f"{written.difference:.1e}", allowed))
        same = written.about.get("same_labels")
        if same is not None:
            lines.append(of.same_class(same))
    return [*lines, *map(words.messages.translated, written.left_out)]


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
