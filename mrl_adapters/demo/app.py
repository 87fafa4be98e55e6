"""The page's server: one page, its files, and what its sliders ask for, as JSON."""

import ipaddress
import socket
from collections.abc import Callable, Collection
from importlib.resources import files
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrl_adapters.demo.codes import BITS, NAMES
from mrl_adapters.demo.plotly_figures import plotly_script, style_ids
from mrl_adapters.demo.settings import CANDIDATES, K, Setting
from mrl_adapters.demo.views import View
from mrl_adapters.errors import MRLError

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
_LOCAL = frozenset({"localhost", socket.gethostname().lower()})
_LONGEST = 10_000  # characters of a question
_FILES = {"page.js": "text/javascript", "page.css": "text/css"}


def make_app(view: View, *, hosts: Collection[str] = ()) -> Starlette:
    """Make the page's server.

    Args:
        view: What it shows.
        hosts: Names, beside this machine's own and all addresses, by which it may be called.
    """
    return Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(_page(view))),
            Route("/answer", _asks(view.answer)),
            Route("/collection", _asks(view.collection)),
            Route("/hybrid", _hybrid(view)),
            Route("/setting", _sets(view.setting)),
            Route("/curve", _plain(view.curve)),
            Route("/frontier", _sets(view.frontier)),
            Route("/plotly.js", _plotly),
            *(Route(f"/{name}", _file(name, kind)) for name, kind in _FILES.items()),
        ],
        middleware=[Middleware(_Guard, hosts=frozenset(name.lower() for name in hosts))],
        exception_handlers={MRLError: _refused, HTTPException: _refused},
    )


class _Guard:
    """Refuse requests under a foreign name, and add the headers that every answer has.

    A page elsewhere could otherwise reach this one by letting its own name point here.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if _is_known(host, self._hosts):
            await self._app(scope, receive, with_headers)
            return
        answer = PlainTextResponse(
            "This page is not served under that name. Open it by its address.", 421
        )
        await answer(scope, receive, with_headers)


def _is_known(host: str, hosts: Collection[str]) -> bool:
    """Whether a Host header names this machine: an address does, whatever it is."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in _LOCAL or name in hosts
    return True


def _page(view: View) -> str:
    """Fill the page; what is put into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mrl_adapters.demo"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    bench = view.workbench
    return environment.get_template("page.html").render(
        corpus=bench.corpus,
        model=bench.corpus.layout.model or "unnamed model",
        sizes=bench.space.sizes,
        bits=[(bits, NAMES[bits]) for bits in BITS],
        candidates=CANDIDATES,
        start=bench.start,
        rotatable=bench.space.rotation is not None,
        question=bench.corpus.questions.texts[0],
        style_ids=style_ids(),
        hybrids=bench.engine.hybrids,
        k=K,
    )


def _asks(show: Callable[[str, int | None, Setting], Any]) -> Callable[[Request], Response]:
    """Serve what depends on a question and on the sliders."""
    return lambda request: JSONResponse(show(*_question(request), _setting(request)))


def _hybrid(view: View) -> Callable[[Request], Response]:
    """Serve what depends on a question, on the sliders and on how its words join."""

    def serve(request: Request) -> Response:
        how = request.query_params.get("how", "")
        return JSONResponse(view.hybrid(*_question(request), _setting(request), how))

    return serve


def _question(request: Request) -> tuple[str, int | None]:
    question = request.query_params.get("question", "")
    if not question.strip():
        raise HTTPException(400, "The question is empty. Type what to look for.")
    if len(question) > _LONGEST:
        raise HTTPException(400, f"The question has more than {_LONGEST:,} characters.")
    sample = request.query_params.get("sample")
    return question, None if sample is None else _whole(request, "sample")


def _sets(show: Callable[[Setting], Any]) -> Callable[[Request], Response]:
    """Serve what depends on the sliders alone."""
    return lambda request: JSONResponse(show(_setting(request)))


def _plain(show: Callable[[], Any]) -> Callable[[Request], Response]:
    """Serve what depends on nothing."""
    return lambda _: JSONResponse(show())


def _setting(request: Request) -> Setting:
    return Setting(
        dimensions=_whole(request, "dimensions"),
        bits=_whole(request, "bits"),
        candidates=_whole(request, "candidates"),
        rotated=request.query_params.get("rotated") == "true",
    )


def _whole(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - below 2**31
        raise HTTPException(400, f"Expected a whole number as {name}, found {text[:40]!r}.")
    return int(text)


def _refused(_: Request, error: Exception) -> Response:
    """Answer with what was wrong."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    told = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"error": told}, status)


def _plotly(_: Request) -> Response:
    return Response(plotly_script(), media_type="text/javascript")


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    text = files("mrl_adapters.demo").joinpath(f"static/{name}").read_text("utf-8")
    return lambda _: Response(text, media_type=kind)
