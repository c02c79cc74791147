"""`chainrule card`: describe a run as a model card."""

from __future__ import annotations

from chainrule.cli import options, options_to_share, output
from chainrule.cli.guard import guarded
from chainrule.cli.reports import check_language
from chainrule.errors import ConfigError


@guarded
def card(
    run: options_to_share.RunToDescribe,
    license: options_to_share.CardLicense = None,
    out: options_to_share.CardOut = None,
    lang: options_to_share.CardLanguage = "en",
    overwrite: options_to_share.CardOverwrite = False,
    debug: options.Debug = False,
) -> None:
    """Write a model card of a run, for the Hugging Face Hub: data, results, limits, and how to load it."""
    from pathlib import Path

    from chainrule.core.files import write_whole
    from chainrule.recipe.card import read_card
    from chainrule.views.text.card import card as written
    from chainrule.views.words import spoken_in

    check_language(lang)
    found, path = read_card(Path(run)), out or Path(run) / "README.md"
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; pass --overwrite to replace it, or --out for another file.")
    with spoken_in(lang):
        text = written(found, license)
    write_whole(path, text.encode())
    output.print_lines(output.console(), f"Written to {path}")
