"""`chainrule distill`: one network in place of those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.cli import options, output
from chainrule.cli.flags import FLAGS, hidden_widths
from chainrule.cli.guard import guarded
from chainrule.cli.reports import check_language


@guarded
def distill(
    run: options.RunToDistill,
    hidden: options.StudentHidden = None,
    between: options.RowsBetween = None,
    epochs: options.StudentEpochs = None,
    seed: options.StudentSeed = 0,
    out: options.StudentFile = None,
    lang: options.CostLanguage = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Train one network on what a run's networks answer, and say what it costs: so a race fits a chip."""
    from chainrule.recipe.distilled import distilled
    from chainrule.views.words import spoken_in

    check_language(lang)
    given = {"hidden_layer_sizes": hidden_widths(hidden), "max_iter": epochs}
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    console = output.console()
    if not as_json:
        told = f"One network learns what those of {run} answer, for their rows and for rows in between."
        console.print(f"{told}\n", markup=False, highlight=False, soft_wrap=True)
    made = distilled(Path(run), out, between=between, seed=seed, named=FLAGS, **parameters)
    if as_json:
        output.print_json({"file": str(made.path), **made.cost.to_data()})
        return
    with spoken_in(lang):
        console.print(f"{made.cost}", markup=False, highlight=False, soft_wrap=True)
    lines = [f"Written to {made.path}", "", f"chainrule export {made.path} --c"]
    for line in ["", *lines]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
