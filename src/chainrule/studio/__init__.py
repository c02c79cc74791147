"""The studio: a page on this machine that shows a network predict and train. `chainrule studio` serves it."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ConfigError


def widget(result: object, **settings: Any) -> Any:
    """Return a model or a trace as a widget for a notebook. settings: as in `chainrule.studio.notebook.StudioView`.

    Raises ConfigError if anywidget is not installed.
    """
    try:
        from chainrule.studio import notebook
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("chainrule"):
            raise
        text = f"the view in a notebook needs {error.name}; install it: pip install 'chainrule[notebook]'."
        raise ConfigError(text) from error
    return notebook.view(result, **settings)
