"""Files of other libraries go to C, JavaScript and a service by the commands of two pages, which run as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.export import as_c
from needs import needs
from node import node

pytestmark = [needs("onnx"), needs("onnxruntime")]
ROOT = Path(__file__).parents[2]
OPENED = ROOT / "tests" / "golden" / "opened"
POLICIES = sorted(OPENED.glob("sb3_recipe_*.onnx"))
PROGRAMS = {"c": "main.c", "javascript": "answers.mjs"}
ADDRESS = "http://127.0.0.1:8000"
has_programs = pytest.mark.skipif(
    as_c.compiler() is None or shutil.which("curl") is None or shutil.which("bash") is None,
    reason="there is no C compiler, curl or bash",
)


def by_runtime(path: Path, rows: dict[str, Any], output: str) -> np.ndarray[Any, Any]:
    """What ONNX Runtime answers, by the name of an output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kinds = {"tensor(string)": object, "tensor(int64)": np.int64, "tensor(double)": np.float64}
    given = {
        each.name: np.asarray(rows[each.name], kinds.get(each.type, np.float32))
        for each in session.get_inputs()
    }
    return np.asarray(session.run([output], {k: v.reshape(len(v), -1) for k, v in given.items()})[0])


def walk(page: str, folder: Path, change: Callable[[str], str] = str) -> str:
    """Run the commands of a page in a folder; return what they print. change: of its programs."""
    (folder / "bin").mkdir()
    (folder / "bin" / "node").symlink_to(node())
    (folder / "bin" / "chainrule").write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m chainrule "$@"\n'
    )
    (folder / "bin" / "chainrule").chmod(0o755)
    how = {
        "cwd": folder,
        "env": os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        "text": True,
    }
    printed, url, server = list[str](), ADDRESS, None
    text = (ROOT / "docs" / "moving" / page).read_text("utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for language, code in found:
        if language in PROGRAMS:
            (folder / PROGRAMS[language]).write_text(change(code))
    try:
        for line in "".join(code for language, code in found if language == "console").splitlines():
            if line.startswith("chainrule serve"):
                server = subprocess.Popen(
                    ["bash", "-c", f"exec {line} --port 0 --json"], stdout=subprocess.PIPE, **how
                )
                url = json.loads(server.stdout.readline())["url"]
                continue
            done = subprocess.run(
                ["bash", "-c", line.replace(ADDRESS, url)], capture_output=True, timeout=300, **how
            )
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            printed.append(done.stdout)
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=30)
    return "".join(printed)


def numbers(path: Path, header: int = 0) -> np.ndarray[Any, Any]:
    return np.loadtxt(path, delimiter=",", skiprows=header, ndmin=2)


@has_programs
@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_the_journey_of_a_policy(policy: Path, tmp_path: Path):
    width = {"acrobot": 6, "cart_pole": 4, "lunar_lander": 8, "pendulum": 3, "walker": 24}[policy.stem[11:]]
    rows = np.random.default_rng(0).normal(size=(40, width)).round(3)
    head = ",".join(f"x{k}" for k in range(width))
    np.savetxt(tmp_path / "rows.csv", rows, "%.3f", ",", header=head, comments="")
    (tmp_path / "policy.onnx").symlink_to(policy)
    wanted = by_runtime(policy, {"input": rows}, "action")
    is_choice = wanted.dtype.kind == "i"

    def change(code: str) -> str:
        if is_choice:
            return code
        return code.replace("PROBABILITIES", "PREDICTIONS").replace("probabilities[", "predictions[")

    printed = walk("policy.md", tmp_path, change)
    assert printed.count("A and B agree on all 40 rows (tolerance 1e-06).") == 3
    for name in ("c", "js"):
        found = numbers(tmp_path / f"{name}.csv")
        if is_choice:
            assert (found.argmax(1) == wanted).all() and np.allclose(found.sum(1), 1, atol=1e-6)
        else:
            np.testing.assert_allclose(found, wanted.reshape(found.shape), rtol=1e-6, atol=1e-6)
    served = numbers(tmp_path / "served.csv", header=1)
    served = served[:, :1] if is_choice else served
    np.testing.assert_allclose(served, wanted.reshape(served.shape), rtol=1e-6, atol=1e-6)


