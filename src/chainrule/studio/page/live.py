"""Find where a module reads a name that it imports and whose value may change, so that each place reads it anew.

Tokens do not tell which variable a name means. So a module must not declare such a name again, not even as a parameter.
"""

from __future__ import annotations

from chainrule.studio.page.modules import ASSIGNING, Import, Module
from chainrule.studio.page.tokens import ends_operand


def references(module: Module, name: Import, object_: str) -> list[tuple[int, int, str]]:
    """Return the edits (from, to, text) that make every reference to an imported name read it from its module.

    Raises LinkError where the name is declared again or assigned: which of the two is meant cannot be told from tokens.
    """
    edits = []
    access = f"{object_}.{name.name}"
    for i in range(module.body, len(module.tokens)):
        token = module.tokens[i]
        if token.kind != "name" or token.text != name.local or module.is_property(i):
            continue
        before, after = module.text_at(i - 1), module.text_at(i + 1)
        if _is_declared(module, i):
            module.fail(
                i, f"{name.local!r} is imported and may change; give what is declared here another name."
            )
        if before in ("++", "--") or ASSIGNING.fullmatch(after):
            module.fail(i, f"{name.local!r} is imported; only {name.path}, which declares it, may assign it.")
        if after in (",", "}") and before in ("{", ",") and module.directly_in(i, "object"):
            edits.append((token.start, token.end, f"{name.local}: {access}"))
        elif after in ("(", "?.") or module.tokens[min(i + 1, len(module.tokens) - 1)].kind == "template":
            # Called as a function, not as a method. Behind a line without a semicolon the parenthesis would be a call.
            begins = token.after_newline and _is_statement_end(module, i - 1)
            edits.append((token.start, token.end, f"{';' if begins else ''}(0, {access})"))
        else:
            edits.append((token.start, token.end, access))
    return edits


def _is_statement_end(module: Module, i: int) -> bool:
    """Whether a name behind token i is of the next statement, and a parenthesis would not be."""
    return module.text_at(i) == "}" or ends_operand(module.tokens, i)


def _is_declared(module: Module, i: int) -> bool:
    """Whether a name is declared at token i: by a statement, in a pattern, as a parameter or as a method."""
    tokens = module.tokens
    before, after = module.text_at(i - 1), module.text_at(i + 1)
    if (
        before in ("const", "let", "var", "function", "class")
        or after == "=>"
        or module.directly_in(i, "class")
    ):
        return True
    if before == "*" and module.text_at(i - 2) == "function":
        return True
    if after == "(" and module.directly_in(i, "object") and module.text_at(tokens[i + 1].match + 1) == "{":
        return True
    depth = len(tokens[i].inside)
    for k in range(i - 1, module.body - 1, -1):
        token = tokens[k]
        if token.text == ";" and len(token.inside) == len(tokens[i].inside):
            before = ";"  # the statement begins here: no list of declarations reaches the name
        if (
            before == ","
            and token.text in ("const", "let", "var")
            and len(token.inside) == len(tokens[i].inside)
        ):
            return True  # let a = 1, b
        if token.opens is None or len(token.inside) >= depth:
            continue
        depth = len(token.inside)  # a bracket that is open around the name
        if token.text == "(" and (
            module.text_at(token.match + 1) == "=>" or module.opens(token.match + 1) == "function"
        ):
            return True
        if token.text == "(" and module.text_at(k - 1) == "catch" and token.opens == "control":
            return True
        if token.text in ("{", "[") and module.text_at(k - 1) in ("const", "let", "var"):
            return True
        if token.opens in ("function", "class", "block"):
            return False
    return False
