"""A newer file in the place of a served one: taken over whole, or refused while the old one goes on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from chainrule.serve.large import Form
from chainrule.serve.service import stamp_of
from served_models import Served, row


@pytest.fixture
def served_copy(models: dict[str, Path], tmp_path: Path) -> Served:
    shutil.copy(models["labels"], tmp_path / "model.safetensors")
    return Served(tmp_path / "model.safetensors")


def replace(served: Served, content: bytes) -> None:
    beside = served.service.path.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, served.service.path)


def test_a_newer_file_answers(served_copy: Served, models: dict[str, Path]):
    before = served_copy.predict(row(0))
    assert set(before["probabilities"]) == {"no", "yes"}
    replace(served_copy, models["members"].read_bytes())
    assert served_copy.predict(row(0)) == before  # until it is read
    assert asyncio.run(served_copy.service.reload())
    assert set(served_copy.predict(row(0))["probabilities"]) == {"0", "1", "2"}
    assert "newer file answers" in served_copy.said[0] and "differ" in served_copy.said[1]
    figures = served_copy.ask("GET", "/metrics").body
    assert b'outcome="taken"} 1.0' in figures
    (info,) = [line for line in figures.splitlines() if line.startswith(b"chainrule_model_info{")]
    assert f'digest="{served_copy.service.model.digest}"'.encode() in info


@pytest.mark.parametrize("content", [b"", b"no", None], ids=["empty", "damaged", "half"])
def test_a_damaged_file_is_refused(served_copy: Served, models: dict[str, Path], content: bytes | None):
    before = served_copy.predict(row(0))
    whole = models["members"].read_bytes()
    replace(served_copy, whole[: len(whole) // 2] if content is None else content)
    assert not asyncio.run(served_copy.service.reload())
    assert served_copy.predict(row(0)) == before
    assert len(served_copy.said) == 1 and "refused" in served_copy.said[0]
    assert b'outcome="refused"} 1.0' in served_copy.ask("GET", "/metrics").body


def test_a_missing_file_is_refused(served_copy: Served):
    served_copy.service.path.unlink()
    assert not asyncio.run(served_copy.service.reload())
    assert served_copy.said == [
        "The newer file was refused, and the model of before goes on: no such file or directory."
    ]


def test_the_file_is_watched(served_copy: Served, models: dict[str, Path]):
    """Read once it is still; a damaged one once only, and the next one again."""

    async def watched() -> None:
        watching = asyncio.create_task(served_copy.service.watch(0.01))
        await asyncio.sleep(0.1)
        assert served_copy.said == []
        for content, count in ((b"no", 1), (models["numbers"].read_bytes(), 3)):
            replace(served_copy, content)
            for _ in range(1000):
                await asyncio.sleep(0.01)
                if len(served_copy.said) == count:
                    break
            await asyncio.sleep(0.1)
            assert len(served_copy.said) == count
        watching.cancel()

    asyncio.run(watched())
    assert served_copy.service.model.schema.task == "regression"


def test_a_file_is_read_once_it_stays_the_same(served_copy: Served, monkeypatch: pytest.MonkeyPatch):
    """A file that is still being written has another stamp at each look."""
    stamps = [stamp_of(served_copy.service.path), *((k, k, k) for k in (1, 2, 3, 4, 4, 4, 4))]
    said_before = list[int]()

    def look(path: Path) -> tuple[int, int, int]:
        said_before.append(len(served_copy.said))
        return stamps.pop(0) if len(stamps) > 1 else stamps[0]

    monkeypatch.setattr("chainrule.serve.service.stamp_of", look)

    async def watched() -> None:
        watching = asyncio.create_task(served_copy.service.watch(0))
        while not served_copy.said or len(said_before) < 12:
            await asyncio.sleep(0.005)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 20))
    assert said_before[:7] == [0] * 7  # six looks, and the one of the reading
    assert served_copy.said == [f"The file has not changed: {served_copy.service.model.digest}."]


def test_the_file_is_watched_while_there_is_none(served_copy: Served, models: dict[str, Path]):
    async def watched() -> None:
        watching = asyncio.create_task(served_copy.service.watch(0.01))
        served_copy.service.path.unlink()
        await asyncio.sleep(0.1)
        assert not watching.done() and served_copy.said == []
        replace(served_copy, models["numbers"].read_bytes())
        while served_copy.service.model.schema.task != "regression":
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 20))


def test_requests_that_wait_are_answered_by_the_model_that_read_them(
    served_copy: Served, models: dict[str, Path]
):
    service = served_copy.service
    body = json.dumps(row(0)).encode()

    async def across() -> bytes:
        waiting = asyncio.create_task(service.answer(body, Form("application/json", "application/json")))
        await asyncio.sleep(0)
        replace(served_copy, models["numbers"].read_bytes())
        await service.reload()
        return await waiting

    assert b'"yes"' in asyncio.run(across())
