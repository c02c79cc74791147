"""Exposure: what the amount of each row is an amount of, such as the years of a policy or the people of a town.

A loss with a logarithm then has the mean mu = e exp(f), where f is the output: log e is an offset. With its power p
(see `LogLink`) and the rate y / e

    loss(f + log e, y) = e^(2 - p) loss(f, y / e) + c        d loss(f + log e, y) / df = e^(2 - p) d loss(f, y / e) / df

where c depends on y and e alone: -y log e for p = 1 (Poisson), log e for p = 2 (Gamma), 0 between them. So a fit to the
rates with the weights e^(2 - p) has the gradients of one to the amounts with the offset, whatever trains it; the
deviances are equal, too. The variance of an amount is then proportional to mu^p. Where it is proportional to
e (mu / e)^p, as of a sum over the exposure, fit y / e with sample_weight=e; for Poisson that is the same.

Sources: McCullagh, Nelder, Generalized Linear Models, section 6.3.2 (the offset); Jorgensen, Exponential Dispersion
Models, 1987 (e times a Tweedie amount is one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import check_amounts
from chainrule.data.frames import is_pandas
from chainrule.data.source import Source
from chainrule.errors import ConfigError, DataError, option
from chainrule.formulas.losses import LogLink, Loss
from chainrule.tables import kinds, reading
from chainrule.tables.data import FitInput, check_lengths
from chainrule.tables.numbers import NumericTargets, Targets, as_loss, as_numbers
from chainrule.tables.rows import in_rows
from chainrule.tables.structure import Table, column_of
from chainrule.tables.times import Times

Exposure = ArrayLike | str
"""one number above 0 for each row, one for all rows, or the name of a column"""
BY_ROW = ""
"""In place of the name of a column: the exposure was passed row by row."""


def read_exposure(X: Table, exposure: Exposure, rows: int) -> NDArray[np.float64]:
    """Return the exposure of each row, (rows,). Raises DataError unless there is one number above 0 for each."""
    if not isinstance(exposure, str) and np.ndim(exposure) == 0:
        exposure = np.full(rows, exposure)
    taken = kinds.take(column_of(X, exposure, "exposure"))
    if taken.kind != "number":
        raise DataError(
            f"{option('exposure')} must be numbers, and has {taken.why.replace('_', ' ')}; convert it."
        )
    values = np.asarray(taken.values, np.float64)
    if len(values) != rows:
        raise DataError(
            f"exposure has {len(values)} values but there are {rows} rows; pass one for each row."
        )
    if (wrong := ~(values > 0)).any():
        raise DataError(
            f"{option('exposure')} must be above 0, and is not {in_rows(wrong)} "
            f"({values[wrong][0]:g}); omit rows without exposure, or correct them."
        )
    return values


def as_rates(
    given: FitInput, exposure: Exposure, kind: type[Targets], parameters: Mapping[str, Any]
) -> FitInput:
    """Return what a fit is given with the rates y / e in place of amounts y, and their weights e^(2 - p).

    kind: the class of the targets.  parameters: the estimator's, by name.
    Raises ConfigError where there are no such rates: for classes, a loss without a logarithm, and a source.
    """
    if given.y is None and not isinstance(given.X, Source):
        return given  # a fit says that it needs them
    if kind is not NumericTargets:
        what = "MLPSurvival predicts times" if kind is Times else "a classifier predicts labels"
        raise ConfigError(f"exposure is of amounts, and {what}; use MLPRegressor, or omit it.")
    loss = as_loss(parameters["loss"], parameters["quantiles"])
    if not isinstance(loss, LogLink):
        raise ConfigError(
            f"{option('exposure')} needs a loss with a logarithm, not {parameters['loss']!r:.60}; use "
            f"{option('loss')}='poisson', 'gamma' or 'tweedie', or predict y / exposure."
        )
    if parameters["scoring"] not in (None, "loss"):
        raise ConfigError("a scorer knows no exposure; use scoring='loss', or omit exposure or scoring.")
    name = exposure if isinstance(exposure, str) else None
    if isinstance(given.X, Source):
        raise ConfigError("exposure needs a table in memory, and X is a source that is read in pieces.")
    if name is not None and parameters["preprocess"] is None and parameters["preset"] is None:
        raise ConfigError(
            f"exposure={name!r:.60} names a column of a table, which needs preprocess='auto'; pass the values, one per "
            "row."
        )
    y, weight = _rates(given.X, given.y, exposure, loss, "y")
    made = given._replace(y=y, rate_weight=weight, exposure=BY_ROW if name is None else name)
    if given.X_val is None or given.y_val is None:
        return made
    if name is None:
        raise ConfigError(
            "X_val needs an exposure too; add it to X and X_val as a column, and pass the name of that as exposure."
        )
    y, weight = _rates(given.X_val, given.y_val, name, loss, "y_val")
    return made._replace(y_val=y, rate_weight_val=weight)


def _rates(
    X: Table, y: object, exposure: Exposure, loss: LogLink, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return y / e, in the shape of y, and e^(2 - p) (n,)."""
    check_lengths(X, y)
    amounts = as_numbers(NumericTargets.read(y, is_new=True))
    if amounts.size:
        check_amounts(float(amounts.min()), loss, name)
    e = read_exposure(X, exposure, len(amounts))
    return amounts / e.reshape(-1, *[1] * (amounts.ndim - 1)), weight_of(e, loss)


def weight_of(e: NDArray[np.float64], loss: Loss) -> NDArray[np.float64]:
    """e^(2 - p)"""
    assert isinstance(loss, LogLink), "a fit with exposure has such a loss"
    return e ** (2 - loss.power)


def exposure_of(
    X: Table, exposure: Exposure | None, fitted: str | None, rows: int
) -> NDArray[np.float64] | None:
    """Return the exposure (rows,) of rows to predict; None where it is not known, for the rate.

    exposure: what was passed; None for the column of the fit, where X has it.  fitted: the name of that, BY_ROW, or
    None for a fit without exposure.  Raises ConfigError for an exposure that the fit had none of.
    """
    if exposure is None:
        return read_exposure(X, fitted, rows) if fitted and _has_column(X, fitted) else None
    if fitted is None:
        raise ConfigError("the fit had no exposure; pass exposure to fit too, or omit it.")
    return read_exposure(X, exposure, rows)


def times_exposure(predicted: NDArray[Any], e: NDArray[np.float64] | None) -> NDArray[Any]:
    """Return the amounts of predicted rates (n, ...); these themselves where the exposure is not known."""
    return predicted if e is None else predicted * e.reshape(-1, *[1] * (predicted.ndim - 1))


def known_exposure(
    X: Table, exposure: Exposure | None, fitted: str | None, rows: int
) -> NDArray[np.float64] | None:
    """Return the exposure (rows,) of amounts that are compared with predictions; None for a fit without exposure.

    Raises ConfigError where it is not known, as amounts are no rates.
    """
    e = exposure_of(X, exposure, fitted, rows)
    if e is None and fitted is not None:
        column = f"pass X with its column {fitted!r}" if fitted else "fit with the name of a column of X"
        raise ConfigError(
            f"the fit had an exposure, and y cannot be compared without it; {column}, or pass exposure."
        )
    return e


def _has_column(X: Table, name: str) -> bool:
    """Return whether a table has a column of this name."""
    if is_pandas(X, "Series"):
        return name in X.index
    found = reading.read(X, known=[name])
    return found.named and name in found.names
