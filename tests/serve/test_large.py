"""Large requests are answered by a second process, as small ones are by the server, and hold up nobody else."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.serve import arrival, bodies, gate, large
from chainrule.serve.bodies import Limits, TooMuchError
from chainrule.serve.large import Form
from served_models import JSON, PORT, Served, columns, row, sentence

ARROW = "application/vnd.apache.arrow.stream"
LARGE = [row(i) for i in range(240)] * 2
"""Rows of more than SMALL bytes of JSON."""


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[Served]:
    limits = Limits(body_bytes=100_000, rows=2000, memory=256 << 20)
    found = Served(models["labels"], limits)
    yield found
    found.service.close()


def predicted_rows(server: Served) -> float:
    """The figure of the rows that the server has predicted."""
    figures = server.ask("GET", "/metrics").body.decode()
    (found,) = [line for line in figures.splitlines() if line.startswith("chainrule_rows_total")]
    return float(found.split()[1])


def test_the_answers_are_those_of_small_requests(server: Served):
    assert len(json.dumps(LARGE)) > arrival.SMALL
    before = predicted_rows(server)
    expected = [answer for k in range(0, 480, 40) for answer in server.predict(LARGE[k : k + 40])]
    assert server.predict(LARGE) == expected
    assert predicted_rows(server) == before + 960
    sets = [
        answer for k in range(0, 480, 40) for answer in server.predict(LARGE[k : k + 40], "?interval=0.8")
    ]
    assert server.predict(LARGE, "?interval=0.8") == sets
    text = io.StringIO()
    writer = csv.DictWriter(text, list(LARGE[0]))
    writer.writeheader()
    writer.writerows(LARGE * 3)
    reply = server.ask(
        "POST",
        "/predict",
        [text.getvalue().encode()],
        [("Content-Type", "text/csv"), ("Accept", JSON[1])],
    )
    assert json.loads(reply.body) == expected * 3
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [960], "data": cells * 4}
        for name, cells in columns().items()
    ]
    reply = server.post("/v2/models/labels/infer", {"id": "7", "inputs": inputs})
    found = json.loads(reply.body)
    assert found["id"] == "7"
    assert found["outputs"][0]["data"] == [each["predicted"] for each in expected] * 2


@pytest.mark.slow
def test_the_second_process_has_the_precision(models: dict[str, Path]):
    halved = Served(models["numbers"], precision="bf16")
    expected = [answer for k in range(0, 480, 40) for answer in halved.predict(LARGE[k : k + 40])]
    assert halved.predict(LARGE) == expected
    assert not halved.service.large.is_idle
    halved.service.close()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (json.dumps(LARGE)[:-1], 400, "is not JSON"),
        (json.dumps([*LARGE, {**row(0), "size": [1]}]), 422, "row 480 of the body has [1] in column 'size'"),
        (json.dumps([*LARGE, {**row(0), "size": "much"}]), 422, "'much' at row 480"),
        ("[" + "[1]," * 2500 + "[1]]" + " " * arrival.SMALL, 413, "more than 2,000 rows"),
        ("[" * 40_000, 413, "more than 2,000 rows"),
    ],
    ids=str,
)
def test_refusals_are_those_of_small_requests(server: Served, body: str, status: int, says: str):
    assert says in server.refused(body.encode(), status)
    assert server.failures == []


def test_small_requests_are_answered_while_a_large_one_is(server: Served, monkeypatch: pytest.MonkeyPatch):
    """The second process gets the large one after the small ones were answered."""
    passed, send = threading.Event(), large.send

    def held(*message: Any) -> None:
        assert passed.wait(60), "small requests wait for a large one"
        send(*message)

    async def both() -> list[str]:
        order, form = list[str](), Form("application/json", "application/json")

        async def one(name: str, rows: Any) -> None:
            await server.service.answer(json.dumps(rows).encode(), form)
            order.append(name)

        async def small() -> None:
            await asyncio.gather(*(one("small", row(i)) for i in range(5)))
            passed.set()

        await asyncio.gather(one("large", LARGE), small())
        return order

    monkeypatch.setattr(large, "send", held)
    assert asyncio.run(both()) == [*["small"] * 5, "large"]


def test_long_answers_and_arrow_are_large(server: Served, monkeypatch: pytest.MonkeyPatch):
    """However small the body is, the second process answers."""
    pa = pytest.importorskip("pyarrow")
    rows = LARGE[:20]
    expected = server.predict(rows)
    monkeypatch.setattr(large, "ANSWER_BYTES", 20 * server.service.model.answer_bytes - 1)
    asked = list[int]()
    answer = server.service.large.answer

    async def noted(model: Any, body: bytes, form: Form) -> bytes:
        asked.append(len(body))
        return await answer(model, body, form)

    monkeypatch.setattr(server.service.large, "answer", noted)
    assert server.predict(rows) == expected and asked == [len(json.dumps(rows))]
    assert server.predict(rows[:19]) == expected[:19] and len(asked) == 1
    assert len(json.dumps(expected)) <= 20 * server.service.model.answer_bytes
    body = stream(pa.table({name: cells[:1] for name, cells in columns().items()}))
    reply = server.ask("POST", "/predict", [body], [("Content-Type", ARROW), ("Accept", JSON[1])])
    assert json.loads(reply.body) == expected[:1] and asked[1:] == [len(body)]


def test_an_answer_has_a_limit(server: Served):
    limits, form = Limits(body_bytes=2000), Form("application/json", "text/csv")
    for count, status in ((400, 413), (100, 200)):
        body = json.dumps(LARGE[:count]).encode()
        head, found = large.answer_message(form._asdict(), body, server.service.model, limits)
        assert head["status"] == status
        assert bool(found) == (status == 200) and len(found) <= 8_000
        assert found or head["text"] == "The answer has more than 8,000 bytes; send fewer rows at a time."


def stream(table: Any, **options: Any) -> bytes:
    pa = pytest.importorskip("pyarrow")
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as written:
        written.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("kind", ["compressed", "shared", "empty"])
def test_what_arrow_unpacks_to_has_a_limit(server: Served, kind: str, monkeypatch: pytest.MonkeyPatch):
    """Compressed buffers, one text that many cells share, and columns without any bytes."""
    pa = pytest.importorskip("pyarrow")
    if kind == "compressed":
        body = stream(pa.table({"z": ["y" * 100_000] * 14}), compression="zstd")
        monkeypatch.setattr(bodies, "read_arrow", None)  # as the headers say it
    elif kind == "shared":
        body = stream(
            pa.table({"z": pa.DictionaryArray.from_arrays(pa.array([0] * 14, pa.int32()), ["y" * 80_000])})
        )
    else:
        body = stream(pa.table({f"z{k}": pa.nulls(2000) for k in range(60)}))
    limits = server.service.limits
    assert len(body) < limits.body_bytes
    with pytest.raises(TooMuchError, match="unpacks to more than 800,000 bytes"):
        large.read(body, Form(ARROW, ARROW), server.service.model, limits)


def test_compressed_arrow_is_answered(server: Served):
    pa = pytest.importorskip("pyarrow")
    own = {name: cells[:14] for name, cells in columns().items()}
    body = stream(pa.table({**own, "z": ["y" * 1000] * 14}), compression="zstd")
    reply = server.ask("POST", "/predict", [body], [("Content-Type", ARROW), ("Accept", JSON[1])])
    assert json.loads(reply.body) == server.predict([row(i) for i in range(14)])
    over = stream(pa.table({**own, "z": ["y" * 100_000] * 14}), compression="zstd")
    reply = server.ask("POST", "/predict", [over], [("Content-Type", ARROW)])
    assert reply.status == 413 and "unpacks to more than" in sentence(reply)


@pytest.mark.parametrize(("rows", "columns"), [(4, 7), (3, 8)])
def test_rows_and_columns_of_arrow_have_limits(server: Served, rows: int, columns: int):
    pa = pytest.importorskip("pyarrow")
    body = stream(pa.table({f"x{k}": [1.0] * rows for k in range(columns)}))
    with pytest.raises(TooMuchError, match="more than 3 rows" if rows > 3 else "more than 7 columns"):
        large.read(body, Form(ARROW, ARROW), server.service.model, Limits(rows=3, columns=7))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory has no limit here")
def test_a_request_that_takes_too_much_memory_is_refused(models: dict[str, Path]):
    server = Served(models["labels"], Limits(memory=4 << 20))
    found = server.refused(LARGE * 40, 413)
    assert "more memory" in found and ["ended the process" in each for each in server.said] == [True]
    assert len(server.predict(LARGE)) == 480  # by another process
    server.service.close()
    assert server.failures == []


@pytest.mark.slow
def test_the_process_ends_by_time_and_when_idle_and_is_that_of_the_model(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "model.safetensors"
    path.write_bytes(models["labels"].read_bytes())
    server, body = Served(path), json.dumps(LARGE).encode()
    form = Form("application/json", "application/json")
    monkeypatch.setattr(large, "IDLE", 0.05)

    async def across() -> tuple[list[Any], list[Any]]:
        path.write_bytes(b"no")  # damaged: the old model goes on
        before = json.loads(await server.service.answer(body, form))
        assert not server.service.large.is_idle
        await asyncio.sleep(0.5)
        assert server.service.large.is_idle
        path.write_bytes(models["numbers"].read_bytes())
        await server.service.reload()
        return before, json.loads(await server.service.answer(body, form))

    before, after = asyncio.run(across())
    assert "probabilities" in before[0] and "probabilities" not in after[0]
    monkeypatch.setattr(large, "SECONDS", 0.001)
    assert "more memory or time" in server.refused(LARGE * 20, 413)
    server.service.close()


class Client:
    """A client of the gate whose body comes piece by piece, and who reads the reply when it likes."""

    def __init__(self, server: Served, length: int | None) -> None:
        self.server, self.pieces, self.sent = server, asyncio.Queue[bytes | None](), list[dict[str, Any]]()
        self.reads = asyncio.Event()
        self.reads.set()
        own = [] if length is None else [(b"content-length", str(length).encode())]
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "headers": [
                (b"host", f"127.0.0.1:{PORT}".encode()),
                (b"content-type", b"application/json"),
                *own,
            ],
        }
        self.task = asyncio.create_task(server.gate(self.scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        piece = await self.pieces.get()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.sent.append(message)

    def put(self, *pieces: bytes | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    async def status(self) -> int:
        await self.task
        return int(self.sent[0]["status"])


BODY = json.dumps(LARGE).encode().ljust(90_000)


@pytest.mark.slow
def test_large_bodies_wait_for_room(server: Served, monkeypatch: pytest.MonkeyPatch):
    """Four halves fill the room: a fifth body is read no further, small ones are answered, and room comes back."""

    async def clients() -> None:
        held = [Client(server, length) for length in (90_000, 100_000, None, None)]
        for each in held:
            each.put(BODY[:50_000])
        fifth = Client(server, len(BODY))
        for k in range(0, len(BODY), 10_000):
            fifth.put(BODY[k : k + 10_000])
        fifth.put(None)
        await asyncio.sleep(0.05)
        assert server.service.bodies.held == 390_000
        assert fifth.pieces.qsize() == 6  # of ten: no more than SMALL bytes are read
        small = Client(server, None)
        small.put(json.dumps(row(0)).encode(), None)
        assert await small.status() == 200
        held[0].put(BODY[50_000:], None)
        assert await held[0].status() == 200
        assert await fifth.status() == 200
        assert server.service.bodies.held == 300_000
        monkeypatch.setattr(arrival, "PAUSE", 0.05)
        held[1].put(b" ")
        assert await asyncio.wait_for(held[1].status(), 10) == 408 and b"paused" in held[1].sent[1]["body"]
        for each in held[2:]:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in held[2:]), return_exceptions=True)
        assert server.service.bodies.held == 0
        server.service.bodies.hold(350_000)
        late = Client(server, len(BODY))
        late.put(BODY, None)
        await asyncio.sleep(0.3)
        assert not late.task.done()  # a body that waits for room does not pause
        server.service.bodies.hold(-350_000)
        assert await late.status() == 200

    asyncio.run(asyncio.wait_for(clients(), 30))


@pytest.mark.slow
def test_a_body_without_room_is_refused_in_the_end(models: dict[str, Path]):
    """As one that does not come in time."""
    server = Served(models["labels"], Limits(body_bytes=100_000, seconds=0.2))

    async def clients() -> None:
        server.service.bodies.hold(350_000)
        late = Client(server, 100_000)
        late.put(BODY)
        assert await asyncio.wait_for(late.status(), 4) == 503
        assert (b"retry-after", b"1") in late.sent[0]["headers"]
        slow = Client(server, 40_000)
        slow.put(BODY[:39_999])
        assert (
            await asyncio.wait_for(slow.status(), 4) == 408 and b"within 0.2 seconds" in slow.sent[1]["body"]
        )
        assert server.service.bodies.held == 350_000

    asyncio.run(asyncio.wait_for(clients(), 30))
    server.service.close()


def test_an_answer_that_is_not_read_keeps_large_ones_waiting_for_a_time(
    server: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate, "PIECE", 10_000)
    monkeypatch.setattr(gate, "READ", 0.3)
    monkeypatch.setattr(server.service.answers, "most", 10_000)

    async def clients() -> None:
        stopped = Client(server, len(BODY))
        stopped.put(BODY, None)
        stopped.reads.clear()
        while not server.service.answers.held:
            await asyncio.sleep(0.01)
        late = Client(server, len(BODY))
        late.put(BODY, None)
        small = Client(server, None)
        small.put(json.dumps(row(0)).encode(), None)
        assert await small.status() == 200
        assert not late.task.done() and server.service.answers.held > 10_000
        assert await late.status() == 200
        assert stopped.task.done() and len(late.sent) > 4
        assert sum(len(each.get("body", b"")) for each in late.sent) == int(
            dict(late.sent[0]["headers"])[b"content-length"]
        )
        assert [each.get("more_body") for each in late.sent[1:]] == [*[True] * (len(late.sent) - 2), False]
        assert server.service.answers.held == 0

    asyncio.run(asyncio.wait_for(clients(), 30))


@pytest.mark.slow
def test_another_model_has_another_process(
    server: Served, served: dict[str, Served], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server.service, "model", served["numbers"].service.model)
    found = server.predict(LARGE)
    assert found[:40] == served["numbers"].predict(LARGE[:40])
