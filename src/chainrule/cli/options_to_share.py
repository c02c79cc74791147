"""The options of the commands that take a model elsewhere: card, distill and export; see `chainrule.cli.options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from chainrule.cli.options import LANGUAGES_SAID

# --- card

RunToDescribe = Annotated[str, Argument(metavar="RUN", help="The folder of a run.")]
CardLicense = Annotated[
    str | None,
    Option(
        "--license",
        metavar="NAME",
        help="License as the Hub names it, apache-2.0.",
        show_default="left to say",
    ),
]
CardOut = Annotated[
    Path | None, Option("--out", help="The file to write.", show_default="README.md in the folder")
]
CardLanguage = Annotated[str, Option("--lang", help=f"Language of the card: {LANGUAGES_SAID}")]
CardOverwrite = Annotated[bool, Option("--overwrite", help="Replace the file.")]

# --- export

AsOnnx = Annotated[bool, Option("--onnx", help="As an ONNX file; needs the extra onnx.")]
AsC = Annotated[bool, Option("--c", help="As C99: a source, a header, and a program that tests them.")]
AsJavaScript = Annotated[bool, Option("--js", help="As a JavaScript module without dependencies.")]
PageLanguage = Annotated[
    str, Option("--lang", help=f"Language of a page, and of what int8 does: {LANGUAGES_SAID}")
]
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

# --- distill

RunToDistill = Annotated[
    str, Argument(metavar="RUN", help="The folder of a run on a table, such as one of --preset best.")
]
StudentHidden = Annotated[
    str | None,
    Option(
        "--hidden",
        metavar="WIDTHS",
        help="Widths of the network's hidden layers, such as 32; none for a linear model.",
        show_default="those of the preset fast",
    ),
]
RowsBetween = Annotated[
    int | None,
    Option(
        "--between",
        min=0,
        help="Rows in between that are learned too.",
        show_default="as many as there are, and 5,000 in all at least",
    ),
]
StudentEpochs = Annotated[
    int | None, Option("--epochs", min=1, help="Maximum epochs.", show_default="those of the preset fast")
]
StudentSeed = Annotated[int, Option("--seed", help="Seed of the network and of the rows in between.")]
StudentFile = Annotated[
    Path | None,
    Option("--out", help="The file to write.", show_default="distilled.safetensors in the folder"),
]
CostLanguage = Annotated[str, Option("--lang", help=f"Language of what is printed: {LANGUAGES_SAID}")]
