"""The file of results: one JSON document a run, written anew after each cell, so that a run can be taken up again."""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chainrule.core.files import write_whole

FOLDER = Path(__file__).parent / "results"


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def vectors() -> list[str]:
    """Instruction sets that matter here."""
    try:
        flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text("utf-8")))
    except OSError:
        return []
    return [flag for flag in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]


def generation(machine: dict[str, Any]) -> str:
    """A processor's name with its generation, which virtual machines hide, by the instructions that it has."""
    name, sets = machine.get("processor", "-"), machine.get("instruction sets", ())
    name = re.sub(r"\(R\)|Processor", "", name).strip()
    if "AMD" in name and "avx512_bf16" in sets:
        return f"{name} (Zen 4 or 5)"
    if "Intel" in name and "amx_bf16" in sets:
        return f"{name} (Sapphire Rapids or later)"
    return name


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": processor(),
        "cores": cores(),
        "instruction sets": vectors(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def slug() -> str:
    """amd-epyc-2-cores"""
    name = re.sub(r"\W+", "-", re.sub(r"\(.*?\)|@.*|Processor|CPU", "", processor())).strip("-").lower()
    return f"{name}-{cores()}-cores"


def today() -> str:
    """2026-01-31"""
    return datetime.date.today().isoformat()


class Results:
    """Cells by name, and the circumstances."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        """See `begin` and `unfinished`."""
        self.path, self.data = path, data

    @classmethod
    def begin(cls, settings: dict[str, Any], path: Path) -> Results:
        """A new run; the file is written with its first cell."""
        data = {
            "date": today(),
            "complete": False,
            "settings": settings,
            "machine": machine(),
            "versions": {},
            "cells": {},
        }
        return cls(path, data)

    @classmethod
    def read(cls, path: Path) -> Results:
        """One that was written."""
        return cls(path, json.loads(path.read_text("utf-8")))

    @classmethod
    def newest(cls) -> Results | None:
        """The last complete run of the whole matrix, by date."""
        paths = sorted(FOLDER.glob("*.json"))
        return cls.read(paths[-1]) if paths else None

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """By name: section/what."""
        cells: dict[str, dict[str, Any]] = self.data["cells"]
        return cells

    def section(self, name: str) -> dict[str, dict[str, Any]]:
        """The cells of a section, under what follows the slash."""
        return {key.split("/", 1)[1]: cell for key, cell in self.cells.items() if key.startswith(f"{name}/")}

    def put(self, name: str, cell: dict[str, Any]) -> None:
        """Keep a cell, and write all of them."""
        self.cells[name] = cell
        self.write()

    def write(self) -> None:
        """In one move."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(
            r"\[\s+([^\[\]{}]+?)\s+\]",
            lambda m: "[" + " ".join(m[1].split()) + "]",
            json.dumps(rounded(self.data), indent=1),
        )
        write_whole(self.path, (text + "\n").encode())


def rounded(value: Any) -> Any:
    """Four digits say all that there is to say."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def comma_separated(rows: Iterable[Iterable[object]]) -> str:
    """Rows as the text of a CSV file, its numbers rounded."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rounded([list(row) for row in rows]))
    return file.getvalue()
