"""Define the options and arguments of the subcommands with their help, for `--help`; docs/cli.md lists them too.

The names of activations, losses and so on are listed as text, so that --help does not load them; a test compares them
with the registries.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from chainrule.cli.train_words import TRAIN

_run = partial(Option, rich_help_panel="The run")

POSITIVE = TRAIN["Training"]["positive"]

# --- what several commands take

_DATA = (
    "mnist (included), a folder of IDX files, an .npz with X and y, and optionally X_test, y_test, X_val, y_val, "
    "or a table (.csv, .csv.gz, .parquet, .arrow, .xlsx)"
)
Data = Annotated[str, Argument(metavar="DATA", help=f"{_DATA}.")]
MODEL = "A model file, or the folder of a run; policy.onnx:action is one output of several."
ModelFile = Annotated[str, Argument(metavar="MODEL", help=MODEL)]
LaterTable = Annotated[
    str, Argument(metavar="TABLE", help="A table with the columns of training, such as later.csv.")
]
OptionalModelFile = Annotated[str | None, Argument(metavar="MODEL", help=MODEL)]
Engine = Annotated[str, Option(help=TRAIN["Training"]["engine"].help)]
AsJson = Annotated[bool, Option("--json", help="Print the result as JSON, and nothing else.")]
_LANGUAGE = "Language of what is printed and of pages: en, or zh for Traditional Chinese."
Language = Annotated[str, Option("--lang", envvar="CHAINRULE_LANG", help=_LANGUAGE)]
Debug = Annotated[bool, Option("--debug", help="Show the traceback of an error.")]

Header = Annotated[
    int | None, Option(min=0, help=TRAIN["The data"]["header"].help, show_default="the row that has them")
]
Sheet = Annotated[
    str | None, Option(help=TRAIN["The data"]["sheet"].help, show_default="the one with a table")
]

# --- train

TrainData = Annotated[
    list[str],
    Argument(
        metavar="DATA",
        help=f"{_DATA} with --target-column; several Parquet or Arrow files, or a folder of them, larger than memory; "
        "with --resume, the folder of a run.",
    ),
]
Out = Annotated[Path | None, _run(help="Folder of the run.", show_default="runs/DATA-DATE-TIME")]
Overwrite = Annotated[bool, _run("--overwrite", help="Replace the run in --out.")]
Resume = Annotated[
    bool,
    _run(
        "--resume",
        help="Continue from the last checkpoint of the run in DATA, or in --out (start it if it never began), and "
        "end with the same bits as if it had never stopped; with a larger --epochs, or for --preset best --time-limit, "
        "train a finished run longer.",
    ),
]
Report = Annotated[
    bool,
    _run(
        "--report",
        help="Write report.html, which works offline: learning curves, confusion matrix, worst mistakes.",
    ),
]
Track = Annotated[
    list[str] | None,
    _run(
        "--track",
        help="Also write the run for a tracker: tensorboard (into the folder of the run), tensorboard:DIRECTORY, "
        "mlflow, mlflow:URI, wandb, wandb:PROJECT, trackio, trackio:PROJECT. May be repeated.",
    ),
]
RunLanguage = Annotated[str, _run("--lang", envvar="CHAINRULE_LANG", help=_LANGUAGE)]
RunAsJson = Annotated[bool, _run("--json", help="Print the result as JSON, and nothing else.")]
Verbose = Annotated[bool, _run("--verbose", "-v", help="Also print the network's layers and costs.")]
Quiet = Annotated[bool, _run("--quiet", "-q", help="Print the result only.")]
RunDebug = Annotated[bool, _run("--debug", help="Show the traceback of an error.")]

# --- tune

TunedData = Annotated[
    str,
    Argument(
        metavar="DATA",
        help="A table (.csv, .csv.gz, .parquet, .arrow, .xlsx); with --resume, the folder of a search.",
    ),
]
TunedOut = Annotated[
    Path | None, _run("--out", help="Folder of the search.", show_default="runs/DATA-tuned-DATE-TIME")
]
TunedOverwrite = Annotated[bool, _run("--overwrite", help="Replace the search or the run in --out.")]
TunedResume = Annotated[bool, _run("--resume", help="Continue the search in DATA, or in --out.")]

# --- evaluate and predict

Part = Annotated[
    str | None,
    Option(
        help="train, validation, test, or all of X and y.",
        show_default="the test part if the data have one, else those that the run held out, else all",
    ),
]
Positive = Annotated[str | None, Option(help=POSITIVE.help, show_default=POSITIVE.default)]
Inputs = Annotated[
    list[str],
    Argument(
        metavar="INPUT...",
        help="PNG or JPEG pictures of a digit, converted to MNIST's form; .npy arrays "
        "(samples, features); .npz archives with X; for a model of a table, tables (.csv, .csv.gz, .parquet, .arrow, "
        ".xlsx) with its columns.",
    ),
]
Predictions = Annotated[Path | None, Option("--out", help="Write all predictions to this .npy or .csv.")]

Spread = Annotated[
    bool,
    Option(
        "--spread",
        help="For an ensemble, also print the standard deviation of its members' predictions.",
    ),
]

Interval = Annotated[
    float | None,
    Option(
        "--interval",
        metavar="COVERAGE",
        help="Also print an interval, or a set of labels, that contains the truth for this share of rows: 0.9.",
    ),
]

Times = Annotated[
    str | None,
    Option(
        help="For times to an event, also print the probability that it comes later than each of these: 30,90."
    ),
]
AtTime = Annotated[
    float | None,
    Option(
        "--time",
        help="For times to an event, explain the probability that it comes later than this.",
        show_default="the middle of the times of events",
    ),
]

Because = Annotated[
    bool,
    Option(
        "--explain",
        help="For a table, also say what each column adds to each answer; in --out as columns because_NAME.",
    ),
]

# --- serve

Host = Annotated[
    str,
    Option(help="Address to listen on; another than this machine's own, such as 0.0.0.0, needs a token."),
]
Port = Annotated[int, Option(min=0, max=65535, help="Port; 0 for a free one.")]
ServedName = Annotated[
    str | None,
    Option(
        "--name",
        help="Name of the model in its paths.",
        show_default="that of the run's folder, or of the file",
    ),
]
TokenFile = Annotated[
    Path | None,
    Option(
        help="File with the token that requests must have in Authorization: Bearer; without it that of the "
        "variable CHAINRULE_TOKEN, if it is set.",
        show_default=False,
    ),
]
MaxMegabytes = Annotated[int, Option(min=1, help="Maximum megabytes of a request.")]
MaxRows = Annotated[int, Option(min=1, help="Maximum rows of a request.")]
MaxConnections = Annotated[int, Option("--connections", min=1, help="Maximum connections at a time.")]
MaxSeconds = Annotated[float, Option(min=0.1, help="Seconds in which a request must arrive.")]
BatchRows = Annotated[int, Option(min=1, help="Rows of concurrent requests that are predicted at once.")]
Precision = Annotated[
    str | None,
    Option(help="bf16 or int8: predict by products of bfloat16, or of integers.", show_default="the model's"),
]
BatchDelay = Annotated[
    float,
    Option(min=0.0, help="Milliseconds that a request may wait for others, if some came before."),
]

# --- lab

Experiment = Annotated[
    str | None,
    Argument(
        metavar="NAME",
        help="vanishing, without-backprop, universality, optimizers, regularization, features; default: list them.",
        show_default=False,
    ),
]
LabSeed = Annotated[int, Option("--seed", help="The first seed; repeat r uses seed + r.")]
Repeats = Annotated[int | None, Option(help="Number of seeds.", show_default="the experiment's own, 3 to 5")]
Budget = Annotated[
    float,
    Option(
        help="Fraction of the default work: 0.1 is a quick look in about a fifth of the time, 2 is twice the work."
    ),
]
LabFolder = Annotated[
    Path, Option("--out", help="Folder for NAME.html, a page that works offline, and NAME.json.")
]

# --- explain

ExplainedInput = Annotated[
    str,
    Argument(
        metavar="INPUT",
        help="A PNG or JPEG picture of a digit; an .npy array; an .npz with X (and y); a numeric table with feature "
        "names (and a column y); for a model of a table, such a table; or mnist, its test images.",
    ),
]
Row = Annotated[int | None, Option("--row", help="The sample of INPUT, from 0.", show_default="the only one")]
Truth = Annotated[
    str | None,
    Option(
        "--true",
        help="The true answer: a label, or labels or numbers separated by commas.",
        show_default="y of INPUT, else the answer itself",
    ),
]
AttributionMethod = Annotated[
    str,
    Option(
        "--method",
        help="saliency, input_x_gradient, integrated_gradients, epsilon_lrp, deep_lift, occlusion.",
    ),
]
StepRate = Annotated[float, Option("--lr", help="Learning rate of the step in the last chapter.")]
CheckPage = Annotated[
    Path | None, Option("--out", help="Also write the check to this .html, a page that works offline.")
]
StoryPage = Annotated[
    Path | None, Option("--out", help="Also write the story to this .html, a page that works offline.")
]
