"""Ensembles: several models of one network whose predictions are averaged, trained in lock-step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.random import member_seed
from chainrule.data import checks
from chainrule.data.samples import Samples
from chainrule.engines import ForwardWalks, Plan, select
from chainrule.errors import ConfigError, FormatError, counted
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.model.model import Model
from chainrule.network.network import Network
from chainrule.network.start import MEMORY
from chainrule.network.summary import Summary
from chainrule.trained import persistence
from chainrule.trained.evaluation import BATCH, KeptWalks, average, disagreement, outputs_of_each
from chainrule.trained.files import FileMixin, ranges_in
from chainrule.trained.predictor import Predictor
from chainrule.training.history import History

if TYPE_CHECKING:
    from chainrule.export.formats import ExportedFiles
    from chainrule.formulas.schedules import Schedule
    from chainrule.graph.graph import ComputationGraph
    from chainrule.inspection.attribution import Attribution
    from chainrule.training.options import Clip, Compute, EngineName, Former, Schedules


def _of_members(name: str, doc: str) -> Any:
    """Return a property with the first member's value, whose setter sets it in all members."""

    def get(self: Ensemble) -> Any:
        return getattr(self.members[0], name)

    def put(self: Ensemble, value: object) -> None:
        for member in self.members:
            setattr(member, name, value)

    return property(get, put, doc=doc)


