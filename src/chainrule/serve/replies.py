"""The bodies of replies: answers as JSON, CSV or an Arrow stream, what the client prefers of these, and refusals."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import NamedTuple

from chainrule.core.files import cells, to_json
from chainrule.recipe.answers import Answers, as_columns, records
from chainrule.serve.answering import ServedModel
from chainrule.serve.bodies import ARROW, CSV, JSON, TYPES
from chainrule.serve.rows import RequestRows

Header = tuple[bytes, bytes]


class RefusedError(Exception):
    """A request is refused with a status and a sentence."""

    def __init__(self, status: int, text: str, headers: tuple[Header, ...] = ()) -> None:
        """Store them."""
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


class Reply(NamedTuple):
    """A whole reply."""

    status: int
    kind: str
    body: bytes
    headers: tuple[Header, ...] = ()


def json_reply(value: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """Return a reply of JSON."""
    return Reply(status, JSON, to_json(value).encode("utf-8", "replace"), headers)


def refusal(error: RefusedError) -> Reply:
    """Return the reply to a request that is refused: one sentence."""
    return json_reply({"error": error.text}, error.status, error.headers)


def written(answers: Answers, model: ServedModel, rows: RequestRows, kind: str) -> bytes:
    """Return the body of a reply with answers. kind: one of TYPES."""
    labels = model.schema.label_names
    if kind == JSON:
        found = records(answers, labels)
        return to_json(found[0] if rows.is_one else found).encode("utf-8", "replace")
    columns = as_columns(answers, labels)
    if kind == CSV:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(cells(columns))
        lists = [column.tolist() for column in columns.values()]
        writer.writerows(cells(row) for row in zip(*lists, strict=True))
        return text.getvalue().encode("utf-8", "replace")
    import pyarrow as pa

    table = pa.table({name: pa.array(column.tolist()) for name, column in columns.items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def writer(kind: str) -> Callable[[Answers, ServedModel, RequestRows], bytes]:
    """Return what writes answers in a type of TYPES."""
    return partial(written, kind=kind)


@lru_cache(maxsize=64)
def preferred(accept: bytes, own: str) -> str:
    """Return the type of a reply. accept: the header, empty without one.  own: the type of the request.

    The type of the request is chosen where the client takes anything. Raises RefusedError if no type suits.
    """
    if accept.strip() in (b"", b"*/*"):
        return own
    best, most = None, 0.0
    for kind in (own, *TYPES):
        weight = _weight(accept.decode("latin-1"), kind)
        if weight > most and (kind != ARROW or find_spec("pyarrow") is not None):
            best, most = kind, weight
    if best is None:
        raise RefusedError(406, f"The answers are {JSON}, {CSV} or {ARROW}; accept one of these.")
    return best


def _weight(accept: str, kind: str) -> float:
    """Return the weight of a type in the header Accept, by the most specific range that has it; 0 for none."""
    found, closest = 0.0, -1
    for part in accept.split(",")[:32]:
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        specific = (
            2 if name == kind else 1 if name == f"{kind.partition('/')[0]}/*" else 0 if name == "*/*" else -1
        )
        if specific > closest:
            closest, found = specific, _quality(parameters)
    return found


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return min(max(float(each[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
