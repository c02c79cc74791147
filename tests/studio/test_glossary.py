"""The glossary: its table, and the page of the documentation that is made of it."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from chainrule.studio.page.assets import texts

DOCS = Path(__file__).parents[2] / "docs"
TERMS = {
    key.removeprefix("glossary.term."): text
    for key, text in texts().items()
    if key.startswith("glossary.term.")
}
ABOUTS = {
    key.removeprefix("glossary.about."): text
    for key, text in texts().items()
    if key.startswith("glossary.about.")
}


def test_every_term_has_a_sentence():
    assert len(TERMS) >= 60 and TERMS.keys() == ABOUTS.keys()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_term_is_there_twice(language: str):
    names = [term[language].lower() for term in TERMS.values()]
    assert len(names) == len(set(names))


def test_the_page_is_up_to_date():
    spec = spec_from_file_location("make_glossary", DOCS / "make_glossary.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "glossary.md").read_text("utf-8")
    assert page == module.glossary(texts()), "run python docs/make_glossary.py"
    assert page.count("<br>") == 2 * len(TERMS)