class Ensemble(FileMixin):
    """Several models of one network with different initial weights, whose predictions are averaged.

        ensemble = Ensemble(Network(8, [Dense(64), ReLU(), Dense(1)], MeanSquaredError()), 5)
        ensemble.fit(X, y, validation_fraction=0.2, callbacks=[EarlyStopping()], epochs=100)
        ensemble.predict(X), ensemble.spread(X), ensemble.members[0].trace(X[0], y[0])

    network: the architecture of every member.  n_members: the number of members.
    seed: integer in [0, 2^32) from which the members' seeds are drawn: the same seed, data and settings give the same
        bits for any number of cores.
    dtype: "float32" or "float64".

    Predictions are averaged: probabilities in classification, numbers in regression. `members` is a list of `Model`,
    each of which can be traced, explained and saved on its own.
    Source: Lakshminarayanan, Pritzel, Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles, 2017.
    """

    has_members = True
    network = _of_members("network", "The architecture of every member.")
    classes = _of_members(
        "classes", "The label of each class index; None before training, and for numeric targets."
    )
    target_scale = _of_members("target_scale", "Mean and std of the targets; None without `scale_targets`.")
    frozen = _of_members("frozen", "The names of the links that are excluded from training.")
    epochs_trained = _of_members("epochs_trained", "The epochs that the members were trained for.")
    steps_trained = _of_members("steps_trained", "The steps that the members were trained for.")
    _feature_names = _of_members("_feature_names", "The names of the inputs; None without a data frame.")

    def __init__(
        self, network: Network, n_members: int = 5, *, seed: int = 0, dtype: DTypeLike = "float32"
    ) -> None:
        """Draw the initial parameters of each member."""
        count = checks.check_count(n_members, "n_members")
        seed = checks.check_seed(seed)
        self._hold([Model(network, seed=member_seed(seed, i), dtype=dtype) for i in range(count)], seed)

    @classmethod
    def of(cls, models: Sequence[Model], *, seed: int = 0) -> Self:
        """Return an ensemble of existing models, which are not copied, such as those of a cross-validation.

        Raises ConfigError unless they have the same network, dtype, target scale, labels and feature names.
        """
        models = list(models)
        if not models or not all(isinstance(model, Model) for model in models):
            raise ConfigError(f"models must be a list of at least one Model, not {models!r}.")
        for i, model in enumerate(models):
            if (name := _differing(models[0], model)) is not None:
                raise ConfigError(f"models must have the same {name}, but those of model {i} differ.")
        made = cls.__new__(cls)
        made._hold(models, checks.check_seed(seed))
        return made

    def _hold(self, members: list[Model], seed: int = 0) -> None:
        self.members, self.seed = members, seed
        self.dtype = members[0].dtype
        self.history = History()
        """the record of the last call of `fit`"""
        self._in_training = np.ones(len(members), bool)
        self._theta = np.empty((0, 0))
        self._kept = KeptWalks()

    # --- its members ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.members)

    def __getitem__(self, i: int) -> Model:
        """Return a member."""
        return self.members[i]

    def __iter__(self) -> Iterator[Model]:
        """Iterate over the members."""
        return iter(self.members)

    @property
    def seeds(self) -> list[int]:
        """The seed of each member."""
        return [member.seed for member in self.members]

    @property
    def theta(self) -> NDArray[Any]:  # type: ignore[override]
        """All parameters (members, size); row i is the theta of member i, in the same memory."""
        rows = [member.theta for member in self.members]
        is_shared = len(self._theta) == len(rows) and all(map(_is_same, rows, self._theta))
        if not is_shared:  # a member or its theta was replaced
            self._theta = np.stack(rows)
            for member, row in zip(self.members, self._theta, strict=True):
                member.theta = row
        return self._theta

    @property
    def states(self) -> dict[str, Any]:
        """The running statistics of all members: those of member 2 under "2/batch_norm_1"."""
        from chainrule.training.ensemble import joined

        return joined([member.states for member in self.members])

    @states.setter
    def states(self, states: dict[str, Any]) -> None:
        from chainrule.training.ensemble import of_each

        for member, own in zip(self.members, of_each(states, len(self)), strict=True):
            member.states = own
        self._in_training = np.array(states["members"].in_training)

    def keep_history(self, history: History) -> None:
        """Keep the record of the fit that chose how long this one was trained, in place of its own."""
        self.history = history

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: RowsLike,
        y: TargetsLike = None,
        *,
        epochs: int = 10,
        batch_size: int | None = 128,
        optimizer: AnyOptimizer | str | None = None,
        schedule: Schedule | Schedules | str | None = None,
        validation_data: tuple[Any, Any] | Samples | None = None,
        validation_fraction: float | None = None,
        sample_weight: ArrayLike | None = None,
        slopes: ArrayLike | None = None,
        slope_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        callbacks: Iterable[Any] = (),
        scale_targets: bool | Literal["clamp"] | None = None,
        shuffle: bool = True,
        own_batches: bool = True,
        clip: float | Clip | None = None,
        resume: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        engine: EngineName | Compute = "auto",
        **former: Unpack[Former],
    ) -> History:
        """Train all members on X and y, epoch by epoch together, and return the history of the run.

        The arguments are those of `Model.fit` except method, and one more; `callbacks=[TimeLimit(60)]` limits the
        seconds.
        own_batches: whether each member has its own order of the samples, that of a `Model` with its seed; otherwise
        all have the same batches.

        As many members are trained at once as there are cores, one on each. A record of the history has the members'
        mean training loss, and the validation loss and metrics of the average; so early stopping, its best epoch and
        `ReduceOnPlateau` use the average, for all members together. A run that ends within an epoch, by Ctrl-C, an
        error, or a time limit that does not shorten it, returns to the last whole epoch; one that a time limit ends
        within the first epoch keeps its parameters. A member whose step produces NaN or infinity is removed from the
        ensemble with a warning.

        Raises ConfigError for a solver such as LBFGS and for invalid settings, ShapeError for shapes that do not match,
        DataError for unusable values, and NonFiniteError if the last member diverges.
        """
        from chainrule.training import as_callbacks
        from chainrule.training.arguments import checked_fit
        from chainrule.training.ensemble import ByMembers, WholeEpochs
        from chainrule.training.options import Clip, Compute, FitOptions, Schedules, as_optimizer, with_former

        if isinstance(as_optimizer(optimizer), Solver):
            raise ConfigError(
                "an ensemble is trained with a first-order optimizer such as Adam, not with a solver."
            )
        options = FitOptions(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            schedule=Schedules.of(schedule),
            validation_data=validation_data,
            validation_fraction=validation_fraction,
            sample_weight=sample_weight,
            slopes=slopes,
            slope_weight=slope_weight,
            class_weight=class_weight,
            metrics=metrics,
            callbacks=[WholeEpochs(), *as_callbacks(callbacks)],
            scale_targets=scale_targets,
            shuffle=shuffle,
            clip=Clip.of(clip),
            resume=resume,
            verbose=verbose,
            engine=Compute.of(engine),
        )
        options = with_former(options, former)
        trainer = ByMembers(tuple(self.seeds), bool(own_batches))
        order = trainer.order if shuffle and own_batches else None
        self._in_training = np.ones(len(self.members), bool)
        try:
            return checked_fit(self, X, y, options, members=self.members, trainer=trainer, order=order)
        finally:
            self.leave_out_diverged()

    def leave_out_diverged(self) -> None:
        """Remove the members that diverged in the last run; called at the end of `fit`."""
        self.members = self._live()
        self._in_training = np.ones(len(self.members), bool)

    def _live(self) -> list[Model]:
        """Return the members without those that diverged in the current run."""
        return [m for m, in_training in zip(self.members, self._in_training, strict=True) if in_training]

    def start_on(self, X: RowsLike, *, memory: float = MEMORY) -> Ensemble:
        """Initialize each member on samples with its own seed, as `Model.start_on` does; return the ensemble."""
        for member in self.members:
            member.start_on(X, memory=memory)
        return self

    # --- prediction ----------------------------------------------------------------------------------------------

    def outputs_of_each(
        self,
        X: RowsLike,
        *,
        engine: str = "auto",
        batch_size: int = BATCH,
        precision: str | None = None,
    ) -> NDArray[Any]:
        """Return the outputs of every member (members, n, outputs), as `Model.outputs` gives them."""
        rows = self._checked_rows(X)
        out = self._walk_each(rows, engine, checks.check_count(batch_size, "batch_size"), precision)
        return out if self.target_scale is None else self.target_scale.restore(out)

    def spread(self, X: RowsLike, *, engine: str = "auto", precision: str | None = None) -> NDArray[Any]:
        """Return the disagreement of the members: the standard deviation of their predictions, as an uncertainty.

        For regression that of numbers (n,) or (n, outputs), in the units of y; for classification that of
        probabilities, in the shape of `predict_proba`. It is 0 for a single member, and measures the uncertainty about
        the function, not the noise in y.  precision: as in `predict`.
        """
        out = self.outputs_of_each(X, engine=engine, precision=precision)
        self._warn_if_untrained()
        return disagreement(self.network, out)

    def quantize(self, X: RowsLike) -> Self:
        """Measure the ranges of every member's values, as `Model.quantize` does; return the ensemble."""
        for member in self.members:
            member.quantize(X)
        return self

    def _walk_each(
        self, X: RowsLike, engine: str, batch_size: int, precision: str | None = None
    ) -> NDArray[Any]:
        members = self._live()
        if precision == "int8":
            return np.stack([m.raw_outputs(X, engine, batch_size, precision) for m in members])
        thetas, states = [m.theta for m in members], [m.states for m in members]
        walks = self._kept.of(self.network, thetas[0].dtype, engine, X.shape[0], precision)
        if walks is None:
            rows = min(batch_size, 1 << max(X.shape[0] - 1, 0).bit_length())
            chosen = select(engine, Plan(self.network, dtype=thetas[0].dtype, precision=precision))
            walks = ForwardWalks(chosen, self.network, rows, precision)
        return outputs_of_each(walks, thetas, states, X)

    def raw_outputs(
        self, X: RowsLike, engine: str, batch_size: int, precision: str | None = None
    ) -> NDArray[Any]:
        """Compute the outputs (n, fan_out) of the average for checked rows, in the units of the loss."""
        return average(self.network, self._walk_each(X, engine, batch_size, precision))

    def _warn_if_untrained(self) -> None:
        self.members[0]._warn_if_untrained()

    def bind(self, *, engine: str = "auto", precision: str | None = None, rows: RowsLike = None) -> Predictor:
        """Return a snapshot of `pack()` with `predict`, `predict_proba` and `outputs`, for one row in microseconds.

        Its outputs (n, members * outputs) are those of all members. precision, rows: as in `Model.bind`; "int8" needs
        the rows. Raises ConfigError as `pack`.
        """
        return self.pack().bind(engine=engine, precision=precision, rows=rows)

    def pack(self) -> Model:
        """Return one model with the members side by side in columns, which predicts the same up to rounding.

        A single network can be bound for one row in microseconds, traced, exported and saved in one file. A Dense
        becomes a `GroupedDense`; `Standardize` and similar layers are kept if all members have the same values, and a
        `PiecewiseLinearEmbedding` with common edges looks up the vectors of all members at once.
        The parameters are copied. Raises ConfigError for a layer without such a form, such as Softmax.
        """
        from chainrule.network.side_by_side import joined_states, joined_theta, same_states, side_by_side

        network, states = self.network, [member.states for member in self.members]
        packed = side_by_side(network, len(self), same_states(network, states))
        made = Model.with_theta(
            packed, joined_theta(network, packed, [m.theta for m in self.members]), seed=self.seed
        )
        trained = self.epochs_trained, self.steps_trained
        made.take(made.theta, joined_states(network, packed, states), trained)
        made.describe(self.classes, self.feature_names, self.target_scale)
        pairs = zip(network.slots, packed.slots, strict=True)
        made.frozen = frozenset(new.link.name for old, new in pairs if old.link.name in self.frozen)
        made.is_fresh = self.members[0].is_fresh
        return made

    def attribute(self, X: RowsLike, method: str | None = None, **settings: Any) -> Attribution:
        """Attribute an output to the features of each sample, as `Model.attribute` does for `pack()`.

        f is the mean of the members' outputs, and so the values are the mean of the members' values, by every method
        but saliency, which has absolute values, and epsilon_lrp, which divides. Raises ConfigError as `pack`.
        """
        return self.pack().attribute(X, method, **settings)

    def graph(self) -> ComputationGraph:
        """Return what the members compute together, as `Model.graph` does."""
        from chainrule.graph.networks import graph_of

        return graph_of(self.members)

    def export(self, path: str | os.PathLike[str], X: RowsLike = None, **settings: Any) -> ExportedFiles:
        """Write all members and their average for another place to run in, as `Model.export` does."""
        from chainrule.export.formats import export_members

        return export_members(self.members, path, X, settings)

    # --- files and reports ---------------------------------------------------------------------------------------

    def summary(self, batch_size: int = 128) -> Summary:
        """Return the table of the layers of one member. Print it."""
        return self.members[0].summary(batch_size)

    def _metadata(self) -> dict[str, Any]:
        ranges = [member.ranges for member in self.members]
        return super()._metadata() | {"seeds": self.seeds} | ({} if None in ranges else {"ranges": ranges})

    def _states_of_file(self) -> list[dict[str, Any]]:
        return [member.states for member in self.members]

    @classmethod
    def of_saved(cls, path: str | os.PathLike[str], saved: persistence.Saved) -> Self:
        """Return the ensemble that a file has. Raises FormatError for metadata that none has."""
        try:
            seeds = [checks.check_seed(seed, "seeds") for seed in saved.extra["seeds"]]
        except ConfigError as error:
            raise FormatError(f"{path}: the metadata is malformed ({error})") from error
        members, ranges = [], saved.extra.get("ranges", [None] * len(seeds))
        if not isinstance(ranges, list) or len(ranges) != len(seeds):
            raise FormatError(f"{path}: the metadata is malformed (ranges of {len(seeds)} members).")
        for i, seed in enumerate(seeds):
            member = Model.with_theta(saved.network, saved.theta[i], seed=seed)
            states = {
                name: type(s)(*(np.asarray(value[i]) for value in s)) for name, s in saved.states.items()
            }
            member.take(member.theta, states, (0, 0))
            member.is_fresh = False
            members.append(member)
        found = cls.__new__(cls)
        found._hold(members)
        found.take_metadata(path, saved.extra)
        for member, own in zip(members, ranges, strict=True):
            member.keep_ranges(ranges_in(path, own))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, which stores the parameters only once, with the members."""
        return self.__dict__ | {"_theta": np.empty((0, 0))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle."""
        for name, value in {"_kept": KeptWalks(), **state}.items():  # that of an earlier version has none
            setattr(self, name, value)

    def __repr__(self) -> str:
        """Show the number of members, and the model of one."""
        return f"<Ensemble of {counted(len(self), 'member')}, each a {repr(self.members[0])[1:]}"


