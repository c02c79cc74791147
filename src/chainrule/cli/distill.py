"""`chainrule distill`: one network in place of those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.cli import options, options_to_share, output
from chainrule.cli.flags import FLAGS, hidden_widths
from chainrule.cli.guard import guarded
from chainrule.cli.reports import check_language


@guarded
def distill(
    run: options_to_share.RunToDistill,
    hidden: options_to_share.StudentHidden = None,
    between: options_to_share.RowsBetween = None,
    epochs: options_to_share.StudentEpochs = None,
    seed: options_to_share.StudentSeed = 0,
    out: options_to_share.StudentFile = None,
    lang: options_to_share.CostLanguage = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Train one network on what a run's networks answer, and say what it costs: so a race fits a chip."""
    from chainrule.recipe.distilled import distilled
    from chainrule.views import words
    from chainrule.views.words import spoken_in

    check_language(lang)
    given = {"hidden_layer_sizes": hidden_widths(hidden), "max_iter": epochs}
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    console = output.console()
    with spoken_in(lang):
        if not as_json:
            output.print_lines(console, f"{words.smaller.learning(run)}\n\n")
        made = distilled(Path(run), out, between=between, seed=seed, named=FLAGS, **parameters)
        if as_json:
            output.print_json({"file": str(made.path), **made.cost.to_data()})
        else:
            said = made.cost, words.smaller.written(str(made.path)), f"chainrule export {made.path} --c"
            output.print_lines(console, "\n\n".join(map(str, said)))
