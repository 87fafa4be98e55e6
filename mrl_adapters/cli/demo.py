"""``mrl-adapters demo``: an interactive page on what shorter vectors lose and save."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    ModelOption,
    PathOption,
    SeedOption,
    UrlOption,
    some,
    some_path,
)
from mrl_adapters.cli.terminal import output, progress_bars, tell, warn
from mrl_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    from mrl_adapters.langchain import MatryoshkaVectorStore
    from mrl_adapters.qdrant.driver import Client

_PORT = 8422
_MOST = 65535
_FILES = "files"
_SENTENCES = 100


def demo(  # noqa: PLR0913 - one argument an option
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=some_path,
            metavar="[PATH...]",
            help="Files (.txt, .md, .jsonl) or folders of them, indexed for this session alone. "
            "Default: the quickstart's docstrings.",
            show_default=False,
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            parser=some,
            metavar="NAME",
            help="Show this collection instead.",
            show_default=False,
        ),
    ] = None,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    model: ModelOption = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Real questions, one a line (.txt) or JSON lines (.jsonl), to judge settings by. "
            "Default: a sample of the passages, which is kinder than real questions.",
            parser=some_path,
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(parser=some, metavar="TEXT", help="Address to serve the page on."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=_MOST, help="Port to serve it on; 0 takes a free one.")
    ] = _PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    seed: SeedOption = 0,
) -> None:
    """Serve a page with sliders: what short vectors find, beside full ones, on your own texts.

    The page is for this machine alone, and loads nothing from the net. It ends with Ctrl-C.
    """
    if collection is None and (path is not None or url is not None):
        msg = "a place is of use with --collection NAME only"
        raise typer.BadParameter(msg, param_hint="--path" if path is not None else "--url")
    if collection is not None and paths:
        msg = "files or --collection: pass one of them"
        raise typer.BadParameter(msg, param_hint="--collection")
    if model is not None and collection is None and not paths:
        msg = "of use with files or --collection only"
        raise typer.BadParameter(msg, param_hint="--model")
    from mrl_adapters.cli.measure import read_questions
    from mrl_adapters.demo.serve import address_of, bind, is_loopback, prepare, serve

    real = None if questions is None else read_questions(questions)
    bound = bind(host, port)
    try:
        if not is_loopback(bound):
            warn(f"--host {host}: whoever reaches this machine can read and search these texts.")
        from mrl_adapters.demo.corpus import read_corpus

        with _opened(paths, collection, path, url, api_key, model) as (store, asked):
            with progress_bars() as report:
                corpus = read_corpus(
                    store, store.embeddings, questions=real or asked, seed=seed, progress=report
                )
                workbench = prepare(corpus, report)
            address = address_of(bound)

            def ready() -> None:
                output.print(Text(f"{corpus.name}: {address}  (Ctrl-C ends it)"))

            serve(workbench, bound, host=host, browser=browser, ready=ready)
    finally:
        bound.close()


@contextmanager
def _opened(
    paths: list[Path] | None,
    collection: str | None,
    path: Path | None,
    url: str | None,
    api_key: str | None,
    model: str | None,
) -> Iterator[tuple["MatryoshkaVectorStore", list[str] | None]]:
    """Open what the options name: a collection, files, or the quickstart's docstrings.

    Yields:
        The store, and questions that go with it.
    """
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.cli.stores import open_existing

    if collection is not None:
        with open_client(path, url, api_key) as client:
            yield open_existing(client, collection, model, None), None
    elif paths:
        with (
            TemporaryDirectory() as folder,
            open_client(Path(folder), None, None, make=True) as client,
        ):
            yield _indexed(client, paths, model), None
    else:
        from mrl_adapters.cli.quickstart import QUESTIONS, open_corpus

        with open_corpus() as (corpus, _):
            yield corpus.store, [*QUESTIONS, *corpus.sentences(_SENTENCES)]


def _indexed(client: "Client", paths: list[Path], model: str | None) -> "MatryoshkaVectorStore":
    """Index files into a collection of this session."""
    from mrl_adapters.cli.indexing import PAYLOAD_INDEXES, FileIndex
    from mrl_adapters.cli.stores import open_or_prepare
    from mrl_adapters.cli.walking import find_files
    from mrl_adapters.qdrant import TextIndex

    found = find_files(paths)
    store = open_or_prepare(client, _FILES, model, None, PAYLOAD_INDEXES, (TextIndex(), None))
    with progress_bars() as report:
        outcome = FileIndex(store).update(found.files, report)
    for skipped in [*outcome.skipped, *found.skipped]:
        tell("Skipped", "bold yellow", str(skipped))
    if not outcome.passages:
        msg = "No text in these files. Pass others."
        raise ConfigurationError(msg)
    return store
