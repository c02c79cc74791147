"""Links into the reference: of inline code that names something public, such as `Dense` or `Model.fit`, and of types.

Sphinx looks for a type of a signature among the ends of all names, as if it were written `.int`, which takes it longer
than all else, and finds fields of that name too. Here a type is a full name, or the only class whose name ends so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.transforms.post_transforms import SphinxPostTransform

import chainrule

NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(.*\))?", re.DOTALL)
"""A dotted name, which may be called: `Dense(128)`."""


def candidates(code: str) -> Iterator[str]:
    """Return the full names under which the reference may have what a piece of code names, the likeliest first."""
    match = NAME.fullmatch(code)
    if match is None:
        return
    first, *rest = match[1].split(".")
    if first == "chainrule":
        yield match[1]
    elif first not in chainrule.__all__:
        return
    found: Any = chainrule if first == "chainrule" else getattr(chainrule, first)
    owner = None
    for name in rest:
        owner, found = found, getattr(found, name, None)
    if isinstance(owner, type):  # a method is described where it is defined, or with a class that inherits it
        yield from (f"{base.__module__}.{base.__qualname__}.{rest[-1]}" for base in owner.__mro__)
    elif hasattr(found, "__qualname__"):
        yield f"{found.__module__}.{found.__qualname__}"


def classes(domain: PythonDomain) -> defaultdict[str, list[str]]:
    """Return the names under which the reference describes classes, by the last part of the name."""
    found = defaultdict(list)
    for name, described in domain.objects.items():
        if described.objtype in ("class", "exception") and not described.aliased:
            found[name.rpartition(".")[2]].append(name)
    return found


class LinkedTypes(SphinxPostTransform):
    """Runs before references are resolved."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Called for each page."""
        domain = self.env.get_domain("py")
        assert isinstance(domain, PythonDomain)
        named = classes(domain)
        for link in self.document.findall(addnodes.pending_xref):
            if link.get("refdomain") == "py" and link.get("refspecific") is False:
                del link["refspecific"]  # Sphinx asks whether it is there
                end = f".{link['reftarget']}"
                found = [name for name in named[end.rpartition(".")[2]] if name.endswith(end)]
                if len(found) == 1:
                    link["reftarget"] = found[0]


class LinkedNames(SphinxPostTransform):
    """Runs before references are resolved."""

    default_priority = 5
    formats: ClassVar[tuple[str, ...]] = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Called for each page."""
        domain = self.env.get_domain("py")
        assert isinstance(domain, PythonDomain)
        for code in list(self.document.findall(nodes.literal)):
            if _is_link_or_title(code):
                continue
            target = next((name for name in candidates(code.astext()) if name in domain.objects), None)
            if target is not None:
                link = addnodes.pending_xref(
                    "",
                    refdomain="py",
                    reftype="obj",
                    reftarget=target,
                    refdoc=self.env.current_document.docname,
                    refexplicit=True,
                )
                code.replace_self(link)
                link += code


def _is_link_or_title(node: nodes.Node) -> bool:
    above = node.parent
    while above is not None:
        if isinstance(above, (nodes.reference, addnodes.pending_xref, nodes.title)):
            return True
        above = above.parent
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_post_transform(LinkedNames)
    app.add_post_transform(LinkedTypes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
