"""Words about smaller models: one network in place of an average, and integers in place of floating point."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted, duration, percent

DISTILLED = "One network in place of an average"
COST_HEADS = ("", "teacher", "student")
NETWORKS, FILE, SECONDS = "networks", "file, bytes", "1,000 rows, ms"
LOG_LOSS, RMSE = "log loss", "RMSE"
INT8 = "What 8-bit integers do"
LAYER_HEADS = ("layer", "numbers", "error", "beyond the ends", "integers used")
CLASS_HEADS = ("class", "rows", "same class", "probability off by", "others mostly")
COLUMN_HEADS = ("column", "one integer, in deviations", "answer off by")


def learning(run: str) -> str:
    """What is about to be trained."""
    return f"One network learns what those of {run} answer, for their rows and for rows in between."


def written(path: str) -> str:
    """Where it is."""
    return f"Written to {path}"


def learned(own: int, between: int, seconds: float) -> str:
    """What the student has learned."""
    return (
        f"The student learned the teacher's answers for {counted(own, 'row')} and {between:,} in between, "
        f"in {duration(seconds)}."
    )


def agreement(judged: int, difference: float, same: float | None, is_new: bool) -> str:
    """How far both are apart."""
    rows = (
        f"{counted(judged, 'new row')}"
        if is_new
        else f"{counted(judged, 'row')} that the student has not learned"
    )
    if same is None:
        return f"On {rows} their answers differ by {difference:.3f} standard deviations."
    return f"On {rows} {percent(same)} of the likeliest classes are the same; probabilities differ by {difference:.4f}."


def of_integers(rows: int, difference: float, is_classes: bool) -> str:
    """How far the answers are from the exact ones."""
    what = "probabilities differ by" if is_classes else "answers differ, in standard deviations, by"
    return f"On {counted(rows, 'row')} {what} {difference:.2g} on average."


def for_chips(ranged: int) -> str:
    """What the integers are for, and where their ranges come from."""
    return (
        "A small chip computes with 8-bit integers, as chainrule export --c --dtype int8 writes them. Their ranges are "
        f"those of {counted(ranged, 'training row')}."
    )


def how(of_columns: bool) -> str:
    """How the tables are read. of_columns: whether there is one of columns."""
    layers = (
        "The error of a layer is that of its result, in parts of the result's size; of several networks it is "
        "the worst."
    )
    if not of_columns:
        return layers
    return (
        f"{layers} A column is rounded alone, where the first dense layer reads it; what it changes is the "
        "answer's mean difference."
    )
