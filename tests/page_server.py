"""Serve the page for the length of a block, as the command does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from mrl_adapters.demo.app import make_app
from mrl_adapters.demo.serve import bind
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench


@contextmanager
def served(workbench: Workbench) -> Iterator[str]:
    """Yield the page's address while it is served."""
    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(make_app(View(workbench)), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
