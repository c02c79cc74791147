"""Define the options of runs on tables that go beyond those of any data: presets and ensembles."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from typer import Option

_network = partial(Option, rich_help_panel="The network")
_training = partial(Option, rich_help_panel="Training")

Preset = Annotated[
    str | None,
    _network(
        help="Of a table, the network and the training that an estimator's preset sets, and other options change: "
        "fast.",
        show_default="none",
    ),
]
Members = Annotated[
    int | None,
    _network(
        help="With --preset, train so many networks together and predict by their average.", show_default="1"
    ),
]
TimeLimit = Annotated[
    float | None,
    _training(help="End the training after so many seconds, with what it has.", show_default="none"),
]
Spread = Annotated[
    bool,
    Option(
        "--spread",
        help="Of an ensemble, also how far its members disagree: the standard deviation of their predictions.",
    ),
]
