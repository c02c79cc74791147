"""What stands around a page in Traditional Chinese: its menu, its buttons and its footer are Chinese too.

The menu has the pages of the English one, in the same order, by Chinese titles. Of a page that there is in both
languages it leads to the Chinese one; the others are marked as English.
"""

from __future__ import annotations

import gettext
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import sphinx
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from heads import CHINESE
from sphinx.application import Sphinx
from sphinx.util import logging

WORDS = {
    # The parts of the menu.
    "Learn": "學習",
    "How to": "怎麼做",
    "Reference": "參考手冊",
    "Explanation": "說明",
    # Its pages.
    "Start in five minutes": "五分鐘上手",
    "From one neuron to MNIST": "從一個神經元到 MNIST",
    "Pages to play with": "可以玩的網頁",
    "Gallery": "範例集",
    "Images: MNIST": "影像：MNIST",
    "Text: whose docstring is it?": "文字：這是誰的 docstring？",
    "Series: prices, orders and temperatures": "時間序列：價格、訂單與氣溫",
    "Tables: how long people live": "表格：人能活多久",
    "Beside scikit-learn's own tools": "與 scikit-learn 的工具並用",
    "A network on a chip": "晶片上的網路",
    "The laboratory": "實驗室",
    "The studio": "工作室",
    "Teaching with Chainrule": "用 Chainrule 教學",
    "Guide": "使用指南",
    "Estimators": "估計器",
    "Trust": "可信度",
    "Larger than memory": "比記憶體大的資料",
    "Graph": "計算圖",
    "Export": "匯出",
    "A model as a service": "把模型當成服務",
    "Tracking": "實驗追蹤",
    "Many processes": "多個行程",
    "The engine in a web page": "網頁裡的引擎",
    "From scikit-learn, Keras and PyTorch": "從 scikit-learn、Keras、PyTorch 轉過來",
    "From scikit-learn": "從 scikit-learn 轉過來",
    "From Keras": "從 Keras 轉過來",
    "From PyTorch": "從 PyTorch 轉過來",
    "A policy from Stable-Baselines3: C, JavaScript, a service": "Stable-Baselines3 的策略：C、JavaScript、服務",
    "A pipeline of scikit-learn: C, JavaScript, a service": "scikit-learn 的管線：C、JavaScript、服務",
    "Models and networks": "模型與網路",
    "Layers and activations": "層與激活函數",
    "Losses and metrics": "損失與指標",
    "Optimizers and schedules": "最佳化器與排程",
    "Training": "訓練",
    "Training without backpropagation": "不用反向傳播的訓練",
    "Engines and processes": "引擎與行程",
    "Inspection": "檢視",
    "Data": "資料",
    "A run": "一次訓練的紀錄",
    "Figures, reports and the laboratory": "圖、報告與實驗室",
    "The service and the studio": "服務與工作室",
    "Errors and foundations": "錯誤與基礎",
    "The command": "命令列",
    "Notation": "符號",
    "Glossary": "詞彙表",
    "Questions that people ask": "常見問題",
    "What a learner can do and see": "學習者能做什麼、看到什麼",
    "Benchmarks": "效能評測",
    "On real tables": "真實表格",
    "Beside packages that choose their models themselves": "與自動選擇模型的套件比較",
    "An estimate: 10¹² rows on a thousand hosts": "估算：一千台主機上的 10¹² 列資料",
    "Design": "設計",
}
"""The Chinese titles of the menu. A title that is not here is a warning, with which `make site` ends."""
FURO = {
    "Skip to content": "跳到內容",
    "Back to top": "回到頂端",
    "Next": "下一頁",
    "Previous": "上一頁",
    "Home": "首頁",
    "On this page": "本頁內容",
    "Copyright &#169; %(copyright)s": "版權所有 &#169; %(copyright)s",
    "Made with ": "製作工具：",
    '<a href="https://www.sphinx-doc.org/">Sphinx</a> and ': '<a href="https://www.sphinx-doc.org/">Sphinx</a> 與 ',
}
"""Texts of furo's templates that go through gettext and that Sphinx's own catalogue has not."""
LABELS = {
    "Toggle site navigation sidebar": "開關網站選單",
    "Toggle table of contents sidebar": "開關本頁目錄",
    "Toggle Light / Dark / Auto color theme": "切換亮色、暗色或自動",
    "Link to this heading": "連到這個標題",
    "Pages": "頁面",
    "On this page": FURO["On this page"],
}
"""Labels that are written in English, by furo, Sphinx and the extension `accessible`."""
UNFOLD = "展開或收合「{}」"
AFTER_FURO = 900
"""The priority of the handler: what furo has made of the menu is there."""

