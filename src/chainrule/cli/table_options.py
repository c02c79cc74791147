"""Define the options of runs on tables that go beyond those of any data: presets and ensembles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

_network = partial(Option, rich_help_panel="The network")
_training = partial(Option, rich_help_panel="Training")

Preset = Annotated[
    str | None,
    _network(
        help="Of a table, the network and the training that an estimator's preset sets, which other options change, or "
        "none for a plain network: fast, realmlp, tabm, best.",
        show_default="fast; none with an option that presets do not have",
    ),
]
Members = Annotated[
    int | None,
    _network(
        help="Of a preset, train so many networks together and predict by their average; of tabm, the members of "
        "its network.",
        show_default="1, of tabm 32",
    ),
]
TimeLimit = Annotated[
    float | None,
    _training(help="End the training after so many seconds, with what it has.", show_default="none"),
]
# --- tune

_search = partial(Option, rich_help_panel="The search")

TunedData = Annotated[
    str,
    Argument(
        metavar="DATA",
        help="A table (.csv, .csv.gz, .parquet, .arrow, .xlsx); with --resume, the folder of a search.",
    ),
]
TunedPreset = Annotated[
    str | None,
    Option(
        "--preset", help="The preset that is searched around: fast, realmlp or tabm.", show_default="fast"
    ),
]
TunedMembers = Annotated[
    int | None, Option("--members", help="Networks of an ensemble, in each trial.", show_default="1")
]
TunedEpochs = Annotated[
    int | None, Option("--epochs", help="The most epochs of a trial.", show_default="the preset's")
]
TunedSeed = Annotated[
    int,
    Option(
        "--seed", help="Of the settings that are tried, the networks, and what is held out or for testing."
    ),
]
Trials = Annotated[
    int | None,
    _search(
        help="Settings to try, those of a search that is resumed included.",
        show_default="50 without --time-limit",
    ),
]
SearchLimit = Annotated[
    float | None,
    _search(
        "--time-limit", help="End the search, with its last fit, after so many seconds.", show_default="none"
    ),
]
Folds = Annotated[
    int | None,
    _search(
        help="Fits of a trial, each of which holds out other rows.",
        show_default="one, which holds out a fifth",
    ),
]
Pruner = Annotated[
    str,
    _search(
        help="What ends a trial after an epoch: median (of earlier trials), halving (successive halving), none."
    ),
]
Jobs = Annotated[int, _search(help="Trials at a time, in threads that share the cores.")]
TunedOut = Annotated[
    Path | None, Option("--out", help="Folder of the search.", show_default="runs/DATA-tuned-DATE-TIME")
]
TunedOverwrite = Annotated[
    bool, Option("--overwrite", help="Replace the search or the run that --out contains.")
]
TunedResume = Annotated[bool, Option("--resume", help="Go on with the search in DATA, or in --out.")]

Spread = Annotated[
    bool,
    Option(
        "--spread",
        help="Of an ensemble, also how far its members disagree: the standard deviation of their predictions.",
    ),
]