def tips() -> Any:
    """The table of tips that Plotly ships."""
    from plotly.express import data

    return data.tips(return_type="pandas")


@has_programs
@pytest.mark.slow
def test_the_journey_of_a_pipeline(tmp_path: Path):
    rows = tips()
    rows.loc[3, "day"] = "Mon"  # which the encoder has not seen
    rows[["total_bill", "smoker", "day", "time", "size"]].to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "pipeline.onnx").symlink_to(OPENED / "table_tip.onnx")
    printed = walk("pipeline.md", tmp_path)
    assert printed.count(f"A and B agree on all {len(rows)} rows (tolerance 1e-06).") == 3
    wanted = by_runtime(OPENED / "table_tip.onnx", rows, "variable")
    for name, header in (("c", 0), ("js", 0), ("served", 1)):
        found = numbers(tmp_path / f"{name}.csv", header)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_the_outputs_of_a_policy(command, tmp_path: Path):
    policy = OPENED / "sb3_recipe_lunar_lander.onnx"
    said = " ".join(command("info", policy, code=2).stderr.split())
    assert f"choose one, as in {policy}:action: action, value, log_prob." in said
    rows = np.random.default_rng(0).normal(size=(5, 8)).round(3)
    np.savetxt(tmp_path / "rows.csv", rows, "%.3f", ",", header="a,b,c,d,e,f,g,h", comments="")
    found = command("info", f"{policy}:action", data=True)
    assert (found["task"], found["outputs"]) == ("multiclass", 4)
    made = command("predict", f"{policy}:action", "rows.csv", "--out", "answers.csv", data=True)
    wanted = by_runtime(policy, {"input": rows}, "action")
    assert [row["predicted"] for row in made] == wanted.tolist()
    command("compare", f"{policy}:action", "answers.csv", "--rows", "rows.csv", "--tolerance", 0)
    value = command("predict", f"{policy}:value", "rows.csv", "--out", "value.npy", data=True)
    wanted = by_runtime(policy, {"input": rows}, "value")[:, 0]
    np.testing.assert_allclose([row["predicted"] for row in value], wanted, rtol=1e-6, atol=1e-6)
    command("compare", f"{policy}:value", "value.npy", "--rows", "rows.csv", "--tolerance", 0)
    said = command("compare", f"{policy}:action", "value.npy", "--rows", "rows.csv", code=2).stderr
    assert "value.npy has answers of the shape (5,)" in said and "(5, 4)" in said
    found = command(
        "export", f"{policy}:value", "--js", "--out", "value.mjs", "--rows", "rows.csv", data=True
    )
    assert found["rows"] == 5 and found["difference"] < 1e-12
    said = command("explain", f"{policy}:action", "rows.csv", "--row", 1).stdout
    assert f"The network predicts {made[1]['predicted']}, with probability" in said


@pytest.mark.parametrize(("target", "output"), [("tip", "variable"), ("smoker", "probabilities")])
def test_the_columns_of_a_pipeline(command, tmp_path: Path, target: str, output: str):
    rows = tips().drop(columns=target)
    rows.loc[3, "day"] = "Mon"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    path = OPENED / f"table_{target}.onnx"
    kinds = {each["name"]: each["taken_for"] for each in command("info", path, data=True)["table"]["columns"]}
    assert (kinds["day"], kinds["total_bill"], kinds["size"]) == ("category", "number", "number")
    made = command("predict", path, "rows.csv", "--explain", data=True)
    wanted = by_runtime(path, rows, output)
    found = [row["predicted"] if target == "tip" else [*row["probabilities"].values()] for row in made]
    np.testing.assert_allclose(np.reshape(found, wanted.shape), wanted, rtol=1e-6, atol=1e-6)
    assert set(made[0]["because"]) == set(kinds)
    found = command("export", path, "--js", "--out", "net.mjs", "--rows", "rows.csv", data=True)
    assert found["rows"] == len(rows) and found["difference"] < 1e-12
    said = command("predict", path, "few.csv", code=2)
    assert "few.csv does not exist" in said.stderr
    rows[["day", "size"]].to_csv(tmp_path / "few.csv")
    assert "few.csv lacks" in command("predict", path, "few.csv", code=2).stderr
