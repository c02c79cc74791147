"""Peers of other packages, each imported when it is asked for: boosted trees, and networks for tables in PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder

from tables.cells import threads

MISSING = "missing"


class PeerError(Exception):
    """A peer whose package is not installed, with the sentence that says so."""


def named(module: str, name: str) -> Any:
    """Import a class of a peer's package. Raises PeerError where it is not installed."""
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise PeerError(f"{module} cannot be imported ({error}); `make bench-tables` installs it.") from error


def is_category(X: pd.DataFrame) -> np.ndarray:
    """Say of each column whether it has categories: text, or yes and no."""
    return np.array([not pd.api.types.is_any_real_numeric_dtype(dtype) for dtype in X.dtypes])


class Categories(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Give columns of categories those of the rows fitted as pandas's type; one that was not seen is missing.

    fill: also replace missing numbers by the median, with a column of their places, and missing categories by a word.
    """

    def __init__(self, fill: bool = False) -> None:
        """Keep the setting."""
        self.fill = fill

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn each column's categories, or its median."""
        self.categories_ = {
            name: sorted(set(X[name].dropna().astype(str)) | ({MISSING} if self.fill else set()))
            for name in X.columns[is_category(X)]
        }
        self.medians_ = X.drop(columns=list(self.categories_)).median()
        self.gaps_ = [name for name in self.medians_.index if X[name].isna().any()]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the columns in their types."""
        columns: dict[str, Any] = {}
        for name in X.columns:
            column = X[name]
            if name in self.categories_:
                known = self.categories_[name]
                text = column.astype(object).where(column.isna(), column.astype(str))
                text = text.where(text.isin(known), MISSING if self.fill else None)
                columns[name] = pd.Categorical(text, categories=known)
            else:
                number = column.astype(float)
                columns[name] = number.fillna(self.medians_[name]) if self.fill else number
        if self.fill:
            columns |= {f"{name} is missing": X[name].isna().astype(float) for name in self.gaps_}
        return pd.DataFrame(columns, index=X.index)


class Coded(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier for one that takes the numbers of the classes only."""

    def __init__(self, inner: Any) -> None:
        """Keep the classifier."""
        self.inner = inner

    def fit(self, X: Any, y: Any) -> Self:
        """Number the classes in their sorted order, and fit."""
        coder = LabelEncoder().fit(y)
        self.classes_ = coder.classes_
        self.inner.fit(X, coder.transform(y))
        return self

    def predict_proba(self, X: Any) -> Any:
        """Return (n, classes), in that order."""
        return self.inner.predict_proba(X)


def catboost(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """CatBoost as it comes; it is told which columns have categories."""
    kind = named("catboost", "CatBoostRegressor" if is_numeric else "CatBoostClassifier")
    settings = {
        "random_seed": seed,
        "thread_count": threads(),
        "verbose": False,
        "allow_writing_files": False,
    }

    class Told(BaseEstimator):  # type: ignore[misc]
        """It takes its columns by name, and text for categories."""

        def fit(self, X: pd.DataFrame, y: Any) -> Self:
            """Fit it."""
            names = list(X.columns[is_category(X)])
            self.model = kind(cat_features=names, **settings).fit(texts(X), y)
            return self

        def predict(self, X: pd.DataFrame) -> Any:
            """Predict numbers."""
            return self.model.predict(texts(X))

        def predict_proba(self, X: pd.DataFrame) -> Any:
            """Predict probabilities."""
            return self.model.predict_proba(texts(X))

    def texts(X: pd.DataFrame) -> pd.DataFrame:
        names = X.columns[is_category(X)]
        return X.assign(**{name: X[name].astype(object).fillna(MISSING).astype(str) for name in names})

    return Told()


def lightgbm(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """LightGBM as it comes, with pandas's categories."""
    kind = named("lightgbm", "LGBMRegressor" if is_numeric else "LGBMClassifier")
    return make_pipeline(Categories(), kind(random_state=seed, n_jobs=threads(), verbose=-1))


def xgboost(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """XGBoost as it comes, with pandas's categories."""
    kind = named("xgboost", "XGBRegressor" if is_numeric else "XGBClassifier")
    model = kind(random_state=seed, n_jobs=threads(), enable_categorical=True)
    return make_pipeline(Categories(), model if is_numeric else Coded(model))


def _pytabkit(name: str, is_numeric: bool, seed: int, **settings: Any) -> Any:
    kind = named("pytabkit", f"{name}_{'Regressor' if is_numeric else 'Classifier'}")
    model = kind(random_state=seed, device="cpu", n_threads=threads(), verbosity=0, **settings)
    return make_pipeline(Categories(fill=True), model)


def realmlp(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """pytabkit's RealMLP-TD; for log loss without label smoothing, as its authors advise."""
    smoothing = {} if is_numeric else {"use_ls": False, "val_metric_name": "cross_entropy"}
    return _pytabkit("RealMLP_TD", is_numeric, seed, **smoothing)


def realmlp_s(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """pytabkit's RealMLP-TD-S, likewise."""
    smoothing = {} if is_numeric else {"use_ls": False, "val_metric_name": "cross_entropy"}
    return _pytabkit("RealMLP_TD_S", is_numeric, seed, **smoothing)


def tabm(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """pytabkit's TabM with piecewise-linear embeddings, the paper's default."""
    settings: dict[str, Any] = {"arch_type": "tabm-mini", "num_emb_type": "pwl", "d_embedding": 16}
    if not is_numeric:
        settings["val_metric_name"] = "cross_entropy"
    return _pytabkit("TabM_D", is_numeric, seed, **settings)
