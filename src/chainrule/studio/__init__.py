"""The studio: a page on this machine that shows a network think and learn. `chainrule studio` serves it."""

from __future__ import annotations
