"""What a story is made of, before it is text in a terminal or a page: sentences, tables, bars, pictures."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from chainrule.inspection.attribution.explained import Floats


class Grid(NamedTuple):
    """A table; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    """the columns beside the first that hold words, to the left; the others hold numbers, to the right"""


class Bar(NamedTuple):
    """One bar: a name, its number in words, and its length from 0 to 1."""

    name: str
    number: str
    share: float
    is_main: bool
    note: str = ""


class Bars(NamedTuple):
    """Bars beneath each other."""

    rows: tuple[Bar, ...]


class Signed(NamedTuple):
    """Bars to both sides of nothing: for and against."""

    rows: tuple[tuple[str, float], ...]


class Picture(NamedTuple):
    """A picture (height, width), and maps of what its pixels did, each with its name."""

    pixels: Floats
    maps: tuple[tuple[str, Floats], ...] = ()


class Chapter(NamedTuple):
    """A chapter."""

    title: str
    content: tuple[str | Grid | Bars | Signed | Picture, ...]


Content: TypeAlias = str | Grid | Bars | Signed | Picture
