"""The text of the three files of a graph in C: header, source, and the program that tests them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.export.as_c.places import GeneratedCode, Value, number, quoted
from chainrule.export.columns import LevelCodes
from chainrule.export.comparing import AnswersCompared
from chainrule.export.graph import ComputationGraph

TESTED_ROWS = 8


def scratch_bytes(made: GeneratedCode) -> int:
    """Return the bytes of the scratch struct."""
    return max(
        8, sum(made.sizes[kind] * size for kind, size in (("double", 8), ("float", 4), ("uint32_t", 4)))
    )


def _arguments(made: GeneratedCode, name: str, matrix: int) -> str:
    return f"const {name}_row *row" if made.fields else f"const {made.network} x[{matrix}]"


def header(
    graph: ComputationGraph,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    found: AnswersCompared | None,
) -> str:
    """Return the header."""
    big, matrix = name.upper(), inputs_of(graph)
    error = "not measured: no C compiler was found"
    if found is not None:
        error = f"at most {found.difference:.1e} from the model on {found.rows:,} rows"
        if found.same_labels is not None:
            error += f"; the same label on {round(found.same_labels * found.rows):,}"
    digest = hashlib.sha256("\n".join(made.constants).encode()).hexdigest()[:16]
    lines = [
        f"/* {name}: {graph.task}, written by Chainrule {graph.about.get('chainrule', '')}.",
        " *",
        f" * constants   {made.bytes:,} bytes",
        f" * scratch     {scratch_bytes(made):,} bytes, known beforehand; no heap, no recursion",
        f" * products    {made.products:,} multiply-adds a row",
        f" * error       {error}",
        f" * hash        {digest} of the constants",
        " */",
        f"#ifndef {big}_H",
        f"#define {big}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"#define {big}_INPUTS {matrix}u",
        *(f"#define {big}_{key.upper()} {value.width}u" for key, value in outputs.items()),
        f"#define {big}_SCRATCH_BYTES {scratch_bytes(made)}u",
        "",
    ]
    if made.fields:
        lines += [
            "/* A row, as it comes: NAN for a missing number, a null pointer for a missing text. */",
            "typedef struct {",
        ]
        for own, field in made.fields:
            about = {"date": "seconds since 1970 in universal time", "duration": "seconds"}.get(own.holds, "")
            levels = _levels(graph, own.label)
            about = ", ".join(levels[:6]) + ", ..." * (len(levels) > 6) if levels else about
            lines.append(
                f"    {'const char *' if own.is_text else 'double '}{field}; {comment(own.label, about)}"
            )
        lines += [f"}} {name}_row;", ""]
    lines += ["typedef struct {"]
    for key, value in outputs.items():
        about = {"label": " /* the place in the labels; of several labels 0 or 1 each */"}.get(key, "")
        lines.append(f"    {value.kind} {key}[{value.width}];{about}")
    lines += [f"}} {name}_answer;", ""]
    lines += ["/* The memory of a prediction. */", "typedef struct {"]
    sizes = [
        (kind, space, made.sizes[kind])
        for kind, space in (("double", "d"), ("float", "f"), ("uint32_t", "c"))
    ]
    lines += [f"    {kind} {space}[{size}];" for kind, space, size in sizes if size] or ["    double d[1];"]
    lines += [f"}} {name}_scratch;", ""]
    if graph.labels:
        lines.append(f"extern const char *const {name}_labels[{len(graph.labels)}];")
        lines.append("")
    what = "of a row" if made.fields else "of a row of numbers"
    lines += [
        f"/* The answer {what}; two at the same time need a scratch each. */",
        f"void {name}_predict_in({_arguments(made, name, matrix)}, {name}_answer *answer, {name}_scratch *s);",
        "/* The same with a scratch of its own: one at a time. */",
        f"void {name}_predict({_arguments(made, name, matrix)}, {name}_answer *answer);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def comment(label: str, about: str) -> str:
    """Return a comment about a column; nothing in it ends the comment or the line."""
    text = f"{label}: {about}" if about else label
    plain = "".join(c if c.isprintable() else " " for c in text[:200])
    return f"/* {plain.replace('*/', '* /').replace('/*', '/ *')} */"


def inputs_of(graph: ComputationGraph) -> int:
    """Return how many numbers and texts a row has."""
    return sum(each.columns for each in graph.inputs)


def _levels(graph: ComputationGraph, label: str) -> tuple[str, ...]:
    """Return the known texts of a column."""
    at = {k for k, step in enumerate(graph.steps) if getattr(step.operation, "label", None) == label}
    for step in graph.steps:
        if isinstance(step.operation, LevelCodes) and at & set(step.reads):
            return step.operation.levels
    return ()


def source(graph: ComputationGraph, made: GeneratedCode, outputs: Mapping[str, Value], name: str) -> str:
    """Return the source."""
    big, arguments = name.upper(), _arguments(made, name, inputs_of(graph))
    needs_scratch = any(made.sizes.values())
    body = list(made.body)
    for key, value in outputs.items():
        body.append(
            f"    for (uint32_t k = 0u; k < {value.width}u; ++k) {{\n"
            f"        answer->{key}[k] = ({value.place})[k];\n"
            "    }"
        )
    if not needs_scratch:
        body.insert(0, "    (void)s;")
    if made.fields and not any("row->" in line for line in body):
        body.insert(0, "    (void)row;")
    labels = []
    if graph.labels:
        texts = ",\n".join(f"    {quoted(str(label))}" for label in graph.labels)
        labels = [f"const char *const {name}_labels[{len(graph.labels)}] = {{\n{texts}\n}};", ""]
    return "\n".join(
        [
            f"/* {name}.c, written by Chainrule {graph.about.get('chainrule', '')}: see {name}.h. */",
            f'#include "{name}.h"',
            "",
            "#include <math.h>",
            "",
            "/* What stands before each constant array: __flash of avr-gcc, for one. */",
            f"#ifndef {big}_CONST",
            f"#define {big}_CONST",
            "#endif",
            "",
            "/* Sums are rounded after each operation, so that every machine has the same. */",
            "#if defined(__clang__)",
            "#pragma STDC FP_CONTRACT OFF",
            "#endif",
            "",
            *made.constants,
            "",
            *labels,
            *made.helpers.values(),
            f"void {name}_predict_in({arguments}, {name}_answer *answer, {name}_scratch *s)",
            "{",
            *body,
            "}",
            "",
            f"void {name}_predict({arguments}, {name}_answer *answer)",
            "{",
            f"    static {name}_scratch scratch;",
            f"    {name}_predict_in({'row' if made.fields else 'x'}, answer, &scratch);",
            "}",
            "",
        ]
    )


def test(
    graph: ComputationGraph,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    rows: Mapping[str, Any],
    allowed: float,
) -> str:
    """Return the program that compares some rows with the answers that are expected.

    allowed: the tolerance of the comparison; other compilers and libraries may have ten times as much.
    """
    tested = {key: values[:TESTED_ROWS] for key, values in rows.items()}
    found = graph.run(tested)
    count = len(next(iter(found.values()))) if tested else 0
    numbers = next(key for key in outputs if key != "label")
    tolerance = 10 * allowed
    written = []
    for i in range(count):
        if made.fields:
            cells = [_literal(tested[own.label][i], own.is_text) for own, _ in made.fields]
            written.append(f"    {{{', '.join(cells)}}}")
        else:
            values = np.asarray(tested[graph.inputs[0].label][i]).ravel()
            written.append("    {" + ", ".join(number(float(each), made.network) for each in values) + "}")
    expected = ["    {" + ", ".join(number(float(v), "double") for v in row) + "}" for row in found[numbers]]
    width, kind = outputs[numbers].width, outputs[numbers].kind
    of_rows = f"const {name}_row" if made.fields else f"const {made.network}"
    shape = f"[{count}]" if made.fields else f"[{count}][{inputs_of(graph)}]"
    lines = [
        f"/* Compares {name}.c with the answers of the model: cc -std=c99 -O2 {name}.c {name}_test.c -lm && ./a.out */",
        f'#include "{name}.h"',
        "",
        "#include <math.h>",
        "#include <stdio.h>",
        "",
        f"static {of_rows} rows{shape} = {{\n" + ",\n".join(written) + "\n};",
        f"static const double expected[{count}][{width}] = {{\n" + ",\n".join(expected) + "\n};",
        "",
        "int main(void)",
        "{",
        f"    {name}_answer answer;",
        "    double far = 0.0, largest = 1.0;",
        f"    for (unsigned i = 0u; i < {count}u; ++i) {{",
        f"        {name}_predict({'&' if made.fields else ''}rows[i], &answer);",
        f"        for (unsigned k = 0u; k < {width}u; ++k) {{",
        f"            const double found = {'(double)' if kind == 'float' else ''}answer.{numbers}[k];",
        "            far = fmax(far, fabs(found - expected[i][k]));",
        "            largest = fmax(largest, fabs(expected[i][k]));",
        "        }",
        "    }",
        "    far /= largest;",
        f'    printf("{count} rows, the largest difference %.1e: %s\\n", far,',
        f'           far <= {tolerance!r} ? "as expected" : "WRONG");',
        f"    return far <= {tolerance!r} ? 0 : 1;",
        "}",
        "",
    ]
    if not count:
        return f"/* No rows were given to test {name}.c with. */\nint main(void)\n{{\n    return 0;\n}}\n"
    return "\n".join(lines)


def _literal(value: object, is_text: bool) -> str:
    if is_text:
        return "0" if value is None else quoted(str(value))
    return number(float(value), "double")  # type: ignore[arg-type]
