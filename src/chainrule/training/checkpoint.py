"""Checkpoints: the state of a run in one safetensors file, which is complete at any time."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import is_modest_json, open_regular, write_whole
from chainrule.errors import ConfigError, FormatError
from chainrule.formulas.schedules import PlateauState
from chainrule.trained.persistence import completed, custom_defaults
from chainrule.training.history import History

if TYPE_CHECKING:
    from chainrule.training.run import Run

FORMAT = 2
KEYS = ("fingerprint", "epoch", "position", "seconds", "epochs_before", "clock", "history", "stopped", "plateau",
        "now", "optimizer", "tally", "callbacks")  # fmt: skip
MAX_CONTAINERS, MAX_COMMAS = 1 << 21, 1 << 24
"""The maximum lists and objects, and values, of a run's state besides arrays; a history has one object per epoch."""
LATER = {"steps_before": 0, "row_sums": np.zeros(2), "average": None}
"""Values that earlier versions omitted, as they were then."""


def write(path: str | os.PathLike[str], run: Run) -> None:
    """Write the state of a run between two of its steps to a file."""
    from safetensors.numpy import save as to_bytes

    run.synchronize()
    state = {
        "format": FORMAT,
        "fingerprint": run.fingerprint,
        "epoch": run.epoch,
        "position": run.position,
        "seconds": run.seconds,
        "epochs_before": run.epochs_before,
        "clock": run.session.step_offset + run.steps_before,
        "steps_before": run.steps_before,
        "history": run.history.records,
        "stopped": run.history.stopped,
        "plateau": None if run.plateau is None else run.plateau._asdict(),
        "now": run.snapshot() | ({} if run.reached is None else {"theta": run.reached}),
        "average": run.average,
        "optimizer": run.session.optimizer_state._asdict(),
        "tally": run.session.sums,
        "row_sums": run.session.row_sums,
        "callbacks": [[type(c).__name__, kept] for c in run.settings.callbacks if (kept := c.state())],
    }
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(_pack(state, "run", arrays))
    # One entry, because safetensors writes several in any order, and the same run must give the same bytes.
    write_whole(path, to_bytes(arrays, metadata={"chainrule-run": checksum(text, arrays) + text}))


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state that `write` stored. Raises FormatError if the file is not a checkpoint."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    with open_regular(path):
        pass
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in list(file.keys())}
            entry = (file.metadata() or {})["chainrule-run"]
        crc, text = entry[:8], entry[8:]
        if not is_modest_json(text, MAX_CONTAINERS, MAX_COMMAS):
            raise FormatError(f"{path} is larger than the record of any run; resume from another checkpoint.")
        if crc != checksum(text, arrays):
            raise FormatError(
                f"{path} is damaged: its checksum does not match; resume from another checkpoint."
            )
        state = _unpack(json.loads(text), arrays)
        if state["format"] != FORMAT:
            raise FormatError(
                f"{path} has format {str(state['format'])[:20]}, this version of Chainrule reads {FORMAT}."
            )
        missing = [key for key in KEYS if key not in state]
        if missing or not isinstance(state["fingerprint"], dict):
            raise TypeError(f"{missing[0] if missing else 'fingerprint'} is missing")
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not a complete checkpoint of a Chainrule run ({error}).") from error
    return LATER | dict(state)


