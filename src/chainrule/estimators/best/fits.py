"""The fits of a race: those of a candidate, those that have ended, and what is said where Ctrl-C ended it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from chainrule.estimators.best.state import Key, RaceFit, RaceState


def finished(fits: Mapping[Key, RaceFit]) -> dict[Key, RaceFit]:
    """Return the fits that came to their end."""
    return {key: made for key, made in fits.items() if not made.is_cut}


def of_rows(state: RaceState, held_out: Mapping[int, int]) -> RaceState:
    """Return a state without fits that held other rows out, as a time limit may leave others. held_out: by fold."""
    fits = {key: made for key, made in state.fits.items() if len(made.predicted) == held_out.get(key[1])}
    whole = {key: made for key, made in state.whole.items() if (key[0], 0) in fits}
    return state._replace(fits=fits, whole=whole)


def warn_of_interruption(fits: Mapping[Key, RaceFit], whole: Mapping[Key, RaceFit]) -> None:
    """Warn of a race that Ctrl-C ended, with what there is."""
    done = sum(not made.is_cut for made in (*fits.values(), *whole.values()))
    kept = (
        f"the average is of the {done} fit{'s' * (done != 1)} that had ended, and of those that were stopped"
        if done
        else "no fit had ended, so what predicts are the first networks as they were"
    )
    warnings.warn(f"Training interrupted by user: {kept}.", stacklevel=6)


def of_candidate(fits: Mapping[Key, RaceFit], number: int) -> dict[int, RaceFit]:
    """Return those of some fits that are of a candidate, in the order of their folds."""
    return {fold: made for (other, fold), made in sorted(fits.items()) if other == number}
