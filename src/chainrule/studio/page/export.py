"""A screen as one HTML file that works without a server: the model, some samples, and the answers that it requested."""

from __future__ import annotations

import base64
import hashlib
import html
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from chainrule.core.version import __version__
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.studio.page.assets import assets, modules
from chainrule.studio.page.join import join
from chainrule.studio.screens.model import get_data, on_show, samples, shown_part
from chainrule.studio.session.commands import DOWNLOADS, EXPORTS, Exported, KeptAnswer, command, find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio

KEPT = 4
"""The maximum pages that wait to be downloaded."""
SAMPLES = 64
"""The maximum samples in a page."""
EXACT = 1 << 20
"""The maximum parameters that are stored as float32; those of a larger network are stored as float16."""
MAX_CALLS = 100

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Chainrule {version}">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}'; \
style-src '{style_hash}'; img-src data: blob:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="app" class="chainrule"></div>
<script type="application/octet-stream" id="data" data-kind="{kind}">{data}</script>
<script>{script}</script>
</body>
</html>
"""


@command("export.page")
def export(studio: Studio, *, state: dict[str, Any], calls: list[list[Any]]) -> dict[str, Any]:
    """Make the page of a screen, and return the number for its download.

    state: the page's state.  calls: [name, arguments] of the commands whose answers are stored in it.
    """
    pages: OrderedDict[str, bytes] = studio.parts.setdefault("export", OrderedDict())
    content = offline_page(studio, state, calls)
    with studio.lock:
        number = str(studio.parts.get("exported", 0) + 1)
        studio.parts["exported"] = int(number)
        pages[number] = content
        while len(pages) > KEPT:
            pages.popitem(last=False)
    return {"download": number}


def downloaded(studio: Studio, query: dict[str, str]) -> tuple[bytes, str]:
    """Return a page and its type. Raises DataError if it no longer exists."""
    pages: OrderedDict[str, bytes] = studio.parts.get("export", OrderedDict())
    content = pages.get(query.get("made", ""))
    if content is None:
        raise DataError("this page no longer exists; export the screen again.")
    return content, "text/html; charset=utf-8"


DOWNLOADS["chainrule.html"] = downloaded


def offline_page(studio: Studio, state: dict[str, Any], calls: list[list[Any]]) -> bytes:
    """Return the page. Answers that fail are omitted, and the page then says that it has none.

    state, calls: as in `export`.
    """
    if len(calls) > MAX_CALLS:
        raise ConfigError(f"a page may have at most {MAX_CALLS} answers, not {len(calls)}.")
    boot: dict[str, Any] = {"model": None, "state": state, "answers": [], "samples": None}
    if studio.has_model:
        boot["model"] = on_show(studio)
        if studio.model.network.size > EXACT:
            arrays = boot["model"]["arrays"].items()
            boot["model"]["arrays"] = {name: np.asarray(value, np.float16) for name, value in arrays}
    boot |= get_data(studio)
    if studio.has_data:
        boot["samples"] = samples(studio, count=min(SAMPLES, int(shown_part(studio).X.shape[0])))
        boot["data"]["shown"] = len(boot["samples"]["rows"])
    checked = [_call(call) for call in calls]
    boot["answers"] = list(_answers(studio, checked))
    own = EXPORTS.get(str(state.get("screen")))
    if own is not None:
        rows = boot["samples"]["rows"] if studio.has_data and studio.has_model else []
        boot["answers"] += own(Exported(studio, state, checked, rows))
        if rows:
            boot["data"]["shown"] = len(rows)
    packed = pack(boot)
    data = base64.b64encode(packed if isinstance(packed, bytes) else packed.encode()).decode()
    style, script = page_style(), page_script()
    return PAGE.format(
        version=__version__,
        title=html.escape(f"{studio.name} – Chainrule" if studio.name else "Chainrule"),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=data,
        kind="text" if isinstance(packed, str) else "bytes",
    ).encode()


def _answers(studio: Studio, calls: list[tuple[str, dict[str, Any]]]) -> Iterator[KeptAnswer]:
    """Answer the read-only calls, except for those that fail."""
    for name, arguments in calls:
        if find(name).is_read:
            try:
                yield KeptAnswer(name, arguments, find(name)(studio, arguments))
            except ChainruleError:
                continue


def _call(call: list[Any]) -> tuple[str, dict[str, Any]]:
    if len(call) != 2 or not isinstance(call[0], str) or not isinstance(call[1], dict):
        raise ConfigError("each of calls must be a command's name and its arguments.")
    return call[0], call[1]


@cache
def page_script() -> str:
    """Return the page's modules as one script."""
    return join("offline.js", modules())


@cache
def page_style() -> str:
    """Return the page's style sheet."""
    return (assets()["page.css"].content + assets()["style.css"].content).decode()


def _hash(text: str) -> str:
    """Return the hash with which a Content-Security-Policy allows an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
