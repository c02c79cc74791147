"""PyTorch as a peer: eager and compiled, with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import DROPOUT, LEARNING_RATE, Case, LayerWeights
from speed.peers.base import Peer


class PyTorch(Peer):
    """PyTorch in eager mode."""

    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        """Import torch."""
        import torch

        torch.set_num_threads(threads)
        self.torch = torch

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Build the same network, with weights transposed as in torch.nn.Linear."""
        torch, nn = self.torch, self.torch.nn

        class Add(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self, inner: Any) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, a: Any) -> Any:
                return a + self.inner(a)

        def linear(layer: LayerWeights) -> Any:
            made = nn.Linear(*layer.W.shape)
            with torch.no_grad():
                made.weight.copy_(torch.from_numpy(layer.W.T.copy()))
                made.bias.copy_(torch.from_numpy(layer.b))
            return made

        modules: list[Any] = []
        for i, layer in enumerate(layers[:-1]):
            if case.blocks == "residual" and i > 0:
                modules.append(Add(nn.Sequential(linear(layer), nn.ReLU())))
                continue
            modules.append(linear(layer))
            modules += [nn.BatchNorm1d(len(layer.b))] if case.blocks == "batch norm" else []
            modules.append(nn.ReLU())
            modules += [nn.Dropout(DROPOUT)] if case.blocks == "dropout" else []
        self.net = nn.Sequential(*modules, linear(layers[-1]))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=LEARNING_RATE, fused=True)
        self.case, self.X = case, torch.from_numpy(X)
        self.y = torch.from_numpy(y.reshape(-1, 1) if case.is_regression else y)
        functional = nn.functional
        net, regression = self.net, case.is_regression

        def objective(x: Any, y: Any) -> Any:
            out = net(x)
            return 0.5 * functional.mse_loss(out, y) if regression else functional.cross_entropy(out, y)

        self.objective: Callable[[Any, Any], Any] = objective

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least `samples` samples, batch by batch; the last epoch may be incomplete."""
        torch, n, batch = self.torch, self.case.samples, self.case.batch
        done = 0
        self.net.train()
        while done < samples:
            order = torch.randperm(n) if shuffle else torch.arange(n)
            for start in range(0, n, batch):
                rows = order[start : start + batch]
                self.optimizer.zero_grad()
                self.objective(self.X[rows], self.y[rows]).backward()
                self.optimizer.step()
                done += batch
                if done >= samples:
                    break
        return done

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        self.net.eval()
        with self.torch.inference_mode():
            return np.asarray(self.net(self.torch.from_numpy(X)).numpy())

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a prediction from NumPy to NumPy, which copies nothing."""
        net, from_numpy, mode = self.net.eval(), self.torch.from_numpy, self.torch.inference_mode

        def predict() -> Any:
            with mode():
                return net(from_numpy(X)).numpy()

        return predict


class Compiled(PyTorch):
    """PyTorch with torch.compile of network and loss."""

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Compile each case by itself: after eight shapes of one function torch would give up and run eagerly."""
        super().prepare(case, X, y, layers)
        self.torch._dynamo.reset()
        self.objective = self.torch.compile(self.objective, dynamic=False)


class InBf16(PyTorch):
    """PyTorch with samples, weights and the optimizer's state in bfloat16, usually its fastest form."""

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Convert network and samples."""
        super().prepare(case, X, y, layers)
        bfloat16 = self.torch.bfloat16
        self.net.to(bfloat16)
        self.optimizer = self.torch.optim.Adam(self.net.parameters(), lr=LEARNING_RATE, fused=True)
        self.X = self.X.to(bfloat16)
        if case.is_regression:
            self.y = self.y.to(bfloat16)

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        self.net.eval()
        with self.torch.inference_mode():
            rows = self.torch.from_numpy(X).to(self.torch.bfloat16)
            return np.asarray(self.net(rows).float().numpy())


class Autocast(PyTorch):
    """PyTorch with weights in float32, and matrix products in bfloat16 by its autocast."""

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Compute network and loss under autocast."""
        super().prepare(case, X, y, layers)
        plain, torch = self.objective, self.torch

        def objective(x: Any, y: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return plain(x, y)

        self.objective = objective
