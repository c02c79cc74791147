"""How the text of a training table was written: said, kept with the model, and what later files are read by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.model import load_any

pytestmark = pytest.mark.filterwarnings("default")
SMALL = ("--preset", "fast", "--epochs", 2, "--quiet", "--overwrite", "--out", "run")


def write_train(path: Path, encoding: str) -> None:
    r = np.random.default_rng(0)
    x, towns = r.uniform(0, 50, 120).round(3), r.choice(["台北", "高雄", "許功蓋"], 120)
    rows = [
        f"{v:.3f};{town};{2 * v:.3f}".replace(".", ",") for v, town in zip(x.tolist(), towns, strict=True)
    ]
    path.write_bytes("\n".join(["weight;town;price", *rows]).encode(encoding))


def predicted(command: Callable[..., Any], path: str) -> list[float]:
    return [row["predicted"] for row in command("predict", "run", path, data=True)]


def test_later_files_are_read_as_the_training_table(command: Callable[..., Any], tmp_path: Path):
    write_train(tmp_path / "train.csv", "cp950")
    said = command("train", "train.csv", "--target-column", "price", *SMALL).output
    assert "train.csv is not UTF-8; it is read as cp950 (Big5, Taiwan), such as '高雄'" in " ".join(
        said.split()
    )
    metadata = load_any(tmp_path / "run" / "model.safetensors")[1]
    assert metadata["text_form"] == {"encoding": "cp950", "decimal": {"weight": ",", "price": ","}}
    head, rows = "weight;town;price", ["1,234;高雄;2,468", "2,125;台北;4,250"]
    text = "\n".join([head, *rows])
    comma = text.replace(",", ".").replace(";", ",")  # 1.234 may be 1234 in training's form
    quoted = "\n".join([head, *rows]).replace(";", "\t")
    (tmp_path / "plain.csv").write_text(text, encoding="utf-8")
    (tmp_path / "big5.csv").write_bytes(text.encode("cp950"))
    (tmp_path / "tabs.tsv").write_bytes(quoted.encode("cp950"))
    expected = predicted(command, "plain.csv")
    assert predicted(command, "big5.csv") == expected == predicted(command, "tabs.tsv")
    (tmp_path / "points.csv").write_text(comma, encoding="utf-8")
    assert predicted(command, "points.csv") != expected
    judged = [command("evaluate", "run", name, data=True)["metrics"] for name in ("plain.csv", "tabs.tsv")]
    assert judged[0] == judged[1]
    checked = [command("check", "run", name, data=True) for name in ("plain.csv", "tabs.tsv")]
    assert checked[0] == checked[1]
    explained = command("explain", "run", "tabs.tsv", "--row", 0).output
    assert "1,234 " not in explained or "1.234" in explained


def test_options_decide_where_nothing_shows(command: Callable[..., Any], tmp_path: Path):
    rows = "".join(f'"{1 + k},{125 + k}",{k % 3}\n' for k in range(60))
    (tmp_path / "t.csv").write_text("weight,price\n" + rows)
    said = command("train", "t.csv", "--target-column", "price", *SMALL).output
    assert "commas all have three digits" in " ".join(said.split())
    said = command("train", "t.csv", "--target-column", "price", *SMALL, "--decimal", ",").output
    assert "three digits" not in said
    assert load_any(tmp_path / "run" / "model.safetensors")[1]["text_form"]["decimal"] == {"weight": ","}
    said = command("train", "t.csv", "--target-column", "price", *SMALL, "--encoding", "big6", code=2).output
    assert "--encoding must be an encoding that Python knows" in " ".join(said.split())
    said = command("train", "t.csv", "--target-column", "price", *SMALL, "--decimal", "x", code=2).output
    assert "--decimal must be '.' or ','" in " ".join(said.split())
