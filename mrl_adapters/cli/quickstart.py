"""``mrl-adapters quickstart``: two-stage search over texts that every Python brings along."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from mrl_adapters.cli.options import some, some_path
from mrl_adapters.cli.results import Hit, answered
from mrl_adapters.cli.terminal import errors, output, progress_bars

if TYPE_CHECKING:
    from mrl_adapters.cli.comparison import Row
    from mrl_adapters.cli.corpus import Corpus
    from mrl_adapters.langchain import MatryoshkaRetriever

QUESTIONS = (
    "copy a directory tree",
    "create a temporary directory",
    "list the files in a zip archive",
    "remove leading whitespace from every line",
)

_HITS = 3  # shown a built-in question
_HITS_OF_ONE = 5  # shown of the user's own
_MEASURED = 200  # searches a row of the table
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def quickstart(
    *,
    question: Annotated[
        str | None,
        typer.Argument(
            parser=some,
            metavar="[QUESTION]",
            help="What to look for. Default: some built-in questions.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep the index in. Default: a folder of your user's cache.",
            parser=some_path,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    sources: Annotated[Path | None, typer.Option(hidden=True)] = None,  # for tests: fewer texts
) -> None:
    """Index the Python standard library's docstrings, answer questions, compare searches.

    No key, no server, no download: the texts are the docstrings of this Python, the model comes
    with the wordllama package, the engine is Qdrant's own, in this process.
    """
    # Imported here, so that the other commands need no framework.
    with errors.status("Starting"):
        from mrl_adapters.cli.comparison import compare
        from mrl_adapters.langchain import MatryoshkaRetriever

    folder = path or _usual_folder()
    with open_corpus(folder, sources) as (corpus, how):
        what = f"{len(corpus):,} docstrings of the Python {_PYTHON} standard library"
        output.print(Text(what, style="bold"))
        output.print(Text(f"{how}, kept in {folder}\n", style="dim"))
        retriever = MatryoshkaRetriever(
            vectorstore=corpus.store, k=_HITS_OF_ONE if question else _HITS
        )
        for asked in [question] if question else QUESTIONS:
            output.print(answered(asked, _hits(retriever, asked)))
            output.print()
        with errors.status("Comparing searches"):
            vectors = corpus.embedder.embed_array(corpus.sentences(_MEASURED))
            rows = compare(corpus.store, corpus.layout, vectors, texts=len(corpus))
        output.print(_table(rows, corpus.layout.dimensions))
        output.print(Text(_explained(len(corpus), len(vectors)), style="dim"))
        output.print("\nYour own files: [bold]mrl-adapters index PATH --collection NAME[/]")


@contextmanager
def open_corpus(
    folder: Path | None = None, sources: Path | None = None
) -> Iterator[tuple["Corpus", str]]:
    """Open the docstrings' collection for the length of a block; index them where that is to do.

    Args:
        folder: Where it is kept; None takes the folder of the user's cache.
        sources: Read the Python files of this folder instead of the standard library's.

    Yields:
        The docstrings, and how they came there.
    """
    from mrl_adapters.cli.corpus import Corpus
    from mrl_adapters.qdrant import connect

    with connect(path=str(folder or _usual_folder())) as client:
        corpus = Corpus(client, sources)
        yield corpus, "indexed by an earlier run" if corpus.is_current() else _index(corpus)


def _usual_folder() -> Path:
    return platformdirs.user_cache_path("mrl-adapters") / f"quickstart-{_PYTHON}"


def _index(corpus: "Corpus") -> str:
    """Index the docstrings; say how long that took."""
    started = time.perf_counter()
    with errors.status("Reading the standard library's docstrings"):
        entries = corpus.read()
    read = time.perf_counter()
    with progress_bars() as report:
        corpus.index(entries, report)
    done = time.perf_counter()
    return f"read in {read - started:.1f} s, embedded and indexed in {done - read:.1f} s"


def _hits(retriever: "MatryoshkaRetriever", question: str) -> list[Hit]:
    documents = retriever.invoke(question)
    # A LangChain retriever returns documents; the scores are the store's to tell.
    scored = retriever.vectorstore.similarity_search_with_score(question, retriever.k)
    scores = {document.id: score for document, score in scored}
    return [
        Hit(
            title=document.metadata["title"],
            detail=document.metadata["signature"].removeprefix(document.metadata["title"]),
            snippet=document.page_content.removeprefix(f"{document.metadata['title']}: "),
            score=scores[document.id],
        )
        for document in documents
    ]


def _table(rows: Sequence["Row"], dimensions: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("dimensions")
    for heading in ("overlap@10", "median latency", "vectors in RAM"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            f"{dimensions} only" if row.stage is None else f"{row.stage}, then {dimensions}",
            f"{row.overlap:.3f}",
            f"{row.latency_s * 1e3:.2f} ms",
            f"{row.ram_bytes / 1e6:.2f} MB",
        )
    return table


def _explained(texts: int, searches: int) -> str:
    """Return how the numbers came about, and what they do not show."""
    return (
        f"{searches} searches each, without embedding, by sentences that are not indexed. "
        "overlap@10: share of the exact top 10 that is found. Search by full vectors only "
        "compares every one of them, so its time grows with the collection. RAM is computed: "
        f"{texts:,} texts x dimensions x 4 bytes (float32) for full vectors, x 1 byte (int8) for "
        "a first stage, which leaves the full vectors on disk; graphs not counted."
    )
