"""The native engine: C++ runs a network's program for many steps per call.

`native/` contains the C++, with the same file names as the maths here. This file converts between theta's layout and
that of the kernels, and chooses threads and instruction sets.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data.samples import Samples, SlopeTargets
from chainrule.engines.native.program import Program, named_constants, own_loss
from chainrule.engines.native.threads import cores, threads
from chainrule.engines.step import diagnosis
from chainrule.engines.step.base import OnProcessor, Plan, StepSettings
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.formulas.layers import Link
from chainrule.formulas.optimizers import Optimizer
from chainrule.network.network import Network
from chainrule.network.ops import operations

MAX_CONVERTED = 1 << 24
"""The maximum numbers converted at a time, for samples that the kernels cannot read directly: wide sparse rows."""
ROWS_PER_THREAD = 256
"""The number of rows a thread predicts at a time: their values fit in its cache."""
BUILD_COMMAND = "pip install --force-reinstall --no-deps --no-cache-dir --no-binary chainrule chainrule"
"""Builds the package where there is a compiler now; pip's cache has the wheel of the time when there was none."""
try:
    import chainrule.engines.native._native as _native
except ImportError as error:
    REASON: str | None = (
        f"its module does not load here ({error})"
        if find_spec("chainrule.engines.native._native")
        else "it was not built during installation, which needs GCC or Clang (on Windows clang++, not MSVC); "
        f"with one of them `{BUILD_COMMAND}` builds it, or `pip install .` in a clone"
    )
else:
    REASON = None


def instruction_set() -> str:
    """Return the instruction set in use: CHAINRULE_ISA, or the best one of the processor."""
    known: list[str] = _native.instruction_sets()
    wanted = os.environ.get("CHAINRULE_ISA", known[0])
    if wanted not in known:
        why = f": {_native.NO_AMX}" if wanted == "amx" else ""
        raise ConfigError(
            f"CHAINRULE_ISA must be one of {', '.join(known)} on this processor, not {wanted!r}{why}."
        )
    return wanted


def workers() -> int:
    """Return the maximum number of threads of a session: at most one per core."""
    return min(threads(), cores())


# --- what the kernels know


def unknown(network: Network) -> Link | None:
    """Return the first link with operations unknown to the kernels, or None."""
    return next((link for link in network.walk() if not is_known(link)), None)


def is_known(link: Link) -> bool:
    """Return whether the kernels know a link's operations."""
    ops = link.layer.ops(link.fan_in)
    return ops is not None and all(
        op.name in _native.OPS and (op.function is None or op.function in _native.ACTIVATIONS) for op in ops
    )


def without_slopes(plan: Plan) -> str | None:
    """Return why the kernels cannot train a known network on slopes, or None if they can."""
    if plan.precision is not None:
        return f"precision {plan.precision!r} with slopes requires the reference engine"
    for op in operations(plan.network).ops:
        if op.name not in _native.SLOPED:
            return f"it does not train the layer {op.link.name} ({type(op.link.layer).__name__}) on slopes"
    return None


def knows_optimizer(optimizer: Optimizer) -> bool:
    """Return whether the kernels support an optimizer's rule."""
    rule = optimizer.rule()
    return rule is not None and rule.name in _native.RULES


def settings_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer in the form of native/optimizers.h: the number of its rule, and the rule's settings."""
    rule = optimizer.rule()
    assert rule is not None
    name, *settings = rule
    return {"rule": _native.RULES[name], **dict(zip(rule._fields[1:], settings, strict=True))}


# --- the samples that they read


def is_direct(X: RowsLike) -> bool:
    """Return whether the kernels can read samples in place: an array of any strides, or a CSR matrix."""
    if getattr(X, "format", None) == "csr":
        parts = (X.data, X.indices, X.indptr)
        return (
            is_direct(X.data)
            and X.indices.dtype == X.indptr.dtype
            and X.indptr.dtype in (np.int32, np.int64)
            and all(part.dtype.isnative and part.flags.c_contiguous for part in parts)
        )
    if not isinstance(X, np.ndarray) or X.dtype.char not in "Bfd" or not X.dtype.isnative:
        return False
    flags = X.flags
    return flags.aligned and (flags.c_contiguous or all(stride % X.itemsize == 0 for stride in X.strides))


def as_it_lies(X: RowsLike) -> Any:
    """Return the kernels' arguments for such samples: the array, or the three arrays of a CSR matrix."""
    return X if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)


def as_rows(X: RowsLike, dtype: DTypeLike) -> Any:
    """Convert other rows to a dense array of dtype."""
    with np.errstate(all="ignore"):  # the forward pass reports overflow
        return np.ascontiguousarray(X.toarray() if hasattr(X, "toarray") else X, dtype)


