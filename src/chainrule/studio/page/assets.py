"""The files of the studio's page, read once from the package, and its texts in every language.

A text is in one of the tables `web/texts/*.json` under a key, in each language: `{"draw.clear": {"en": ..., ...}}`.
The page reads them all from the module `texts.js`, which is generated here. Its style sheet is `style.css`, followed
by those of the screens in `styles/`; its script is `page.js`, which has `main.js` and all modules that it needs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, NamedTuple

from chainrule.errors import FormatError
from chainrule.studio.page.join import join

__all__ = ["LANGUAGES", "TYPES", "VERSION", "Asset", "assets", "merge", "modules", "texts"]

LANGUAGES = ("en", "zh")
"""English, and Traditional Chinese as written in Taiwan."""

TYPES = {
    "bin": "application/octet-stream",
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
"""The media type by file name extension, the same on every system; files with other extensions are not served."""

_WEB = files("chainrule.studio") / "web"
_SHARED = ("activations.js", "operations.js")
"""The modules of `chainrule.export.javascript` that the page takes its formulas from."""
_JOINED = "page.js"
_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


class Asset(NamedTuple):
    """A file as it is sent: its bytes and its media type."""

    content: bytes
    type: str


def merge(tables: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Merge several tables of texts into one, in the order of their keys.

    tables: JSON by file name. Keys of `draw.json` begin with `draw.` or `screen.draw`, those of `common.json` with
    anything.
    Raises FormatError, with the file and the key, for a duplicate or malformed key, and for a text that is empty,
    missing in a language or in an unknown one.
    """
    merged: dict[str, dict[str, str]] = {}
    owner: dict[str, str] = {}
    for name, table in sorted(tables.items()):

        def once(pairs: list[tuple[str, Any]], name: str = name) -> dict[str, Any]:
            keys = [key for key, _ in pairs]
            if twice := sorted({key for key in keys if keys.count(key) > 1}):
                raise FormatError(f"{name}: {twice[0]!r} occurs twice; remove one.")
            return dict(pairs)

        try:
            entries: Any = json.loads(table, object_pairs_hook=once)
        except json.JSONDecodeError as error:
            raise FormatError(f"{name}:{error.lineno}: {error.msg}; correct the JSON.") from None
        if not isinstance(entries, dict):
            raise FormatError(f"{name}: expected texts by their keys; got {type(entries).__name__}.")
        for key, text in entries.items():
            _check(name, key, text)
            if key in owner:
                raise FormatError(f"{name}: {key!r} is also in {owner[key]}; remove one.")
            owner[key] = name
            merged[key] = {language: text[language] for language in LANGUAGES}
    return dict(sorted(merged.items()))


def _check(name: str, key: str, text: object) -> None:
    """Raise FormatError for a malformed key or text."""
    own = name.removesuffix(".json")
    if not _KEY.fullmatch(key):
        raise FormatError(
            f"{name}: the key {key!r} is not a sequence of lower-case words with dots; write {own}.word."
        )
    if own != "common" and not f"{key}.".startswith((f"{own}.", f"screen.{own}.")):
        raise FormatError(
            f"{name}: {key!r} does not begin with the file's name; write {own}.… or move it to common.json."
        )
    if not isinstance(text, dict):
        raise FormatError(
            f"{name}: {key!r} is {type(text).__name__}; write a text for each of {', '.join(LANGUAGES)}."
        )
    if unknown := sorted(text.keys() - set(LANGUAGES)):
        raise FormatError(
            f"{name}: {key!r} has the unknown language {unknown[0]!r}; choose from {', '.join(LANGUAGES)}."
        )
    for language in LANGUAGES:
        if not isinstance(text.get(language), str) or not text[language].strip():
            raise FormatError(f"{name}: {key!r} has no text in {language!r}; write one.")


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text of the page by its key, in each language. Raises FormatError as `merge` does."""
    tables = {
        path.name: path.read_text("utf-8")
        for path in (_WEB / "texts").iterdir()
        if path.name.endswith(".json")
    }
    return MappingProxyType({key: MappingProxyType(text) for key, text in merge(tables).items()})


def _walk(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    """Return the files of a folder that have a media type, by path, without the tables of texts."""
    found: dict[str, bytes] = {}
    for path in folder.iterdir():
        if path.is_dir():
            found |= _walk(path, f"{prefix}{path.name}/") if f"{prefix}{path.name}" != "texts" else {}
        elif path.name.rpartition(".")[2] in TYPES:
            found[f"{prefix}{path.name}"] = path.read_bytes()
    return found


@cache
def _read() -> tuple[str, Mapping[str, Asset]]:
    """Return the version, and the files with the version written into the document."""
    raw = _walk(_WEB)
    raw |= {name: (files("chainrule.export.javascript") / name).read_bytes() for name in _SHARED}
    styles = [raw.pop(path) for path in sorted(raw) if path.startswith("styles/")]
    if styles:
        raw["style.css"] = b"\n".join([raw["style.css"], *styles])
    # \u003c keeps a text from closing the script that contains it.
    table = json.dumps({key: dict(text) for key, text in texts().items()}, ensure_ascii=False, indent=0)
    table = table.replace("<", "\\u003c")
    raw["texts.js"] = f"export const texts = {table};\n".encode()
    if "main.js" in raw:
        sources = {path: content.decode() for path, content in raw.items() if path.endswith(".js")}
        raw[_JOINED] = join("main.js", sources).encode()
    digest = hashlib.sha256()
    for path, content in sorted(raw.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    version = digest.hexdigest()[:12]
    if "index.html" in raw:
        raw["index.html"] = raw["index.html"].replace(b"{{version}}", version.encode())
    return version, MappingProxyType(
        {path: Asset(content, TYPES[path.rpartition(".")[2]]) for path, content in sorted(raw.items())}
    )


def assets() -> Mapping[str, Asset]:
    """Return the page's files by path below web/, such as "screens/draw.js". In index.html, {{version}} is VERSION."""
    return _read()[1]


@cache
def modules() -> Mapping[str, str]:
    """Return the text of every JavaScript module by path, for `chainrule.studio.page.join.join`."""
    return MappingProxyType(
        {
            path: asset.content.decode()
            for path, asset in assets().items()
            if path.endswith(".js") and path != _JOINED
        }
    )


VERSION = _read()[0]
"""Twelve hexadecimal digits that change with any byte of the files, so that a browser may cache them forever."""
