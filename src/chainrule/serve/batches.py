"""Join the rows of requests that wait into one prediction on a worker thread, and split its answers again.

While the worker predicts, requests gather; when it is free, the next batch is everything that may be joined with the
request that waits longest, up to a number of rows. A request that comes alone does not wait: only after a batch of
several requests does an idle worker wait some moments for more. Answers do not depend on what was joined
(`chainrule.serve.rows`), and where a joined prediction fails, each request is answered alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chainrule.recipe.answers import Answers
from chainrule.serve.answering import Extras, ServedModel
from chainrule.serve.bodies import BusyError, Limits
from chainrule.serve.rows import RequestRows, can_join

Write = Callable[[Answers, ServedModel, RequestRows], bytes]
"""What makes the body of a reply."""
Found = bytes | Exception


@dataclass(frozen=True)
class Waiting:
    """A request that waits for its answer."""

    model: ServedModel
    rows: RequestRows
    asked: Extras
    write: Write
    reply: asyncio.Future[bytes]


class Batches:
    """The requests that wait, and the thread that answers them. All methods run in one event loop."""

    def __init__(
        self, limits: Limits, note: Callable[[int, int], None] = lambda requests, rows: None
    ) -> None:
        """Start without requests. note(requests, rows): called with each batch."""
        self.limits, self.note = limits, note
        self._worker = ThreadPoolExecutor(1, "predictions")
        self._waiting: deque[Waiting] = deque()
        self._rows = 0
        self._is_busy = False
        self._timer: asyncio.Handle | None = None
        self._last = 1

    @property
    def waiting_rows(self) -> int:
        """The rows of all requests that wait, without those being predicted."""
        return self._rows

    async def answer(self, model: ServedModel, rows: RequestRows, asked: Extras, write: Write) -> bytes:
        """Return the body of the reply to a request. Raises BusyError at once, and errors of the prediction."""
        if self._rows and self._rows + rows.length > self.limits.waiting_rows:
            raise BusyError("The server has as many rows waiting as it takes; send this again in a second.")
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append(Waiting(model, rows, asked, write, reply))
        self._rows += rows.length
        if not self._is_busy:
            if self._timer is None:
                wait = self.limits.batch_delay if self._last > 1 else 0.0
                self._timer = loop.call_later(wait, self._start) if wait else loop.call_soon(self._start)
            elif self._rows >= self.limits.batch_rows:
                self._timer.cancel()
                self._timer = loop.call_soon(self._start)
        return await reply

    def close(self) -> None:
        """End the thread, once it has answered."""
        self._worker.shutdown()

    def _start(self) -> None:
        """Give the next batch to the worker."""
        self._timer = None
        batch = self._taken()
        if not batch:
            return
        self._is_busy, self._last = True, len(batch)
        self.note(len(batch), sum(each.rows.length for each in batch))
        loop = asyncio.get_running_loop()
        made = self._worker.submit(answer_requests, batch)
        made.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, batch, done.result()))

    def _taken(self) -> list[Waiting]:
        """Take the requests of the next batch out of those that wait."""
        batch: list[Waiting] = []
        left: deque[Waiting] = deque()
        count, kinds = 0, None
        while self._waiting:
            each = self._waiting.popleft()
            if each.reply.done():  # its client has gone
                self._rows -= each.rows.length
                continue
            if not batch:
                joined = each.rows.kinds
            elif (
                count + each.rows.length <= self.limits.batch_rows
                and each.model is batch[0].model
                and each.asked == batch[0].asked
            ):
                joined = can_join(kinds, each.rows.kinds)
            else:
                joined = None
            if batch and joined is None:
                left.append(each)
                continue
            batch.append(each)
            count, kinds = count + each.rows.length, joined
            if kinds is None or count >= self.limits.batch_rows:
                break
        left.extend(self._waiting)
        self._waiting = left
        self._rows -= count
        return batch

    def _finish(self, batch: Sequence[Waiting], found: Sequence[Found]) -> None:
        self._is_busy = False
        for each, made in zip(batch, found, strict=True):
            if each.reply.done():
                continue
            if isinstance(made, Exception):
                each.reply.set_exception(made)
            else:
                each.reply.set_result(made)
        if self._waiting:
            self._start()


def answer_requests(batch: Sequence[Waiting]) -> list[Found]:
    """Return the body of the reply to each request, or its error: by one prediction, or if that fails one for each."""
    first = batch[0]
    try:
        table = first.model.reads.joined([each.rows for each in batch])
        answers = first.model.predicts.answers(table, first.asked)
        found: list[Found] = []
        begin = 0
        for each in batch:
            end = begin + each.rows.length
            found.append(each.write(answers.part(begin, end), each.model, each.rows))
            begin = end
        return found
    except Exception as error:  # which the event loop passes on
        if len(batch) == 1:
            return [error]
        return [answer_requests([each])[0] for each in batch]
