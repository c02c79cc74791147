"""The report of the experiment on vanishing gradients: its tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table
from chainrule.views.words.facts import CHANCE, NORMED, PLAIN


@records.kind("lab_depth_result", also=("ratio", "loss"))
class Measured(NamedTuple):
    """The results of one network at one depth, over the seeds."""

    arm: str
    depth: int
    parameters: int
    profiles: NDArray[np.float64]  # (seeds, layers) RMS(delta) relative to the last layer's, before training
    rate: float
    losses: NDArray[np.float64]  # (seeds,) final training loss; infinity if the run diverged
    accuracies: NDArray[np.float64]  # (seeds,) on the test images; NaN if the run diverged

    @property
    def ratio(self) -> float:
        """The median of the first layer's gradient relative to the last layer's."""
        return float(np.median(self.profiles[:, 0]))

    @property
    def loss(self) -> float:
        """The median loss over the seeds."""
        return float(np.median(self.losses))

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def report(
    found: Mapping[tuple[str, int], Measured],
    cosines: Mapping[str, float],
    arms: Sequence[str],
    depths: Sequence[int],
    settings: dict[str, Any],
    near: float,
    seconds: float,
) -> Report:
    """Build the report. found: by network and depth.  cosines: of gradients, by network.  near: their distance."""
    from chainrule.views.figures import flow as figures

    said, deep = words.lab_vanishing, depths[-1]
    deepest = {arm: found[arm, deep] for arm in arms}
    main = Table(
        said.HEADS,
        tuple((said.NETS[arm], m.parameters, *cells(m)) for arm, m in deepest.items()),
        said.main_caption(deep),
    )
    values: tuple[Callable[[Measured], Any], ...] = (
        lambda m: said.share(m.ratio),
        lambda m: said.loss(m.loss),
        lambda m: m.rate,
    )
    by_depth = [
        Table(
            said.depth_heads(depths),
            tuple((said.NETS[arm], *(value(found[arm, d]) for d in depths)) for arm in arms),
            caption,
        )
        for caption, value in zip(said.BY_DEPTH, values, strict=True)
    ]
    noise = Table(
        said.NOISE_HEADS,
        tuple((said.NETS[name], f"{cosine:.2f}") for name, cosine in cosines.items()),
        said.noise_caption(near, deep),
    )
    shares = {arm: [found[arm, d].profiles[:, 0] for d in depths] for arm in arms}
    return Report(
        name="vanishing",
        title=said.TITLE,
        question=said.QUESTION,
        answer=said.answer(deepest),
        finding=" ".join(
            said.finding(deepest, found[PLAIN, depths[0]], found[NORMED, depths[0]], cosines, near)
        ),
        held_fixed=said.held_fixed(settings),
        limits=said.LIMITS,
        tables=(main, *by_depth, noise),
        figures=(
            figures.depth(
                arms,
                {arm: m.profiles for arm, m in deepest.items()},
                depths,
                {arm: [found[arm, d].losses for d in depths] for arm in arms},
                CHANCE,
            ),
            figures.first_layer(arms, depths, shares),
        ),
        settings=settings,
        seconds=seconds,
    )


def cells(m: Measured) -> tuple[Any, ...]:
    """The numbers of one net at one depth, for the main table."""
    said, finite = words.lab_vanishing, m.losses[np.isfinite(m.losses)]
    ends = (float(np.min(finite)), float(np.max(finite))) if len(finite) else None
    spread = said.spread(ends, int(np.isinf(m.losses).sum()))
    accuracy = None if np.isnan(m.accuracies).all() else said.accuracy(float(np.nanmedian(m.accuracies)))
    return said.share(m.ratio), m.rate, said.loss(m.loss), spread, accuracy
