"""Chainrule: fully connected networks. Define one, train it by backpropagation, see through every number of it.

The public names are loaded when they are first used, so that `import chainrule` takes little time; type checkers read
the imports at the top of this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.core.version import __version__ as __version__
    from chainrule.data.source import ArraySource as ArraySource
    from chainrule.data.source import BatchSource as BatchSource
    from chainrule.data.source import Source as Source
    from chainrule.datasets.parquet_source import ParquetSource as ParquetSource
    from chainrule.engines import ENGINES as ENGINES
    from chainrule.errors import ChainruleError as ChainruleError
    from chainrule.errors import ConfigError as ConfigError
    from chainrule.errors import DataError as DataError
    from chainrule.errors import DistributedError as DistributedError
    from chainrule.errors import FormatError as FormatError
    from chainrule.errors import LeakWarning as LeakWarning
    from chainrule.errors import NonFiniteError as NonFiniteError
    from chainrule.errors import ShapeError as ShapeError
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRanker as MLPRanker
    from chainrule.estimators import MLPRegressor as MLPRegressor
    from chainrule.estimators import MLPSurvival as MLPSurvival
    from chainrule.formulas.initializers import Constant as Constant
    from chainrule.formulas.initializers import GlorotNormal as GlorotNormal
    from chainrule.formulas.initializers import GlorotUniform as GlorotUniform
    from chainrule.formulas.initializers import HeNormal as HeNormal
    from chainrule.formulas.initializers import HeUniform as HeUniform
    from chainrule.formulas.initializers import LeCunNormal as LeCunNormal
    from chainrule.formulas.initializers import LeCunUniform as LeCunUniform
    from chainrule.formulas.initializers import Normal as Normal
    from chainrule.formulas.initializers import Orthogonal as Orthogonal
    from chainrule.formulas.initializers import PerFeature as PerFeature
    from chainrule.formulas.initializers import RandomSign as RandomSign
    from chainrule.formulas.initializers import SameForMembers as SameForMembers
    from chainrule.formulas.initializers import Uniform as Uniform
    from chainrule.formulas.layers import *  # noqa: F403
    from chainrule.formulas.losses import BinaryCrossEntropy as BinaryCrossEntropy
    from chainrule.formulas.losses import CategoricalCrossEntropy as CategoricalCrossEntropy
    from chainrule.formulas.losses import FocalCrossEntropy as FocalCrossEntropy
    from chainrule.formulas.losses import Gamma as Gamma
    from chainrule.formulas.losses import Huber as Huber
    from chainrule.formulas.losses import Loss as Loss
    from chainrule.formulas.losses import LossFunction as LossFunction
    from chainrule.formulas.losses import MeanAbsoluteError as MeanAbsoluteError
    from chainrule.formulas.losses import MeanSquaredError as MeanSquaredError
    from chainrule.formulas.losses import OrdinalCrossEntropy as OrdinalCrossEntropy
    from chainrule.formulas.losses import Poisson as Poisson
    from chainrule.formulas.losses import Quantile as Quantile
    from chainrule.formulas.losses import SigmoidCrossEntropy as SigmoidCrossEntropy
    from chainrule.formulas.losses import SoftmaxCrossEntropy as SoftmaxCrossEntropy
    from chainrule.formulas.losses import SurvivalCrossEntropy as SurvivalCrossEntropy
    from chainrule.formulas.losses import Tweedie as Tweedie
    from chainrule.formulas.mean_over_members import MeanOverMembers as MeanOverMembers
    from chainrule.formulas.optimizers import LBFGS as LBFGS
    from chainrule.formulas.optimizers import SGD as SGD
    from chainrule.formulas.optimizers import Adagrad as Adagrad
    from chainrule.formulas.optimizers import Adam as Adam
    from chainrule.formulas.optimizers import AdamW as AdamW
    from chainrule.formulas.optimizers import AMSGrad as AMSGrad
    from chainrule.formulas.optimizers import GradientDescent as GradientDescent
    from chainrule.formulas.optimizers import Nadam as Nadam
    from chainrule.formulas.optimizers import Optimizer as Optimizer
    from chainrule.formulas.optimizers import RMSprop as RMSprop
    from chainrule.formulas.schedules import Cosine as Cosine
    from chainrule.formulas.schedules import CosLog as CosLog
    from chainrule.formulas.schedules import Exponential as Exponential
    from chainrule.formulas.schedules import FlatCosine as FlatCosine
    from chainrule.formulas.schedules import InverseScaling as InverseScaling
    from chainrule.formulas.schedules import OneCycle as OneCycle
    from chainrule.formulas.schedules import ReduceOnPlateau as ReduceOnPlateau
    from chainrule.formulas.schedules import Schedule as Schedule
    from chainrule.formulas.schedules import StepDecay as StepDecay
    from chainrule.inspection.flow.callback import GradientFlow as GradientFlow
    from chainrule.model import Ensemble as Ensemble
    from chainrule.model import Model as Model
    from chainrule.model import compare as compare
    from chainrule.model import load as load
    from chainrule.model import open as open
    from chainrule.network.blocks import Residual as Residual
    from chainrule.network.blocks import Skip as Skip
    from chainrule.network.constraints import Constraints as Constraints
    from chainrule.network.network import Network as Network
    from chainrule.tables.preprocessor import TablePreprocessor as TablePreprocessor
    from chainrule.training import Augment as Augment
    from chainrule.training import Callback as Callback
    from chainrule.training import Checkpoint as Checkpoint
    from chainrule.training import Clip as Clip
    from chainrule.training import Compute as Compute
    from chainrule.training import CSVLog as CSVLog
    from chainrule.training import EarlyStopping as EarlyStopping
    from chainrule.training import History as History
    from chainrule.training import ProgressBar as ProgressBar
    from chainrule.training import Schedules as Schedules
    from chainrule.training import StopAt as StopAt
    from chainrule.training import TimeLimit as TimeLimit
    from chainrule.training.without_backprop import CMAES as CMAES
    from chainrule.training.without_backprop import METHODS as METHODS
    from chainrule.training.without_backprop import SPSA as SPSA
    from chainrule.training.without_backprop import Backpropagation as Backpropagation
    from chainrule.training.without_backprop import CentralDifferences as CentralDifferences
    from chainrule.training.without_backprop import FeedbackAlignment as FeedbackAlignment
    from chainrule.training.without_backprop import ForwardDifferences as ForwardDifferences
    from chainrule.training.without_backprop import ForwardGradient as ForwardGradient
    from chainrule.training.without_backprop import Method as Method
    from chainrule.training.without_backprop import NoTraining as NoTraining
    from chainrule.training.without_backprop import OpenAIES as OpenAIES
    from chainrule.training.without_backprop import RandomFeatures as RandomFeatures
    from chainrule.training.without_backprop import RandomSearch as RandomSearch

_HOMES = {
    "core.version": "__version__",
    "network.blocks": "Residual Skip",
    "network.constraints": "Constraints",
    "data.source": "ArraySource BatchSource Source",
    "datasets.parquet_source": "ParquetSource",
    "engines": "ENGINES",
    "estimators": "MLPClassifier MLPRanker MLPRegressor MLPSurvival",
    "tables.preprocessor": "TablePreprocessor",
    "errors": (
        "ChainruleError ConfigError DataError DistributedError FormatError LeakWarning NonFiniteError ShapeError"
    ),
    "formulas.initializers": (
        "Constant GlorotNormal GlorotUniform HeNormal HeUniform LeCunNormal LeCunUniform Normal "
        "Orthogonal PerFeature RandomSign SameForMembers Uniform"
    ),
    "inspection.flow.callback": "GradientFlow",
    "formulas.losses": (
        "BinaryCrossEntropy CategoricalCrossEntropy FocalCrossEntropy Gamma Huber Loss LossFunction "
        "MeanAbsoluteError MeanSquaredError OrdinalCrossEntropy Poisson Quantile SigmoidCrossEntropy "
        "SoftmaxCrossEntropy SurvivalCrossEntropy Tweedie"
    ),
    "formulas.mean_over_members": "MeanOverMembers",
    "model": "Ensemble Model compare load open",
    "network.network": "Network",
    "formulas.optimizers": "AMSGrad Adagrad Adam AdamW GradientDescent LBFGS Nadam Optimizer RMSprop SGD",
    "formulas.schedules": (
        "CosLog Cosine Exponential FlatCosine InverseScaling OneCycle ReduceOnPlateau Schedule StepDecay"
    ),
    "training": (
        "Augment CSVLog Callback Checkpoint Clip Compute EarlyStopping History ProgressBar Schedules "
        "StopAt TimeLimit"
    ),
    "training.without_backprop": (
        "CMAES METHODS Backpropagation CentralDifferences FeedbackAlignment ForwardDifferences "
        "ForwardGradient Method NoTraining OpenAIES RandomFeatures RandomSearch SPSA"
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def _names() -> dict[str, str]:
    """Return every public name with its module; the names of layers come from `formulas.layers`."""
    layers = import_module("chainrule.formulas.layers")
    return _HOME | dict.fromkeys(layers.__all__, "formulas.layers")


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name == "__all__":
        return sorted(_names())
    home = _HOME.get(name) or (None if name.startswith("_") else _names().get(name))
    if home is None:
        elsewhere = import_module("chainrule.core.elsewhere")
        end = elsewhere.instead_of(name, elsewhere.PACKAGE)
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}{end}", name=name)
    value = getattr(import_module(f"chainrule.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *_names(), "__all__"})
