"""Exercises in backpropagation for paper: a network small enough for a calculator, with other numbers for each seed.

    >>> from chainrule.lab.worksheet import make_worksheet
    >>> sheet = make_worksheet(seed=7)
    >>> [answer.name for answer in sheet.exercises[0].answers]
    ['z₁', 'z₂', 'a₁', 'a₂']

The key is no second computation: its numbers are those of `Model.trace` on this network, and of the metrics.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.files import write_whole
from chainrule.data import checks
from chainrule.formulas import metrics
from chainrule.formulas.layers import Dense, Sigmoid
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.inspection.trace.trace import Trace
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.views import words
from chainrule.views.markup import section, text

STEP = 0.01
"""The change of a weight in the central difference of a worksheet."""
LARGEST_SUM = 1.8
"""The largest size of a hidden neuron's sum: beyond it the sigmoid is flat, and its slope a small number."""
SMALLEST_GRADIENT = 0.005
"""The smallest size of the derivative that is asked for, so that four digits are enough."""
MNIST_SAMPLES, PIXELS, DIGITS = 60_000, 784, 10
DIGITS_BELOW = "₀₁₂₃₄₅₆₇₈₉"


@records.kind("worksheet_answer")
class Answer(NamedTuple):
    """A number to find: its name, its value, and how it comes about, with the numbers in place of the letters."""

    name: str
    value: float
    how: str

    def to_data(self) -> dict[str, Any]:
        """Return the answer as JSON-safe data."""
        return records.to_data(self)


@records.kind("worksheet_exercise")
class Exercise(NamedTuple):
    """Several numbers to find. code: what of, such as "hidden".  given: the numbers that only this exercise needs."""

    code: str
    answers: tuple[Answer, ...]
    given: dict[str, float]

    def to_data(self) -> dict[str, Any]:
        """Return the exercise as JSON-safe data."""
        return records.to_data(self)


@records.kind("worksheet")
@dataclass(frozen=True)
class Worksheet(records.DataResult):
    """Exercises on a network of 2 inputs, 2 hidden neurons with sigmoids and 2 outputs, and their answers.

    u: (2, 2), u[k, i] from input k to hidden neuron i, with the biases b.  v: (2, 2), v[i, j] from hidden neuron i to
    output j, with the biases c.  x: (2,) the inputs.  label: the true output, 0 or 1.  rate: the learning rate.
    """

    seed: int
    u: NDArray[np.float64]
    b: NDArray[np.float64]
    v: NDArray[np.float64]
    c: NDArray[np.float64]
    x: NDArray[np.float64]
    label: int
    rate: float
    weight: str
    """the name of the weight of the first layer that the exercises follow"""
    exercises: tuple[Exercise, ...]


def make_worksheet(seed: int = 0) -> Worksheet:
    """Return the worksheet of a seed: the same numbers at each call. Raises ConfigError for a seed that is none.

        z_i = b_i + sum_k u_ki x_k      a_i = 1 / (1 + exp(-z_i))      s_j = c_j + sum_i v_ij a_i
        L = -log p_label, p = softmax(s)      dL/ds_j = p_j - y_j      dL/dz_i = a_i (1 - a_i) sum_j v_ij dL/ds_j

    Source: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986.
    """
    checks.check_seed(seed)
    rng = np.random.default_rng(seed)
    while True:
        model, x, label = _drawn(rng)
        trace = model.trace(x[None], np.array([label]))
        z, gradient = trace.z["dense_1"][0], trace.grads["dense_1"].W
        if np.abs(z).max() <= LARGEST_SUM and np.abs(gradient).min() >= SMALLEST_GRADIENT:
            break
    hidden, out = model.parameters["dense_1"], model.parameters["dense_2"]
    rate, k, i = float(rng.choice([0.1, 0.2, 0.5])), int(rng.integers(2)), int(rng.integers(2))
    exercises = (
        *_by_hand(model, trace, label, rate, k, i),
        _counting(int(rng.choice([16, 32, 64, 100, 128])), int(rng.choice([32, 50, 64, 100, 128]))),
        _normalizing(rng),
        _judging(rng),
    )
    u, b, v, c = (each.copy() for each in (hidden.W, hidden.b, out.W, out.b))
    return Worksheet(seed, u, b, v, c, x, label, rate, _weight(k, i), exercises)