def slope_arrays(slopes: SlopeTargets) -> dict[str, NDArray[np.float64]]:
    """Return the kernels' arguments for slopes."""
    return {"slopes": np.ascontiguousarray(slopes.d), "slope_weight": np.ascontiguousarray(slopes.w)}


# --- derivatives by the inputs

_CHAINS: WeakKeyDictionary[Network, tuple[str, Any]] = WeakKeyDictionary()


def chain_layers(network: Network, head: int) -> list[tuple[Any, ...]] | None:
    """Return the dense layers as `Chain` takes them: K, N, the places of W and b in theta, the function and its c."""
    layers: list[tuple[Any, ...]] = []
    for link in network.links[head:]:
        op, *others = link.layer.ops(link.fan_in) or (None,)
        if others or op is None or op.groups != 1:
            return None
        if op.name == "dense":
            W, *b = (slot.start for slot in network.slots if slot.link is link)
            layers.append((link.fan_in, link.fan_out, W, *(b or [-1]), _native.ACTIVATIONS["identity"], 0.0))
        elif op.name == "elementwise" and op.function in _native.ACTIVATIONS and layers:
            if layers[-1][4] != _native.ACTIVATIONS["identity"]:
                return None
            c, _ = named_constants(op.function, op.constants)
            layers[-1] = (*layers[-1][:4], _native.ACTIVATIONS[op.function], c)
        else:
            return None
    return layers or None


# --- the engine, its forward pass and its session


class NativeEngine(OnProcessor):
    """The C++ engine, for all layers, losses and first-order optimizers of the package.

    Custom layers and optimizers run on it if they declare their known operations or rule. A custom loss is called once
    a step.
    """

    name = "native"

    def refusal(self, plan: Plan) -> str | None:
        """Return why the engine does not support a plan, or None if it does."""
        network, optimizer = plan.network, plan.optimizer
        if REASON is not None:
            return REASON
        link = unknown(network)
        if link is not None:
            return f"it does not know the layer {link.name} ({type(link.layer).__name__})"
        if plan.slopes and (reason := without_slopes(plan)) is not None:
            return reason
        if not knows_optimizer(optimizer):
            return f"it does not know the optimizer {type(optimizer).__name__}"
        return self.elsewhere(plan)

    def session(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
    ) -> NativeSession:
        """Train theta in place."""
        return NativeSession(plan, theta, states, optimizer_state, step_offset)

    def workers(self) -> int:
        """Return the number of available cores."""
        return workers()

    def chain(self, network: Network, head: int) -> Any:
        """Return `_native.Chain` of the links of a network from `head` on: dense layers, each with a function or none.

        None of other networks, and where the module was not built.
        """
        if REASON is not None:
            return None
        isa = instruction_set()
        if (kept := _CHAINS.get(network)) is None or kept[0] != isa:
            layers = chain_layers(network, head)
            made = layers and _native.Chain(isa=isa, layers=layers, size=network.size)
            kept = _CHAINS[network] = isa, made
        return kept[1]

    def integers(
        self, scale: float, layers: Sequence[tuple[Any, ...]], numbers: NDArray[np.floating]
    ) -> NativeIntegers:
        """Return the forward pass of a chain of dense layers in 8-bit integers; see `NativeIntegers`."""
        return NativeIntegers(scale, layers, numbers)

    def predict(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], X: RowsLike, batch_size: int,
        threads: int | None = None, precision: str | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """Compute the outputs (n, fan_out), with rows distributed over threads."""
        capacity = min(X.shape[0], max(batch_size, ROWS_PER_THREAD))
        return self.bind(network, theta, states, capacity, threads, precision)(X)

    def bind(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int,
        threads: int | None = None, precision: str | None = None,
    ) -> NativeWalk:  # fmt: skip
        """Return the forward pass with copies of these parameters, for up to `capacity` rows at a time."""
        available = workers()
        threads = min(available, threads or available)
        return NativeWalk(
            network, theta, states, min(capacity, ROWS_PER_THREAD * threads), threads, precision
        )


