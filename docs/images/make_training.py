"""Makes training-light.gif and training-dark.gif: a network learns two spirals, and every number shown is its own.

    python docs/images/make_training.py

A tile is what one neuron gives out over the plane, a line a weight: blue for above 0, orange for below. Beneath stands
one derivative in two ways, by the chain rule (`trace.derive`) and by a central difference of the loss.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chainrule import Adam, Callback, Cosine, Dense, Model, Network, SigmoidCrossEntropy, Tanh

HERE = Path(__file__).parent
WIDTH, HEIGHT, SCALE = 860, 420, 2  # drawn twice as large, then made smaller, which smooths the lines
NEURONS, WEIGHT = 8, "dense_2.W[3,4]"
TILE, GAP, SIDE = 36, 7, 300
COLUMNS = (20, 150, 290)
SHOWN = (
    0,
    2,
    5,
    10,
    15,
    20,
    25,
    30,
    40,
    50,
    60,
    70,
    80,
    100,
    120,
    140,
    160,
    180,
    200,
    230,
    260,
    290,
    320,
    360,
    400,
)
"""Epochs that have a frame: close together at the beginning, where much happens."""
BLUE, ORANGE = np.array([20, 130, 205]), np.array([226, 106, 10])


class Theme(NamedTuple):
    """Colors of the ground, of words, and of what matters less."""

    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    soft: tuple[int, int, int]
    points: tuple[tuple[int, int, int], tuple[int, int, int]]
    """of class 0, orange, and class 1, blue: darker than the plane on a light ground, brighter on a dark one"""


THEMES = {
    "light": Theme((255, 255, 255), (31, 35, 40), (101, 109, 118), ((138, 56, 0), (0, 58, 110))),
    "dark": Theme((13, 17, 23), (230, 237, 243), (141, 150, 160), ((255, 208, 160), (168, 220, 255))),
}


def spirals(n: int = 240) -> tuple[Any, Any]:
    """Two arms of n / 2 points each: X (n, 2) within [-1, 1], y (n,) 0 or 1."""
    rng = np.random.default_rng(1)
    t = np.sqrt(np.linspace(0.03, 1, n // 2))
    angle = 1.35 * 2 * math.pi * t
    arm = 0.92 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)  # (n / 2, 2)
    X = np.concatenate([arm, -arm]) + rng.normal(0, 0.02, (n, 2))
    return X, np.repeat([0, 1], n // 2)


class Frame(NamedTuple):
    """What is drawn of one moment."""

    epoch: int
    loss: float
    accuracy: float
    maps: tuple[Any, ...]
    """what each layer gives out over the plane: (pixels, neurons), the last one the probability of class 1"""
    weights: tuple[Any, ...]
    derivative: float
    numeric: float


class Watch(Callback):
    """Keeps the frames."""

    def __init__(self, X: Any, y: Any) -> None:
        axis = np.linspace(-1.05, 1.05, SIDE)
        self.plane = np.stack(np.meshgrid(axis, -axis), -1).reshape(-1, 2)
        self.X, self.y, self.frames = X, y, []

    def on_train_begin(self, run: Any) -> None:
        """The first frame: before training."""
        self.on_epoch_end(run)

    def on_epoch_end(self, run: Any) -> None:
        """A frame of this epoch, if it is one of SHOWN."""
        if run.epoch not in SHOWN:
            return
        model = run.model
        found = model.evaluate(self.X, self.y)
        trace = model.trace(self.plane, np.zeros(len(self.plane)), training=False, memory_limit=None)
        derivation = model.trace(self.X, self.y).derive(WEIGHT)
        share = 1 / (1 + np.exp(-trace.out))
        self.frames.append(
            Frame(
                run.epoch,
                found["loss"],
                found["accuracy"],
                (trace.a["tanh_1"], trace.a["tanh_2"], 2 * share - 1),
                tuple(model.parameters[name].W.copy() for name in model.parameters),
                derivation.value,
                derivation.numeric,
            )
        )


def colors(values: Any, theme: Theme) -> Any:
    """-1 orange, 0 the ground, 1 blue: (n, 3) bytes. In steps, which a GIF keeps small."""
    v = np.round(np.clip(values, -1, 1) * 8)[..., None] / 8
    paper = np.array(theme.paper)
    return np.rint(paper + np.abs(v) * (np.where(v >= 0, BLUE, ORANGE) - paper) * 0.85).astype(np.uint8)


def tile(values: Any, size: int, theme: Theme) -> Image.Image:
    """A map of the plane as a picture of size x size."""
    made = Image.fromarray(colors(values.reshape(SIDE, SIDE), theme))
    return made.resize((size, size), Image.Resampling.BILINEAR if size >= SIDE else Image.Resampling.BOX)


def draw(frame: Frame, losses: list[tuple[int, float]], X: Any, y: Any, theme: Theme) -> Image.Image:
    """One frame."""
    k = SCALE
    image = Image.new("RGB", (WIDTH * k, HEIGHT * k), theme.paper)
    pen = ImageDraw.Draw(image)

    def write(
        x: float, row: float, words: str, size: int, color: Any = theme.ink, anchor: str = "ls"
    ) -> None:
        pen.text((x * k, row * k), words, color, ImageFont.load_default(size * k), anchor=anchor)

    top, height = 34, NEURONS * (TILE + GAP) - GAP
    rows = [top + i * (TILE + GAP) for i in range(NEURONS)]
    at = [
        [(COLUMNS[0] + TILE, top + height * (i + 0.5) / 2) for i in range(2)],
        [(COLUMNS[1], row + TILE / 2) for row in rows],
        [(COLUMNS[2], row + TILE / 2) for row in rows],
        [(COLUMNS[2] + TILE + 84, top + height / 2)],
    ]
    for level, W in enumerate(frame.weights):
        largest = max(float(np.abs(W).max()), 1e-9)
        for i, j in np.argwhere(np.abs(W) > 0.08 * largest).tolist():
            (x0, y0), (x1, y1) = at[level][i], at[level + 1][j]
            x0 += TILE if level else 0
            size = abs(float(W[i, j])) / largest
            color = tuple(colors(np.array([math.copysign(0.25 + 0.75 * size, W[i, j])]), theme)[0].tolist())
            pen.line((x0 * k, y0 * k, x1 * k, y1 * k), color, max(1, round(2.6 * k * size)))
    for i, name in enumerate(("x", "y")):
        x, row = at[0][i]
        write(x - 8, row, name, 19, anchor="rm")
    for column, values in zip(COLUMNS[1:], frame.maps[:2], strict=True):
        for j, row in enumerate(rows):
            image.paste(tile(values[:, j], TILE * k, theme), (column * k, row * k))
            box = (column * k, row * k, (column + TILE) * k, (row + TILE) * k)
            pen.rectangle(box, outline=theme.soft, width=k)
    left, large = COLUMNS[2] + TILE + 84, height - 2
    image.paste(tile(frame.maps[2][:, 0], large * k, theme), (left * k, top * k))
    for (a, b), label in zip(X.tolist(), y.tolist(), strict=True):
        x, row = left + large * (a + 1.05) / 2.1, top + large * (1.05 - b) / 2.1
        box = ((x - 3.2) * k, (row - 3.2) * k, (x + 3.2) * k, (row + 3.2) * k)
        pen.ellipse(box, theme.points[label], theme.paper, k // 2)
    for x, words in ((COLUMNS[1], "tanh"), (COLUMNS[2], "tanh"), (left, "what the network says")):
        write(x, top - 10, words, 17, theme.soft)
    words = (
        ("epoch", f"{frame.epoch}"),
        ("loss", f"{frame.loss:.4f}"),
        ("accuracy", f"{100 * frame.accuracy:.0f} %"),
    )
    start = left + large + 20
    for i, (name, value) in enumerate(words):
        write(start, top + 14 + 62 * i, name, 17, theme.soft)
        write(start, top + 42 + 62 * i, value, 25)
    curve(pen, losses, (start, top + 204, WIDTH - 12, top + large), theme)
    base = top + large + 42
    write(14, base, f"dL / d {WEIGHT}", 20)
    write(226, base, "chain rule", 17, theme.soft)
    write(310, base, f"{frame.derivative:+.8e}", 22)
    write(504, base, "central difference", 17, theme.soft)
    write(652, base, f"{frame.numeric:+.8e}", 22)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def curve(pen: Any, losses: list[tuple[int, float]], box: tuple[int, int, int, int], theme: Theme) -> None:
    """The loss so far, on a logarithmic scale from 1 to 0.001."""
    left, top, right, bottom = (value * SCALE for value in box)
    pen.line((left, top, left, bottom, right, bottom), theme.soft, SCALE)

    def place(epoch: int, loss: float) -> tuple[float, float]:
        up = min(max((math.log10(loss) + 3) / 3, 0), 1)
        return left + (right - left) * epoch / SHOWN[-1], bottom - (bottom - top) * up

    for a, b in pairwise(losses):
        pen.line((*place(*a), *place(*b)), tuple(BLUE.tolist()), 3 * SCALE)
    x, row = place(*losses[-1])
    pen.ellipse((x - 7, row - 7, x + 7, row + 7), tuple(BLUE.tolist()))


def palette_of(pictures: list[Image.Image], theme: Theme) -> Image.Image:
    """Colors for all frames, the ground's and the points' exactly among them."""
    some = [np.asarray(picture) for picture in pictures[::6]]
    mixed = Image.fromarray(np.concatenate(some)).quantize(93, dither=Image.Dither.NONE)
    colors = np.array(mixed.getpalette()).reshape(-1, 3)[:93]
    near = (
        np.abs(colors - np.array(theme.paper)).max(1) < 6
    )  # the ground as the quantization has it, slightly off
    colors[near] = theme.paper
    made = Image.new("P", (1, 1))
    made.putpalette([*theme.paper, *theme.points[0], *theme.points[1], *colors.ravel().tolist()])
    return made


def flattened(picture: Image.Image, palette: Image.Image, theme: Theme) -> Image.Image:
    """A frame in the colors of the palette, of which the first is the ground's."""
    flat = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    places = np.array(flat)
    places[(np.asarray(picture) == np.array(theme.paper)).all(-1)] = 0
    made = Image.fromarray(places, "P")
    made.putpalette(flat.getpalette() or [])
    return made


