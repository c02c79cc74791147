"""A card says of a run what its files do, in lines that the Hugging Face Hub reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import commands
from chainrule.recipe.card import read_card


def invoke(*arguments: object) -> tuple[int, str]:
    found = commands.invoke(arguments)
    return found.exit_code, found.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a table with a number, a date and a category, and a column name that Markdown would format."""
    at, rng = tmp_path_factory.mktemp("card"), np.random.default_rng(0)
    age, city = rng.normal(40, 9, 150).round(1), rng.choice(["Graz", "Wien|Nord"], 150)
    lines = [
        f"{a},2024-01-{d:02d},{c},{'yes' if a > 40 else 'no'}"
        for a, d, c in zip(age, rng.integers(1, 29, 150), city, strict=True)
    ]
    (at / "people.csv").write_text("\n".join(["age_*,seen,city,old", *lines]), "utf-8")
    code, said = invoke(
        "train",
        at / "people.csv",
        "--target-column",
        "old",
        "--out",
        at / "run",
        "--preset",
        "none",
        "--epochs",
        3,
    )
    assert code == 0, said
    return at / "run"


def test_a_card(folder: Path):
    code, said = invoke("card", folder, "--license", "apache-2.0")
    text = (folder / "README.md").read_text("utf-8")
    assert code == 0 and "README.md" in said
    found = read_card(folder)
    assert found.pipeline == "tabular-classification" and found.labels == ("no", "yes") and found.inputs == 3
    assert {each.name: each.kind for each in found.ranges} == {
        "age_*": "number",
        "seen": "date",
        "city": "category",
    }
    assert "| age\\_\\* |" in text and "Wien\\|Nord" in text and "| 2024-01-01 to 2024-01-28 |" in text
    assert f"{found.metrics['accuracy']:.4g}"[:4] in text and "chainrule serve model.safetensors" in text
    assert str(folder.parent) not in text.replace(found.command, "")
    assert "| linear model |" in text and 'license: "apache-2.0"' in text
    code, said = invoke("card", folder)
    assert code != 0 and "pass --overwrite" in said


def test_in_chinese_without_a_license(folder: Path, tmp_path: Path):
    code, _ = invoke("card", folder, "--out", tmp_path / "card.md", "--lang", "zh")
    text = (tmp_path / "card.md").read_text("utf-8")
    assert code == 0 and "## 限制" in text and "授權尚未註明" in text and "license:" not in text


def test_the_hub_reads_it(folder: Path, tmp_path: Path):
    hub = pytest.importorskip("huggingface_hub")
    invoke("card", folder, "--out", tmp_path / "card.md", "--license", "mit")
    card = hub.ModelCard.load(tmp_path / "card.md")
    assert card.data.library_name == "chainrule" and card.data.license == "mit"
    assert card.data.pipeline_tag == "tabular-classification"
    (loss, *_) = card.data.eval_results
    assert loss.dataset_name == "people" and loss.metric_value == read_card(folder).metrics[loss.metric_type]


def test_a_metric_that_is_not_defined(folder: Path, tmp_path: Path):
    """As the AUC of test rows of one class, which is null in the file."""
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    file = copy / "metrics.json"
    found = json.loads(file.read_text("utf-8"))
    for each in found["comparison"]:
        each["metrics"]["auc"] = None
    file.write_text(json.dumps(found), "utf-8")
    code, said = invoke("card", copy, "--overwrite")
    assert code == 0, said
    assert "| undefined |" in (copy / "README.md").read_text("utf-8")


def test_what_is_no_run(tmp_path: Path):
    code, said = invoke("card", tmp_path)
    assert code != 0 and "is no folder of a complete run" in said