logger = logging.getLogger(__name__)


class Chinese(gettext.NullTranslations):
    """The texts of the templates: furo's by FURO, the others by the catalogue that Sphinx has."""

    def __init__(self) -> None:
        super().__init__()
        locale = Path(sphinx.__file__).parent / "locale"
        self.add_fallback(gettext.translation("sphinx", str(locale), ["zh_TW"]))

    def gettext(self, message: str) -> str:
        """Return the Chinese text, or the English one where there is none."""
        return FURO.get(message) or super().gettext(message)


def labels_in_chinese(html: str) -> str:
    """The filter of the template: labels and tooltips that are written in English."""
    return re.sub(
        r'\b(aria-label|title)="([^"]*)"',
        lambda found: f'{found[1]}="{LABELS.get(found[2], found[2])}"',
        html,
    )


def title_of(link: Tag, page: str) -> str:
    """Return the Chinese title of a link of the menu; warns where there is none."""
    text = link.get_text()
    if text not in WORDS:
        logger.warning("docs/extensions/chinese.py has no Chinese title for %r", text, location=page)
    return WORDS.get(text, text)


def menu(html: str, page: str, translated: set[str]) -> str:
    """The menu of a Chinese page, made of the English one.

    page: its name.  translated: the names of the pages that there are in both languages, those in English.
    """
    soup = BeautifulSoup(html, "html.parser")
    folder = posixpath.dirname(page)
    for caption in soup.find_all("p", class_="caption"):
        if caption.get_text() in WORDS:
            caption.string = WORDS[caption.get_text()]
        else:  # that of the Chinese pages, which stand among the others now
            caption.find_next_sibling("ul").decompose()
            caption.decompose()
    for item in soup.find_all("li"):
        link = item.find("a")
        address, place = urldefrag(link["href"])
        name = posixpath.normpath(posixpath.join(folder, address)).removesuffix(".html")
        link.string = title_of(link, page)
        if (switch := item.find("input", recursive=False)) is not None:
            switch["aria-label"] = UNFOLD.format(link.get_text())
        if name not in translated:
            link["hreflang"] = "en"
        elif name + CHINESE == page:
            item["class"] = [*item["class"], "current", "current-page"]
            link["href"] = "#"
        else:
            link["href"] = address.removesuffix(".html") + f"{CHINESE}.html" + (place and f"#{place}")
    return str(soup)


def show(
    app: Sphinx, pagename: str, _: str, context: dict[str, Any], doctree: nodes.document | None
) -> str | None:
    """The handler of html-page-context, which returns the page's template."""
    environment = app.builder.templates.environment
    is_chinese = pagename.endswith(CHINESE)
    environment.install_gettext_translations(Chinese() if is_chinese else app.translator)
    if not is_chinese:
        return None
    environment.filters["labels_in_chinese"] = labels_in_chinese
    names = {name.removesuffix(CHINESE) for name in app.env.found_docs if name.endswith(CHINESE)}
    context["furo_navigation_tree"] = menu(context["furo_navigation_tree"], pagename, names)
    context["master_doc"] = context["root_doc"] = app.config.root_doc + CHINESE
    for way in ("prev", "next"):
        if context.get(way) and CHINESE not in context[way]["link"]:
            context[way] = None
    return "chinese.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", show, AFTER_FURO)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
