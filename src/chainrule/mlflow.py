"""Models and estimators in MLflow's form: one safetensors file, without pickle, which MLflow loads and serves.

    import chainrule.mlflow

    with mlflow.start_run():
        chainrule.mlflow.log_model(estimator, name="model", input_example=table.head())
    chainrule.mlflow.load_model("models:/m-...")    # the estimator, or the Model, again
    mlflow.pyfunc.load_model("models:/m-...")       # what `mlflow models predict` and `serve` use

The file is what `save` writes, so an estimator's has the preparation of its table, and a race's all its networks. It
loads where MLflow refuses pickle (MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false). Needs the extra `mlflow`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.core.version import __version__
from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRanker, MLPRegressor
from chainrule.model import Ensemble, Model, load_any

try:
    import mlflow.artifacts
    import mlflow.models
    import mlflow.pyfunc
except ImportError as error:
    raise ImportError(
        f"chainrule.mlflow needs {error.name}; install it: pip install 'chainrule[mlflow]'."
    ) from error

FLAVOR_NAME = "chainrule"
FILE = "model.safetensors"
Predictor = Model | Ensemble | MLPClassifier | MLPRanker | MLPRegressor


def get_default_pip_requirements() -> list[str]:
    """Return the packages that a saved model needs: this version of this one."""
    return [f"chainrule=={__version__}"]


def save_model(
    model: Predictor,
    path: str | os.PathLike[str],
    mlflow_model: mlflow.models.Model | None = None,
    signature: mlflow.models.ModelSignature | None = None,
    input_example: RowsLike | None = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a fitted model, ensemble or estimator as an MLflow model to a new folder.

    input_example: some rows, by which the signature is inferred unless one is given: column names, types, and those of
    the predictions.  The other arguments are those of MLflow's own flavors.
    Raises ConfigError for another object.
    """
    if not isinstance(model, Predictor):
        raise ConfigError(
            f"model must be a Model, an Ensemble or an estimator of Chainrule, not {type(model).__name__}."
        )
    if signature is None and input_example is not None:
        answers = Served(model).predict(input_example)
        signature = mlflow.models.infer_signature(input_example, answers)
    made = mlflow.models.Model() if mlflow_model is None else mlflow_model
    made.add_flavor(
        FLAVOR_NAME,
        data=f"data/{FILE}",
        model_class=type(model).__name__,
        chainrule_version=__version__,
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / FILE)
        mlflow.pyfunc.save_model(
            os.fspath(path),
            loader_module=__name__,
            data_path=str(Path(folder) / FILE),
            mlflow_model=made,
            signature=signature,
            input_example=input_example,
            pip_requirements=get_default_pip_requirements() if pip_requirements is None else pip_requirements,
            extra_pip_requirements=extra_pip_requirements,
            metadata=metadata,
        )


def log_model(model: Predictor, name: str | None = None, **options: Any) -> Any:
    """Save a model in the active run, and return MLflow's `ModelInfo`.

    options: those of `save_model`, and of MLflow's `Model.log`, such as registered_model_name, params and tags.
    """
    import chainrule.mlflow as flavor

    return mlflow.models.Model.log(artifact_path=None, name=name, flavor=flavor, model=model, **options)


def load_model(model_uri: str, dst_path: str | None = None) -> Predictor:
    """Return the model, ensemble or estimator of an MLflow model: a folder, or models:/..., runs:/....

    Raises ConfigError for a model of another flavor.
    """
    folder = mlflow.artifacts.download_artifacts(artifact_uri=os.fspath(model_uri), dst_path=dst_path)
    flavors = mlflow.models.Model.load(folder).flavors
    if FLAVOR_NAME not in flavors:
        raise ConfigError(
            f"{model_uri} has no model of Chainrule, but of {', '.join(flavors)}; load it with mlflow.pyfunc."
        )
    return read(Path(folder) / flavors[FLAVOR_NAME]["data"])


def read(path: str | os.PathLike[str]) -> Predictor:
    """Return what a file of `save` has: an estimator, an ensemble or a model."""
    model, extra = load_any(path)
    if "estimator" not in extra:
        return model
    kinds: dict[str, Any] = {"MLPClassifier": MLPClassifier, "MLPRanker": MLPRanker}
    made: Predictor = kinds.get(extra["estimator"]["class"], MLPRegressor).load(path)
    return made


class Served:
    """A model as MLflow's pyfunc calls it."""

    def __init__(self, model: Predictor) -> None:
        """Keep the model."""
        self.model = model

    def predict(self, model_input: RowsLike, params: dict[str, Any] | None = None) -> NDArray[Any]:
        """Return the predictions for rows: labels, or numbers.

        model_input: a data frame, or an array of a tensor signature. Columns without names count by their order.
        """
        names = getattr(self.model, "feature_names_in_", getattr(self.model, "feature_names", None))
        if names is None and hasattr(model_input, "to_numpy"):
            model_input = model_input.to_numpy()
        return np.asarray(self.model.predict(model_input))


def _load_pyfunc(path: str) -> Served:
    """Return the model of a file, as MLflow asks its flavors for it."""
    return Served(read(path))
