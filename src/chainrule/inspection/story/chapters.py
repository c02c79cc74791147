"""The chapters of a story as data, for terminal and page: sentences, tables, bars, pictures."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from chainrule.inspection.attribution.explained import Floats


class Grid(NamedTuple):
    """A table with the rows' names in the first column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    """columns besides the first that contain words, left-aligned; others contain numbers, right-aligned"""


class Bar(NamedTuple):
    """One bar: a name, its number as text, and its length from 0 to 1."""

    name: str
    number: str
    share: float
    is_main: bool
    note: str = ""


class Bars(NamedTuple):
    """Bars of lengths from 0 to 1, one per row."""

    rows: tuple[Bar, ...]


class Signed(NamedTuple):
    """Bars on both sides of 0, one per row: (name, value), positive for and negative against an answer."""

    rows: tuple[tuple[str, float], ...]


class Picture(NamedTuple):
    """An image (height, width), and named attribution maps of its pixels."""

    pixels: Floats
    maps: tuple[tuple[str, Floats], ...] = ()


class Chapter(NamedTuple):
    """A chapter: its title, and its sentences, tables, bars and pictures in order."""

    title: str
    content: tuple[str | Grid | Bars | Signed | Picture, ...]


Content: TypeAlias = str | Grid | Bars | Signed | Picture
