"""Peers that choose their models themselves, and a glass box, each as an estimator that can also be saved."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Protocol, Self

import pandas as pd

from tables import contestants
from tables.cells import threads
from tables.peers import named

LABEL = "the target"
FILE = "model.safetensors"


def classification(y: pd.Series) -> str:
    """Return what a classification is called by these packages: binary or multiclass."""
    return "binary" if y.nunique() == 2 else "multiclass"


class Contestant(Protocol):
    """What is compared."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Choose and fit, within the time limit."""

    def predict(self, X: pd.DataFrame) -> Any:
        """Return (n,) numbers."""

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Return (n, classes) probabilities, in the order of the sorted labels."""

    def saved(self, folder: Path) -> None:
        """Save what a later process needs to predict."""


def texts(X: pd.DataFrame) -> pd.DataFrame:
    """Return a table with pandas' objects for text, which is what these packages expect."""
    names = [name for name in X.columns if isinstance(X[name].dtype, pd.StringDtype)]
    return X.assign(**{name: X[name].astype(object).where(X[name].notna(), None) for name in names})


class Ours:
    """The package's estimator. What predicts is its compact file, loaded again."""

    def __init__(self, seconds: float, seed: int, *, is_numeric: bool, **settings: Any) -> None:
        """Keep the estimator."""
        self.net = contestants.ours(pd.DataFrame(), is_numeric, seed, **settings)

    @classmethod
    def best(cls, seconds: float, seed: int, *, is_numeric: bool) -> Self:
        """A race with the time limit."""
        return cls(seconds, seed, is_numeric=is_numeric, preset="best", time_limit=seconds)

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Fit it, save it and load it."""
        self.net.fit(X, y)
        with tempfile.TemporaryDirectory() as folder:
            self.saved(Path(folder))
            self.net = type(self.net).load(Path(folder) / FILE)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        """Predict."""
        return self.net.predict(X)

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Predict."""
        return self.net.predict_proba(X)

    def saved(self, folder: Path) -> None:
        """One file."""
        self.net.save(folder / FILE, compact=True)


class Peer:
    """A peer whose inner model is told tables by `texts`, and is saved by pickle, as its documentation does."""

    inner: Any

    def __init__(self, seconds: float, seed: int, *, is_numeric: bool) -> None:
        """Keep the settings."""
        self.seconds, self.seed, self.is_numeric = seconds, seed, is_numeric

    def predict(self, X: pd.DataFrame) -> Any:
        """Predict."""
        return self.inner.predict(texts(X))

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Predict."""
        return self.inner.predict_proba(texts(X))

    def saved(self, folder: Path) -> None:
        """Save it."""
        named("joblib", "dump")(self.inner, folder / "model.pkl")


class AutoGluon(Peer):
    """Its predictor. Its own default, medium_quality, stops by itself long before a minute is over on small tables."""

    def __init__(
        self, seconds: float, seed: int, *, is_numeric: bool, presets: str = "medium_quality"
    ) -> None:
        """Keep the settings."""
        super().__init__(seconds, seed, is_numeric=is_numeric)
        self.presets = presets
        self.home = tempfile.TemporaryDirectory()

    @classmethod
    def best(cls, seconds: float, seed: int, *, is_numeric: bool) -> Self:
        """Its preset for accuracy: bagging and stacking."""
        return cls(seconds, seed, is_numeric=is_numeric, presets="best_quality")

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Fit it, for the score that the page shows; then keep its models in memory, as it advises for single rows."""
        kind = named("autogluon.tabular", "TabularPredictor")
        metric = "root_mean_squared_error" if self.is_numeric else "log_loss"
        task = "regression" if self.is_numeric else classification(y)  # it takes whole numbers for labels
        self.inner = kind(
            label=LABEL, problem_type=task, eval_metric=metric, path=self.home.name, verbosity=0
        )
        table = texts(X).assign(**{LABEL: y.to_numpy()})
        self.inner.fit(table, presets=self.presets, time_limit=self.seconds, num_cpus=threads(), num_gpus=0)
        self.inner.persist()
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        """Predict."""
        return self.inner.predict(texts(X)).to_numpy()

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Predict."""
        found = self.inner.predict_proba(texts(X))
        return found[sorted(found.columns)].to_numpy()

    def saved(self, folder: Path) -> None:
        """What it keeps for deployment: the models that the chosen one needs."""
        self.inner.clone_for_deployment(str(folder / "deployment"))


class Flaml(Peer):
    """Its AutoML."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Fit it."""
        task, metric = ("regression", "rmse") if self.is_numeric else ("classification", "log_loss")
        self.inner = named("flaml", "AutoML")()
        self.inner.fit(
            texts(X),
            y.to_numpy(),
            task=task,
            metric=metric,
            time_budget=self.seconds,
            n_jobs=threads(),
            seed=self.seed,
            verbose=0,
        )
        return self


class Mljar(Peer):
    """mljar-supervised in its mode for accuracy."""

    def __init__(self, seconds: float, seed: int, *, is_numeric: bool) -> None:
        """Keep the settings, and a folder for its models."""
        super().__init__(seconds, seed, is_numeric=is_numeric)
        self.home = tempfile.TemporaryDirectory()

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Fit it."""
        kind = named("supervised.automl", "AutoML")
        self.inner = kind(
            results_path=str(Path(self.home.name) / "results"),
            mode="Compete",
            ml_task="regression" if self.is_numeric else f"{classification(y)}_classification",
            total_time_limit=round(self.seconds),
            eval_metric="rmse" if self.is_numeric else "logloss",
            n_jobs=threads(),
            random_state=self.seed,
            verbose=0,
        )
        self.inner.fit(texts(X), y.to_numpy())
        return self

    def saved(self, folder: Path) -> None:
        """Its folder, from which it predicts, without the reports that it writes for readers."""
        for path in Path(self.home.name).rglob("*"):
            if path.is_file() and path.suffix not in (".png", ".svg", ".md", ".html"):
                to = folder / path.relative_to(self.home.name)
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(path.read_bytes())


class Ebm(Peer):
    """interpret's explainable boosting machine as it comes; it has no time limit."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Fit it."""
        task = "Regressor" if self.is_numeric else "Classifier"
        kind = named("interpret.glassbox", f"ExplainableBoosting{task}")
        self.inner = kind(random_state=self.seed, n_jobs=threads())
        self.inner.fit(texts(X), y.to_numpy())
        return self


class Make(Protocol):
    """What makes a contestant."""

    def __call__(self, seconds: float, seed: int, *, is_numeric: bool) -> Contestant:
        """Return it, not fitted."""


AUTOML: dict[str, Make] = {
    "best": Ours.best,
    "autogluon-best": AutoGluon.best,
    "autogluon": AutoGluon,
    "flaml": Flaml,
    "mljar": Mljar,
    "ebm": Ebm,
    "ours": Ours,
}
TITLES = {
    "best": 'Chainrule "best"',
    "autogluon-best": "AutoGluon best",
    "autogluon": "AutoGluon",
    "flaml": "FLAML",
    "mljar": "mljar",
    "ebm": "EBM",
    "ours": "Chainrule",
}
PACKAGES = (
    "autogluon.tabular",
    "flaml",
    "mljar-supervised",
    "interpret-core",
    "numpy",
    "pandas",
    "torch",
)