def load_any(
    path: str | os.PathLike[str], custom: persistence.Custom | None = None
) -> tuple[Model | Ensemble, dict[str, Any]]:
    """Read the model or the ensemble of a file, and its whole metadata. custom: as for `load`."""
    model, saved = _loaded(path, custom, with_others=False)
    return model, saved.extra


def load_with_others(
    path: str | os.PathLike[str], data: bytes | None = None, custom: persistence.Custom | None = None
) -> tuple[Model | Ensemble, persistence.Saved]:
    """Read the model or the ensemble of a file, and all that the file has beside it. custom: as for `load`.

    data: the file, where it is in memory; the path is then for errors only.
    """
    return _loaded(path, custom, with_others=True, data=data)


def _loaded(
    path: str | os.PathLike[str],
    custom: persistence.Custom | None,
    with_others: bool,
    data: bytes | None = None,
) -> tuple[Model | Ensemble, persistence.Saved]:
    saved = persistence.load(path, custom, ensemble=None, with_others=with_others, data=data)
    kind: type[Model | Ensemble] = Model if saved.extra.get("seeds") is None else Ensemble
    return kind.of_saved(path, saved), saved


def _is_same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Return whether two vectors are the same memory."""
    return a.dtype == b.dtype and a.__array_interface__ == b.__array_interface__


def _differing(one: Model, other: Model) -> str | None:
    """Return the name of a property that members of an ensemble must share and these do not; None for none."""
    config = persistence.network_config
    if one.network is not other.network and config(one.network) != config(other.network):
        return "network"
    theirs = _described(other)
    return next((name for name, value in _described(one).items() if value != theirs[name]), None)


def _described(model: Model) -> dict[str, Any]:
    """Return the properties that all members of an ensemble must share beside the network, by name."""
    scale = model.target_scale
    return {
        "dtype": model.dtype.name,
        "labels": None if model.classes is None else model.classes.tolist(),
        "feature_names": model.feature_names,
        "target_scale": None if scale is None else scale.to_data(),
        "frozen links": model.frozen,
    }
