"""What a folder of TensorBoard's event files has, read frame by frame with their checksums."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple


class Point(NamedTuple):
    step: int
    value: float


class Board(NamedTuple):
    """The events of one run."""

    scalars: dict[str, list[Point]]
    texts: dict[str, str]
    settings: dict[str, Any]
    """of the tab HPARAMS"""
    histograms: dict[str, list[int]]
    """the steps of each"""


def frames(path: Path) -> list[bytes]:
    """The records of a TFRecord file. Raises AssertionError where a checksum is wrong or the file ends early."""
    from tensorboardX.record_writer import masked_crc32c

    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        head = data[place : place + 8]
        (length,) = struct.unpack("<Q", head)
        (crc,) = struct.unpack("<I", data[place + 8 : place + 12])
        assert crc == masked_crc32c(head)
        body = data[place + 12 : place + 12 + length]
        (crc,) = struct.unpack("<I", data[place + 12 + length : place + 16 + length])
        assert len(body) == length and crc == masked_crc32c(body)
        found.append(body)
        place += 16 + length
    return found


def read(folder: Path) -> Board:
    """The events of the files of a folder, in the order of their names as TensorBoard reads them."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    board = Board(defaultdict(list), {}, {}, defaultdict(list))
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for body in frames(path):
            event = Event.FromString(body)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                if value.WhichOneof("value") == "simple_value":
                    board.scalars[value.tag].append(Point(event.step, value.simple_value))
                elif value.WhichOneof("value") == "histo":
                    board.histograms[value.tag].append(event.step)
                elif plugin.plugin_name == "text":
                    board.texts[value.tag] = value.tensor.string_val[0].decode()
                elif value.tag == "_hparams_/session_start_info":
                    start = HParamsPluginData.FromString(plugin.content).session_start_info
                    for name, each in start.hparams.items():
                        board.settings[name] = getattr(each, each.WhichOneof("kind"))
    return board