def resume(path: str | os.PathLike[str], run: Run) -> None:
    """Restore a run from a checkpoint.

    Raises ConfigError if it was made with other settings or data, and then leaves the run unchanged.
    """
    state = read(path)
    try:
        for name, mine in run.fingerprint.items():
            theirs = state["fingerprint"].get(name)
            if name == "network":  # an earlier version omitted defaults
                theirs = completed(theirs, custom_defaults(run.plan.network))
            if name == "optimizer" and isinstance(theirs, dict):
                theirs = _defaults(run.plan.optimizer) | theirs
            if theirs != mine:
                raise ConfigError(
                    f"{path} was made with another {name} ({_short(theirs)}, now {_short(mine)}); "
                    "resume with the settings and the data of that run."
                )
        session, callbacks = run.session, list(run.settings.callbacks)
        arrays = {
            "now": run.snapshot(),
            "optimizer": session.optimizer_state._asdict(),
            "tally": session.sums,
            "row_sums": session.row_sums,
        }
        _check_like(state, arrays)
        _check_finite(state["now"])
        if (average := state["average"]) is not None:
            _check_like({"theta": average}, {"theta": run.theta})
            _check_finite({"theta": average})
        if any(np.isnan(state["optimizer"][name]).any() for name in arrays["optimizer"]):
            raise TypeError("the optimizer's state should be numbers, not NaN")
        _check_numbers(state, run.steps_per_epoch)
        _check_plateau(state["plateau"], run.plateau)
        for snapshot in _snapshots(state["callbacks"]):
            _check_like(snapshot, arrays["now"])
            _check_finite(snapshot)
        for name, kept in state["callbacks"]:
            match = next((c for c in callbacks if type(c).__name__ == name), None)
            if match is None:
                raise ConfigError(f"{path} was made with the callback {name}; pass it again.")
            callbacks.remove(match)
            match.load_state(kept)
        run.epoch, run.position, run.seconds = state["epoch"], state["position"], state["seconds"]
        run.epochs_before = state["epochs_before"]
        run.history = History(state["history"], None)
        run.plateau = None if state["plateau"] is None else PlateauState(**state["plateau"])
        run.go_on(state["now"], average)
        run.steps_before = state["steps_before"]
        session.step_offset = state["clock"] - run.steps_before
        session.optimizer_state = type(session.optimizer_state)(**state["optimizer"])
        session.sums[...] = state["tally"]
        session.row_sums[...] = state["row_sums"]
        if state["stopped"] is not None:
            run.stop(state["stopped"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise FormatError(f"{path} is not a valid checkpoint of this run ({error}).") from error


def _defaults(settings: Any) -> dict[str, Any]:
    """Return the defaults of a dataclass of settings by name."""
    fields = dataclasses.fields(settings)
    return {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}


def checksum(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a checksum of eight digits over the whole file, which detects damage."""
    crc = zlib.crc32(text.encode())
    for name in sorted(arrays):
        crc = zlib.crc32(arrays[name].tobytes(), crc)
    return f"{crc:08x}"


def _check_like(found: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Raise TypeError unless every array is present, with the shape and precision of the run."""
    for key, value in mine.items():
        if isinstance(value, Mapping):
            _check_like(found[key], value)
        elif np.shape(found[key]) != np.shape(value) or found[key].dtype != value.dtype:
            raise TypeError(f"{key} should be {value.dtype} {np.shape(value)}")


def _check_numbers(state: Mapping[str, Any], steps_per_epoch: int) -> None:
    """Raise TypeError unless the counts are valid, and there is one record per epoch."""
    bounds = {"epoch": 2**31, "position": steps_per_epoch + 1, "epochs_before": 2**63, "clock": 2**63}
    bounds["steps_before"] = 2**63
    for name, bound in bounds.items():
        if type(state[name]) is not int or not 0 <= state[name] < bound:
            raise TypeError(f"{name} should be an integer from 0 to {bound - 1}")
    history, stopped = state["history"], state["stopped"]
    if not (isinstance(history, list) and all(map(is_record, history))):
        raise TypeError("history should be a list of records, of numbers by name, with a loss and seconds")
    if len(history) != state["epoch"] or not isinstance(state["callbacks"], list):
        raise TypeError("history and callbacks should have an entry each")
    if not (stopped is None or isinstance(stopped, str)):
        raise TypeError("stopped should be a reason")
    if not (is_number(state["seconds"]) and 0 <= state["seconds"] < math.inf):
        raise TypeError("seconds should be a number of at least 0")


def is_record(value: object) -> bool:
    """Return whether a value read from a file is a record of an epoch."""
    return (
        isinstance(value, dict)
        and value.keys() >= {"loss", "seconds"}
        and all(map(is_number, value.values()))
    )


def is_number(value: object) -> bool:
    """Return whether a value read from a file is a float; NaN and infinity count."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _check_plateau(found: Any, mine: PlateauState | None) -> None:
    """Raise TypeError unless the state of the schedule, if it has one, is present with valid numbers."""
    if (found is None) != (mine is None):
        raise TypeError("plateau should be the schedule's")
    if found is not None and not (
        found.keys() == {"best", "waited", "factor"}
        and is_number(found["best"])
        and type(found["waited"]) is int
        and 0 <= found["waited"] < 2**63
        and is_number(found["factor"])
        and 0 <= found["factor"] <= 1
    ):
        raise TypeError("plateau should contain best, waited and a factor from 0 to 1")


def _check_finite(snapshot: Mapping[str, Any]) -> None:
    """Raise TypeError if a parameter or a running statistic is NaN or infinite."""
    for value in snapshot.values():
        if isinstance(value, Mapping):
            _check_finite(value)
        elif not np.isfinite(value).all():
            raise TypeError("parameters and statistics should be finite")


def _snapshots(value: object) -> Iterator[dict[str, Any]]:
    """Iterate over every `Run.snapshot` in the states of the callbacks."""
    if isinstance(value, dict) and value.keys() == {"theta", "states"}:
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _snapshots(part)


def _pack(value: object, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return data for JSON in which each array is replaced by {"$array": its name}."""
    if isinstance(value, np.ndarray):
        name = f"{name}#{len(arrays)}" if name in arrays else name
        arrays[name] = np.ascontiguousarray(value).reshape(value.shape)
        return {"$array": name}
    if isinstance(value, Mapping):
        return {key: _pack(item, f"{name}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: object, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$array"}:
            # Each array only once, otherwise a small file could make many copies of a large one.
            return arrays.pop(value["$array"]).copy()
        return {key: _unpack(item, arrays) for key, item in value.items()}
    return [_unpack(item, arrays) for item in value] if isinstance(value, list) else value


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
