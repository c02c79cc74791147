"""The peers by name, Chainrule first; each has a file of its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from chainrule.errors import ConfigError
from speed.peers.base import Peer


class Entry(NamedTuple):
    """The module and the class of a peer, and the package that it needs."""

    title: str
    place: str  # module:class
    packages: tuple[str, ...]
    trains: bool = True
    predicts: bool = True


PEERS: dict[str, Entry] = {
    "chainrule": Entry("Chainrule", "own:Chainrule", ()),
    "sklearn": Entry("scikit-learn", "sklearn:ScikitLearn", ("sklearn",)),
    "torch": Entry("PyTorch", "torch:PyTorch", ("torch",)),
    "torch-compile": Entry("torch.compile", "torch:Compiled", ("torch",), predicts=False),
    "jax-step": Entry("JAX, a step", "jax:JaxStep", ("jax",), predicts=False),
    "jax-scan": Entry("JAX, an epoch", "jax:Scan", ("jax",)),
    "onnxruntime": Entry("ONNX Runtime", "onnx:OnnxRuntime", ("onnx", "onnxruntime"), trains=False),
    "numpy": Entry("NumPy by hand", "numpy:ByHand", ("numpy",)),
}

IN_BF16: dict[str, Entry] = {
    "chainrule-bf16": Entry("Chainrule, bf16", "own:InBf16", (), predicts=False),
    "torch-bf16": Entry("PyTorch, bf16", "torch:InBf16", ("torch",), predicts=False),
    "torch-autocast": Entry("PyTorch, autocast", "torch:Autocast", ("torch",), predicts=False),
}
"""Peers that do not compute in float32, and are compared by a benchmark of their own."""
ALL = PEERS | IN_BF16


def installed(name: str) -> bool:
    """Return whether the package that a peer needs is installed."""
    return all(find_spec(package) is not None for package in ALL[name].packages)


def make(name: str, threads: int) -> Peer:
    """Import a peer's library and set it up. Raises ConfigError for an unknown name."""
    if name not in ALL:
        raise ConfigError(f"peer must be one of {', '.join(ALL)}, not {name!r}.")
    module, kind = ALL[name].place.split(":")
    peer: Peer = getattr(import_module(f"speed.peers.{module}"), kind)(threads)
    return peer


__all__ = ["ALL", "IN_BF16", "PEERS", "Entry", "Peer", "installed", "make"]
