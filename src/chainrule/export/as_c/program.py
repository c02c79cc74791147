"""A graph as the statements of a C function, step by step."""

from __future__ import annotations

import re
from dataclasses import replace

from chainrule.errors import ConfigError
from chainrule.export import answers, columns, numbers
from chainrule.export.as_c.helpers import SPACE
from chainrule.export.as_c.integer_statements import integer_core
from chainrule.export.as_c.places import Arena, GeneratedCode, IntegerCore, Value, identifier
from chainrule.export.as_c.statements import WRITERS
from chainrule.export.columns import GraphInput
from chainrule.export.graph import ComputationGraph, GraphStep
from chainrule.export.numbers import CODES, INT8, NUMBERS


def kinds_of(graph: ComputationGraph, network: str) -> list[str]:
    """Return what each step makes: "double" of the table, the networks' type, "uint32_t" of codes, or "text"."""
    kinds: list[str] = []
    for step in graph.steps:
        operation = step.operation
        if isinstance(operation, GraphInput):
            kind = "text" if operation.is_text else network if operation.holds == NUMBERS else "double"
        elif operation.makes == CODES:
            kind = "uint32_t"
        elif operation.makes == INT8:
            kind = "int8_t"
        elif operation.takes == INT8:
            kind = network
        elif isinstance(operation, columns.ToPrecision):
            kind = network if operation.to == "network" else "double"
        elif operation.takes == CODES:
            kind = "double"
        else:
            found = {kinds[read] for read in step.reads}
            kind = "double" if "double" in found else network
        kinds.append(kind)
    return kinds


def program(graph: ComputationGraph, prefix: str, network: str) -> tuple[GeneratedCode, dict[str, Value]]:
    """Return the program of a graph, and where its outputs are at its end.

    network: "float" or "double"; "float" of integers.  Raises ConfigError for an operation that has no form in C.
    """
    made = GeneratedCode(prefix, network, core=integer_core(graph))
    last = {read: k for k, step in enumerate(graph.steps) for read in step.reads}
    last |= {number: len(graph.steps) for number in graph.outputs.values()}
    arenas = {kind: Arena() for kind in SPACE}
    placed: dict[int, tuple[str, int]] = {}
    values: list[Value] = []
    kinds, taken = kinds_of(graph, network), set[str]()
    for k, step in enumerate(graph.steps):
        operation, kind = step.operation, kinds[k]
        if isinstance(operation, GraphInput):
            values.append(_input(made, operation, kind, arenas, placed, k, taken))
        else:
            reads = [values[read] for read in step.reads]
            at = arenas[kind].take(step.width)
            placed[k] = kind, at
            own = Value(kind, f"s->{SPACE[kind]} + {at}", step.width)
            values.append(own)
            if made.core is not None and made.core.first < k <= made.core.last:
                _write_core(made, made.core, k, step, reads, own)
                if k == made.core.last:
                    entry = values[made.core.first].place
                    made.body.append(f"    {prefix}_predict_q_in({entry}, {own.place}, s);")
            else:
                made.body.append(_block(made, step, reads, own))
        for read in {*step.reads, k}:
            if last.get(read, k) <= k and read in placed:
                of, at = placed.pop(read)
                arenas[of].give_back(at)
    made.sizes.update({kind: arena.size for kind, arena in arenas.items()})
    return made, {name: values[number] for name, number in graph.outputs.items()}


def _input(
    made: GeneratedCode,
    own: GraphInput,
    kind: str,
    arenas: dict[str, Arena],
    placed: dict[int, tuple[str, int]],
    k: int,
    taken: set[str],
) -> Value:
    if own.holds == NUMBERS:
        return Value(kind, "x", own.columns)
    name = identifier(own.label, taken)
    made.fields.append((own, name))
    if kind == "text":
        return Value("text", f"row->{name}", 1)
    at = arenas[kind].take(1)
    placed[k] = kind, at
    made.body.append(f"    s->d[{at}] = row->{name};")
    return Value(kind, f"s->d + {at}", 1)


def _write_core(
    made: GeneratedCode, core: IntegerCore, k: int, step: GraphStep, reads: list[Value], own: Value
) -> None:
    """Add a step to the function of integers."""
    inside = [
        replace(read, place="x") if at == core.first else read
        for at, read in zip(step.reads, reads, strict=True)
    ]
    made.core_body.append(_block(made, step, inside, replace(own, place="out") if k == core.last else own))


def _block(made: GeneratedCode, step: GraphStep, reads: list[Value], own: Value) -> str:
    write = WRITERS.get(type(step.operation))
    if write is None:
        raise ConfigError(
            f"the operation {step.operation.name} has no form in C; export to ONNX or JavaScript."
        )
    if not isinstance(step.operation, (columns.ToPrecision, numbers.JoinedColumns, answers.WeightedSum)):
        mixed = {read.kind for read in reads} - {"uint32_t", "int8_t", "text", own.kind}
        if mixed and own.kind not in ("uint32_t", "int8_t"):
            raise ConfigError(
                f"the operation {step.operation.name} reads float and double; export with dtype='float64'."
            )
    lines = [
        f"        const {read.kind} *const x{k} = {read.place};"
        for k, read in enumerate(reads)
        if read.kind != "text"
    ]
    lines.append(f"        {own.kind} *const y = {own.place};")
    lines += [f"        {line}" for line in write(made, step.operation, reads, own)]
    origin = re.sub(r"[^\w .,:%()-]", "_", step.of).replace("*/", "")
    comment = f" /* {origin} */" if origin else ""
    return "\n".join([f"    {{{comment}", *lines, "    }"])
