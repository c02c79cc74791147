"""Build the sections of a model's report as HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.formulas.metrics import confusion_matrix
from chainrule.model import Ensemble, Model
from chainrule.recipe.judge import Judgement
from chainrule.training import History
from chainrule.views import figures, words
from chainrule.views.markup import figure, fold, pairs, section, table, text
from chainrule.views.pictures import image_png
from chainrule.views.text.verdict import Headline
from chainrule.views.text.verdict import figure as figure_of
from chainrule.views.words.facts import FEW_DIGITS, alike, decimals, quantity

NOTICED_SHOWN, ROWS_SHOWN = 2, 5
"""The notices of a table, and the worst rows, that are not folded."""


def in_short(told: Iterable[str], noticed: Sequence[str] = ()) -> str:
    """Return how good a model is and where it fails, and what was noticed in its table."""
    seen, more = paragraphs(noticed[:NOTICED_SHOWN]), noticed[NOTICED_SHOWN:]
    rest = fold(words.verdict.others(len(more)), paragraphs(more)) if more else ""
    heard = f"<h3>{text(words.notices.TITLE)}</h3>{seen}{rest}" if noticed else ""
    return section(words.verdict.IN_SHORT, paragraphs(told, "answer"), heard)


def paragraphs(sentences: Iterable[str], kind: str = "") -> str:
    """Return a paragraph per sentence, with a capital letter."""
    of_kind = f' class="{kind}"' if kind else ""
    return "".join(f"<p{of_kind}>{text(each[0].upper() + each[1:])}</p>" for each in sentences)


def tiles(history: History, judgement: Judgement, parameters: int, first: Sequence[Headline]) -> str:
    """Return tiles with the numbers that stand first, and with all others. parameters: of all networks that predict.

    A first number that is no better than the one beside it is marked.
    """
    said, metrics, positive = words.model, judgement.metrics, judgement.positive
    names = {said.of_part(judgement.part, name): name for name in metrics}
    shown = {
        words.phrases.spoken(names[label]): text(figure_of(names[label], metrics[names[label]]))
        for label in sorted(names, key=lambda each: names[each] == "loss")  # mostly another one's number
        if label not in [each.label for each in first]
    }
    if positive is not None:
        shown[said.POSITIVE] = text(positive)
    shown |= {
        said.PARAMETERS: f"{parameters:,}",
        said.EPOCHS: f"{len(history):,}",
        said.TIME: text(words.phrases.duration(sum(record.get("seconds", 0.0) for record in history))),
    }
    lead = "".join(
        f"<div{'' if each.is_good else ' class=doubt'}><dt>{text(each.label)}</dt><dd>{text(each.value)}</dd>"
        f"{f'<dd class=beside>{text(each.beside)}</dd>' if each.beside else ''}</div>"
        for each in first
    )
    cells = [f"<div><dt>{text(name)}</dt><dd>{number}</dd></div>" for name, number in shown.items()]
    return f'<dl class="tiles lead">{lead}{"".join(cells)}</dl>'


def curves(history: History, watched: str | None) -> str:
    """Return the curves of the loss and of the metrics over the epochs; watched: the samples of the val_ columns."""
    if not len(history):
        return ""
    label = words.model.VALIDATION if watched is None else words.model.PARTS.get(watched, watched)
    drawn = "".join(
        f"<section>{figure(figures.learning_curve(history.records, name, label))}</section>"
        for name in history.charted
    )
    note = words.model.stopped(history.stopped) if history.stopped else ""
    return f'<div class="pair">{drawn}</div>' + (f"<p>{text(note)}</p>" if note else "")


def outcome(judgement: Judgement) -> str:
    """Return the picture of a model's answers: a confusion matrix, counts of each label, or predicted against true."""
    if judgement.task == "regression":
        return section("", figure(figures.predicted_against_true(judgement.y, judgement.predicted)))
    if judgement.task == "multilabel":
        return section("", figure(figures.label_counts(judgement.y, judgement.predicted, judgement.labels)))
    matrix = confusion_matrix(judgement.y, judgement.predicted, len(judgement.labels))
    return section("", figure(figures.confusion(matrix, judgement.labels)))


