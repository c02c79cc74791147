"""The networks of the screen Vanishing gradients: the laboratory's, with the gradient by layer during training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.engines import ENGINES
from chainrule.formulas.optimizers import SGD
from chainrule.inspection.flow.flow import measure
from chainrule.lab import scaled
from chainrule.lab.vanishing import (
    ARMS,
    BATCH_SIZE,
    BATCHES_PER_EPOCH,
    EPOCHS,
    MOMENTUM,
    RATES,
    WATCHED,
    WIDTH,
    DigitParts,
    Measured,
    load_parts,
    make_network,
)
from chainrule.model import Model
from chainrule.studio.screens.labs.side_by_side import ArmLooks, Look, SideBySide, Tell
from chainrule.training.run import Run
from chainrule.views import words
from chainrule.views.words.facts import CHANCE, CURES, PLAIN, learns

NETS = ("sigmoid", "tanh", "relu", "relu_batch_norm", "sigmoid_skip", "sigmoid_residual")
FOUND = {
    2: dict(zip(NETS, (0.3, 0.1, 0.1, 0.1, 0.3, 0.1), strict=True)),
    3: dict(zip(NETS, (0.3, 0.03, 0.03, 0.03, 0.3, 0.1), strict=True)),
    5: dict(zip(NETS, (0.003, 0.03, 0.03, 0.03, 0.3, 0.1), strict=True)),
    10: dict(zip(NETS, (0.003, 0.03, 0.01, 0.1, 0.3, 0.03), strict=True)),
    20: dict(zip(NETS, (0.003, 0.01, 0.01, 0.03, 0.3, 0.03), strict=True)),
}
"""The learning rate of each network by depth: the laboratory's best on its validation images, with a budget of 1."""
LOOKS = 100
"""The number of records of a network during training."""
HIGH_LOSS = 2 * CHANCE
"""The loss above which the screen explains it, by the record at its peak and the spread of the outputs."""


def rate_of(arm: str, depth: int) -> float:
    """Return the learning rate of the nearest depth in the table."""
    return FOUND[min(FOUND, key=lambda known: abs(known - depth))][arm]


class VanishingRun(SideBySide):
    """Networks of one depth trained side by side on the same digits."""

    def __init__(
        self,
        number: int,
        tell: Tell,
        arms: list[str],
        depth: int,
        budget: float,
        rate: float | None,
        seed: int,
    ) -> None:
        settings = {"arms": arms, "depth": depth, "budget": budget, "rate": rate, "seed": seed}
        super().__init__("vanishing", number, arms, settings, tell)
        self.depth, self.seed = depth, seed
        self.rates = {arm: rate_of(arm, depth) if rate is None else rate for arm in arms}
        self.data: DigitParts = load_parts(seed, scaled(BATCHES_PER_EPOCH, budget, 4) * BATCH_SIZE)
        self.found: dict[str, Measured] = {}

    def train(self, arm: str) -> None:
        """Measure the gradient of a network before training as in the laboratory, and train it."""
        network, data, rate = make_network(ARMS[arm](self.depth, WIDTH)), self.data, self.rates[arm]
        X, y = data.X[:WATCHED], data.y[:WATCHED]
        flow = Model(network, seed=self.seed, dtype="float64").gradient_flow(X, y, samples=None)
        profile = [float(row.delta_ratio or 0.0) for row in flow.layers]
        model = Model(network, seed=self.seed)
        samples = model.check_samples(X, y)

        peak: dict[str, float] = {}

        def look(run: Run) -> Look:
            seen = measure(run.plan, run.theta, run.states, samples, run.step + 1)
            if peak.get("loss", HIGH_LOSS) < seen.loss < math.inf:
                out = ENGINES["reference"].predict(network, run.theta, run.states, X, WATCHED)
                peak.update(step=run.step, loss=seen.loss, spread=float(np.ptp(out, 1).mean()))
            return Look(seen.loss, [float(row.delta_ratio or 0.0) for row in seen.layers], dict(peak))

        steps = -(-len(data.y) // BATCH_SIZE) * EPOCHS
        looks = ArmLooks(self, arm, max(1, steps // LOOKS), look)
        losses, accuracies = math.inf, math.nan
        try:
            model.fit(
                data.X,
                data.y,
                epochs=EPOCHS,
                batch_size=BATCH_SIZE,
                optimizer=SGD(rate, momentum=MOMENTUM),
                callbacks=[looks],
            )
            if not self.is_stopped:
                losses = model.evaluate(data.X, data.y, metrics=["accuracy"])["loss"]
                accuracies = model.evaluate(*data.test, metrics=["accuracy"])["accuracy"]
        finally:
            self.found[arm] = Measured(
                arm,
                self.depth,
                network.size,
                np.array([profile]),
                rate,
                np.array([losses]),
                np.array([accuracies]),
            )
            self.arms[arm].facts = {
                "ratio": profile[0],
                "rate": rate,
                "parameters": network.size,
                "loss": losses if math.isfinite(losses) else None,
                "accuracy": accuracies if math.isfinite(accuracies) else None,
            }

    def conclude(self) -> dict[str, Any]:
        """Return the laboratory's sentence, if all its networks are present, and its numbers."""
        restored = [arm for arm in self.found if arm in CURES and self.found[arm].ratio >= 0.001]
        ending: dict[str, Any] = {
            "learned": [arm for arm, net in self.found.items() if learns(net.loss)],
            "sentence": None,
        }
        if {PLAIN, *CURES} <= self.found.keys():
            ending |= {
                "sentence": words.lab_vanishing.answer(self.found),
                "ratio": self.found[PLAIN].ratio,
                "learns": learns(self.found[PLAIN].loss),
                "restored": len(restored),
                "cured": len([arm for arm in restored if learns(self.found[arm].loss)]),
            }
        return ending

    def python(self) -> str:
        """Return the program that trains the same networks to the same numbers."""
        return f"""from chainrule import SGD, Model
from chainrule.lab.vanishing import ARMS, load_parts, make_network

data = load_parts(seed={self.seed}, images={len(self.data.y)})
for arm, rate in {self.rates!r}.items():
    model = Model(make_network(ARMS[arm]({self.depth}, {WIDTH})), seed={self.seed})
    flow = model.gradient_flow(data.X[:{WATCHED}], data.y[:{WATCHED}], samples=None)
    model.fit(data.X, data.y, epochs={EPOCHS}, batch_size={BATCH_SIZE}, optimizer=SGD(rate, momentum={MOMENTUM}))
    loss = model.evaluate(data.X, data.y)["loss"]
    print(f"{{arm}}: first layer's gradient {{flow['dense_1'].delta_ratio:.2g}}, loss {{loss:.3f}}")
"""


assert set(ARMS) == set(FOUND[2]) and all(
    rate in RATES for rates in FOUND.values() for rate in rates.values()
)
