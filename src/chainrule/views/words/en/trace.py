"""What is said of a trace, and of the comparison of backpropagation with central differences."""

from __future__ import annotations

from chainrule.views.words.en.phrases import samples

HEADS = ("link", "layer", "z", "a", "delta = dL/dz", "gradient")
INPUT = "input"
MODES = {"training": "as in training", "prediction": "as in prediction"}
CHECK = "Backpropagation against central differences"
CHECK_HEADS = ("parameter", "backpropagation", "central difference", "relative error")
NO_PARAMETER = "no parameter"


def walked(count: int, mode: str, loss: float, penalty: float) -> str:
    """What was walked, and the loss. mode: training or prediction."""
    of_it = f", {penalty:.6g} of it penalty" if penalty else ""
    return f"{samples(count)}, {MODES[mode]}: loss {loss:.6g}{of_it}"


def title(walk: str) -> str:
    """The heading of a trace."""
    return f"Trace of {walk}"


def shown(few: int, size: str) -> tuple[str, str]:
    """What the cells show, in two lines. few: numbers that are shown one by one."""
    return (
        f"Up to {few} numbers are shown one by one. Of more, z and a have their mean ± standard deviation,",
        f"delta and gradients their root mean square (rms). {size} kept.",
    )


def standardized(prediction: str, target: str) -> str:
    """What the numbers are in the targets' own units."""
    return (
        f"The loss is of standardized targets. In their own units: prediction {prediction}, target {target}."
    )


def spread(mean: float, std: float) -> str:
    """Many numbers by their mean and their standard deviation."""
    return f"{mean:.3g} ± {std:.3g}"


def rms(value: float) -> str:
    """Many numbers by their root mean square."""
    return f"rms {value:.3g}"


def worst(place: str, error: float) -> str:
    """The largest error of a check."""
    return f"worst: {place}, relative error {error:.1e}"