def rates(judgement: Judgement) -> str:
    """Return a table of the precision and recall of each class or label; "" for numbers."""
    if judgement.task == "regression":
        return ""
    one_hot, chosen = (
        each if each.ndim == 2 else each[:, None] == np.arange(len(judgement.labels))
        for each in (judgement.y, judgement.predicted)
    )
    hits = ((one_hot == 1) & (chosen == 1)).sum(0)
    rows = [
        (label, f"{n:,}", share(hit, n), share(hit, k))
        for label, n, k, hit in zip(
            judgement.labels, one_hot.sum(0).tolist(), chosen.sum(0).tolist(), hits.tolist(), strict=True
        )
    ]
    what = words.model.LABEL if judgement.y.ndim == 2 else words.model.CLASS
    return section(words.model.BY_CLASS, table((what, *words.model.RATES), rows))


def mistakes(
    judgement: Judgement, X: RowsLike, image_shape: tuple[int, int] | None, called: Sequence[int]
) -> str:
    """Return the worst mistakes, as images if the samples are images. called: (n,) the row number of each sample."""
    said = words.model
    if not len(judgement.worst):
        return section(said.WORST, f"<p>{text(said.NO_MISTAKES)}</p>")
    if judgement.task == "regression":
        rows = [
            (f"{called[row]:,}", *told)
            for row, told in zip(judgement.worst.tolist(), errors_of(judgement), strict=True)
        ]
        return section(said.LARGEST_ERRORS, shortened(said.ERROR_HEADS, rows))
    missed = int((judgement.predicted != judgement.y).reshape(judgement.n, -1).any(1).sum())
    lead = f"<p>{text(said.missed(missed, judgement.n))}</p>"
    if image_shape is not None and judgement.y.ndim == 1:
        items = "".join(
            picture(judgement, X, row, image_shape, called[row]) for row in judgement.worst.tolist()
        )
        return section(said.WORST, lead, f'<ul class="mistakes">{items}</ul>')
    rows = [(f"{called[row]:,}", *described(judgement, row)) for row in judgement.worst.tolist()]
    return section(said.WORST, lead, shortened(said.MISTAKE_HEADS, rows, (0, 1, 2)))