def _drawn(rng: np.random.Generator) -> tuple[Model, NDArray[np.float64], int]:
    """Draw a network, an input and its class, all of one digit."""
    model = Model(Network(2, [Dense(2), Sigmoid(), Dense(2)], SoftmaxCrossEntropy()), dtype="float64")
    for name in ("dense_1", "dense_2"):
        parameters = model.parameters[name]
        parameters.W[...] = rng.integers(2, 13, (2, 2)) / 10 * rng.choice([-1, 1], (2, 2))
        parameters.b[...] = rng.integers(1, 6, 2) / 10 * rng.choice([-1, 1], 2)
    return model, rng.choice([-1.0, 0.5, 1.0, 1.5, 2.0], 2, replace=False), int(rng.integers(2))


def _by_hand(model: Model, trace: Trace, label: int, rate: float, k: int, i: int) -> list[Exercise]:
    """Return the exercises of a step of training; of the gradients that by the weight from input k to neuron i."""
    hidden, out, x = model.parameters["dense_1"], model.parameters["dense_2"], trace.x[0]
    z, a, s = trace.z["dense_1"][0], trace.a["sigmoid_1"][0], trace.z["dense_2"][0]
    p, loss = model.predict_proba(x[None])[0], float(trace.losses[0])
    of_s, of_z = trace.delta["dense_2"][0], trace.delta["dense_1"][0]
    of_a = out.W @ of_s
    of_u, of_v = trace.grads["dense_1"].W[k, i], trace.grads["dense_2"].W[i, label]
    one, other, exps = _below(label), _below(1 - label), " + ".join(f"e^{_said(n)}" for n in s)
    u, v = _weight(k, i), f"v{_below(i)}{one}"
    new = hidden.W[k, i] - rate * of_u
    larger, smaller = (_loss_with(model, x, label, k, i, step) for step in (STEP, -STEP))
    terms = " + ".join(f"{_said(out.W[i, j])} · {_said(of_s[j])}" for j in (0, 1))
    return [
        Exercise(
            "hidden",
            (
                *(Answer(f"z{_below(n)}", z[n], _sum(hidden.b[n], hidden.W[:, n], x)) for n in (0, 1)),
                *(Answer(f"a{_below(n)}", a[n], f"1 / (1 + e^{_said(-z[n])})") for n in (0, 1)),
            ),
            {},
        ),
        Exercise(
            "outputs",
            (
                *(Answer(f"s{_below(n)}", s[n], _sum(out.b[n], out.W[:, n], a)) for n in (0, 1)),
                *(Answer(f"p{_below(n)}", p[n], f"e^{_said(s[n])} / ({exps})") for n in (0, 1)),
                Answer("L", loss, f"−ln {_said(p[label])}"),
            ),
            {},
        ),
        Exercise(
            "errors",
            (
                Answer(f"∂L/∂s{one}", of_s[label], f"{_said(p[label])} − 1"),
                Answer(f"∂L/∂s{other}", of_s[1 - label], f"{_said(p[1 - label])} − 0"),
                Answer(f"∂L/∂{v}", of_v, f"{_said(a[i])} · {_said(of_s[label])}"),
            ),
            {},
        ),
        Exercise(
            "back",
            (
                Answer(f"∂L/∂a{_below(i)}", of_a[i], terms),
                Answer(
                    f"∂L/∂z{_below(i)}",
                    of_z[i],
                    f"{_said(of_a[i])} · {_said(a[i])} · (1 − {_said(a[i])})",
                ),
                Answer(f"∂L/∂{u}", of_u, f"{_said(x[k])} · {_said(of_z[i])}"),
            ),
            {},
        ),
        Exercise(
            "step",
            (Answer(u, new, f"{_written(hidden.W[k, i])} − {rate:g} · {_said(of_u)}"),),
            {"rate": rate},
        ),
        Exercise(
            "check",
            (
                Answer(
                    f"ΔL/Δ{u}",
                    (round(larger, 7) - round(smaller, 7)) / (2 * STEP),
                    f"({larger:.7f} − {smaller:.7f}) / {2 * STEP:g}",
                ),
            ),
            {"larger": round(larger, 7), "smaller": round(smaller, 7), "step": STEP},
        ),
    ]


