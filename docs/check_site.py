"""Finds what is wrong with a built site: `python docs/check_site.py FOLDER` prints a line for each fault.

Without FOLDER a line for each module that the reference describes and that cannot be imported.

- every link and picture leads to a file of the site, and to a place in it
- no page takes a script, a style, a font, a picture or a frame from another host
- every page has a title, a description and a language
- the reference shows each parameter of a class, a function and a method, and no union of NumPy's own types
- the search knows every public name of the package, and the site map every page
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import chainrule

DOCS = Path(__file__).resolve().parent
MOCKED = ["onnx", "ray"]
"""Packages that the reference is built without: tens or hundreds of megabytes for one module."""
APPLICATIONS = ("pages", "play")
"""Folders of pages that are programs: a place in them is a state, and they are no pages to read."""
NOT_IN_SEARCH = {"ENGINES", "METHODS", "__version__"}
"""Public names that are values without a signature."""
NOT_IN_MAP = {"genindex.html", "py-modindex.html", "search.html"}
LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}
"""What a browser loads by itself."""
ADDRESSES = {"alternate", "author", "canonical", "index", "next", "prev", "search"}
"""Relations of a link in a page's head that a browser does not load."""
SIGNATURE = re.compile(r'<dt class="sig sig-object py" id="([\w.]+)">(.*?)</dt>', re.DOTALL)
PARAMETER = re.compile(r'<em class="sig-param">.*?<span class="n"><span class="pre">(\w+)</span>', re.DOTALL)
STYLED = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


class Link(NamedTuple):
    """An address in a page."""

    address: str
    is_loaded: bool


class Page(HTMLParser):
    """A page's links, places, title and description."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.places: set[str] = {"", "top"}
        self.title = self.description = self.language = ""
        self._is_in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by `feed`."""
        found = {name: value or "" for name, value in attrs}
        self._is_in_title = tag == "title" and not self.title
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "html":
            self.language = found.get("lang", "")
        if tag == "meta" and found.get("name") == "description":
            self.description = found.get("content", "").strip()
        if tag == "a" and "href" in found:
            self.links.append(Link(found["href"], False))
        if tag == "link":
            self.links.append(Link(found.get("href", ""), not set(found.get("rel", "").split()) <= ADDRESSES))
        for name in LOADED.get(tag, ()):
            for one in found.get(name, "").split(",") if name == "srcset" else [found.get(name, "")]:
                if one.strip():
                    self.links.append(Link(one.split()[0], True))
        self.links += [Link(address, True) for address in styled(found.get("style", ""))]

    def handle_data(self, data: str) -> None:
        """Called by `feed`."""
        if self._is_in_title:
            self.title += data.strip()

    def handle_endtag(self, tag: str) -> None:
        """Called by `feed`."""
        self._is_in_title = self._is_in_title and tag != "title"


def styled(text: str) -> list[str]:
    """Return the addresses in a style sheet."""
    return [one or other for one, other in STYLED.findall(text)]


def is_application(path: Path, site: Path) -> bool:
    """Whether a file belongs to a program rather than to the documentation."""
    return path.relative_to(site).parts[0] in APPLICATIONS


def link_faults(site: Path, path: Path, link: Link, pages: Mapping[Path, Page]) -> Iterator[str]:
    """Yield what is wrong with a link of a file."""
    parts = urlsplit(link.address)
    where = path.relative_to(site).as_posix()
    if parts.scheme in ("data", "mailto"):
        return
    if parts.scheme or parts.netloc:
        if link.is_loaded:
            yield f"{where} loads {link.address} from another host"
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.exists():
        yield f"{where} leads to {link.address}, which is not there"
    elif (
        target in pages
        and not is_application(target, site)
        and unquote(parts.fragment) not in pages[target].places
    ):
        yield f"{where} leads to {link.address}, where that place is not"


def page_faults(where: str, page: Page) -> Iterator[str]:
    """Yield what a page of the documentation lacks."""
    for name in ("title", "description", "language"):
        if not getattr(page, name):
            yield f"{where} has no {name}"


def described(name: str) -> object:
    """Return what has a full name, such as chainrule.Model.fit; None where its module cannot be imported."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None


def signature_faults(where: str, text: str) -> Iterator[str]:
    """Yield the parameters that a page of the reference leaves out, and types that only NumPy can read."""
    from sphinx.ext.autodoc.mock import mock

    for name, shown in SIGNATURE.findall(text):
        if "_NestedSequence" in shown:
            yield f"{where} writes out a union in the signature of {name}; give it a name in autodoc_type_aliases"
        with mock(MOCKED):
            thing = described(name)
        if getattr(thing, "__name__", "") != name.rpartition(".")[2]:  # a value, which may be a class
            continue
        try:
            parameters = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
        except (TypeError, ValueError):  # of a class in C, as an exception is
            continue
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        taken = [each.name for each in parameters if each.kind not in variable and each.name != "self"]
        if missing := [each for each in taken if each not in PARAMETER.findall(shown)]:
            yield f"{where} shows {name} without {', '.join(missing)}"


def search_faults(site: Path) -> Iterator[str]:
    """Yield the public names that the search does not know as classes or functions of the reference."""
    text = (site / "searchindex.js").read_text("utf-8")
    objects = json.loads(text[text.index("(") + 1 : text.rindex(")")])["objects"]
    known = {entry[-1] for entries in objects.values() for entry in entries}
    for name in sorted(set(chainrule.__all__) - NOT_IN_SEARCH - known):
        yield f"the search does not know {name}"


def map_faults(site: Path, pages: list[str]) -> Iterator[str]:
    """Yield the pages that the site map has not."""
    tree = ElementTree.parse(site / "sitemap.xml")
    listed = [place.text or "" for place in tree.iterfind("{*}url/{*}loc")]
    for page in sorted(set(pages) - NOT_IN_MAP):
        if not any(address.endswith(f"/{page}") for address in listed):
            yield f"sitemap.xml has not {page}"


def module_faults(reference: Path = DOCS / "reference") -> Iterator[str]:
    """Yield the modules of the reference that cannot be imported, each with the reason."""
    from sphinx.ext.autodoc.mock import mock

    text = "".join(page.read_text("utf-8") for page in sorted(reference.glob("*.md")))
    modules = re.findall(r"^\.\. automodule:: (\S+)|^\.\. auto\w+:: (\S+)\.\w+$", text, re.MULTILINE)
    with mock(MOCKED):
        for module in dict.fromkeys(one or other for one, other in modules):
            try:
                import_module(module)
            except ImportError as error:
                yield f"the reference describes {module}, which cannot be imported: {error}"


def faults(site: Path) -> list[str]:
    """Return a line for each fault of a site."""
    site = site.resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            found += link_faults(site, path, link, pages)
        if not is_application(path, site):
            found += page_faults(path.relative_to(site).as_posix(), page)
            found += signature_faults(path.relative_to(site).as_posix(), path.read_text("utf-8"))
    for path in sorted(site.rglob("*.css")):
        for address in styled(path.read_text("utf-8")):
            found += link_faults(site, path, Link(address, True), pages)
    found += search_faults(site)
    found += map_faults(
        site, [path.relative_to(site).as_posix() for path in pages if not is_application(path, site)]
    )
    return found


if __name__ == "__main__":
    lines = faults(Path(sys.argv[1])) if sys.argv[1:] else list(module_faults())
    print(*lines, sep="\n", end="\n" if lines else "")
    sys.exit(min(len(lines), 1))
