"""Everybody can use every screen of the studio: in both languages and themes, by keys, by touch and without motion."""

from __future__ import annotations

import re

import pytest

from a11y import faults, keyboard_faults, moving, touch_faults
from chainrule.studio.page.assets import modules
from halves import half
from small_studios import noise
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser

SCREENS = re.findall(r"^  (\w+): \{ show: ", modules()["screens.js"], re.MULTILINE)
FORMS = {
    "desk": [("en", "light"), ("zh", "dark")],
    "phone": [("en", "dark"), ("zh", "light")],
}
"""The languages and themes of each size that `make test` looks at; `make test-all` looks at the other size's too."""
OTHERS = dict(zip(FORMS, reversed(FORMS.values()), strict=True))
SIZES = [
    pytest.param(screen, size, id=f"{screen}-{size}", marks=() if k % 2 == j else pytest.mark.slow)
    for k, screen in enumerate(SCREENS)
    for j, size in enumerate(FORMS)
]
"""Of each screen one size in `make test`."""
TAGS = {"en": "en", "zh": "zh-Hant-TW"}


@pytest.fixture(scope="module")
def pages(browser):
    with studio_pages(browser, noise()) as pages:
        yield pages


@pytest.mark.parametrize(
    "forms", [pytest.param(FORMS, id="half"), pytest.param(OTHERS, id="rest", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("screen", "size"), SIZES)
def test_a_screen(pages: Pages, screen: str, size: str, forms: dict[str, list[tuple[str, str]]]):
    found, phone = [], size == "phone"
    with pages.open(screen, phone=phone) as page:
        for lang, theme in forms[size]:
            page.evaluate("state => window.chainrule.store.set(state)", {"lang": lang, "theme": theme})
            settle(page)
            wrong = faults(page, TAGS[lang]) + (touch_faults(page) if phone else [])
            found += [f"{lang}, {theme}: {fault}" for fault in wrong]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("screen", half(SCREENS))
def test_by_keys_and_without_motion(pages: Pages, screen: str):
    with pages.open(screen) as page:
        page.locator("main").wait_for()
        assert moving(page) == 0
        assert keyboard_faults(page) == []


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_tour(pages: Pages, phone: bool):
    with pages.open("glossary", phone=phone) as page:
        page.click("[data-test=tour-start]")
        page.wait_for_selector("[data-test=tour][data-found=true]")
        assert faults(page, "en") == []
        assert not phone or touch_faults(page) == []


FAULTS = [
    ("main.append(h('button'))", "without a name"),
    ("main.append(Object.assign(h('input'), { placeholder: '' }))", "without a name"),
    ("main.append(h('img'))", "without a name"),
    ("main.append(h('canvas'))", "neither a role"),
    ("main.append(h('h4', 'too deep'))", "follows a heading of level"),
    ("main.append(h('h1', 'again'))", "2 headings of level 1"),
    ("document.body.append(h('main', 'more'))", "2 main landmarks"),
    ("main.append(Object.assign(h('p', 'pale'), { style: 'color: rgb(150 150 150)' }))", "contrast of"),
    ("{ const one = h('p', 'pale'); one.style.opacity = .4; main.append(one); }", "contrast of"),
    ("main.append(h('p', '\u4e2d\u6587'))", "is Chinese"),
    ("document.documentElement.lang = 'zh-Hant-TW'", "says that it is in"),
    ("{ const one = h('button', 'x'); one.tabIndex = 3; main.append(one); }", "positive tabindex"),
    (
        "{ const one = h('div', h('button', 'x')); one.ariaHidden = 'true'; main.append(one); }",
        "Tab goes there",
    ),
    ("{ for (const k of [1, 2]) main.append(Object.assign(h('i'), { id: 'same' })); }", "is there twice"),
    ("main.append(Object.assign(h('label', 'x'), { htmlFor: 'nobody' }))", "means nothing"),
    ("main.append(Object.assign(h('button', 'Go'), { ariaLabel: 'Begin' }))", "is called Begin"),
    (
        "{ const one = h('div', h('p', 'x')); one.style.cssText = 'height: 2px; overflow: auto'; main.append(one); }",
        "scrolls, and Tab does not go there",
    ),
    ("main.animate([{ opacity: 1 }, { opacity: .99 }], { duration: 1e4, iterations: 9 })", "moves"),
]
MAKE = """const main = document.querySelector('main'), h = (tag, ...rest) => {
  const element = document.createElement(tag);
  element.append(...rest);
  return element;
};"""
KEEP = """const main = document.querySelector('main'), { body } = document;
window.before = new Set([...main.childNodes, ...body.childNodes]);"""
RESTORE = """const main = document.querySelector('main'), { body } = document;
for (const one of [...main.childNodes, ...body.childNodes]) if (!window.before.has(one)) one.remove();
main.getAnimations().forEach((one) => one.cancel());
document.documentElement.lang = 'en';"""


@pytest.mark.slow
def test_faults_are_seen(pages: Pages):
    with pages.open("glossary") as page:
        assert faults(page, "en") == []
        page.evaluate(f"() => {{ {KEEP} }}")
        for script, says in FAULTS:
            page.evaluate(f"() => {{ {MAKE} {script}; }}")
            assert any(says in fault for fault in faults(page, "en")), f"{script} is not seen: {says}"
            page.evaluate(f"() => {{ {RESTORE} }}")
        assert faults(page, "en") == []


def test_faults_of_a_phone_are_seen(pages: Pages):
    with pages.open("glossary", phone=True) as page:
        assert touch_faults(page) == []
        page.evaluate(f"""() => {{ {MAKE}
          const wide = h('div', 'wide'), small = h('button', '.');
          wide.style.width = '500px';
          small.style.cssText = 'width: 20px; height: 30px; padding: 0';
          main.append(wide, small);
        }}""")
        found = "\n".join(touch_faults(page))
        assert "pixels wide" in found and "is 20 x 30 pixels" in found


def test_faults_of_keys_are_seen(pages: Pages):
    with pages.open("glossary") as page:
        assert keyboard_faults(page) == []
        page.evaluate(f"""() => {{ {MAKE}
          const dull = h('button', 'dull'), trap = h('button', 'trap'), lost = h('button', 'lost');
          dull.style.outline = 'none';
          trap.onkeydown = (event) => event.preventDefault();
          main.append(dull, trap, lost);
        }}""")
        found = "\n".join(keyboard_faults(page))
        assert "dull" in found and "Tab does not reach button “lost”" in found