def _loss_with(model: Model, x: NDArray[np.float64], label: int, k: int, i: int, step: float) -> float:
    """Return the loss with one weight of the first layer changed."""
    weights = model.parameters["dense_1"].W
    now = weights[k, i]
    weights[k, i] = now + step
    loss = float(model.trace(x[None], np.array([label])).losses[0])
    weights[k, i] = now
    return loss


def _counting(hidden: int, batch: int) -> Exercise:
    """Return the exercise on the size of a network for MNIST, and on the steps of an epoch."""
    parameters = Network(PIXELS, [Dense(hidden), Sigmoid(), Dense(DIGITS)], SoftmaxCrossEntropy()).size
    steps = -(-MNIST_SAMPLES // batch)
    return Exercise(
        "counting",
        (
            Answer(
                "n", float(parameters), f"{PIXELS} · {hidden} + {hidden} + {hidden} · {DIGITS} + {DIGITS}"
            ),
            Answer("k", float(steps), f"⌈{MNIST_SAMPLES:,} / {batch}⌉"),
        ),
        {"hidden": hidden, "batch": batch, "samples": MNIST_SAMPLES, "pixels": PIXELS, "digits": DIGITS},
    )


def _normalizing(rng: np.random.Generator) -> Exercise:
    """Return the exercise on batch normalization of four numbers."""
    spread = np.array([[-1, -1, 1, 1], [-3, -1, 1, 3], [-4, -1, 2, 3]][int(rng.integers(3))])
    z = rng.permutation(rng.integers(-3, 4) + spread * float(rng.choice([0.5, 1.0])))
    gamma, beta = float(rng.choice([0.5, 1.5, 2.0])), float(rng.choice([-1.0, 0.5, 1.0]))
    mean, std = float(z.mean()), float(z.std())
    first = (z[0] - mean) / std
    squares = " + ".join(f"{_said(n - mean)}²" for n in z)
    return Exercise(
        "normalizing",
        (
            Answer("μ", mean, f"({' + '.join(map(_said, z))}) / 4"),
            Answer("σ", std, f"√(({squares}) / 4)"),
            Answer("ẑ₁", first, f"({_said(z[0])} − {_said(mean)}) / {_said(std)}"),
            Answer("γ ẑ₁ + β", gamma * first + beta, f"{gamma:g} · {_said(first)} + {_said(beta)}"),
        ),
        {**{f"z{_below(n)}": float(value) for n, value in enumerate(z)}, "γ": gamma, "β": beta},
    )


def _judging(rng: np.random.Generator) -> Exercise:
    """Return the exercise on the metrics of two classes, from the four numbers of a confusion matrix."""
    hits, misses, alarms, rest = (
        int(rng.integers(*bounds)) for bounds in ((6, 30), (2, 12), (2, 12), (30, 80))
    )
    y = np.repeat([1, 1, 0, 0], [hits, misses, alarms, rest])
    predicted = np.repeat([1, 0, 1, 0], [hits, misses, alarms, rest])
    of = hits + misses + alarms + rest
    precision, recall = metrics.precision(y, predicted), metrics.recall(y, predicted)
    return Exercise(
        "judging",
        (
            Answer("accuracy", metrics.accuracy(y, predicted), f"({hits} + {rest}) / {of}"),
            Answer("precision", precision, f"{hits} / ({hits} + {alarms})"),
            Answer("recall", recall, f"{hits} / ({hits} + {misses})"),
            Answer(
                "F₁",
                metrics.f1(y, predicted),
                f"2 · {_said(precision)} · {_said(recall)} / ({_said(precision)} + {_said(recall)})",
            ),
        ),
        {"hits": hits, "misses": misses, "alarms": alarms, "rest": rest},
    )


def _weight(k: int, i: int) -> str:
    return f"u{_below(k)}{_below(i)}"


def _below(index: int) -> str:
    """Return an index from 0 as a subscript from 1."""
    return DIGITS_BELOW[index + 1]


def _written(number: Any) -> str:
    """Return a number with four decimals at most, and the sign for minus: −0.25."""
    return f"{round(float(number), 4) + 0.0:.10g}".replace("-", "−")


def _said(number: Any) -> str:
    """Return a number within a formula: in parentheses if it is negative."""
    said = _written(number)
    return f"({said})" if number < 0 else said


def _sum(bias: float, weights: NDArray[np.float64], inputs: NDArray[np.float64]) -> str:
    """Return a bias and weighted inputs as a sum: 0.3 + 0.5 · 2 + (-0.2) · 1."""
    return " + ".join(
        [_written(bias), *(f"{_said(w)} · {_said(x)}" for w, x in zip(weights, inputs, strict=True))]
    )


# --- as pages to print

PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title} - Chainrule</title>
<style>{css}</style>
</head>
<body>
{sheets}
</body>
</html>
"""
COLUMNS, ROWS, RADIUS = (80, 320, 560), (70, 180), 24
"""The centers and the radius of the neurons of the picture, in its units."""
LABEL_AT = 0.3
"""Where on a link its weight is written, from its start: past the middle two links cross."""


def write_worksheets(folder: str | os.PathLike[str], seed: int = 0, copies: int = 1) -> list[Worksheet]:
    """Write worksheets with the seeds from `seed` on, and return them.

    worksheet.html has each on paper of its own (A4); key.html has their keys, after a table of all answers. Both are in
    the current language, without scripts. Raises ConfigError for a seed that is none.
    """
    sheets = [make_worksheet(seed + number) for number in range(copies)]
    for name, is_key in (("worksheet.html", False), ("key.html", True)):
        write_whole(Path(folder) / name, _render(sheets, is_key).encode())
    return sheets


def _render(sheets: Sequence[Worksheet], is_key: bool) -> str:
    said = words.worksheet
    heading = said.heading_of_key if is_key else said.heading
    pages = [_key(sheet) if is_key else _sheet(sheet) for sheet in sheets]
    if is_key and len(sheets) > 1:
        pages.insert(0, _overview(sheets))
    return PAGE.format(
        lang=words.language(),
        title=text(heading(sheets[0].seed)),
        css=(files("chainrule.lab") / "worksheet.css").read_text("utf-8"),
        sheets="\n".join(pages),
    )


def _sheet(sheet: Worksheet) -> str:
    said = words.worksheet
    person = "".join(f"<span>{text(each)}</span>" for each in (said.NAME, said.DATE))
    inputs = ", ".join(f"x{_below(k)} = {_written(value)}" for k, value in enumerate(sheet.x))
    return (
        f'<article class="sheet"><h1>{text(said.heading(sheet.seed))}</h1><div class="person">{person}</div>'
        f"<p>{text(said.introduced(inputs, sheet.label + 1))}</p>{_picture(sheet)}"
        + "".join(_exercise(sheet, number) for number in range(len(sheet.exercises)))
        + "</article>"
    )


def _exercise(sheet: Worksheet, number: int) -> str:
    exercise = sheet.exercises[number]
    given = {name: f"{value:,.10g}".replace("-", "−") for name, value in exercise.given.items()}
    blanks = "".join(f"<li>{text(_named(answer.name))} =</li>" for answer in exercise.answers)
    return section(
        _titled(exercise, number),
        f"<p>{text(words.worksheet.asked(exercise.code, given, sheet.weight))}</p>",
        f'<ul class="blanks">{blanks}</ul>',
    )


def _key(sheet: Worksheet) -> str:
    body = ""
    for number, exercise in enumerate(sheet.exercises):
        lines = "".join(
            f"<li>{text(_named(answer.name))} = {text(answer.how)} = <b>{_value(answer.value)}</b></li>"
            for answer in exercise.answers
        )
        body += section(_titled(exercise, number), f'<ul class="answers">{lines}</ul>')
    return (
        f'<article class="sheet"><h1>{text(words.worksheet.heading_of_key(sheet.seed))}</h1>{body}</article>'
    )


def _overview(sheets: Sequence[Worksheet]) -> str:
    """Return all answers as one table: a row for each answer, a column for each sheet, in blocks that fit the paper."""
    said, blocks = words.worksheet, ""
    for start in range(0, len(sheets), 10):
        some = sheets[start : start + 10]
        head = "".join(f"<th>{sheet.seed}</th>" for sheet in some)
        body = ""
        for number in range(len(some[0].exercises)):
            for place in range(len(some[0].exercises[number].answers)):
                cells = "".join(
                    f"<td>{_value(sheet.exercises[number].answers[place].value)}</td>" for sheet in some
                )
                body += f"<tr><th>{number + 1}.{place + 1}</th>{cells}</tr>"
        blocks += f'<div class="scroll"><table><tr><th>{text(said.SHEET)}</th>{head}</tr>{body}</table></div>'
    return f'<article class="sheet"><h1>{text(said.ALL)}</h1>{blocks}</article>'


def _titled(exercise: Exercise, number: int) -> str:
    return f"{number + 1}. {words.worksheet.TITLES[exercise.code]}"


def _named(name: str) -> str:
    return words.phrases.spoken(name) if name.isascii() and len(name) > 1 else name


def _value(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 and value == int(value) else _written(value)


def _picture(sheet: Worksheet) -> str:
    """Return the network as a drawing, with a number at every link."""
    said, links, nodes = words.worksheet, "", ""
    names = (("x", None), ("z", "b"), ("s", "c"))
    for layer, (weights, letter) in enumerate(((sheet.u, "u"), (sheet.v, "v"))):
        for k, i in ((0, 0), (0, 1), (1, 0), (1, 1)):
            (x, y), (to_x, to_y) = (COLUMNS[layer], ROWS[k]), (COLUMNS[layer + 1], ROWS[i])
            at_x, at_y = x + LABEL_AT * (to_x - x) + 14, y + LABEL_AT * (to_y - y) - 5
            links += f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'
            nodes += (
                f'<text class="weight" x="{at_x:g}" y="{at_y:g}">'
                f"{letter}{_below(k)}{_below(i)} = {_written(weights[k, i])}</text>"
            )
    for layer, (letter, bias) in enumerate(names):
        title = (said.INPUTS, said.HIDDEN, said.OUTPUTS)[layer]
        nodes += f'<text class="soft" x="{COLUMNS[layer]}" y="20">{text(title)}</text>'
        for k, y in enumerate(ROWS):
            is_true = layer == 2 and k == sheet.label
            note = (
                f"= {_written(sheet.x[k])}"
                if bias is None
                else f"{bias}{_below(k)} = {_written((sheet.b, sheet.c)[layer - 1][k])}"
            )
            nodes += (
                f'<circle{" class=true" * is_true} cx="{COLUMNS[layer]}" cy="{y}" r="{RADIUS}"/>'
                f'<text x="{COLUMNS[layer]}" y="{y + 5}">{letter}{_below(k)}</text>'
                f'<text class="weight" x="{COLUMNS[layer]}" y="{y + RADIUS + 18}">{note}</text>'
            )
            if is_true:
                right = COLUMNS[layer] + RADIUS + 6
                nodes += f'<text class="soft at-right" x="{right}" y="{y + 5}">{text(said.TRUE)}</text>'
    return f'<svg viewBox="0 0 660 240" role="img" aria-label="{text(said.PICTURE)}">{links}{nodes}</svg>'