def main() -> None:
    """Train once, and write both pictures."""
    X, y = spirals()
    network = Network(
        2, [Dense(NEURONS), Tanh(), Dense(NEURONS), Tanh(), Dense(1)], loss=SigmoidCrossEntropy()
    )
    model, watch = Model(network, seed=1, dtype="float64"), Watch(X, y)
    model.fit(
        X, y, epochs=SHOWN[-1], batch_size=16, optimizer=Adam(2e-2), schedule=Cosine(), callbacks=[watch],
        engine="reference",
    )  # fmt: skip
    for name, theme in THEMES.items():
        pictures = []
        for i, frame in enumerate(watch.frames):
            losses = [(f.epoch, f.loss) for f in watch.frames[: i + 1]]
            pictures.append(draw(frame, losses, X, y, theme))
        palette = palette_of(pictures, theme)
        flat = [flattened(picture, palette, theme) for picture in pictures]
        path = HERE / f"training-{name}.gif"
        waits = [900, *[260] * (len(flat) - 2), 4000]
        flat[0].save(path, save_all=True, append_images=flat[1:], duration=waits, loop=0, optimize=True)
        print(f"{path.name}: {len(flat)} frames, {path.stat().st_size / 1e6:.2f} MB")
    last = watch.frames[-1]
    print(f"loss {last.loss:.4f}, accuracy {last.accuracy:.3f}, {last.derivative:.12g} {last.numeric:.12g}")


if __name__ == "__main__":
    main()
