"""A table of houses with columns of every type, as text, and files of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

ROWS = 160


def columns() -> dict[str, list[str]]:
    """Houses: numbers with gaps, few and many categories, a date, a constant, and what they cost."""
    r = np.random.default_rng(3)
    area, town = r.uniform(40, 200, ROWS), r.integers(0, 12, ROWS)
    garden = np.array(["yes", "no"])[(r.uniform(size=ROWS) < 0.5).astype(int)]
    price = 2.0 * area + 9 * town + 30 * (garden == "yes") + r.normal(0, 5, ROWS)
    return {
        "area": [f"{value:.1f}" if k % 9 else "" for k, value in enumerate(area)],
        "town": [f"town {k}" for k in town],
        "garden": garden.tolist(),
        "sold": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}" for k in range(ROWS)],
        "land": ["here"] * ROWS,
        "price": [f"{value:.2f}" for value in price],
        "size": np.where(price > 400, "large", np.where(price > 250, "mid", "small")).tolist(),
        "cheap": np.where(price < 300, "1", "0").tolist(),
    }


def write(path: Path, table: dict[str, list[str]], names: list[str] | None = None) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names or list(table))
        writer.writerows(zip(*(table[name] for name in names or table), strict=True))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
