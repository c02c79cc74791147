"""The text of the three files of a graph in C: header, source, and the program that tests them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from chainrule.export.as_c.helpers import SPACE
from chainrule.export.as_c.own_math import functions_called, own_math, stated_error
from chainrule.export.as_c.places import SIZES, GeneratedCode, Value, number, quoted
from chainrule.export.comparing import AnswersCompared, known_texts
from chainrule.export.graph import ComputationGraph

NUMBERS_OF_MATH = re.compile(r"\b(?:NAN|INFINITY)\b")
"""Those that <math.h> has."""
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|"(?:[^"\\]|\\.)*"', re.DOTALL)


def scratch_bytes(made: GeneratedCode) -> int:
    """Return the bytes of the scratch struct."""
    sizes = {kind: made.sizes[kind] * SIZES[kind] for kind in SPACE}
    step = max((SIZES[kind] for kind, size in sizes.items() if size), default=8)
    return max(8, -(-sum(sizes.values()) // step) * step)


def _arguments(made: GeneratedCode, name: str, matrix: int) -> str:
    return f"const {name}_row *row" if made.fields else f"const {made.network} x[{matrix}]"


def header(
    graph: ComputationGraph,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    found: AnswersCompared | None,
    without_libm: AnswersCompared | None = None,
) -> str:
    """Return the header. found, without_libm: the answers' error, of the build with -DNO_LIBM the second."""
    big, matrix = name.upper(), inputs_of(graph)
    digest = hashlib.sha256("\n".join(made.constants).encode()).hexdigest()[:16]
    lines = [
        f"/* {name}: {graph.task}, written by Chainrule {graph.about.get('chainrule', '')}.",
        " *",
        f" * constants   {made.bytes:,} bytes",
        f" * scratch     {scratch_bytes(made):,} bytes, known beforehand; no heap, no recursion",
        f" * products    {made.products:,} multiply-adds a row",
        f" * error       {measured_error(found)}",
        *own_functions(made, without_libm),
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
            levels = known_texts(graph, own)
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
    sizes = [(kind, space, made.sizes[kind]) for kind, space in SPACE.items()]
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
        *(integer_declarations(made, name) if made.core is not None else ()),
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def measured_error(found: AnswersCompared | None) -> str:
    """Return what is known of the error, as a line of a comment."""
    if found is None:
        return "not measured: no C compiler was found"
    said = (
        f"at most {found.difference:.1e} from the model on {found.rows:,} rows, {found.mean:.1e} on average"
    )
    if found.same_labels is not None:
        said += f"; the same label on {round(found.same_labels * found.rows):,}"
    return said


def needs_math(made: GeneratedCode) -> bool:
    """Whether anything of <math.h> is used."""
    code = code_alone(made)
    return bool(functions_called(code) or NUMBERS_OF_MATH.search(code))


def own_functions(made: GeneratedCode, found: AnswersCompared | None) -> list[str]:
    """Return the lines of a comment on what is there in place of <math.h>'s functions, if one is used."""
    called = functions_called(code_alone(made))
    if not called:
        return []
    said = [f" * -DNO_LIBM   no <math.h>: {stated_error(called)}"]
    if found is not None:
        said.append(
            f" *             answers at most {found.difference:.1e} from the model on {found.rows:,} rows"
        )
    return said


def code_alone(made: GeneratedCode) -> str:
    """Return the code of a program without comments and texts."""
    written = "\n".join([*made.constants, *made.helpers.values(), *made.body])
    return COMMENT_OR_TEXT.sub("", written)


def included_math(made: GeneratedCode, name: str) -> list[str]:
    """Return the lines that include <math.h>, or define what is used of it; [] where nothing is."""
    if not needs_math(made):
        return []
    own = own_math(functions_called(code_alone(made)), name)
    return ["#ifdef NO_LIBM", *own, "#else", "#include <math.h>", "#endif", ""]


def comment(label: str, about: str) -> str:
    """Return a comment about a column; nothing in it ends the comment or the line."""
    text = f"{label}: {about}" if about else label
    plain = "".join(c if c.isprintable() else " " for c in text[:200])
    return f"/* {plain.replace('*/', '* /').replace('/*', '/ *')} */"


def inputs_of(graph: ComputationGraph) -> int:
    """Return how many numbers and texts a row has."""
    return sum(each.columns for each in graph.inputs)


def integer_declarations(made: GeneratedCode, name: str) -> list[str]:
    """Return the part of a header on integers in and out."""
    core, big = made.core, name.upper()
    assert core is not None, "a program with one part of integers"
    what = "the row" if core.reads_matrix else "what the dense layers read"
    return [
        f"/* The integers alone: {what}, and the numbers before the answer; q stands for (q - zero) scale. */",
        f"#define {big}_Q_INPUTS {core.inputs}u",
        f"#define {big}_Q_OUTPUTS {core.outputs}u",
        f"#define {big}_Q_INPUT_SCALE {number(core.given.scale, 'float')}",
        f"#define {big}_Q_INPUT_ZERO ({core.given.zero})",
        f"#define {big}_Q_OUTPUT_SCALE {number(core.made.scale, 'float')}",
        f"#define {big}_Q_OUTPUT_ZERO ({core.made.zero})",
        f"int8_t {name}_quantize(float x);",
        f"float {name}_dequantize(int8_t q);",
        f"void {name}_predict_q_in(const int8_t x[{core.inputs}], int8_t out[{core.outputs}], {name}_scratch *s);",
        f"void {name}_predict_q(const int8_t x[{core.inputs}], int8_t out[{core.outputs}]);",
        "",
    ]


def integer_functions(made: GeneratedCode, name: str) -> list[str]:
    """Return the functions of integers in and out."""
    core, big = made.core, name.upper()
    assert core is not None, "a program with one part of integers"
    arguments = f"const int8_t x[{core.inputs}], int8_t out[{core.outputs}]"
    unused = [] if any("s->" in line for line in made.core_body) else ["    (void)s;"]
    return [
        f"int8_t {name}_quantize(float x)",
        "{",
        f"    return {name}_to_int8(x, {big}_Q_INPUT_SCALE, {big}_Q_INPUT_ZERO);",
        "}",
        "",
        f"float {name}_dequantize(int8_t q)",
        "{",
        f"    return (float)(q - {big}_Q_OUTPUT_ZERO) * {big}_Q_OUTPUT_SCALE;",
        "}",
        "",
        f"void {name}_predict_q_in({arguments}, {name}_scratch *s)",
        "{",
        *unused,
        *made.core_body,
        "}",
        "",
        *with_own_scratch(name, "predict_q", arguments, "x, out"),
    ]


def with_own_scratch(name: str, function: str, arguments: str, passed: str) -> list[str]:
    """Return the function that calls FUNCTION_in with a scratch of its own."""
    return [
        f"void {name}_{function}({arguments})",
        "{",
        f"    static {name}_scratch scratch;",
        f"    {name}_{function}_in({passed}, &scratch);",
        "}",
        "",
    ]


def source(graph: ComputationGraph, made: GeneratedCode, outputs: Mapping[str, Value], name: str) -> str:
    """Return the source."""
    big, arguments = name.upper(), _arguments(made, name, inputs_of(graph))
    needs_scratch = any(made.sizes.values())
    body = list(made.body)
    core = integer_functions(made, name) if made.core is not None else []
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
            *included_math(made, name),
            *made.constants,
            "",
            *labels,
            *made.helpers.values(),
            *core,
            f"void {name}_predict_in({arguments}, {name}_answer *answer, {name}_scratch *s)",
            "{",
            *body,
            "}",
            "",
            *with_own_scratch(
                name,
                "predict",
                f"{arguments}, {name}_answer *answer",
                f"{'row' if made.fields else 'x'}, answer",
            ),
        ]
    )
