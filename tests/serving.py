"""The studio, served to tests: a real server on a free port, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.studio.server import listen, make_server
from chainrule.studio.studio import Studio


@contextmanager
def served(studio: Studio) -> Iterator[str]:
    """The one-time address of a studio that is served meanwhile."""
    with listen(0) as sock:
        server, url = make_server(studio, sock)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield url()
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
