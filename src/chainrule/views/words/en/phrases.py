"""Numbers and lists as English has them."""

from __future__ import annotations


def percent(share: float) -> str:
    """97.31 %, and no 100.00 % for what is only nearly sure."""
    if 0 < share < 5e-5:
        return "< 0.01 %"
    return "> 99.99 %" if 0.99995 <= share < 1 else f"{100 * share:.2f} %"


def several(names: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "none"
