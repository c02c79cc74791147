"""The loss of an ensemble with the members' outputs side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from chainrule.core.arrays import Array, namespace
from chainrule.core.settings import count_settings
from chainrule.errors import ConfigError
from chainrule.formulas.losses import Formula, Loss
from chainrule.formulas.operation import Operation


@dataclass(frozen=True)
class MeanOverMembers(Loss):
    """The mean of the losses of k members, each trained independently: not the loss of their mean.

    loss(out, y) = 1/k sum_g l(out_g, y)          d loss / d out_g = 1/k dl(out_g, y) / d out_g

    It predicts the mean of the members' predictions: probabilities are averaged, not logits.
    loss: l, the loss of each member, such as SoftmaxCrossEntropy().  members: k.
    out: (batch, k * outputs), member after member.  y: (batch, outputs).
    Raises ConfigError for an invalid loss, one that has members itself, one on the probabilities of a Softmax layer,
    which would normalize over all members together, and unless k divides the width of the last layer.
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
                f"loss of MeanOverMembers must be the loss of one member, such as SoftmaxCrossEntropy(), not "
                f"{self.loss!r}."
            )
        if self.loss.domain == "probability" and self.loss.targets == "classes":
            raise ConfigError(
                f"{type(self.loss).__name__} takes the probabilities of a Softmax layer, normalized over all "
                "members; use MeanOverMembers(SoftmaxCrossEntropy(), ...) on logits."
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
    def any_unit(self) -> bool:  # type: ignore[override]
        """Whether y may be standardized."""
        return self.loss.any_unit

    @property
    def keeps_order(self) -> bool:  # type: ignore[override]
        """False: the mean of several predictions is in the order of none of their outputs."""
        return False

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residuals out_g - y at which the first or second derivative jumps."""
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
        """Check that members divides the outputs, and that the loss supports the number left for each."""
        if outputs % self.members:
            raise ConfigError(
                f"members of MeanOverMembers must divide the {outputs} outputs of the last layer, not "
                f"{self.members}; all members have the same number of outputs."
            )
        self.loss.check_outputs(outputs // self.members)

    def parts(self, out: Array) -> list[Array]:
        """Return the outputs (batch, outputs) of each member."""
        n = out.shape[-1] // self.members
        return [out[..., g * n : (g + 1) * n] for g in range(self.members)]

    def mean(self, values: Array) -> Array:
        """Average over the members, summed in their order."""
        return sum(values) / self.members

    def smooth(self, y: Array) -> Array:
        """Return y as the members' loss takes it."""
        return self.loss.smooth(y)

    def smoothed(self, factor: Array) -> Loss:
        """Return the loss with the label smoothing of the members' loss scaled; self if it has none."""
        one = self.loss.smoothed(factor)
        return self if one is self.loss else replace(self, loss=one)

    def average(self, out: Array) -> Array:
        """Average member by member, which equals the average over all networks and members."""
        return namespace(out).concatenate([self.loss.average(part) for part in self.parts(out)], -1)

    def group_of(self, y: Array) -> Array | None:
        """Return the group of each row, if the members' loss compares rows within groups."""
        return self.loss.group_of(y)

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

    def ops(self) -> tuple[Operation, ...] | None:
        """Those of a member's loss, on each group of columns, and the mean over the groups."""
        one = self.loss.ops()
        mean = Operation("group_mean", groups=self.members)
        return None if one is None else (*(each._replace(groups=self.members) for each in one), mean)
