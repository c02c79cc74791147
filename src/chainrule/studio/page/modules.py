"""Read one of the studio's ES modules: its imports, its exports, and what the linker's grammar forbids.

`chainrule.studio.page.linker` says what the grammar is.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import NoReturn

from chainrule.errors import FormatError
from chainrule.studio.page.tokens import Token, TokenError, tokenize

ASSIGNING = re.compile(r"(?:[+\-*/%&|^]|\*\*|<<|>>>?|&&|\|\||\?\?)?=|\+\+|--")
_MARKUP = re.compile(r"<!--|</?script", re.IGNORECASE)


class LinkError(FormatError):
    """A module is outside the linker's grammar. path: the module.  line: from 1."""

    def __init__(self, path: str, line: int, fault: str) -> None:
        """Write the message: "main.js:3: ..."."""
        super().__init__(f"{path}:{line}: {fault}")
        self.path = path
        self.line = line


@dataclass
class Import:
    """One name of an import statement: `name` of the module `path` is called `local`."""

    path: str
    name: str
    local: str
    line: int


@dataclass
class Module:
    """A module that has been read."""

    path: str
    text: str
    tokens: list[Token]
    body: int = 0  # the index of the first token behind the imports
    statements: list[tuple[int, int, list[Import]]] = field(default_factory=list)  # from, to (offsets), names
    exports: dict[str, bool] = field(default_factory=dict)  # whether the value may change
    removed: list[tuple[int, int]] = field(default_factory=list)  # offsets of `export `

    @property
    def imports(self) -> list[Import]:
        """Every name that the module imports."""
        return [name for _, _, names in self.statements for name in names]

    def fail(self, at: int, fault: str) -> NoReturn:
        """Raise LinkError at a token, or at the last one if there are fewer."""
        line = self.tokens[min(at, len(self.tokens) - 1)].line if self.tokens else 1
        raise LinkError(self.path, line, fault)

    def text_at(self, i: int) -> str:
        """The text of token i, empty where there is none."""
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def is_name(self, i: int) -> bool:
        """Whether token i is a name or a keyword."""
        return 0 <= i < len(self.tokens) and self.tokens[i].kind == "name"

    def is_property(self, i: int) -> bool:
        """Whether a name is behind a dot, or a key with a colon: it is no reference then."""
        if self.text_at(i - 1) in (".", "?."):
            return True
        return (
            self.text_at(i + 1) == ":" and self.text_at(i - 1) in ("{", ",") and self.directly_in(i, "object")
        )

    def opens(self, i: int) -> str | None:
        """What the bracket at token i opens, if it opens one."""
        return self.tokens[i].opens if 0 <= i < len(self.tokens) else None

    def directly_in(self, i: int, bracket: str) -> bool:
        """Whether the innermost bracket around token i is of this kind."""
        return self.tokens[i].inside[-1:] == (bracket,)


def read(path: str, text: str) -> Module:
    """Read a module and check everything that its own text tells. Raises LinkError."""
    try:
        module = Module(path, text, tokenize(text))
    except TokenError as error:
        raise LinkError(path, error.line, f"{error}; end it, or mend what is before it.") from None
    if markup := _MARKUP.search(text):
        line = text.count("\n", 0, markup.start()) + 1
        raise LinkError(path, line, f"{markup[0]!r} would end the page's script; write it in two parts.")
    i = 0
    while module.text_at(i) == "import" and module.is_name(i) and module.text_at(i + 1) not in ("(", "."):
        i = _read_import(module, i)
    module.body = i
    _read_exports(module)
    local: set[str] = set()
    for name in module.imports:
        if name.local in local:
            raise LinkError(
                path, name.line, f"{name.local!r} is imported twice; give one another name with `as`."
            )
        local.add(name.local)
    return module


