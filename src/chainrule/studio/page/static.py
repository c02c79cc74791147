"""The studio as a folder of static files, in which the engine runs in the page: for any web server, without Python.

    python -m chainrule.studio.page.static play --engine build/web

index.html, one script for the page and one for its worker, the style sheet, the engine as WebAssembly with the
description of what it offers, what the page takes from the library (`facts`), and MNIST in files of `IMAGES` images.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.settings import describe
from chainrule.core.version import __version__
from chainrule.datasets import Dataset, load_mnist
from chainrule.errors import ChainruleError, FormatError
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS, AdamFamily
from chainrule.formulas.schedules import SCHEDULES
from chainrule.lab.vanishing import (
    ARMS,
    BATCH_SIZE,
    BATCHES_PER_EPOCH,
    EPOCHS,
    MOMENTUM,
    TESTED,
    WATCHED,
    WIDTH,
)
from chainrule.lab.without_backprop import ARMS as METHODS
from chainrule.lab.without_backprop import BATCH, HIDDEN, POOL, TRAIN
from chainrule.recipe.build import PIXELS_RATE, TABLE_RATE
from chainrule.studio.page.assets import assets, modules
from chainrule.studio.page.export import page_style
from chainrule.studio.page.join import join
from chainrule.studio.screens.labs.commands import ACTIVATIONS as OFFERED
from chainrule.studio.screens.labs.commands import MAX_HIDDEN, MAX_PASSES, MIN_PASSES
from chainrule.studio.screens.labs.methods import EPOCHS as METHOD_EPOCHS
from chainrule.studio.screens.labs.methods import LOOKS
from chainrule.studio.screens.labs.vanishing import FOUND, HIGH_LOSS
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import LAYERS, encode
from chainrule.views.words.facts import CHANCE, HANDS_BACK

ENGINE = ("engine.wasm", "description.json")
"""The files of `make web`."""
FRONT = "front.bin"
"""The network of the first screen, which answers before the rest is there."""
IMAGES = 10_000
"""The images in each file of MNIST."""
LEVEL = 7
"""Of compression: level 9 takes ten times as long for 0.6 % less."""
FIRST = {"schedule": "one_cycle", "epochs": 3}
"""The settings of MNIST's first run that differ from the studio's: it ends within seconds."""
TABLE = {
    "layers": [{"kind": "dense", "units": 32}, {"kind": "relu"}],
    "schedule": "one_cycle",
    "epochs": 20,
    "batch_size": 32,
}
"""The settings of tables and points, for a few hundred rows. On diabetes this is as good as a linear model."""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="generator" content="Chainrule {version}">
<meta name="description" content="Draw a digit: a neural network answers in your browser. Drag one weight, step \
through its backpropagation, and train your own.">
<title>Chainrule: draw a digit, then ask why</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
<script src="play.js" defer></script>
</head>
<body>
<div id="app" class="chainrule"></div>
<noscript>Chainrule's studio is a program in JavaScript and WebAssembly, and needs both.</noscript>
</body>
</html>
"""


def build(folder: Path, engine: Path, parts: tuple[Dataset, Dataset] | None = None) -> list[Path]:
    """Write the page into a folder, and return its files.

    engine: the folder of `make web`.  parts: the images to train on and those to test on; None for all of MNIST.
    Raises FormatError.
    """
    missing = [name for name in ENGINE if not (engine / name).is_file()]
    if missing:
        raise FormatError(f"{engine} has no {missing[0]}; build the engine for the browser with `make web`.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ENGINE:
        shutil.copyfile(engine / name, folder / name)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
    for name in ("icon.svg", FRONT):
        (folder / name).write_bytes(assets()[name].content)
    packed = {
        name: write_part(folder, name, part)
        for name, part in zip(("train", "test"), parts or load_mnist(), strict=True)
    }
    given = facts() | {"mnist": {"shape": [28, 28], **packed}}
    (folder / "studio.json").write_text(json.dumps(given, separators=(",", ":")), "utf-8")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def pages() -> dict[str, str]:
    """Return the files that are text: the page, its scripts and its style sheet."""
    return {
        "index.html": PAGE.format(policy=POLICY, version=__version__),
        "play.js": join("play/main.js", modules()),
        "worker.js": join("play/worker.js", modules()),
        "style.css": page_style(),
    }


def facts() -> dict[str, Any]:
    """Return what the page takes from the library: the choices of the form Train, and the names of classes."""
    kinds = {**LAYERS, **LOSSES, **OPTIMIZERS, **SCHEDULES}
    options = find("train.options")(Studio(), {})
    return {
        "options": options,
        "classes": {kind: made.__name__ for kind, made in kinds.items()},
        "first": FIRST,
        "table": TABLE,
        "adam": [kind for kind, made in OPTIMIZERS.items() if issubclass(made, AdamFamily)],
        "peaks": {"pixels": PIXELS_RATE, "numbers": TABLE_RATE},
        "vanishing": experiment(),
        "without_backprop": methods(),
    }


def experiment() -> dict[str, Any]:
    """Return the networks of Vanishing gradients: the layers at depth 1, those of each further one, and the sizes."""
    arms = {}
    for arm, layers in ARMS.items():
        first, second = (list(map(encode, layers(depth, WIDTH))) for depth in (1, 2))
        arms[arm] = {"first": first, "more": second[len(first) :]}
    return {
        "arms": arms,
        "rates": FOUND,
        "width": WIDTH,
        "batch": BATCH_SIZE,
        "batches": BATCHES_PER_EPOCH,
        "epochs": EPOCHS,
        "momentum": MOMENTUM,
        "watched": WATCHED,
        "tested": TESTED,
        "high": HIGH_LOSS,
        "learns": CHANCE / 2,
    }


def methods() -> dict[str, Any]:
    """Return the methods of Without backpropagation, with their settings and step sizes, and the run's sizes."""
    return {
        "arms": {
            name: {"size": arm.tuned, "method": describe(arm.make(arm.tuned))}
            for name, arm in METHODS.items()
        },
        "images": TRAIN,
        "batch": BATCH,
        "hidden": HIDDEN,
        "pool": POOL,
        "looks": LOOKS,
        "epochs": METHOD_EPOCHS,
        "depths": MAX_HIDDEN,
        "passes": [MIN_PASSES, MAX_PASSES],
        "activations": {kind: ACTIVATIONS[kind].__name__ for kind in OFFERED},
        "hands_back": HANDS_BACK,
    }


def write_part(folder: Path, name: str, part: Dataset) -> dict[str, Any]:
    """Write images and labels of a data set as gzip files, and return their names, numbers of images and bytes."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    X, y = np.asarray(part.X, np.uint8), np.asarray(part.y, np.uint8)
    files = []
    for number, start in enumerate(range(0, len(X), IMAGES)):
        rows = slice(start, start + IMAGES)
        content = gzip.compress(X[rows].tobytes() + y[rows].tobytes(), LEVEL, mtime=0)
        path = data / f"{name}-{number}.bin"
        path.write_bytes(content)
        files.append([f"data/{path.name}", len(X[rows]), len(content)])
    return {"n": len(X), "files": files}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the page from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m chainrule.studio.page.static", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("folder", type=Path, help="the folder to write")
    parser.add_argument("--engine", type=Path, default=Path("build/web"), help="what `make web` has built")
    given = parser.parse_args(arguments)
    try:
        files = build(given.folder, given.engine)
    except ChainruleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.folder}/index.html, and {len(files) - 1} more files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
