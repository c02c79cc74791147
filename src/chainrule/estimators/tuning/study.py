"""The study of a search, kept by Optuna: in memory, or in a journal, a file of JSON lines that several processes share.

Optuna (the extra `tune`) proposes settings by a tree-structured Parzen estimator, and says which trials are pruned.
Sources: Bergstra, Bardenet, Bengio, Kégl, "Algorithms for hyper-parameter optimization" (2011); Akiba and others,
"Optuna" (2019); Li and others, "A system for massively parallel hyperparameter tuning" (2020), of successive halving.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.core.random import generator
from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError, FormatError, fault_of
from chainrule.estimators.tuning.spaces import Dimension

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "chainrule"
"""The name of the study in its journal."""
SETUP = "setup"
"""The study's attribute that says what it searches."""
STARTUP = 5
"""Trials without pruning, beside which the later ones are seen."""
PRUNERS = {"median": "MedianPruner", "halving": "SuccessiveHalvingPruner", "none": "NopPruner"}


class TrialRecord(NamedTuple):
    """One trial of a search."""

    number: int
    state: str
    """complete, pruned, failed or interrupted"""
    value: float | None
    """of the rows held out, the less the better; None unless complete"""
    settings: dict[str, Any]
    """by the names of the space's dimensions"""
    epochs: int
    seconds: float


def optuna() -> Any:
    """Return Optuna. Raises ConfigError where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a search needs {error.name}; install it: pip install 'chainrule[tune]'."
        ) from error
    return optuna


@contextmanager
def quietly() -> Iterator[None]:
    """Keep Optuna from logging, and from warning that an interface of its own is new."""
    library = optuna()
    before = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
            yield
    finally:
        library.logging.set_verbosity(before)


def opened(journal: str | os.PathLike[str] | None, pruner: str, setup: dict[str, Any]) -> Any:
    """Open or begin the study of a journal, or one in memory.

    setup: what is searched on what, as JSON values, which those of the journal must equal.
    Raises ConfigError for another search's journal, FormatError for a file that is none.
    """
    library = optuna()
    kind = getattr(library.pruners, check_choice(pruner, PRUNERS, "pruner"))
    made = kind(n_startup_trials=STARTUP) if pruner == "median" else kind()
    storage = None
    try:
        if journal is not None:
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

            path = os.fspath(journal)
            storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        study = library.create_study(
            storage=storage, study_name=NAME, direction="minimize", pruner=made, load_if_exists=True
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # as it parses lines
        raise FormatError(
            f"{journal} is not the journal of a search ({fault_of(error)}); name another file."
        ) from error
    known = study.user_attrs.get(SETUP)
    if known is None:
        study.set_user_attr(SETUP, setup)
    elif known != setup:
        other = next(name for name in {**known, **setup} if known.get(name) != setup.get(name))
        raise ConfigError(
            f"{journal} is of a search with {other} {known.get(other)!r}, not {setup.get(other)!r}; go on with the "
            "same data and settings, or name another journal."
        )
    return study


def distribution(each: Dimension) -> Any:
    """Return Optuna's distribution of a dimension."""
    kinds = optuna().distributions
    if each.choices:
        return kinds.CategoricalDistribution(each.choices)
    if isinstance(each.default, int):
        return kinds.IntDistribution(int(each.low), int(each.high), log=each.is_log)
    return kinds.FloatDistribution(each.low, each.high, log=each.is_log)


def ask(study: Any, dimensions: Mapping[str, Dimension], seed: int, several: bool) -> Any:
    """Return the next trial; it has the defaults until a trial has ended by itself.

    The draws depend on the seed and the number of trials that ended, so that a search which was stopped proposes what
    it would have proposed.  several: whether others are asked for meanwhile.
    """
    count = ended(study)
    if not count:
        study.enqueue_trial(defaults(dimensions))
    if several:
        count = len(study.get_trials(deepcopy=False))
    drawn = int(generator(seed, "method", count).integers(1 << 32))
    study.sampler = optuna().samplers.TPESampler(seed=drawn, constant_liar=several)
    return study.ask({name: distribution(each) for name, each in dimensions.items()})


def defaults(dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return the setting of the first trial."""
    return {name: each.default for name, each in dimensions.items()}


def ended(study: Any) -> int:
    """Return the number of trials that ended by themselves."""
    return sum(each.state.name in ("COMPLETE", "PRUNED") or _failed(each) for each in study.get_trials(False))


def _failed(trial: Any) -> bool:
    return bool(trial.state.name == "FAIL" and trial.user_attrs.get("state") == "failed")


def tell(study: Any, trial: Any, state: str, value: float | None, epochs: int, seconds: float) -> None:
    """End a trial."""
    states = optuna().trial.TrialState
    for name, what in (("state", state), ("epochs", epochs), ("seconds", seconds)):
        trial.set_user_attr(name, what)
    told = {"complete": states.COMPLETE, "pruned": states.PRUNED}.get(state, states.FAIL)
    study.tell(trial, value, state=told)


def records(study: Any) -> list[TrialRecord]:
    """Return the trials that ended, in their order; those of a killed process are interrupted."""
    found = []
    for each in study.get_trials(deepcopy=False):
        if each.state.name in ("RUNNING", "WAITING"):
            continue
        known = each.user_attrs
        value = each.value if each.state.name == "COMPLETE" else None
        state = known.get("state", "interrupted")
        found.append(
            TrialRecord(
                each.number,
                state,
                value,
                dict(each.params),
                known.get("epochs", 0),
                known.get("seconds", 0.0),
            )
        )
    return found


def importances(study: Any, least: int = 10) -> dict[str, float]:
    """Return the share of the differences between trials that each dimension explains; empty for few trials.

    Source: Watanabe, Bansal, Hutter, "PED-ANOVA" (2023), which compares the best trials with all.
    """
    if sum(each.state.name == "COMPLETE" for each in study.get_trials(deepcopy=False)) < least:
        return {}
    found = optuna().importance
    try:
        return dict(
            found.get_param_importances(study, evaluator=found.PedAnovaImportanceEvaluator(), normalize=True)
        )
    except (ValueError, RuntimeError):  # all trials alike
        return {}
