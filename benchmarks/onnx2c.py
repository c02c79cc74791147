"""Instructions of a prediction in C, of the package's export and of onnx2c's, counted by valgrind.

    python benchmarks/onnx2c.py ONNX2C > benchmarks/notes/onnx2c.md      ONNX2C: its program; needs gcc and valgrind

Both sources are compiled alike and predict the same 1,000 rows. The count is of the function of a prediction and of
all that it calls, on average; "bytes" is the size of the object file's sections.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

import chainrule as c

FILES = Path(__file__).parents[1] / "tests" / "golden" / "opened"
NETWORKS = {
    "torch_relu": None,
    "torch_picture": None,
    "sb3_cart_pole": "action",
    "sb3_lunar_lander": "action",
    "sb3_walker": "action",
}
"""The files, and the output of those with two."""
LEVELS = ("-O2", "-O3", "-Os")
ROWS = 1000
MAIN = """
#include <stdio.h>
{declared}
int main(void) {{
    static float x[{inputs}], y[{outputs}];
    double sum = 0;
    for (int k = 0; k < {rows}; ++k) {{
        for (int i = 0; i < {inputs}; ++i) x[i] = (float)((k * 7 + i * 13) % 29 - 14) / 7;
        {call}
        for (int j = 0; j < {outputs}; ++j) sum += (j + 1) * y[j];
    }}
    printf("sum %.9g\\n", sum);
    return 0;
}}
"""
HEAD = """# Instructions of a prediction in C

`python benchmarks/onnx2c.py ONNX2C`: {compiler}, `-std=c99`, {valgrind}, onnx2c {commit}, {processor}.
The instructions of one prediction with all that it calls, the mean of {rows:,} rows, and the bytes of the object file.
The sums of the answers agree to 1e-4. `torch_picture` answers a label too, which onnx2c's code does not. The networks
are files of `tests/golden/opened`.

| network | | Chainrule | onnx2c | ratio | bytes | onnx2c |
|---|---|---:|---:|---:|---:|---:|"""


class Count(NamedTuple):
    """What a source costs."""

    instructions: float
    bytes: int
    answers: float
    """their weighted sum"""


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command; return its output."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def count(source: str, function: str, main: str, level: str, folder: Path) -> Count:
    """Compile a source, and count a function of it."""
    (folder / "main.c").write_text(main)
    run("gcc", "-std=c99", level, "-c", f"{source}.c", folder=folder)
    run("gcc", "-std=c99", level, "main.c", f"{source}.o", "-lm", "-o", "program", folder=folder)
    tool = (
        "valgrind",
        "--log-fd=1",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        f"--toggle-collect={function}",
    )
    said = run(*tool, "./program", folder=folder)
    size = run("size", f"{source}.o", folder=folder).splitlines()[1].split()[3]
    counted, answers = (re.findall(f"{word} (\\S+)", said)[0] for word in ("Collected :", "sum"))
    return Count(int(counted) / ROWS, int(size), float(answers))


def compare(name: str, output: str | None, level: str, onnx2c: str, folder: Path) -> str:
    """Return a row of the table."""
    model = onnx.load(FILES / f"{name}.onnx")
    if output is not None:
        model = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [output])
    onnx.save(model, folder / "net.onnx")
    opened = c.open(folder / "net.onnx")
    opened.export(folder / "own.c")
    (folder / "theirs.c").write_text(run(onnx2c, folder / "net.onnx"))
    sizes = {"inputs": opened.network.inputs, "outputs": opened.network.outputs, "rows": ROWS}
    field = re.findall(r"float (\w+)\[", (folder / "own.h").read_text().split("own_answer")[0])[0]
    copied = f"for (int j = 0; j < {sizes['outputs']}; ++j) y[j] = a.{field}[j];"
    own = MAIN.format(
        **sizes, declared='#include "own.h"', call=f"own_answer a; own_predict(x, &a); {copied}"
    )
    entry = MAIN.format(**sizes, declared="void entry(const void *, void *);", call="entry(x, y);")
    ours, other = (
        count(*each, level, folder) for each in (("own", "own_predict", own), ("theirs", "entry", entry))
    )
    np.testing.assert_allclose(ours.answers, other.answers, rtol=1e-4, atol=1e-2)
    counts = (
        f"{ours.instructions:,.0f} | {other.instructions:,.0f} | {ours.instructions / other.instructions:.2f}"
    )
    return f"| {name} | {level} | {counts} | {ours.bytes:,} | {other.bytes:,} |"


def main(onnx2c: str) -> None:
    """Write the note."""
    with tempfile.TemporaryDirectory() as folder:
        made = run(onnx2c, FILES / "torch_relu.onnx")
        versions = {
            "compiler": run("gcc", "--version").splitlines()[0],
            "valgrind": run("valgrind", "--version").strip(),
            "commit": re.findall(r"Git Commit: (\S+)", made)[0],
            "processor": re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[0],
        }
        print(HEAD.format(**versions, rows=ROWS), flush=True)
        for level in LEVELS:
            for name, output in NETWORKS.items():
                print(compare(name, output, level, onnx2c, Path(folder)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
