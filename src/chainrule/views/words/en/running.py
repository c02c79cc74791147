"""Words that `chainrule train` and `tune` print: what begins, each epoch, and what has ended."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted, percent

EVALUATING, WRITING, TRYING = "evaluating", "writing the report", "trying settings"
COMPILING = "compiling"
HEADS = {
    "learning_rate": "lr",
    "forward_passes": "passes",
    "val": "val",
    "test": "test",
    "loss": "loss",
    "accuracy": "accuracy",
    "seconds": "seconds",
}
"""The parts of the heads of a table of epochs; others stay as they are."""
FINISHED = "Nothing is left to train; its results are written again."
TOO_SHORT = (
    "The time limit ended the first epoch: the network has seen only some of the rows. Raise --time-limit."
)
TRIAL_HEADS = ("trial", "value", "best", "seconds", "settings")
SETTING_HEADS = ("setting", "best", "preset", "importance")


def parts(trained: int, held: int, tested: int) -> str:
    """The rows of a run."""
    also = f", {held:,} to validate on" * (held > 0) + f", {tested:,} to test on" * (tested > 0)
    return f"{trained:,} samples to train on{also}"


def parts_of_race(trained: int, tested: int) -> str:
    """The rows of a race."""
    return f"{trained:,} samples to train and validate on, {tested:,} to test on"


def parts_of_search(trained: int, tested: int) -> str:
    """The rows of a search."""
    return f"{trained:,} samples to search on, {tested:,} to test on"


def at_rate(rate: float) -> str:
    """A learning rate, behind the name of an optimizer."""
    return f" at {rate:g}"


def batches(size: int | None) -> str:
    """The samples of a step; None for all."""
    return "all samples per step" if size is None else f"batches of {size}"


def batches_and_epochs(size: int, epochs: int, seconds: float | None) -> str:
    """The samples of a step, and the end of a training."""
    limit = "" if seconds is None else f", {seconds:g} s at most"
    return f"{batches(size)}, {counted(epochs, 'epoch')} at most{limit}"


def new_training(first: int, last: int) -> str:
    """The epochs of a run that is trained longer."""
    return f"epochs {first} to {last}: a new training from the run's model"


def plain_network(option: str) -> str:
    """The reason for a network without a preset."""
    return f"a plain network, because presets do not support {option}"


def of_preset(name: str, networks: int, parameters: int, loss: str) -> str:
    """The networks of a preset."""
    several = (
        f"{networks} networks, {parameters:,} parameters each"
        if networks > 1
        else f"{parameters:,} parameters"
    )
    return f"preset {name}: {several}, {loss}"


def race(seconds: float) -> str:
    """A race."""
    return f"preset best: recipes race for {seconds:g} s; the average of the best predicts"


def race_again(plan: str) -> str:
    """A race that is repeated."""
    return f"preset best: the race of {plan} is repeated, however long it takes"


def search(
    preset: str, trials: int | None, seconds: float | None, folds: int | None, held: int, pruner: str
) -> str:
    """How a search ends and judges. held: one row of so many is held out without folds."""
    ends = [counted(trials, "trial")] if trials is not None else []
    ends += [f"{seconds:g} s"] if seconds is not None else []
    how = f"one row of {held} held out" if folds is None else f"{folds} folds"
    return f"preset {preset}: {' or '.join(ends)}, {how}, pruner {pruner}"


def at_once(jobs: int) -> str:
    """The trials at a time."""
    return f", {jobs} at a time"


def cost(memory: str, training: int, predicting: int) -> str:
    """What a network costs."""
    return f"{memory} to train, {training:,} operations per row; to predict {predicting:,}"


def watched(part: str, name: str) -> str:
    """The head of a column of the samples that are watched."""
    return f"{part} {name}"


def epoch_of(epochs: int) -> str:
    """The head of the column of epochs."""
    return f"epoch of {epochs}"


def in_epoch(epoch: int, epochs: int) -> str:
    """The title of a bar."""
    return f"epoch {epoch}/{epochs}"


def left(time: str, rate: float | None) -> str:
    """The time left, and the rows per second if known."""
    return f"{time} left" if rate is None else f"{rate:,.0f} rows/s, {time} left"


def ended(reason: str) -> str:
    """Why training ended before its last epoch."""
    return f"Stopped: {reason}."


def after(samples: int, epochs: int, seconds: float) -> str:
    """The samples that judge a run, and its training."""
    return f"on {counted(samples, 'sample')}, after {counted(epochs, 'epoch')} in {seconds:.1f} s"


def trained_again(samples: int, epochs: int) -> str:
    """The second training, on all samples."""
    return f"trained again on all {samples:,} samples, for the best {counted(epochs, 'epoch')}"


def missed_target(target: float) -> str:
    """A target that was not reached."""
    return f"The target of {percent(target)} was not reached."


def run_folder(path: str) -> str:
    """The folder of a run."""
    return f"Run folder: {path}"


def report(path: str) -> str:
    """The report of a run."""
    return f"Report:     {path}"


def finished(done: int, asked: int | None, why: str | None) -> str:
    """A run that has nothing left to train."""
    of = "" if asked is None else f"of {asked} "
    return f"This run is finished: {done} {of}epochs{f' ({why})' if why else ''}."


def train_longer(command: str) -> str:
    """The command that trains a finished run longer."""
    return f"To train it longer: {command}"


def interrupted(command: str) -> str:
    """The end of a run by Ctrl-C, and the command that continues it."""
    return f"Interrupted; continue with: {command}"


def interrupted_with_results(folder: str, command: str | None) -> str:
    """The end of a run by Ctrl-C that has results. command: that continues it; None if none does."""
    again = "." if command is None else f"; continue with: {command}"
    return f"Interrupted; {folder} has the results so far{again}"


ENDS = {"trials": "trials"}
"""Why a search ended; others stay as they are."""


def searched(trials: int, seconds: float, why: str) -> str:
    """The end of a search."""
    return f"{counted(trials, 'trial')} in {seconds:.1f} s, ended by: {ENDS.get(why, why)}"


def best_of_search(metric: str, value: float, default: float | None) -> str:
    """The best value, beside that of the preset as it comes."""
    line = f"best {metric} on held-out rows {value:.5g}"
    if not default:
        return line
    return f"{line}, of the unchanged preset {default:.5g} ({100 * (value / default - 1):+.1f} %)"
