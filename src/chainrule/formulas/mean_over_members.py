"""The loss of an ensemble whose members stand side by side in the output of one network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from chainrule.core.arrays import Array, namespace
from chainrule.core.settings import count_settings
from chainrule.errors import ConfigError
from chainrule.formulas.losses import Formula, Loss


@dataclass(frozen=True)
class MeanOverMembers(Loss):
    """The mean of the losses of k members, each of which learns by itself: never the loss of their mean.

    loss(out, y) = 1/k sum_g l(out_g, y)          d loss / d out_g = 1/k dl(out_g, y) / d out_g

    It predicts the mean of the members' predictions: probabilities are averaged, not logits.
    loss: l, of each member, as SoftmaxCrossEntropy().  members: k.
    out: (batch, k * outputs), member after member.  y: (batch, outputs), as l has it.
    Raises ConfigError for a loss that is none or has members itself, for one on the probabilities of a Softmax layer,
    which would take all members' outputs together, and where k does not divide the width of the last layer.
    Source: Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025, section 3.2.
    """

    kind = "mean_over_members"
    loss: Loss
    members: int = field()

    def __post_init__(self) -> None:
        """Check the loss and the number of members."""
        count_settings(self, "members", hint="give the number of members")
        if not isinstance(self.loss, Loss) or isinstance(self.loss, MeanOverMembers):
            raise ConfigError(
                f"loss of MeanOverMembers must be the loss of one member, as SoftmaxCrossEntropy(), not {self.loss!r}."
            )
        if self.loss.domain == "probability" and self.loss.targets == "classes":
            raise ConfigError(
                f"{type(self.loss).__name__} is for the probabilities of a Softmax layer, which would take all "
                "members' outputs together; use MeanOverMembers(SoftmaxCrossEntropy(), ...) on logits."
            )

    @property
    def targets(self) -> str:  # type: ignore[override]  # that of the members' loss
        """The content of y."""
        return self.loss.targets

    @property
    def domain(self) -> str:  # type: ignore[override]
        """The content of out."""
        return self.loss.domain

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residuals out_g - y at which the slope, or its slope, jumps."""
        return self.loss.kinks

    @property
    def of_member(self) -> Loss:
        """The loss of one member."""
        return self.loss

    def formula(self) -> Formula | None:
        """Return the formula of a member's loss, with the number of members."""
        one = self.loss.formula()
        return one and one._replace(members=self.members)

    def check_outputs(self, outputs: int) -> None:
        """Check that the members have as many outputs each, and as many as their loss is for."""
        if outputs % self.members:
            raise ConfigError(
                f"members of MeanOverMembers must divide the {outputs} outputs of the last layer, which {self.members} "
                "does not; each member has as many, side by side."
            )
        self.loss.check_outputs(outputs // self.members)

    def parts(self, out: Array) -> list[Array]:
        """Return the outputs (batch, outputs) of each member."""
        n = out.shape[-1] // self.members
        return [out[..., g * n : (g + 1) * n] for g in range(self.members)]

    def mean(self, values: Any) -> Array:
        """Return the mean over the members, summed in their order."""
        return sum(values) / self.members

    def smooth(self, y: Array) -> Array:
        """Return y as the members' loss takes it."""
        return self.loss.smooth(y)

    def smoothed(self, factor: Array) -> Loss:
        """Return the same of the members' loss with its label smoothing times a factor; itself if it has none."""
        one = self.loss.smoothed(factor)
        return self if one is self.loss else replace(self, loss=one)

    def average(self, out: Array) -> Array:
        """Average member by member: the mean over all networks and members is the mean of these means."""
        return namespace(out).concatenate([self.loss.average(part) for part in self.parts(out)], -1)

    def value(self, out: Array, y: Array) -> Array:
        """Compute loss_i (batch,)."""
        return self.mean(self.loss.value(part, y) for part in self.parts(out))

    def gradient(self, out: Array, y: Array) -> Array:
        """Compute d loss_i / d out_i (batch, k * outputs)."""
        slopes = [self.loss.gradient(part, y) / self.members for part in self.parts(out)]
        return namespace(out).concatenate(slopes, -1)

    def predict(self, out: Array) -> Array:
        """Return the mean of the members' predictions (batch, outputs)."""
        return self.mean(self.loss.predict(part) for part in self.parts(out))
