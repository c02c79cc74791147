"""`chainrule check`: compare the rows of a later table with those of training."""

from __future__ import annotations

from chainrule.cli import options, output
from chainrule.cli.guard import guarded


@guarded
def check(
    model: options.ModelFile,
    later: options.LaterTable,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Print which columns of a later table have changed since training, and which rows look like nothing in it."""
    from chainrule.cli.models import load_estimator
    from chainrule.core.shown import view
    from chainrule.recipe.columns import read_columns

    found = load_estimator(model, "check needs")[0].check(read_columns(later))
    if as_json:
        output.print_json(found.to_data())
    else:
        output.console().print(view(found, "as_text"), markup=False, highlight=False, soft_wrap=True)
