"""Serve the page: on which address, until when."""

import gc
import importlib.util
import ipaddress
import socket
import threading
import time
import webbrowser
from collections.abc import Callable

from mrl_adapters.demo.corpus import Corpus
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.errors import ConfigurationError, MissingExtraError
from mrl_adapters.progress import Meter, ProgressCallback

_BACKLOG = 128
_PREPARING_S = 10.0  # what is not ready by then gets so while the page is served
_PACKAGES = ("jinja2", "plotly", "starlette", "uvicorn")


def bind(host: str, port: int) -> socket.socket:
    """Take the address before anything is loaded, so that a taken one is told at once.

    Args:
        host: Name or address.
        port: 0 takes a free one.

    Raises:
        ConfigurationError: The address is taken, or is none of this machine.
        MissingExtraError: The server's package is not installed.
    """
    for package in _PACKAGES:
        if not _is_installed(package):
            raise MissingExtraError(package, "demo")
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:
        msg = f"--host {host!r} is no address of this machine ({error}). Leave it out for 127.0.0.1"
        raise ConfigurationError(msg) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        msg = (
            f"Port {port} of {host} cannot be used: {error.strerror}. "
            "Pass another, such as --port 0 for any free one."
        )
        raise ConfigurationError(msg) from error
    return bound


def is_loopback(bound: socket.socket) -> bool:
    """Return whether only this machine reaches a socket.

    Args:
        bound: The socket.
    """
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def address_of(bound: socket.socket) -> str:
    """Return the page's address.

    Args:
        bound: Where it is served.
    """
    host, port = bound.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def prepare(corpus: Corpus, progress: ProgressCallback | None = None) -> Workbench:
    """Compute what the sliders show, the settings that are nearest to the first ones first.

    Args:
        corpus: What the page shows.
        progress: Called with a Progress after each setting.
    """
    workbench = Workbench(corpus)
    meter = Meter("asking the collection", 1, progress)  # whose graphs may be still to build
    workbench.engine.prepare()
    meter.step()
    deadline = time.monotonic() + _PREPARING_S
    workbench.warm(lambda: time.monotonic() > deadline, progress=progress)
    return workbench


def serve(
    workbench: Workbench,
    bound: socket.socket,
    *,
    host: str,
    browser: bool,
    ready: Callable[[], None],
) -> None:
    """Serve the page until it is interrupted.

    Args:
        workbench: What it shows.
        bound: Where.
        host: The name that the socket was bound by.
        browser: Whether to open it in a browser.
        ready: Called once it serves.
    """
    import uvicorn

    from mrl_adapters.demo.app import make_app

    app = make_app(View(workbench), hosts=[host])
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    stopped = threading.Event()
    warming = threading.Thread(target=workbench.warm, args=(stopped.is_set,), daemon=True)
    warming.start()
    gc.freeze()  # a walk over all passages would hold a move up for as long as a second move takes
    try:
        # The socket listens already: who comes before the server waits for it.
        ready()
        if browser:
            threading.Thread(target=webbrowser.open, args=(address_of(bound),), daemon=True).start()
        uvicorn.Server(config).run(sockets=[bound])
    except KeyboardInterrupt:
        return  # how one ends it
    finally:
        stopped.set()
        warming.join()
        bound.close()


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module that was set aside
        return False
