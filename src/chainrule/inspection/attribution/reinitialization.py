"""The re-initialization check: whether maps change when trained parameters are replaced by random ones."""

from __future__ import annotations

import copy
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import records
from chainrule.core.arrays import RowsLike
from chainrule.data.checks import check_count, check_seed
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.explained import Floats
from chainrule.inspection.attribution.methods import attribute
from chainrule.trained.trained import Trained

SIMILAR_CORRELATION = 0.5
"""The rank correlation above which two maps count as similar."""


@records.kind("reinitialization_stage")
class Stage(NamedTuple):
    """One stage: all layers from the output down to this one are re-initialized."""

    layer: str
    signed: float
    """mean Spearman correlation with the trained network's map; NaN if no sample had two maps to compare"""
    absolute: float
    """the same for absolute values"""
    spread: float
    """standard deviation of the signed correlations over samples and draws"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("reinitialization", also=("passes",))
class Reinitialization(NamedTuple):
    """The result of the check. Print it."""

    method: str
    stages: tuple[Stage, ...]
    """from the top layer down"""
    samples: int
    repeats: int

    @property
    def passes(self) -> bool:
        """Whether the maps of a randomized network differ from the trained network's, by both measures."""
        last = self.stages[-1]
        return last.signed <= SIMILAR_CORRELATION and last.absolute <= SIMILAR_CORRELATION

    def records(self) -> list[dict[str, Any]]:
        """Return one record per stage, for a data frame."""
        return [stage._asdict() for stage in self.stages]

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def to_json(self) -> dict[str, Any]:
        """Return all values as data; NaN and infinity are null."""
        data: dict[str, Any] = records.plain(self)
        return data

    def __str__(self) -> str:
        """Return one line per layer, and a conclusion."""
        return records.written(self, "as_text")


def reinitialization_check(
    model: Trained,
    X: RowsLike,
    *,
    method: str = "integrated_gradients",
    target: object = None,
    seed: int = 0,
    repeats: int = 1,
    **settings: Any,
) -> Reinitialization:
    """Re-initialize the layers from the output down, and compare each stage's maps with the trained network's.

    X: (n, inputs).  target: of all maps; by default the trained network's predictions.  repeats: the number of draws,
    with the layers' initializers and the seeds seed + 1, seed + 2, ..., skipping the model's own.  settings: the
    method's.
    A stage's number is Spearman's rank correlation over the features that are nonzero in either map (features at their
    baseline are 0 for any weights, and would make all maps similar), averaged over samples and draws.
    A method whose correlation stays high depends on the input, not on the network. The model is not changed.
    Source: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, section 3 (cascading randomization).
    """
    layers = list(dict.fromkeys(slot.link.name for slot in model.network.slots))[::-1]
    if not layers:
        raise ConfigError("the network has no parameters to re-initialize, so there is nothing to check.")
    repeats, seed = check_count(repeats, "repeats"), check_seed(seed)
    trained = attribute(model, X, method, target=target, **settings)
    fixed = list(trained.labels)
    found: dict[str, list[tuple[float, float]]] = {layer: [] for layer in layers}
    others = (number % 2**32 for number in count(seed + 1) if number % 2**32 != model.seed)
    for new_seed in islice(others, repeats):
        changed = copy.copy(model)
        changed.theta, changed.states = model.theta.copy(), dict(model.states)
        new = model.network.initial_theta(new_seed, model.theta.dtype)
        states = model.network.initial_states(model.dtype)
        for layer in layers:
            for slot in model.network.slots:
                if slot.link.name == layer:
                    changed.theta[slot.start : slot.stop] = new[slot.start : slot.stop]
            if layer in states:
                changed.states[layer] = states[layer]
            again = attribute(changed, X, method, target=fixed, **settings)
            found[layer] += _correlations(trained.values, again.values)
    stages = []
    for layer in layers:
        pairs = np.asarray(found[layer])  # (samples * repeats, 2)
        kept = pairs[~np.isnan(pairs).any(1)]
        signed, absolute, spread = (*kept.mean(0), kept[:, 0].std()) if len(kept) else (np.nan,) * 3
        stages.append(Stage(layer, float(signed), float(absolute), float(spread)))
    return Reinitialization(method, tuple(stages), len(trained.values), repeats)


def _correlations(trained: Floats, again: Floats) -> list[tuple[float, float]]:
    """Compute Spearman's correlation of each row's values and of their absolute values; NaN for a constant map."""
    from scipy.stats import rankdata

    pairs = []
    for first, second in zip(trained, again, strict=True):
        given = (first != 0) | (second != 0)
        pair = []
        for a, b in ((first[given], second[given]), (np.abs(first[given]), np.abs(second[given]))):
            is_flat = len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0
            pair.append(np.nan if is_flat else float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]))
        pairs.append((pair[0], pair[1]))
    return pairs
