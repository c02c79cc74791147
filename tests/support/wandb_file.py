"""What an offline file of Weights & Biases has: LevelDB's log of records, with the checksum of each piece."""

from __future__ import annotations

import json
import struct
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

BLOCK, HEAD = 32_768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class OfflineRun(NamedTuple):
    info: dict[str, str]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    exit_code: int | None


def records(path: Path) -> list[bytes]:
    """The records of a file. Raises AssertionError where a checksum is wrong."""
    data, place, found, part = path.read_bytes(), HEAD, [], b""
    assert data[:4] == b":W&B"
    while place < len(data):
        left = BLOCK - place % BLOCK
        if left < HEAD:
            place += left
            continue
        crc, length, kind = struct.unpack("<IHB", data[place : place + HEAD])
        body = data[place + HEAD : place + HEAD + length]
        assert crc == zlib.crc32(bytes([kind]) + body), "a checksum is wrong"
        part += body
        if kind in (FULL, LAST):
            found.append(part)
            part = b""
        place += HEAD + length
    return found


def read(path: Path) -> OfflineRun:
    """What a finished run has. Its process writes the last records a moment after the run has ended."""
    for _ in range(100):
        if (made := read_now(path)).exit_code is not None:
            break
        time.sleep(0.1)
    return made


def read_now(path: Path) -> OfflineRun:
    from wandb.proto.wandb_internal_pb2 import Record

    made = OfflineRun({}, {}, [], {}, None)
    for each in records(path):
        record = Record.FromString(each)
        for item in record.run.config.update if record.HasField("run") else ():
            made.config[item.key] = json.loads(item.value_json)
        if record.HasField("run"):
            run = record.run
            made.info.update(id=run.run_id, name=run.display_name, group=run.run_group, project=run.project)
        if record.HasField("config"):
            made.config.update({item.key: json.loads(item.value_json) for item in record.config.update})
        if record.HasField("history"):
            row = {
                item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item
            }
            made.history.append(row | {"_step": record.history.step.num})
        if record.HasField("summary"):
            for item in record.summary.update:
                made.summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        if record.HasField("exit"):
            made = made._replace(exit_code=record.exit.exit_code)
    return made
