"""The studio in a notebook: a model, a trace, or a network during training, as an anywidget.

The kernel answers the page's commands, and the page computes forward passes itself. The model and the state, which
must outlive the kernel, are traits; everything else is sent as messages.
"""

from __future__ import annotations

import json
import time
from typing import Any

import anywidget
import numpy as np
import traitlets

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.errors import ChainruleError, ConfigError
from chainrule.inspection.trace.trace import Trace
from chainrule.model import Model
from chainrule.network.answers import true_labels
from chainrule.recipe.data import Data, from_arrays
from chainrule.studio.page import export  # noqa: F401 (it registers its command)
from chainrule.studio.page.assets import LANGUAGES, assets, modules
from chainrule.studio.page.join import join
from chainrule.studio.screens.model import arrays_of, get_data, on_show
from chainrule.studio.session.commands import answered
from chainrule.studio.session.messages import Call, pack, parse
from chainrule.studio.session.studio import Studio
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

EVERY = 0.1
"""Seconds between two updates during training."""


def view(result: object, **settings: Any) -> StudioView:
    """Return a model as a view, or a trace: its network, and the screen Backpropagation at its first sample."""
    if isinstance(result, Model):
        return StudioView(result, **settings)
    if not isinstance(result, Trace):
        raise ConfigError(f"a view shows a model or a trace, not {type(result).__name__}.")
    model = Model(result.network, dtype=result.theta.dtype)
    model.theta[...] = result.theta
    model.states = dict(result.context().states)
    y = true_labels(model.task, result.target)
    return StudioView(model, result.x, y, **{"screen": "backprop", "state": {"sample.index": 0}} | settings)


class StudioView(anywidget.AnyWidget):
    """A screen of the studio in a notebook's output.

    model: shown in its current state; `show` shows another one, or the same with new parameters.
    X, y: samples to choose from.  screen: draw, backprop, neurons, why or another one.  lang: en or zh.
    """

    _esm = join("widget.js", modules(), default="render")
    _css = assets()["style.css"].content.decode()
    boot = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        model: Model,
        X: RowsLike = None,
        y: TargetsLike = None,
        *,
        screen: str = "draw",
        lang: str = "en",
        state: dict[str, Any] | None = None,
    ) -> None:
        """Show a model. state: further keys of the page's state, such as {"sample.index": 3}."""
        if lang not in LANGUAGES:
            raise ConfigError(f"lang must be one of {', '.join(LANGUAGES)}, not {lang!r}.")
        self.studio = Studio(model, _data(X, y), name=repr(model).split(":")[0].strip("<>").lower())
        super().__init__(state={"screen": screen, "lang": lang} | (state or {}))
        self.boot = self._boot()
        self.studio.tabs.add(self)
        self.on_msg(self.answer_page)

    def _boot(self) -> bytes:
        packed = pack({"model": on_show(self.studio), "state": dict(self.state)} | get_data(self.studio))
        assert isinstance(packed, bytes)
        return packed

    def show(self, model: Model) -> None:
        """Show another model in this view."""
        self.studio.show_model(model, self.studio.name)
        self.boot = self._boot()

    def frame(self, model: Model, steps: int) -> None:
        """Show a model during training after some steps: its parameters, as a message that is not stored."""
        self.studio.send("model.frame", {"arrays": arrays_of(model, model.theta), "steps": steps})

    def live(self) -> Callback:
        """Return a callback for `Model.fit` that shows the model about ten times per second during training."""
        return _Live(self)

    def answer_page(self, _: object, content: object, __: object) -> None:
        """Answer a command of the page; ignore anything else."""
        try:
            call = parse(json.dumps(content))
        except ChainruleError:
            return
        if isinstance(call, Call):
            self.tell(answered(self.studio, call))

    def put(self, event: str, data: object) -> None:
        """Tell the page of an event, as the studio tells each of its pages."""
        self.tell(pack({"event": event, "data": data}))

    def tell(self, message: str | bytes) -> None:
        """Send a message packed by `chainrule.studio.session.messages` to the page."""
        if isinstance(message, str):
            self.send(json.loads(message))
        else:
            self.send({}, buffers=[message])


class _Live(Callback):
    """Show a model during training."""

    def __init__(self, view: StudioView) -> None:
        self.view, self.last, self.before = view, 0.0, 0

    def on_train_begin(self, run: Run) -> None:
        """Start counting from the steps of earlier calls."""
        self.before = run.model.steps_trained

    def on_steps(self, run: Run) -> None:
        """Show it, if the last update is long enough ago."""
        if time.monotonic() - self.last >= EVERY:
            self._show(run)

    def on_epoch_end(self, run: Run) -> None:
        """Show it."""
        self._show(run)

    def _show(self, run: Run) -> None:
        self.last = time.monotonic()
        self.view.frame(run.model, self.before + run.step)

    def on_train_end(self, run: Run) -> None:
        """Show it, and store it in the notebook."""
        self.view.show(run.model)
        self._show(run)


def _data(X: RowsLike, y: TargetsLike) -> Data | None:
    """Return samples to choose from, None without X. y may be None."""
    if X is None:
        return None
    X = np.asarray(X)
    return from_arrays(X, np.zeros(len(X)) if y is None else y, name="samples")
