"""Join the page's ES modules into one script.

A notebook's widget and a page opened from a file cannot load a module by a relative path, and a server's page loads one
script sooner than a hundred modules. Each module becomes a function that returns its exports, called after
the modules that it imports from:

    $modules['screens/draw.js'] = (() => {
    const { h, fill: put } = $modules['dom.js'];
    ...
    return { draw, url };
    })();

The two statements are recognized by their form, which all modules keep, each on its own line:

    import { h, fill as put } from '../dom.js';
    export function draw      export async function draw      export class Draw      export const url
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

IMPORT = re.compile(r"^import \{ (.+) \} from '(\..+)';$", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)


def imports(path: str, text: str) -> list[tuple[str, str]]:
    """Return the path of each import statement of a module, and the imported names as written."""
    folder = posixpath.dirname(path)
    return [(posixpath.normpath(posixpath.join(folder, at)), names) for names, at in IMPORT.findall(text)]


def needed(entries: Iterable[str], modules: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the modules that some modules need, themselves too: the path of each, and what it imports from."""
    found: dict[str, list[str]] = {}
    left = list(entries)
    while left:
        path = left.pop()
        found[path] = [at for at, _ in imports(path, modules[path])]
        left += [at for at in found[path] if at not in found]
    return found


def join(entry: str, modules: Mapping[str, str], *, default: str = "") -> str:
    """Return one script that contains a module and everything that it imports.

    entry: the module's path.  modules: the text of each module by path, such as "screens/draw.js".
    default: a name that the entry exports. With it the script is a module that ends in `export default {name}`, for
    anywidget; without it, it may be placed between <script> and </script>.
    """
    parts = ["'use strict';", "const $modules = {};"]
    for path in TopologicalSorter(needed([entry], modules)).static_order():
        exports = ", ".join(EXPORT.findall(modules[path]))
        takes = [
            f"const {{ {names.replace(' as ', ': ')} }} = $modules['{at}'];"
            for at, names in imports(path, modules[path])
        ]
        body = EXPORT.sub("", IMPORT.sub("", modules[path])).strip("\n")
        parts += [f"$modules['{path}'] = (() => {{", *takes, body, f"return {{ {exports} }};", "})();"]
    if default:
        return "\n".join([*parts, f"export default {{ {default}: $modules['{entry}'].{default} }};", ""])
    return "\n".join(["(() => {", *parts, "})();", ""])