def shortened(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return a table of the first rows, and folded one of the others. left: as of `markup.table`."""
    first, rest = rows[:ROWS_SHOWN], rows[ROWS_SHOWN:]
    more = fold(words.verdict.others(len(rest)), table(heads, rest, left)) if rest else ""
    return table(heads, first, left) + more


def picture(judgement: Judgement, X: RowsLike, row: int, shape: tuple[int, int], called: int) -> str:
    """Return one mistake as an image with its caption."""
    true, predicted, probability = described(judgement, row)
    names = words.model.taken_for(f"<b>{text(true)}</b>", f'<b class="wrong">{text(predicted)}</b>')
    shown = image(X[row], shape, words.model.mistake(called, true, predicted))
    return f"<li><figure>{shown}<figcaption>{names}<br>{text(probability)}</figcaption></figure></li>"


def image(pixels: object, shape: tuple[int, int], alt: str) -> str:
    """Return a gray image (height * width,) as an element."""
    encoded = base64.b64encode(image_png(np.asarray(pixels), shape)).decode()
    return f'<img src="data:image/png;base64,{encoded}" width="{shape[1]}" height="{shape[0]}" alt="{text(alt)}">'


def described(judgement: Judgement, row: int) -> tuple[str, str, str]:
    """Return the true answer, the predicted one, and the model's confidence or error, as text."""
    assert judgement.shares is not None
    shares, labels = judgement.shares[row], judgement.labels
    if judgement.y.ndim == 1:
        chosen = int(judgement.predicted[row])
        return labels[int(judgement.y[row])], labels[chosen], words.model.sure(float(shares[chosen]))
    true, said = (
        ", ".join(labels[k] for k in np.flatnonzero(each[row])) or words.model.NO_LABEL
        for each in (judgement.y, judgement.predicted)
    )
    off = np.flatnonzero(judgement.y[row] != judgement.predicted[row])
    return true, said, ", ".join(f"{labels[k]} {100 * float(shares[k]):.1f} %" for k in off)


def augmentation(distorted: NDArray[Any] | None, shape: tuple[int, int] | None) -> str:
    """Return training images and their distortions below; "" without them."""
    if distorted is None or shape is None:
        return ""
    said, (height, width) = words.model, shape
    tall = (height * distorted.shape[1], width)
    items = "".join(
        f"<li><figure>{image(each.reshape(-1), tall, said.distorted_image(i))}</figure></li>"
        for i, each in enumerate(distorted)
    )
    lead = f"<p>{text(said.distorted(distorted.shape[1] - 1))}</p>"
    return section(said.AUGMENTATION, lead, f'<ul class="mistakes">{items}</ul>')


def details(
    model: Model | Ensemble,
    settings: Mapping[str, Any],
    command: str,
    versions: Mapping[str, str],
    note: str = "",
) -> str:
    """Return the settings, the command, the model's summary and the versions. note: which model it is, of several."""
    said, parts = words.model, []
    if command:
        line = (
            f'<div class="command"><pre id="command">{text(command)}</pre>'
            f'<button id="copy" type="button" data-done="{text(said.COPIED)}">{text(said.COPY)}</button></div>'
        )
        parts.append(section(said.AGAIN, line))
    summary = model.summary(settings.get("batch_size") or 128)
    about = f"<p>{text(note)}</p>" if note else ""
    parts.append(section(said.NETWORK, about, f'<pre tabindex="0">{text(summary)}</pre>'))
    tables = []
    if settings:
        chosen = [
            (words.phrases.spoken(name), shown(value))
            for name, value in settings.items()
            if value is not None
        ]
        tables.append(section(said.SETTINGS, pairs(chosen)))
    if versions:
        tables.append(section(said.VERSIONS, pairs(versions.items())))
    return "\n".join(parts) + (f'<div class="pair top">{"".join(tables)}</div>' if tables else "")


def share(part: int, whole: int) -> str:
    """Format part / whole as a percentage; a dash if whole is 0."""
    return f"{100 * part / whole:.1f} %" if whole else words.phrases.NOTHING


def errors_of(judgement: Judgement) -> list[tuple[str, str, str]]:
    """Return the true and the predicted number of each of the worst rows and their difference, with equal decimals.

    Of several outputs the numbers of a row are separated by commas.
    """
    true, predicted = (
        each[judgement.worst].reshape(len(judgement.worst), -1) for each in (judgement.y, judgement.predicted)
    )
    columns = [each.astype(np.float64) for each in (true, predicted, predicted - true)]
    places = decimals(np.concatenate(columns, axis=None).tolist(), FEW_DIGITS)
    said = [
        np.reshape(alike(each.ravel().tolist(), places, FEW_DIGITS), each.shape).tolist() for each in columns
    ]
    return [(", ".join(a), ", ".join(b), ", ".join(c)) for a, b, c in zip(*said, strict=True)]


def numbers(row: Any) -> str:
    """Format one number, or several separated by commas."""
    return ", ".join(map(quantity, np.ravel(row).tolist()))


def shown(item: object) -> str:
    """Format a setting's value: yes and no for booleans, otherwise as in JSON without quotes."""
    if isinstance(item, bool):
        return str(words.phrases.YES if item else words.phrases.NO)
    return json.dumps(item, ensure_ascii=False).strip('"').encode("utf-8", "backslashreplace").decode()
