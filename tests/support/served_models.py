"""Small models of every kind in files, and a server of one of them without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._testing import ignore_warnings

from asgi import Reply, ask
from chainrule import Dense, Ensemble, MeanSquaredError, MLPClassifier, MLPRegressor, Model, Network, ReLU
from chainrule.serve.bodies import Limits
from chainrule.serve.gate import ServiceGate
from chainrule.serve.server import make_app
from chainrule.serve.service import Service

PORT = 8000
JSON = ("Content-Type", "application/json")


def columns(n: int = 240) -> dict[str, list[Any]]:
    """A table with numbers, text, dates and truth values, with gaps."""
    r = np.random.default_rng(0)
    size = [None if i % 11 == 0 else round(float(v), 2) for i, v in enumerate(r.normal(50, 15, n))]
    town = [None if i % 13 == 0 else str(v) for i, v in enumerate(r.choice(["Tainan", "Taipei", "Yilan"], n))]
    return {
        "size": size,
        "town": town,
        "seen": [
            f"2024-{m:02d}-{d:02d}" for m, d in zip(r.integers(1, 13, n), r.integers(1, 29, n), strict=True)
        ],
        "new": [bool(v) for v in r.integers(0, 2, n)],
        "rooms": [int(v) for v in r.integers(1, 7, n)],
    }


@ignore_warnings(category=ConvergenceWarning)
def write_models(folder: Path) -> dict[str, Path]:
    """A file of each kind of model: estimators of a table and of arrays, an ensemble, a network."""
    X, r = columns(), np.random.default_rng(1)
    size = np.array([50.0 if v is None else v for v in X["size"]])
    price = size + 10 * np.array(X["rooms"]) + r.normal(0, 3, len(size))
    fit = {"preprocess": "auto", "max_iter": 4, "hidden_layer_sizes": (8,), "random_state": 0}
    early = {"early_stopping": True, "validation_fraction": 0.3}
    label = np.where(price > np.median(price), "yes", "no")
    three = np.digitize(price, np.quantile(price, [0.3, 0.7]))
    A = r.normal(size=(120, 3))
    network = Network(3, [Dense(4), ReLU(), Dense(1)], MeanSquaredError())
    made: dict[str, Any] = {
        "labels": MLPClassifier(**fit, **early).fit(X, label),
        "numbers": MLPRegressor(**fit, **early).fit(X, price),
        "members": MLPClassifier(**fit, n_members=3).fit(X, three),
        "two": MLPRegressor(**fit).fit(X, np.stack([price, -price], 1)),
        "array": MLPClassifier(max_iter=4, random_state=0).fit(A, (A[:, 0] > 0).astype(int)),
    }
    model = Model(network, seed=0)
    model.fit(A, A[:, 0], epochs=1)
    ensemble = Ensemble(network, 2)
    ensemble.fit(A, A[:, 1], epochs=1)
    made |= {"network": model, "ensemble": ensemble}
    for name, each in made.items():
        each.save(folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in made}


class Served:
    """A server without a socket: requests go through its gate in this thread."""

    def __init__(
        self,
        path: Path,
        limits: Limits = Limits(),  # noqa: B008
        token: str | None = None,
        precision: str | None = None,
    ) -> None:
        self.said: list[str] = []
        self.failures: list[Exception] = []
        self.service = Service(path, path.stem, limits, self.said.append, precision)
        self.gate = ServiceGate(
            make_app(self.service, has_token=token is not None),
            port=PORT,
            token=token,
            is_ending=lambda: self.service.is_ending,
            note=self.service.metrics.note_request,
            fail=self.failures.append,
        )

    def ask(
        self, method: str, target: str, body: Iterable[bytes] = (), headers: Iterable[tuple[str, str]] = ()
    ) -> Reply:
        given = dict(headers)
        own = [("Host", given.pop("Host", f"127.0.0.1:{PORT}")), *given.items()]
        return ask(self.gate, method, target, own, body)

    def post(self, target: str, body: object, *headers: tuple[str, str]) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", target, [content] if content else [], [JSON, *headers])

    def predict(self, body: object, query: str = "") -> Any:
        reply = self.post(f"/predict{query}", body)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def refused(self, body: object, status: int, *headers: tuple[str, str], target: str = "/predict") -> str:
        """The sentence with which a request is refused; it ends in a period and says nothing of the server."""
        reply = self.post(target, body, *headers)
        assert reply.status == status, (reply.status, reply.body)
        return sentence(reply)


def sentence(reply: Reply) -> str:
    found = json.loads(reply.body)
    assert set(found) == {"error"} and reply["content-type"] == "application/json"
    assert found["error"].endswith(".") and "Traceback" not in found["error"] and "/tmp" not in found["error"]
    return str(found["error"])


def row(i: int) -> dict[str, Any]:
    return {name: cells[i] for name, cells in columns().items()}
