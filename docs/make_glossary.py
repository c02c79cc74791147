"""Write docs/glossary.md from the texts of the studio's glossary: `python docs/make_glossary.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chainrule.studio.page.assets import texts

PAGE = Path(__file__).with_name("glossary.md")
HEAD = """<!-- Made by make_glossary.py; the texts are in src/chainrule/studio/web/texts/glossary.json. -->

# Glossary

The words that Chainrule uses, in English and in Chinese as Taiwan writes it, each with a sentence. The studio has the
same list, with a search. *Link* and *walk* are Chainrule's own words; all others are those of the field.

這裡是 Chainrule 所用的詞彙，英文與臺灣的中文並列，各附一句說明。互動畫面裡有同一份可以搜尋的清單。\
只有「環節」與「一趟」是 Chainrule 自己的用語，其餘都是這個領域的用語。

| English | 繁體中文 |
|---|---|
"""


def glossary(table: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page. table: the studio's texts; a term is glossary.term.KEY, its sentence glossary.about.KEY."""
    prefix = "glossary.term."
    keys = [key.removeprefix(prefix) for key in table if key.startswith(prefix)]
    rows = []
    for key in sorted(keys, key=lambda key: table[prefix + key]["en"].lower()):
        cells = [
            f"**{table[prefix + key][language]}**<br>{table[f'glossary.about.{key}'][language]}"
            for language in ("en", "zh")
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(glossary(texts()), "utf-8")
