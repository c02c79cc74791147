"""The history of a training run, epoch by epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chainrule.core import records
from chainrule.core.files import to_json
from chainrule.data.frames import make_frame
from chainrule.errors import ConfigError, counted

if TYPE_CHECKING:
    import plotly.graph_objects as go


@records.kind("history", fields=("records", "stopped"))
class History(records.Shown, records.DataResult):
    """The history of a run: one record per epoch with loss, val_loss, val_accuracy, learning_rate, seconds, ...

    history["val_loss"] is a column, history[-1] a record, history.to_frame() a data frame.
    stopped: why training ended before its last epoch, or None.
    """

    def __init__(self, records: list[dict[str, float]] | None = None, stopped: str | None = None) -> None:
        """Start with earlier records, or without any."""
        self.records: list[dict[str, float]] = list(records or [])
        self.stopped = stopped

    @property
    def columns(self) -> list[str]:
        """The names of the recorded columns, in order of appearance."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def __getitem__(self, key: str | int) -> Any:
        """Return a column by name (None for epochs that lack it), or a record by index."""
        if isinstance(key, int):
            return self.records[key]
        if key not in self.columns:
            raise KeyError(f"{key!r} was not recorded; there are {', '.join(self.columns) or 'no records'}.")
        return [record.get(key) for record in self.records]

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, float]]:
        """Iterate over the records."""
        return iter(self.records)

    def __contains__(self, name: object) -> bool:
        """Return whether a column was recorded."""
        return name in self.columns

    def to_frame(self, backend: Any = "pandas") -> Any:
        """Return a data frame with one row per epoch, of a library narwhals supports: "pandas", "polars", "pyarrow"."""
        return make_frame({name: self[name] for name in self.columns}, backend)

    def to_json(self) -> str:
        """Return the records and the reason of a stop as JSON text; NaN and infinity become null."""
        return to_json({"records": self.records, "stopped": self.stopped}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> History:
        """Read what `to_json` returned, with NaN for null."""
        kept = json.loads(text)
        records = [{n: math.nan if v is None else v for n, v in r.items()} for r in kept["records"]]
        return cls(records, kept["stopped"])

    @property
    def charted(self) -> list[str]:
        """The columns plotted in a report: the loss, and accuracy or RMSE if recorded."""
        names = self.columns
        return [name for name in ("loss", "accuracy", "rmse") if name in names or f"val_{name}" in names]

    def figure(self, name: str = "loss") -> go.Figure:
        """Plot a column over the epochs, for training and validation: "loss", "accuracy" or another recorded one.

        Raises ConfigError for a name that was not recorded.
        """
        name = name.removeprefix("val_")
        if name not in self and f"val_{name}" not in self:
            names = list(dict.fromkeys(column.removeprefix("val_") for column in self.columns))
            raise ConfigError(
                f"name must be a recorded column, one of {', '.join(names)}, not {name!r}."
                if names
                else "the history has no records to plot; train for at least one epoch."
            )
        return records.view(self, "as_figure", name)

    def __repr__(self) -> str:
        """Show the number of epochs and the last record."""
        last = (
            ", ".join(f"{name} {value:.4g}" for name, value in self.records[-1].items())
            if self.records
            else "empty"
        )
        return f"<History of {counted(len(self), 'epoch')}: {last}>"
