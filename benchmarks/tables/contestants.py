"""Who is compared: ours, models of scikit-learn, and the peers of other packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import chainrule
from tables import peers
from tables.peers import is_category

MOST_COLUMNS = 50
"""What a category becomes in the pipeline made by hand: at most so many columns, the rarest in one."""
MOST_BINS = 250
"""What the boosted trees take of a category, 255 at most; the rarest are one."""


def by_hand(X: pd.DataFrame) -> Any:
    """Return what one writes before scikit-learn's MLP: fill what is missing and say so, one-hot, standardize."""
    category = is_category(X)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=10,
        max_categories=MOST_COLUMNS,
        sparse_output=False,
    )
    return ColumnTransformer([("numbers", numbers, ~category), ("categories", categories, category)])


def linear(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """Logistic regression, or ridge regression, behind the pipeline."""
    return make_pipeline(by_hand(X), Ridge() if is_numeric else LogisticRegression(max_iter=500))


def mlp(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """scikit-learn's MLP behind the pipeline: its defaults with early stopping, and the target standardized."""
    settings: dict[str, Any] = {"early_stopping": True, "random_state": seed}
    if is_numeric:
        return TransformedTargetRegressor(
            make_pipeline(by_hand(X), MLPRegressor(**settings)), transformer=StandardScaler()
        )
    return make_pipeline(by_hand(X), MLPClassifier(**settings))


def boosting(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """scikit-learn's boosted trees, with their own handling of categories and missing values, as they come."""
    category = is_category(X)
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MOST_BINS,
    )
    ready = ColumnTransformer([("codes", codes, category), ("numbers", "passthrough", ~category)])
    kind = HistGradientBoostingRegressor if is_numeric else HistGradientBoostingClassifier
    return make_pipeline(ready, kind(categorical_features=range(int(category.sum())), random_state=seed))


def ours(X: pd.DataFrame, is_numeric: bool, seed: int, **settings: Any) -> Any:
    """The package's estimator, which takes the table as it is."""
    kind = chainrule.MLPRegressor if is_numeric else chainrule.MLPClassifier
    return kind(preprocess="auto", random_state=seed, **settings)


def ours_realmlp(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """The package's RealMLP-TD; for log loss without label smoothing and with the epoch chosen by it, as its peer."""
    return ours(X, is_numeric, seed, preset="realmlp", **({} if is_numeric else {"scoring": "loss"}))


CONTESTANTS: dict[str, Callable[[pd.DataFrame, bool, int], Any]] = {
    "ours": ours,
    "best": partial(ours, preset="best", time_limit=60),
    "ours-realmlp": ours_realmlp,
    "mlp": mlp,
    "boosting": boosting,
    "linear": linear,
    "catboost": peers.catboost,
    "lightgbm": peers.lightgbm,
    "xgboost": peers.xgboost,
    "realmlp": peers.realmlp,
    "realmlp-s": peers.realmlp_s,
    "tabm": peers.tabm,
}
OWN = ("ours", "best", "ours-realmlp")
"""The package's."""
TITLES = {
    "ours": "Chainrule",
    "best": 'Chainrule "best"',
    "ours-realmlp": 'Chainrule "realmlp"',
    "mlp": "scikit-learn's MLP",
    "boosting": "HistGradientBoosting",
    "linear": "linear",
    "catboost": "CatBoost",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "realmlp": "RealMLP-TD",
    "realmlp-s": "RealMLP-TD-S",
    "tabm": "TabM-mini",
}
