"""Print a story on a terminal: images as half blocks, blue for and orange against the answer if in color."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from chainrule.inspection.attribution.explained import Floats
from chainrule.inspection.story import Story
from chainrule.inspection.story.chapters import Bars, Content, Grid, Picture, Signed
from chainrule.views import words
from chainrule.views.tables import Table as WrappedTable
from chainrule.views.tables import shown

SHADES = " ░▒▓█"
BAR_LENGTH = 20
"""The length of a full bar, in characters."""
MIN_WIDTH, MAX_WIDTH = 28, 56
"""The minimum and the maximum width of an image, in pixels."""
FOR, AGAINST = (20, 130, 205), (226, 106, 10)
BLUE, ORANGE = "rgb(20,130,205)", "rgb(226,106,10)"


def as_text(story: Story, width: int) -> str:
    """Format a story as text without colors."""
    return shown(partial(show, story), width) + "\n"


def show(story: Story, console: Console) -> None:
    """Print all chapters on a terminal, in color."""
    has_color = console.color_system is not None
    for number, part in enumerate(story.parts(), 1):
        console.print(
            Rule(Text(f"{number}  {plain(part.title)}", "bold"), align="left", style="dim", characters="─")
        )
        for item in part.content:
            console.print(Padding(rendered(item, has_color), (0, 0, 1, 2)))


def rendered(item: Content, has_color: bool) -> Any:
    """Return one piece of a chapter as a rich renderable."""
    if isinstance(item, Grid):
        return grid(item)
    if isinstance(item, Bars):
        return bars(item)
    if isinstance(item, Signed):
        return signed(item)
    if isinstance(item, Picture):
        return pictures(item, has_color)
    return Text(plain(item))


def pictures(item: Picture, has_color: bool) -> Any:
    """Return the image and the attribution maps of its pixels, side by side in frames."""
    drawn = [("", item.pixels), *item.maps]
    framed = [
        Panel.fit(
            picture(fitted(pixels), bool(name), has_color),
            title=Text(plain(name)) if name else None,
            box=box.SQUARE,
            padding=0,
            border_style="dim",
        )
        for name, pixels in drawn
    ]
    if not item.maps:
        return framed[0]
    key = words.story_page.COLORS if has_color else words.story_page.CHARACTERS
    return Group(Columns(framed, padding=(0, 2)), Text(key, "dim"))


def grid(item: Grid) -> WrappedTable:
    """Return a table with right-aligned numbers and left-aligned words; columns that do not fit follow below."""
    return WrappedTable(item.columns, tuple(tuple(map(plain, row)) for row in item.rows))


def bars(item: Bars) -> Any:
    """Return bars as a table: name, number, bar."""
    table = Table.grid(padding=(0, 2))
    for row in item.rows:
        style = "bold" if row.is_main else "dim"
        table.add_row(
            Text(plain(row.name), style),
            Text(row.number, style, justify="right"),
            Text(f"{bar(row.share):<{BAR_LENGTH}}", BLUE if row.is_main else "dim"),
            Text(row.note, "dim", justify="right"),
        )
    return table


def bar(share: float) -> str:
    """Return a bar of a length from 0 to 1, of up to BAR_LENGTH characters, in eighths."""
    eighths: int = round(8 * BAR_LENGTH * min(max(share, 0.0), 1.0))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def signed(item: Signed) -> Any:
    """Return bars on both sides of a line: negative ones to the left, positive ones to the right."""
    largest = max((abs(value) for _, value in item.rows), default=0.0) or 1.0
    table = Table.grid(padding=(0, 1))
    for name, value in item.rows:
        length = min(round(BAR_LENGTH * abs(value) / largest), BAR_LENGTH)
        left = Text(("▒" * length if value < 0 else "").rjust(BAR_LENGTH), ORANGE)
        right = Text(("█" * length if value > 0 else "").ljust(BAR_LENGTH), BLUE)
        table.add_row(
            Text(plain(name)), Text(f"{value:+.4g}", "bold", justify="right"), left, Text("│", "dim"), right
        )
    return table


def fitted(pixels: Floats) -> Floats:
    """Resize an image: repeat the pixels of a small one, average those of a large one, to at most MAX_WIDTH."""
    k = -(-pixels.shape[1] // MAX_WIDTH)
    if k == 1:
        times = max(1, MIN_WIDTH // max(pixels.shape))
        return np.repeat(np.repeat(pixels, times, 0), times, 1)
    height, width = (side // k * k for side in pixels.shape)
    if not height:
        return np.asarray(pixels[:, :width].reshape(len(pixels), -1, k).mean(2))
    return np.asarray(pixels[:height, :width].reshape(height // k, k, width // k, k).mean((1, 3)))


def picture(pixels: Floats, is_signed: bool, has_color: bool) -> Text:
    """Return an image as text, two vertically adjacent pixels per character.

    Without colors it consists of shades, with a minus for negative values.
    """
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.full((1, pixels.shape[1]), 0.0 if is_signed else np.min(pixels))])
    low, high = float(np.min(pixels)), float(np.max(pixels))
    start, size = (0.0, max(-low, high)) if is_signed else (low, high - low)
    level = (pixels - start) / (size or 1.0)  # -1 to 1, or 0 to 1
    text = Text()
    for top, bottom in zip(level[::2], level[1::2], strict=True):
        for a, b in zip(top.tolist(), bottom.tolist(), strict=True):
            if has_color:
                upper, lower = (_rgb(v, is_signed) for v in (a, b))
                text.append(
                    "▀", f"rgb({upper[0]},{upper[1]},{upper[2]}) on rgb({lower[0]},{lower[1]},{lower[2]})"
                )
            else:
                text.append(
                    _sign((a + b) / 2) if is_signed else SHADES[round((len(SHADES) - 1) * (a + b) / 2)]
                )
        text.append("\n")
    text.right_crop(1)
    return text


def _rgb(level: float, is_signed: bool) -> tuple[int, int, int]:
    """Return the color of a pixel: gray, or from white to blue or orange if is_signed."""
    if not is_signed:
        return (round(255 * level),) * 3
    color, share = (FOR if level > 0 else AGAINST), abs(level) ** 0.7
    red, green, blue = (round(24 + (c - 24) * share) for c in color)
    return red, green, blue


def _sign(level: float) -> str:
    if abs(level) < 0.02:
        return "·" if level else " "
    return ("#" if abs(level) > 0.4 else "+") if level > 0 else ("=" if abs(level) > 0.4 else "-")


def plain(text: object) -> str:
    """Return text from data without control characters, which a terminal would interpret."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
