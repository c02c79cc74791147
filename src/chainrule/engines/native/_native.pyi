"""The compiled module of native/module.cpp."""

from typing import Any

NO_AMX: str
"""why "amx" is not among the instruction sets; empty if it is"""

def instruction_sets() -> list[str]: ...
def check_kernels(
    isa: str, rows: int, K: int, N: int, batch: int, seed: int, is_double: bool
) -> tuple[float, float, float]: ...
def thread_limit() -> int: ...
def distort(
    *,
    isa: str,
    images: Any,
    out: Any,
    shape: list[int],
    maps: Any,
    streams: Any,
    taps: list[float],
    alpha: float,
    key: int,
    fill: float,
    is_nearest: bool,
    threads: int,
) -> None: ...

OPS: dict[str, int]
ACTIVATIONS: dict[str, int]
LOSSES: dict[str, int]
RULES: dict[str, int]
CONSTANTS: dict[str, tuple[str, ...]]
"""the names of the constants of an operation, an activation or a loss, in the kernels' order"""
FUSED: frozenset[str]
SLOPED: frozenset[str]
"""activations that a dense may write over its own z"""

class Chain:
    def __init__(
        self, *, isa: str, layers: list[tuple[int, int, int, int, int, float]], size: int
    ) -> None: ...
    def derive(self, theta: Any, X: Any, u: Any, twice: bool, out: Any, threads: int) -> None: ...

class TeamSize:
    def __init__(self, most: int, first: int) -> None: ...
    def count(self) -> int: ...
    def steps(self) -> int: ...
    def took(self, seconds: float) -> None: ...

class Op:
    def __init__(
        self,
        *,
        kind: int,
        in_: int,
        in2: int,
        out: int,
        parameters: list[int],
        state: int,
        function: int,
        c0: float,
        c1: float,
        stream: int,
        in_training: bool,
        groups: int,
        shares: bool,
        columns: list[int],
    ) -> None: ...

class Parameter:
    def __init__(
        self,
        *,
        start: int,
        shape: tuple[int, ...],
        is_weight: bool,
        is_trained: bool,
        rate: float,
        decays: float,
    ) -> None: ...

class Program:
    def __init__(
        self,
        *,
        ops: list[Op],
        parameters: list[Parameter],
        widths: list[int],
        states: list[int],
        size: int,
        loss: int,
        loss_c: list[float],
        smoothing: float,
        targets: str,
        members: int = 1,
        l2: float,
        l1: float,
        max_norm: float,
        scale: float,
        offset: float,
        lower: list[float] = ...,
        upper: list[float] = ...,
        own_loss: tuple[Any, ...] | None = None,
        slopes: bool = False,
    ) -> None: ...

class Run:
    def __init__(
        self,
        *,
        rule: int = 0,
        beta1: float = 0.0,
        beta2: float = 0.0,
        eps: float = 0.0,
        decay: float = 0.0,
        uncorrected_eps: bool = False,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        batch_size: int,
        seed: int = 0,
        threads: int,
        bf16: bool = False,
    ) -> None: ...

class Session:
    def __init__(
        self, *, isa: str, program: Program, run: Run, capacity: int, trains: bool, is_double: bool
    ) -> None: ...
    def set_theta(self, theta: Any) -> None: ...
    def get_theta(self, theta: Any) -> None: ...
    def set_state(self, number: int, a: Any, b: Any) -> None: ...
    def get_state(self, number: int, a: Any, b: Any) -> None: ...
    def moments(self) -> int: ...
    def set_moment(self, number: int, values: Any) -> None: ...
    def get_moment(self, number: int, values: Any) -> None: ...
    def keep_moments(self) -> None: ...
    def mu_product(self) -> float: ...
    def set_mu_product(self, value: float) -> None: ...
    def taken(self) -> int: ...
    def steps(
        self,
        *,
        X: Any,
        labels: Any,
        y: Any,
        weight: Any,
        rows: Any,
        rate: Any,
        decay: Any,
        dropout: Any,
        penalty: Any,
        smoothing: Any,
        first: int,
        step_offset: int,
        sums: Any,
        slopes: Any = None,
        slope_weight: Any = None,
    ) -> tuple[int, str]: ...
    def predict(self, X: Any, out: Any) -> bool: ...
    def predict_row(self, x: Any, out: Any) -> int: ...

class Integers:
    def __init__(self, *, isa: str, scale: float, layers: list[Any], numbers: Any) -> None: ...
    def predict(self, X: Any, out: Any, threads: int) -> bool: ...