def _read_import(module: Module, i: int) -> int:
    """Read the import statement that begins at token i, and return the index behind it."""
    form = "expected import { a, b as c } from './x.js';"
    start = i
    names: list[tuple[str, str, int]] = []
    if module.text_at(i + 1) != "{":
        module.fail(i, f"{form} Neither a default, nor all of a module, nor a module without names.")
    i += 2
    while module.text_at(i) != "}":
        if not module.is_name(i):
            module.fail(i, f"{form} Names are identifiers.")
        name = local = module.text_at(i)
        line = module.tokens[i].line
        i += 1
        if module.text_at(i) == "as":
            local = module.text_at(i + 1)
            if not module.is_name(i + 1):
                module.fail(i, f"{form} Names are identifiers.")
            i += 2
        if name == "default":
            module.fail(i, "no module has a default export; import it by its name.")
        names.append((name, local, line))
        if module.text_at(i) == ",":
            i += 1
        elif module.text_at(i) != "}":
            module.fail(i, f"{form} Names are separated by commas.")
    if not names:
        module.fail(i, f"{form} The braces are empty.")
    string = module.tokens[i + 2] if i + 2 < len(module.tokens) else None
    if module.text_at(i + 1) != "from" or string is None or string.kind != "string":
        module.fail(i, form)
    if module.text_at(i + 3) != ";":
        module.fail(i + 2, f"{form} It ends with a semicolon.")
    last = module.tokens[i + 3]
    if i + 4 < len(module.tokens) and not module.tokens[i + 4].after_newline:
        module.fail(i + 4, "an import has lines of its own; begin a new line behind it.")
    target = string.text[1:-1]
    if not re.fullmatch(r"\.{1,2}/[\w./-]+\.js", target):
        module.fail(i + 2, f"{target!r} is no relative path; write './x.js' or '../x.js'.")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(module.path), target))
    imports = [Import(found, name, local, line) for name, local, line in names]
    module.statements.append((module.tokens[start].start, last.end, imports))
    return i + 4


def _read_exports(module: Module) -> None:
    """Find the exports of a module, and what must not stand behind its imports."""
    for i in range(module.body, len(module.tokens)):
        token = module.tokens[i]
        if token.kind != "name" or module.is_property(i):
            continue
        if token.text == "import":
            after = module.text_at(i + 1)
            if after in ("(", "."):
                module.fail(
                    i, f"import{after} is unknown to the linker; import names at the top of the module."
                )
            module.fail(i, "an import stands behind other code; move it to the top of the module.")
        if token.text == "await" and not token.in_function:
            module.fail(i, "await stands outside a function; wait inside one that a caller calls.")
        if token.text == "export":
            _read_export(module, i)


def _read_export(module: Module, i: int) -> None:
    """Read the export statement that begins at token i."""
    form = "expected export function, async function, class, const or let, and a name."
    if module.tokens[i].inside:
        module.fail(i, "export stands inside braces; move it to the top level.")
    at = i + 1
    words = [module.text_at(at)]
    if words == ["async"]:
        words.append(module.text_at(at + 1))
    word = " ".join(words)
    if word not in ("function", "async function", "class", "const", "let"):
        reason = {
            "default": " Give it a name.",
            "{": " Export where the name is declared.",
            "var": " Write let.",
        }
        module.fail(at, form + reason.get(word, ""))
    at += len(words)
    name = module.text_at(at)
    if not module.is_name(at):
        module.fail(at, form + (" No generator and no pattern." if name in ("*", "{", "[") else ""))
    if name in module.exports:
        module.fail(at, f"{name!r} is exported twice; remove one.")
    if word in ("const", "let"):
        _check_declaration(module, at)
    module.exports[name] = word == "let" or (word != "const" and _is_assigned(module, name))
    module.removed.append((module.tokens[i].start, module.tokens[i + 1].start))


def _check_declaration(module: Module, at: int) -> None:
    """Check that one name is declared and that a semicolon ends the statement."""
    for i in range(at + 1, len(module.tokens)):
        token = module.tokens[i]
        if token.inside or token.match >= 0:
            continue
        if token.text == ";":
            return
        if token.text == ",":
            module.fail(at, "one export declares one name; write a second one on another line.")
        if (
            token.kind == "name"
            and token.after_newline
            and token.text in ("export", "const", "let", "import")
        ):
            break
    module.fail(at, "the export has no semicolon at its end; add one.")


def _is_assigned(module: Module, name: str) -> bool:
    """Whether a name that a module declares is given another value somewhere, as far as its tokens tell."""
    for i in range(module.body, len(module.tokens)):
        if module.text_at(i) != name or module.is_property(i) or module.tokens[i].kind != "name":
            continue
        before, after = module.text_at(i - 1), module.text_at(i + 1)
        if before in ("++", "--") or (before not in ("const", "let", "var") and ASSIGNING.fullmatch(after)):
            return True
    return False
