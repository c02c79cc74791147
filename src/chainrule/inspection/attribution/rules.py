"""Backward passes with other rules: each layer propagates a method's quantity instead of a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Layer, Link
from chainrule.network.tree import replace

Rule = Callable[[Link], Layer | None]
"""A function from a link to the layer that replaces its own; None if there is no rule for it."""


class NoRuleError(ConfigError):
    """Raised when a method has no rule for a layer of the network."""

    def __init__(self, method: str, link: Link) -> None:
        """Store the method and the link."""
        self.layer, self.name = type(link.layer).__name__, link.name
        super().__init__(
            f"{method} has no rule for {self.layer} ({link.name}); "
            "use integrated_gradients, which needs nothing but gradients."
        )


def with_rules(links: Sequence[Link], rule: Rule, method: str) -> tuple[Link, ...]:
    """Replace every layer of the links by its rule, in blocks too. Raises NoRuleError for a layer without a rule."""

    def replaced(link: Link) -> Layer:
        layer = rule(link)
        if layer is None:
            raise NoRuleError(method, link)
        return layer

    return replace(links, replaced)
