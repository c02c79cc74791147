"""The report of the experiment on vanishing gradients: its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.views.experiments import Report
from chainrule.views.tables import Table
from chainrule.views.words.en import lab_vanishing as words
from chainrule.views.words.en.lab_vanishing import CHANCE, NORMED, PLAIN, loss, share


class Measured(NamedTuple):
    """The results of one network at one depth, over the seeds."""

    arm: str
    depth: int
    parameters: int
    profiles: NDArray[np.float64]  # (seeds, layers) RMS(delta) relative to the last layer's, before training
    rate: float
    losses: NDArray[np.float64]  # (seeds,) training loss in the end; infinity where the run diverged
    accuracies: NDArray[np.float64]  # (seeds,) on the test images; NaN where the run diverged

    @property
    def ratio(self) -> float:
        """The median of the first layer's gradient relative to the last layer's."""
        return float(np.median(self.profiles[:, 0]))

    @property
    def loss(self) -> float:
        """The median loss of the seeds."""
        return float(np.median(self.losses))


def report(
    found: Mapping[tuple[str, int], Measured],
    cosines: Mapping[str, float],
    arms: Sequence[str],
    depths: Sequence[int],
    settings: dict[str, Any],
    near: float,
    seconds: float,
) -> Report:
    """Make the report. found: by network and depth.  cosines: of gradients, by network.  near: their distance."""
    from chainrule.views.figures import flow as figures

    deep = depths[-1]
    deepest = {arm: found[arm, deep] for arm in arms}
    main = Table(
        ("net", "parameters", "gradient", "rate", "loss", "least to greatest", "accuracy"),
        tuple((arm, m.parameters, *cells(m)) for arm, m in deepest.items()),
        f"{deep} hidden layers. gradient: the first layer's before training, the last layer's being 1; rate: the "
        "learning rate chosen; loss: of the training images in the end; accuracy: on test images.",
    )
    by_depth = [
        Table(
            ("net", *(f"{d} {'layer' if d == 1 else 'layers'}" for d in depths)),
            tuple((arm, *(value(found[arm, d]) for d in depths)) for arm in arms),
            caption,
        )
        for caption, value in (
            ("The first layer's gradient before training, by depth", lambda m: share(m.ratio)),
            ("Training loss in the end, by depth", lambda m: loss(m.loss)),
            ("Learning rate chosen, by depth", lambda m: m.rate),
        )
    ]
    noise = Table(
        ("net", "cosine"),
        tuple((name, f"{cosine:.2f}") for name, cosine in cosines.items()),
        f"Cosine between the gradients of an image and of one {100 * near:.0f} % of the way to another, at the first "
        f"layer before training, {deep} hidden layers",
    )
    shares = {arm: [found[arm, d].profiles[:, 0] for d in depths] for arm in arms}
    return Report(
        name="vanishing",
        title="Vanishing gradients, and four cures",
        question="How much of the gradient arrives at the first layer of a deep net, and does the net learn once what "
        "was lost is restored?",
        answer=words.answer(deepest),
        finding=" ".join(
            words.finding(deepest, found[PLAIN, depths[0]], found[NORMED, depths[0]], cosines, near)
        ),
        held_fixed=words.held_fixed(settings),
        limits=words.LIMITS,
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
    finite, diverged = m.losses[np.isfinite(m.losses)], int(np.isinf(m.losses).sum())
    spread = f"{np.min(finite):.3f} to {np.max(finite):.3f}" if len(finite) else ""
    if diverged:
        spread += f"{', ' if spread else ''}{diverged} diverged"
    accuracy = None if np.isnan(m.accuracies).all() else f"{100 * np.nanmedian(m.accuracies):.1f} %"
    return share(m.ratio), m.rate, loss(m.loss), spread, accuracy
