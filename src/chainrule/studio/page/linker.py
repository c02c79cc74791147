"""Join the studio's ES modules into one script, for a notebook's widget and for a page that is opened from a file.

Neither can load a module by a relative path. The modules keep to a small grammar, so that joining them needs no parser:

    import { a, b as c } from './x.js';                         before everything else, each on lines of its own
    export function f     export async function f     export class A     export const a = ...;     export let a = ...;

No default export, no list of exports, no name exported twice, no cycle, no dynamic import, no import.meta, no await
outside a function. `link` checks all of it. Each module becomes a function that returns its exports as getters, called
in the order in which a browser would run the modules:

    const $1_x = (() => { ...; return { get a() { return a; }, get b() { return b; } }; })();
    const $2_main = (() => { const {a, b: c} = $1_x; ...; return {}; })();

A name whose value may change (`let`, or a function or class that its module assigns to) is not copied: every place that
reads it becomes `$1_x.a`, which is the value at that moment, as in a module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chainrule.studio.page.live import references
from chainrule.studio.page.modules import LinkError, Module, read

__all__ = ["LinkError", "link"]


def _order(entry: str, sources: Mapping[str, str]) -> list[Module]:
    """Return the modules that the entry needs, each behind those that it imports. Raises LinkError for a cycle."""
    modules: dict[str, Module] = {}
    done: list[Module] = []

    def visit(path: str, way: tuple[str, ...]) -> None:
        module = modules[path] = read(path, sources[path])
        for name in module.imports:
            if name.path in (*way, path):
                circle = " -> ".join([*(*way, path)[(*way, path).index(name.path) :], name.path])
                raise LinkError(
                    path,
                    name.line,
                    f"the imports {circle} are a cycle; move what both need to a third module.",
                )
            if name.path not in sources:
                raise LinkError(path, name.line, f"there is no {name.path}; correct the path.")
            if name.path not in modules:
                visit(name.path, (*way, path))
            if name.name not in modules[name.path].exports:
                raise LinkError(
                    path, name.line, f"{name.path} exports no {name.name!r}; correct the name or export it."
                )
        done.append(module)

    visit(entry, ())
    return done


def _body(module: Module, objects: Mapping[str, str], live: Mapping[str, Mapping[str, bool]]) -> str:
    """Return a module's text with its imports and exports rewritten; line breaks stay where they are."""
    edits = [(start, end, "") for start, end in module.removed]
    for start, end, names in module.statements:
        fixed = [
            n.name if n.name == n.local else f"{n.name}: {n.local}" for n in names if not live[n.path][n.name]
        ]
        lines = module.text.count("\n", start, end) * "\n"
        text = f"const {{{', '.join(fixed)}}} = {objects[names[0].path]};" if fixed else ""
        edits.append((start, end, text + lines))
        for name in names:
            if live[name.path][name.name]:
                edits += references(module, name, objects[name.path])
    parts: list[str] = []
    at = 0
    for start, end, new in sorted(edits):
        parts += [module.text[at:start], new]
        at = end
    return "".join([*parts, module.text[at:]]).strip("\n")


def link(entry: str, sources: Mapping[str, str], *, default: Sequence[str] = ()) -> str:
    """Join a module and all that it imports, and return a script that does what they do.

    entry: the path of the module to run.  sources: the text of each module by its path, as "screens/draw.js".
    default: names that the entry exports. With them the result is one ES module that ends in
    `export default {name, ...};`, as anywidget expects of its `_esm`; without them it is a script, strict and without a
    global name, that may stand between <script> and </script>.

    The same arguments give the same text. Raises LinkError, with file and line, for a module outside the grammar above.
    """
    if entry not in sources:
        raise LinkError(entry, 1, f"there is no {entry}; choose from {', '.join(sorted(sources))}.")
    modules = _order(entry, sources)
    mark = "$"  # no name of any module begins with it
    while any(
        t.kind == "name" and re.match(re.escape(mark) + r"\d", t.text) for m in modules for t in m.tokens
    ):
        mark += "$"
    objects = {
        m.path: f"{mark}{k}_{re.sub(r'[^A-Za-z0-9]', '_', m.path[:-3])}" for k, m in enumerate(modules, 1)
    }
    live = {m.path: m.exports for m in modules}
    parts = []
    for module in modules:
        getters = ", ".join(f"get {name}() {{ return {name}; }}" for name in module.exports)
        body = _body(module, objects, live)
        parts.append(
            f"const {objects[module.path]} = (() => {{ // {module.path}\n{body}\nreturn {{{getters}}};\n}})();\n"
        )
    if not default:
        return "(function () {\n'use strict';\n" + "".join(parts) + "})();\n"
    for name in default:
        if name not in modules[-1].exports:
            raise LinkError(
                entry, 1, f"it exports no {name!r}, which the default export is made of; export it."
            )
    names = ", ".join(f"{name}: {objects[entry]}.{name}" for name in default)
    return "".join(parts) + f"export default {{{names}}};\n"
