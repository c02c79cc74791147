"""Make houses.csv, the table of the runs here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

rng = np.random.default_rng(0)
n = 120
size, town = rng.normal(100, 30, n).round(1), rng.choice(["Taipei", "Tainan", "Hualien"], n)
price = size * 3 + (town == "Taipei") * 200 + rng.normal(0, 20, n)
lines = ["size,town,sold,price"]
for k in range(n):
    lines.append(f"{'' if k % 17 == 5 else size[k]},{town[k]},2021-0{1 + k % 9}-1{k % 10},{price[k]:.1f}")
Path(__file__).with_name("houses.csv").write_text("\n".join(lines) + "\n", "utf-8")