class NativeWalk:
    """The forward pass with parameters uploaded to the kernels."""

    def __init__(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int,
        threads: int | None = None, precision: str | None = None,
    ) -> None:  # fmt: skip
        """Copy theta and the states; later changes to them have no effect. threads: None for all available."""
        self.inputs, self.outputs, self.dtype = network.inputs, network.fan_out, theta.dtype
        if precision is not None:  # rows are copied, to be rounded
            capacity = min(capacity, max(1, MAX_CONVERTED // self.inputs))
        run = _native.Run(batch_size=capacity, threads=threads or workers(), bf16=precision == "bf16")
        self.program = Program(network, frozenset())
        self.native = _native.Session(
            isa=instruction_set(),
            program=self.program.native,
            run=run,
            capacity=capacity,
            trains=False,
            is_double=theta.dtype == np.float64,
        )
        self.put(theta, states)
        self.row = self.native.predict_row
        """row(x, out): the fast path for one row. Returns the argmax of the output, or -1 if x cannot be read in place
        or is not finite"""

    def put(self, theta: NDArray[Any], states: dict[str, Any]) -> None:
        """Copy other parameters, of the same precision."""
        self.native.set_theta(theta)
        self.program.put_states(self.native, states, self.dtype)

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        """Compute the output (n, outputs) for X (n, inputs)."""
        out = np.empty((X.shape[0], self.outputs), self.dtype)
        if is_direct(X):
            self.native.predict(as_it_lies(X), out)
            return out
        rows = max(1, MAX_CONVERTED // self.inputs)
        for start in range(0, X.shape[0], rows):
            self.native.predict(as_rows(X[start : start + rows], self.dtype), out[start : start + rows])
        return out

    def unchecked(self, X: RowsLike) -> NDArray[Any] | None:
        """Compute the output for unvalidated rows; None if the kernels cannot read them or a value is not finite."""
        is_plain = type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == self.inputs
        if not (is_plain and len(X) and is_direct(X)):
            return None
        out = np.empty((len(X), self.outputs), self.dtype)
        return out if self.native.predict(X, out) else None


class NativeIntegers:
    """The forward pass of a chain of dense layers in 8-bit integers, as `chainrule.graph.integers` has them."""

    def __init__(
        self, scale: float, layers: Sequence[tuple[Any, ...]], numbers: NDArray[np.floating]
    ) -> None:
        """Put the weights in the kernels' order.

        scale: of the inputs' integers.  layers: W (K, N), bias, multiplier and shift (N,), zero, zero_out, low, and a
        table (256,) or (0,), each.  numbers: (256,) the outputs for -128 to 127.
        """
        self.inputs, self.outputs = len(layers[0][0]), layers[-1][0].shape[1]
        laid_out = [tuple(map(np.ascontiguousarray, own[:4])) + own[4:] for own in layers]
        self.threads = workers()
        self.native = _native.Integers(
            isa=instruction_set(), scale=scale, layers=laid_out, numbers=numbers.astype(np.float32)
        )

    def __call__(self, X: RowsLike) -> NDArray[np.float32]:
        """Compute the output (n, outputs) for X (n, inputs)."""
        out = np.empty((X.shape[0], self.outputs), np.float32)
        is_read = isinstance(X, np.ndarray) and is_direct(X)
        rows = max(1, X.shape[0] if is_read else MAX_CONVERTED // self.inputs)
        for start in range(0, X.shape[0], rows):
            some = X[start : start + rows]
            own = out[start : start + rows]
            self.native.predict(some if is_read else as_rows(some, np.float32), own, self.threads)
        return out

    def unchecked(self, X: RowsLike) -> NDArray[np.float32] | None:
        """Compute the output for unvalidated rows; None if the kernels cannot read them or a value is not finite."""
        is_plain = type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == self.inputs
        if not (is_plain and len(X) and is_direct(X)):
            return None
        out = np.empty((len(X), self.outputs), np.float32)
        return out if self.native.predict(X, out, self.threads) else None


class NativeSession:
    """Training steps in C++. See `Session`.

    The kernels hold the numbers between steps. `synchronize` reads back theta and the states, `optimizer_state` the
    optimizer's. Anything read back is uploaded again before the next step, because the caller may have modified it.
    """

    call_steps: int | None = None
    compiles, turns = False, 1

    def __init__(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
    ) -> None:
        """Compile the plan. Parameters are uploaded at the first step."""
        self.theta_is_stale = False  # whether the kernels' theta and states are newer than these attributes
        self.moments_are_stale = False  # the same for the optimizer's state
        self.native_moments_are_zero = True
        self.weights_checked_for: Samples | None = None  # the samples to which `found_weights` applies
        self.found_weights = False
        self.plan, self.theta, self.step_offset = plan, theta, step_offset
        self.states, self._optimizer_state = states, optimizer_state
        self.all_sums = np.zeros(5)
        self.sums, self.row_sums = self.all_sums[:3], self.all_sums[3:]
        self.program = Program(
            plan.network,
            plan.frozen,
            plan.network.bounds,
            own_loss(plan.network, plan.batch_size, theta.dtype),
            plan.slopes,
        )
        run = _native.Run(
            **settings_of(plan.optimizer),
            clip_norm=plan.clip_norm or 0.0,
            clip_value=plan.clip_value or 0.0,
            batch_size=plan.batch_size,
            seed=plan.seed,
            threads=min(workers(), plan.threads or workers()),
            bf16=plan.precision == "bf16",
        )
        self.native = _native.Session(
            isa=instruction_set(),
            program=self.program.native,
            run=run,
            capacity=plan.batch_size,
            trains=True,
            is_double=theta.dtype == np.float64,
        )

    @property
    def taken(self) -> int:
        """The number of completed steps."""
        taken: int = self.native.taken()
        return taken

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take all steps in one call of the kernels, or in several if the samples must be converted first."""
        self.push()
        # Set before the call, because an interrupt may replace its return.
        self.theta_is_stale = self.moments_are_stale = True
        size, direct = self.plan.batch_size, is_direct(samples.X)
        all_steps = len(settings.rate)
        done, each = 0, all_steps if direct else max(1, MAX_CONVERTED // (size * samples.X.shape[1]))
        while done < all_steps:
            count = min(each, all_steps - done)
            by_step = settings.part(done, done + count)._asdict()
            chosen = rows[done * size : (done + count) * size]
            part = samples if direct else samples.take(chosen)
            where = chosen if direct else np.arange(len(chosen))
            y = np.ascontiguousarray(part.y)
            labels, numbers = (y, None) if y.ndim == 1 else (None, y)
            with np.errstate(all="ignore"):  # in a loss of the user; the kernels check what is finite
                steps, end = self.native.steps(
                    X=as_it_lies(part.X) if direct else as_rows(part.X, self.plan.dtype),
                    labels=labels,
                    y=numbers,
                    weight=np.ascontiguousarray(part.weight) if self.is_weighted(samples) else None,
                    rows=np.ascontiguousarray(where),
                    **{name: np.ascontiguousarray(values) for name, values in by_step.items()},
                    first=first + done,
                    step_offset=self.step_offset,
                    sums=self.all_sums,
                    **({} if part.slopes is None else slope_arrays(part.slopes)),
                )
            if end != "done":
                self.synchronize()
                at = done + steps
                here = samples, rows[at * size : (at + 1) * size]
                raise self.diagnosis(end, *here, settings.part(at, at + 1), first + at)
            done += count

    def is_weighted(self, samples: Samples) -> bool:
        """Return whether a sample has a weight other than 1; if not, the kernels skip the weights."""
        if self.weights_checked_for is not samples:
            self.weights_checked_for, self.found_weights = samples, bool((samples.weight != 1).any())
        return self.found_weights

    def push(self) -> None:
        """Upload theta, the states and the optimizer's state, unless the kernels' are newer."""
        if not self.theta_is_stale:
            self.native.set_theta(self.theta)
            self.program.put_states(self.native, self.states, self.theta.dtype)
        if not self.moments_are_stale:
            leaves = self.moments()
            if not self.native_moments_are_zero or any(leaf.any() for leaf in leaves):
                for number, leaf in enumerate(leaves):
                    self.native.set_moment(number, leaf)
            self.native_moments_are_zero = False
            if hasattr(self._optimizer_state, "mu_product"):
                self.native.set_mu_product(float(self._optimizer_state.mu_product))

    def synchronize(self) -> None:
        """Read back theta and the states. Later changes to the attributes are uploaded at the next step."""
        if not self.theta_is_stale:
            return
        self.native.get_theta(self.theta)
        self.states = self.program.take_states(self.native, self.states)
        self.theta_is_stale = False

    def end(self) -> None:
        """Free the memory for steps: no step may follow. `optimizer_state` is still read back on demand."""
        self.synchronize()
        self.weights_checked_for = None
        self.native.keep_moments()

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's NamedTuple, read back from the kernels."""
        if self.moments_are_stale:
            for number, leaf in enumerate(self.moments()):
                self.native.get_moment(number, leaf)
            if hasattr(self._optimizer_state, "mu_product"):
                product = np.asarray(self.native.mu_product(), self.theta.dtype)
                self._optimizer_state = self._optimizer_state._replace(mu_product=product)
            self.moments_are_stale = False
        return self._optimizer_state

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        self._optimizer_state, self.moments_are_stale = state, False

    def moments(self) -> list[NDArray[Any]]:
        """Return the optimizer's arrays of theta's shape, in the order of the kernels."""
        return [leaf for leaf in self._optimizer_state if leaf.ndim]

    def diagnosis(
        self, end: str, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, t: int
    ) -> NonFiniteError:
        """Repeat the step with the reference engine to find the first non-finite number."""
        network, theta = self.plan.network, self.theta
        lr, _, *factors = (float(values[0]) for values in settings)
        if end == "update" and not np.isfinite(theta).all():
            return diagnosis.of_update(network, theta, t, lr)
        with np.errstate(all="ignore"):
            batch = samples.batch(rows, self.plan.dtype)
        return diagnosis.of_gradient(
            self.plan, network.unflatten(theta), self.states, batch, self.step_offset, t, lr, *factors
        )
