"""Requests are answered together as they would be alone, to the bit, whatever is in their rows."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import ChainruleError, DataError
from chainrule.serve.answering import PLAIN, Extras
from chainrule.serve.batches import Batches, Waiting, answer_requests
from chainrule.serve.bodies import BusyError, Limits, writer
from chainrule.serve.rows import NUMBER, TEXT, TRUTH, can_join
from served_models import Served, row

EXAMPLES = int(os.environ.get("CHAINRULE_SERVE_EXAMPLES", "12"))
"""Random sets of requests for each model; a thousand take some minutes."""
WRITE = writer("application/json")


def kinds(*columns: int) -> int:
    return sum(each << 3 * k for k, each in enumerate(columns))


def test_which_requests_may_be_joined():
    """The same kinds of cells in each column, or only missing ones in either."""
    assert can_join(kinds(NUMBER, TEXT), kinds(NUMBER, TEXT)) == kinds(NUMBER, TEXT)
    assert can_join(kinds(NUMBER, 0), kinds(0, TEXT)) == kinds(NUMBER, TEXT)
    assert can_join(kinds(0, 0), kinds(NUMBER, TRUTH)) == kinds(NUMBER, TRUTH)
    assert can_join(kinds(NUMBER, TEXT), kinds(NUMBER, TRUTH)) is None
    assert can_join(kinds(NUMBER | TEXT), kinds(NUMBER)) is None
    assert can_join(kinds(NUMBER | TEXT), kinds(NUMBER | TEXT)) == kinds(NUMBER | TEXT)
    assert can_join(None, 0) is None and can_join(0, None) is None


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 2), min_size=1, max_size=30))
def test_joining_by_its_definition(columns: list[tuple[int, int]]):
    first, second = (kinds(*side) for side in zip(*columns, strict=True))
    fits = all(a == b or a == 0 or b == 0 for a, b in columns)
    assert can_join(first, second) == (kinds(*(a | b for a, b in columns)) if fits else None)


numbers = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False, width=64)
)
cells = st.fixed_dictionaries(
    {
        "size": st.one_of(
            st.none(), numbers, st.booleans(), st.sampled_from(["3", "4.5", "1,5", "much", ""])
        ),
        "town": st.one_of(
            st.none(),
            st.sampled_from(["Tainan", "Taipei", "elsewhere", "", "1", "1.0", "True"]),
            numbers,
            st.booleans(),
        ),
        "seen": st.one_of(
            st.none(),
            st.sampled_from(["2024-03-04", "2024-03-04T05:06:07", "03/04/2024", "13/04/2024", "soon"]),
        ),
        "new": st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, "yes", "no", "perhaps"])),
        "rooms": st.one_of(st.none(), st.integers(1, 9), st.floats(1, 9)),
    }
)
requests = st.lists(st.lists(cells, min_size=1, max_size=3), min_size=1, max_size=6)


def alone(served: Served, rows: object) -> bytes | str:
    """The body of the reply to one request, or the sentence of its refusal."""
    model = served.service.model
    try:
        (found,) = answer_requests([Waiting(model, model.reads.of_json(rows), PLAIN, WRITE, None)])  # type: ignore[arg-type]
    except ChainruleError as error:
        return str(error)
    return str(found) if isinstance(found, Exception) else found


async def together(served: Served, several: list[Any], limits: Limits) -> tuple[list[bytes | str], list[int]]:
    """What requests at once get, and how many were answered by each prediction."""
    model, sizes = served.service.model, list[int]()
    batches = Batches(limits, lambda requests, rows: sizes.append(requests))

    async def one(rows: object) -> bytes | str:
        try:
            return await batches.answer(model, model.reads.of_json(rows), PLAIN, WRITE)
        except ChainruleError as error:
            return str(error)

    found = await asyncio.gather(*map(one, several))
    batches.close()
    return found, sizes


@pytest.mark.parametrize("name", ["labels", "numbers", "members"])
@settings(max_examples=EXAMPLES)
@given(several=requests)
def test_each_is_answered_as_alone(served: dict[str, Served], name: str, several: list[Any]):
    found, _ = asyncio.run(together(served[name], several, Limits()))
    assert found == [alone(served[name], rows) for rows in several]


def test_a_request_that_fails_does_not_harm_the_others(served: dict[str, Served]):
    rows: list[Any] = [row(i) for i in range(20)]
    rows[7] = {**rows[7], "size": "much"}
    found, sizes = asyncio.run(together(served["labels"], rows, Limits()))
    assert "'much' at row 0" in str(found[7])
    assert [json.loads(each) for k, each in enumerate(found) if k != 7] == [
        served["labels"].predict(each) for k, each in enumerate(rows) if k != 7
    ]
    assert sum(sizes) == 20 and max(sizes) >= 10


def test_batches_have_a_maximum_of_rows(served: dict[str, Served]):
    several = [[row(i), row(i + 1)] for i in range(30)]
    found, sizes = asyncio.run(together(served["labels"], several, Limits(batch_rows=8)))
    assert max(sizes) == 4 and sum(sizes) == 30
    assert found == [alone(served["labels"], rows) for rows in several]


def test_a_request_that_asks_for_more_is_answered_apart(served: dict[str, Served]):
    service = served["labels"].service

    async def both() -> list[bytes]:
        batches = Batches(Limits())
        rows = service.model.reads.of_json(row(1))
        found = await asyncio.gather(
            *(batches.answer(service.model, rows, asked, WRITE) for asked in (PLAIN, Extras(0.8), PLAIN))
        )
        batches.close()
        return found

    plain, sets, again = map(json.loads, asyncio.run(both()))
    assert plain == again and "set" not in plain and sets == {**plain, "set": sets["set"]}


def test_requests_that_two_models_have_read_are_answered_apart(served: dict[str, Served]):
    """During a change of the model: the same columns, of the same kinds, but each answer is of its own model."""
    models = [served[name].service.model for name in ("numbers", "two", "numbers")]

    async def both() -> list[bytes]:
        batches = Batches(Limits())
        found = await asyncio.gather(
            *(batches.answer(model, model.reads.of_json(row(1)), PLAIN, WRITE) for model in models)
        )
        batches.close()
        return found

    one, two, again = map(json.loads, asyncio.run(both()))
    assert one == again == served["numbers"].predict(row(1))
    assert two == served["two"].predict(row(1)) != one


def test_too_many_rows_that_wait_are_refused(served: dict[str, Served]):
    model = served["labels"].service.model

    async def many() -> list[Any]:
        batches = Batches(Limits(waiting_rows=3))
        rows = model.reads.of_json([row(i) for i in range(2)])
        tasks = [batches.answer(model, rows, PLAIN, WRITE) for _ in range(4)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert batches.waiting_rows == 0
        again = await batches.answer(model, rows, PLAIN, WRITE)
        batches.close()
        return [*found, again]

    found = asyncio.run(many())
    assert [type(each) for each in found] == [bytes, BusyError, BusyError, BusyError, bytes]


def test_a_client_that_has_gone_costs_no_prediction(served: dict[str, Served]):
    model = served["labels"].service.model

    async def gone() -> list[int]:
        sizes = list[int]()
        batches = Batches(Limits(), lambda requests, rows: sizes.append(requests))
        rows = model.reads.of_json(row(0))
        tasks = [asyncio.create_task(batches.answer(model, rows, PLAIN, WRITE)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert batches.waiting_rows == 0
        batches.close()
        return sizes

    assert sum(asyncio.run(gone())) == 2


def test_a_client_that_goes_during_the_prediction_does_not_harm_the_others(served: dict[str, Served]):
    model = served["labels"].service.model

    async def gone() -> list[Any]:
        batches = Batches(Limits())
        rows = model.reads.of_json(row(0))
        tasks = [asyncio.create_task(batches.answer(model, rows, PLAIN, WRITE)) for _ in range(3)]
        await asyncio.sleep(0)  # they wait
        while batches.waiting_rows:
            await asyncio.sleep(0)
        tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return found

    found = asyncio.run(asyncio.wait_for(gone(), 20))
    assert [type(each) for each in found[1:]] == [bytes, bytes]


def test_a_request_with_more_rows_than_may_wait_is_answered_alone(served: dict[str, Served]):
    model = served["labels"].service.model

    async def alone() -> bytes:
        batches = Batches(Limits(waiting_rows=3))
        found = await batches.answer(model, model.reads.of_json([row(0)] * 4), PLAIN, WRITE)
        batches.close()
        return found

    assert len(json.loads(asyncio.run(alone()))) == 4


def test_an_error_that_is_a_bug_says_nothing_to_the_client(
    served: dict[str, Served], monkeypatch: pytest.MonkeyPatch
):
    server = served["labels"]

    class Broken:
        def answers(self, table: object, asked: Extras) -> None:
            raise RuntimeError(f"a secret in {__file__}")

    monkeypatch.setattr(
        server.service,
        "model",
        server.service.model.__class__(
            *("labels", "0", server.service.model.schema, server.service.model.reads, Broken())
        ),
    )
    assert server.refused(row(0), 500) == "The server failed to answer; its log says why."
    assert [type(each) for each in server.failures] == [RuntimeError]
    server.failures.clear()


def test_errors_have_their_own_row_numbers(served: dict[str, Served]):
    with pytest.raises(DataError, match="row 1 of the body"):
        served["labels"].service.model.reads.of_json([row(0), {**row(1), "size": [1]}])
