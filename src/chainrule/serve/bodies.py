"""The bodies of requests, within limits, and of replies: JSON, CSV or an Arrow stream; and refusals."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, NoReturn

from chainrule.core.files import cells, to_json
from chainrule.datasets.arrow_messages import unpacked_sizes
from chainrule.datasets.headers import TableLayout
from chainrule.datasets.numerals import Decimals
from chainrule.datasets.table_files import read_arrow, unpacked_bytes
from chainrule.datasets.text_tables import text_table
from chainrule.errors import ChainruleError, DataError, FormatError
from chainrule.recipe.answers import Answers, as_columns, records
from chainrule.recipe.messages import told
from chainrule.serve.answering import ServedModel
from chainrule.serve.rows import BODY, ReadsRows, RequestRows, show

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
MAX_DIGITS = 300
"""The maximum digits of a whole number in JSON, which float64 holds."""
_CELL_BYTES = 8
QUIET = TableLayout(decimals=Decimals(otherwise=None))
SLACK = 1000
"""Containers that the JSON of a request may have besides those of its rows."""
UNPACKED_TIMES, HELD_TIMES, ANSWER_TIMES = 8, 4, 4
"""How many times the limit of a body bounds what Arrow's buffers unpack to, all large bodies in memory together, and an
answer."""
Header = tuple[bytes, bytes]


class Limits(NamedTuple):
    """What a request may have, and what may wait."""

    body_bytes: int = 16 << 20
    rows: int = 100_000
    """of a request"""
    columns: int = 10_000
    """of a request, those that the model does not take included"""
    connections: int = 1024
    seconds: float = 20.0
    """in which the body of a request arrives"""
    batch_rows: int = 1024
    """rows that are predicted at once, unless a request has more"""
    batch_delay: float = 0.001
    """seconds that a row waits for others, where several requests came at once before"""
    waiting_rows: int = 200_000
    """rows of all requests that wait"""
    memory: int = 768 << 20
    """bytes that a large request may take in the second process, besides the model"""


class TooMuchError(ChainruleError):
    """A request has more than a limit allows."""


class BusyError(ChainruleError):
    """As much waits as may."""


def _refuse_constant(text: str) -> NoReturn:
    raise FormatError(f"{BODY} has {text}, which is not JSON; a missing value is null.")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise FormatError(f"{BODY} has the number {text[:40]}, which is beyond float64; send a smaller one.")
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise FormatError(f"{BODY} has a number of {len(text)} digits; send at most {MAX_DIGITS}.")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FormatError(f"{BODY} has an object with the key {show(twice)} twice; send it once.")
    return found


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_float, parse_int=_int, object_pairs_hook=_object
)


def decoded(body: bytes, limits: Limits) -> Any:
    """Return decoded JSON. Raises FormatError for what is not JSON in UTF-8, TooMuchError for more than the limits."""
    if not body:
        raise FormatError(f"{BODY} is empty; send rows as JSON.")
    text = _text(body)
    if text.count("[") + text.count("{") > limits.rows + SLACK:
        raise TooMuchError(f"{BODY} has more than {limits.rows:,} rows; send fewer at a time.")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        said = error.msg[0].lower() + error.msg[1:]
        raise FormatError(f"{BODY} is not JSON: {said} at character {error.pos}.") from None
    except RecursionError:
        raise FormatError(f"{BODY} is nested too deep; send a list of rows.") from None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{BODY} is not UTF-8 at byte {error.start}; encode it as UTF-8.") from None


def rows_of(body: bytes, kind: str, reads: ReadsRows, limits: Limits) -> RequestRows:
    """Return the rows in the body of a request. kind: one of TYPES.

    Raises FormatError for a body of another type, TooMuchError beyond the limits, DataError and ShapeError for rows
    that the model cannot take.
    """
    if kind == JSON:
        found = decoded(body, limits)
        several = isinstance(found, list) and len(found) > 0 and isinstance(found[0], (dict, list))
        rows = found if several else [found]
        check_count(len(rows), limits)
        check_width(len(rows[0]) if isinstance(rows[0], (dict, list)) else 0, limits)
        return reads.of_json(found)
    if not body:
        raise FormatError(f"{BODY} is empty; send rows.")
    if kind == CSV:
        _text(body)
        check_count(body.count(b"\n") - 1, limits)
        check_width(max(body.partition(b"\n")[0].count(sign) for sign in (b",", b";", b"\t", b"|")), limits)
        columns = text_table(BODY, body, QUIET)
        count = len(next(iter(columns.values())))
        check_count(count, limits)
        return reads.of_table(columns, count)
    return _arrow_rows(body, reads, limits)


def _arrow_rows(body: bytes, reads: ReadsRows, limits: Limits) -> RequestRows:
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise FormatError(
            "Arrow streams need PyArrow, which this server does not have; send JSON or CSV."
        ) from None
    try:
        most = UNPACKED_TIMES * limits.body_bytes
        _check_unpacked(sum(unpacked_sizes(io.BytesIO(body))), most)
        table = read_arrow(io.BytesIO(body), BODY)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, (DataError, FormatError)):
            raise
        raise FormatError(f"{BODY} is damaged, or not an Arrow stream; write it again.") from error
    check_count(table.num_rows, limits)
    check_width(table.num_columns, limits)
    of_cells = _CELL_BYTES * table.num_rows * table.num_columns
    texts = (unpacked_bytes(each) for column in table.columns for each in column.chunks)
    _check_unpacked(max(of_cells, sum(texts)), most)
    if not table.num_rows or not table.num_columns:
        raise DataError(f"{BODY} has no rows; send at least one.")
    return reads.of_table(table, table.num_rows)


def _check_unpacked(count: int, most: int) -> None:
    if count > most:
        raise TooMuchError(
            f"{BODY} unpacks to more than {most:,} bytes; send fewer rows or columns at a time."
        )


def check_count(rows: int, limits: Limits) -> None:
    """Raise TooMuchError for too many rows."""
    if rows > limits.rows:
        raise TooMuchError(f"{BODY} has more than {limits.rows:,} rows; send fewer at a time.")


def check_width(columns: int, limits: Limits) -> None:
    """Raise TooMuchError for too many columns."""
    if columns > limits.columns:
        raise TooMuchError(f"{BODY} has more than {limits.columns:,} columns; send those of GET /schema.")


class RefusedError(Exception):
    """A request is refused with a status and a sentence."""

    def __init__(self, status: int, text: str, headers: tuple[Header, ...] = ()) -> None:
        """Store them."""
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


def refused(error: ChainruleError) -> RefusedError:
    """Return the refusal of a request for an error about what it has."""
    if isinstance(error, BusyError):
        return RefusedError(503, f"{error}", ((b"retry-after", b"1"),))
    status = 413 if isinstance(error, TooMuchError) else 400 if isinstance(error, FormatError) else 422
    return RefusedError(status, f"{error}" if status == 413 else told(error))


class Reply(NamedTuple):
    """A whole reply."""

    status: int
    kind: str
    body: bytes
    headers: tuple[Header, ...] = ()


def json_reply(value: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """Return a reply of JSON."""
    return Reply(status, JSON, to_json(value).encode("utf-8", "replace"), headers)


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
