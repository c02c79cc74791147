"""Makes the pictures of the terminal and of the pages, on a light and on a dark ground.

    python docs/images/make_screens.py [FOLDER]

Everything is run: a training on MNIST, the story of one of its answers, the experiment on vanishing gradients. FOLDER
keeps the run and the pages, and what is there already is not run again. Needs the packages of the extra `test`, and
Chromium.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import rich.console
from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.terminal_theme import TerminalTheme
from typer.testing import CliRunner

from chainrule import load
from chainrule.cli import app, output
from chainrule.datasets import load_mnist
from chainrule.inspection.story import explain

HERE = Path(__file__).parent
COLUMNS = 84
DARK_INKS = [
    (91, 102, 112),
    (207, 34, 46),
    (26, 127, 55),
    (154, 103, 0),
    (0, 114, 178),
    (130, 80, 223),
    (27, 124, 131),
]
BRIGHT_INKS = [
    *((145, 150, 155), (255, 123, 114), (63, 185, 80), (210, 153, 34), (102, 190, 255), (188, 140, 255)),
    (57, 197, 207),
]
THEMES = {
    "light": TerminalTheme((246, 248, 250), (31, 35, 40), [*DARK_INKS, (110, 119, 129)]),
    "dark": TerminalTheme((23, 30, 38), (232, 237, 242), [*BRIGHT_INKS, (177, 186, 196)]),
}
FORMAT = CONSOLE_SVG_FORMAT[: CONSOLE_SVG_FORMAT.index("    @font-face")] + (
    CONSOLE_SVG_FORMAT[CONSOLE_SVG_FORMAT.index("    .{unique_id}-matrix") :].replace(
        "Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    )
)
"""Rich's picture of a terminal, in the reader's own font: an image may not load another."""


def console() -> rich.console.Console:
    """One that remembers what it prints."""
    return rich.console.Console(
        file=io.StringIO(), record=True, width=COLUMNS, color_system="truecolor", highlight=False
    )


def terminal(name: str, title: str, screen: rich.console.Console) -> None:
    """What a console remembers, as two pictures."""
    for ground, theme in THEMES.items():
        svg = screen.export_svg(title=title, theme=theme, code_format=FORMAT, clear=False, unique_id=name)
        (HERE / f"{name}-{ground}.svg").write_text(
            "\n".join(map(str.rstrip, svg.splitlines())) + "\n", "utf-8"
        )


def training(folder: Path) -> Path:
    """Train on MNIST by the command, and keep what it prints."""
    words = ["train", "mnist", "--report", "--out", "runs/mnist"]
    shutil.rmtree(folder / "runs" / "mnist", ignore_errors=True)
    screen, before = console(), output.console
    output.console = lambda quiet=False: screen
    try:
        with contextlib.chdir(folder):
            result = CliRunner().invoke(app, words)
    finally:
        output.console = before
    assert result.exit_code == 0, result.output
    terminal("train", f"chainrule {' '.join(words)}", screen)
    return folder / "runs" / "mnist"


def browser_pictures(story: Path, report: Path, lab: Path) -> None:
    """The pages in a browser."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for ground in THEMES:
            page = browser.new_page(viewport={"width": 760, "height": 900}, color_scheme=ground)
            for source, name, second in (
                (story, "explain", "4. "),
                (report, "report", "Worst"),
            ):
                show(page, source, ground)
                whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
                heads = page.locator("section").filter(has=page.locator("h2", has_text=second))
                box = heads.first.bounding_box()
                assert box is not None
                save(columns(whole, 0, round(box["y"]) - 14), f"{name}-{ground}")
            page.set_viewport_size({"width": 1040, "height": 900})
            show(page, lab, ground)
            figure = page.locator("section", has=page.locator(".figure")).first
            save(Image.open(io.BytesIO(figure.screenshot())).convert("RGB"), f"lab-{ground}")
            page.close()
        browser.close()


def show(page: Any, source: Path, ground: str) -> None:
    """Open a page in the colors of a ground."""
    page.goto(source.resolve().as_uri())
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length > 0")
    if page.evaluate("document.documentElement.dataset.theme") != ground:
        page.click("#theme")
    page.wait_for_timeout(800)


def columns(whole: Image.Image, first: int, second: int, height: int = 1000) -> Image.Image:
    """Two parts of a long page, side by side."""
    made = Image.new("RGB", (2 * whole.width, height), whole.getpixel((2, 2)))
    for i, top in enumerate((first, second)):
        made.paste(whole.crop((0, top, whole.width, min(top + height, whole.height))), (i * whole.width, 0))
    return made


def save(picture: Image.Image, name: str) -> None:
    """As a PNG of 256 colors."""
    path = HERE / f"{name}.png"
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1e3:.0f} kB")


def main(folder: Path) -> None:
    """All of them."""
    run = training(folder)
    model, test = load(run / "model.safetensors"), load_mnist()[1]
    wrong = (model.predict(test.X) != test.y).nonzero()[0][0]
    page = folder / "why.html"
    explain(model, test.X[wrong], test.y[wrong], source="digit.png").write(page)
    lab = folder / "lab" / "vanishing.html"
    if not lab.exists():
        subprocess.run(["chainrule", "lab", "vanishing", "--out", str(lab.parent)], check=True)
    browser_pictures(page, run / "report.html", lab)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
