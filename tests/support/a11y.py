"""Whether everybody can use a page: names, headings, landmarks, the order of Tab, contrast, sizes and motion.

Each function returns a sentence for each thing that is wrong with a page as it is now. Names are those that Chromium
computes for screen readers; all else is read from the document and its computed styles by `a11y.js`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")
AXE = Path(sys.prefix, "node", "node_modules", "axe-core", "axe.min.js")
"""The checker of Deque Systems, of which only tests make use."""
NAMED = {
    *("DisclosureTriangle", "button", "checkbox", "combobox", "dialog", "image", "img", "link", "listbox"),
    *("menuitem", "radio", "searchbox", "slider", "spinbutton", "switch", "tab", "textbox"),
}
"""Roles, as Chromium calls them, that nothing without a name may have."""


def faults(page: Page, language: str) -> list[str]:
    """What is wrong with a page in any width. language: the tag that it should have."""
    page.evaluate(SCRIPT)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    return [*page.evaluate("(language) => window.a11y.audit(language)", language), *_nameless(page)]


def _nameless(page: Page) -> list[str]:
    """Controls and pictures without a name."""
    session = page.context.new_cdp_session(page)
    found = []
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        role, name = (node.get(key, {}).get("value", "") for key in ("role", "name"))
        if not node["ignored"] and role in NAMED and not name.strip():
            described: dict[str, Any] = session.send(
                "DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]}
            )
            pairs = iter(described["node"].get("attributes", []))
            attributes = " ".join(f'{key}="{value}"' for key, value in zip(pairs, pairs, strict=True))
            found.append(f"<{described['node']['localName']} {attributes}> is a {role} without a name")
    session.detach()
    return found


def axe_faults(page: Page) -> list[str]:
    """What axe finds wrong, which `make lint` fetches where there is npm; nothing where it is not there."""
    if not AXE.is_file():
        return []
    page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(
        """async () => (await axe.run({ preload: false, resultTypes: ['violations'] })).violations.flatMap(
             ({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))"""
    )
    return found


def touch_faults(page: Page) -> list[str]:
    """What is wrong with a page on a phone: its width, and targets smaller than 24 pixels."""
    page.evaluate(SCRIPT)
    found: list[str] = page.evaluate("window.a11y.touch()")
    return found


def keyboard_faults(page: Page) -> list[str]:
    """Controls that Tab does not reach, and those that do not show that they have the focus."""
    page.evaluate(SCRIPT)
    names: list[str] = page.evaluate("window.a11y.stops()")
    page.evaluate("document.activeElement.blur()")
    reached: list[int] = []
    found = []
    for _ in range(2 * len(names) + 4):
        page.keyboard.press("Tab")
        focused = page.evaluate("window.a11y.focused()")
        if focused is None or (focused[0] >= 0 and focused[0] in reached):
            break
        reached.append(focused[0])
        if not focused[1]:
            found.append(f"{focused[2]} does not show that it has the focus")
    missed = sorted(set(range(len(names))) - set(reached))
    return [*found, *(f"Tab does not reach {names[k]}" for k in missed)]


def moving(page: Page) -> int:
    """How many pictures change within eight frames."""
    page.evaluate(SCRIPT)
    count: int = page.evaluate("window.a11y.moving()")
    return count
