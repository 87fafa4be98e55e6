"""The command that measures what two stages buy."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mrl_adapters.cli.bench_data import drawer, imitator, read_vectors, taker
from mrl_adapters.cli.options import (
    ApiKeyOption,
    CountedOption,
    JsonOption,
    PlotOption,
    SeedOption,
    parse_sizes,
    some,
    some_path,
)
from mrl_adapters.cli.reports import check_plot, show_result
from mrl_adapters.cli.terminal import errors, progress_bars, tables

if TYPE_CHECKING:
    from mrl_adapters.bench import BenchResult, Contender, GrowthResult
    from mrl_adapters.bench.server import Place
    from mrl_adapters.progress import ProgressCallback

C = TypeVar("C", bound="Contender")

_POINTS = 20_000  # of synthetic vectors


def bench(  # noqa: PLR0913 - one argument an option
    *,
    data: Annotated[
        Path | None,
        typer.Argument(
            parser=some_path,
            metavar="[DATA]",
            help="Vectors (.npy, .parquet), texts (.jsonl) or a folder in BEIR's layout. "
            "Default: synthetic nested vectors.",
            show_default=False,
        ),
    ] = None,
    alike: Annotated[
        bool,
        typer.Option(
            "--alike",
            help="Draw vectors that behave as DATA's do, and measure those: as many as you like.",
        ),
    ] = False,
    points: Annotated[
        str | None,
        typer.Option(
            help="How many documents; several sizes, such as 10000,100000, show how costs grow. "
            "Default: all of the data's, or 20,000.",
            show_default=False,
        ),
    ] = None,
    dimensions: Annotated[int, typer.Option(min=8, help="Size of synthetic vectors.")] = 1536,
    stage: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="Size of the short vectors; half of it takes part too. "
            "Default: 256, or half of the full size where that is smaller.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            parser=some,
            metavar="TEXT",
            help="For texts: wordllama, openai:NAME or sentence-transformers:NAME.",
        ),
    ] = "wordllama",
    queries: Annotated[
        int | None,
        typer.Option(
            min=20,
            help="Half of them choose settings. Default: 4,000, or fewer where there are not "
            "five times as many vectors.",
            show_default=False,
        ),
    ] = None,
    k: CountedOption = 10,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only contenders whose name holds this; may be given again. The first of all "
            "stays: the others are compared with it.",
            show_default=False,
        ),
    ] = None,
    frameworks: Annotated[
        bool | None,
        typer.Option(
            help="Measure LangChain's and LlamaIndex's stores too. Default: but with --url.",
            show_default=False,
        ),
    ] = None,
    rivals: Annotated[
        bool,
        typer.Option(
            "--rivals",
            help="Measure other libraries too, as far as installed: pip install "
            "'mrl-adapters\\[rivals]'.",
        ),
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of timing.")] = 5,
    builds: Annotated[int, typer.Option(min=1, help="How often each loads and builds.")] = 1,
    seed: SeedOption = 0,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where files are kept while it runs. Default: the system's temporary folder.",
            parser=some_path,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Measure on this Qdrant server instead, in collections of its own: the stock "
            "stores' layouts and this library's.",
            parser=some,
            metavar="TEXT",
            show_default=False,
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    index_limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --url: how long to wait for an index, seconds. Default: 3600.",
            show_default=False,
        ),
    ] = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure two stages beside other ways to search: memory, disk, builds, matched latency."""
    sizes = [] if points is None else sorted(set(parse_sizes(points, "--points")))
    check_plot(plot)
    if alike and data is None:
        msg = "needs DATA to draw others like: vectors, texts or a folder in BEIR's layout"
        raise typer.BadParameter(msg, param_hint="--alike")
    _check_place(url, index_limit, frameworks=frameworks, rivals=rivals)
    from mrl_adapters.bench import (
        BenchResult,
        bench_tables,
        grow,
        growth_tables,
        plot_bench,
        plot_growth,
    )

    place = None if url is None else _reached(url, api_key)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="mrl-bench-") as made,
        progress_bars() as report,
    ):
        work = Path(made)
        if data is None:
            prepare = drawer(work / "data", dimensions, queries, seed, report)
            sizes = sizes or [_POINTS]
        else:
            most = None if alike else max(sizes, default=None)
            whole = read_vectors(work / "whole", data, model, most, queries, seed, report)
            if alike:
                prepare = imitator(work / "data", whole, queries, seed, report)
            else:
                prepare = taker(work / "data", whole, report)
            sizes = sizes or [len(whole.documents)]
            dimensions = whole.documents.shape[1]
        wanted = stage or min(256, dimensions // 2)
        if place is None:
            measured = _embedded(
                dimensions,
                wanted,
                only or [],
                frameworks=frameworks is not False,
                rivals=rivals,
            )
        else:
            measured = _on_server(place, dimensions, wanted, only or [], index_limit)

        def measure(vectors: Path, progress: "ProgressCallback") -> BenchResult:
            found = measured(
                vectors, work / "engine", k=k, repeats=repeats, builds=builds, progress=progress
            )
            if found.points < sizes[-1]:  # an hour may pass until the largest is done
                tables(bench_tables(found), errors)
            return found

        result: BenchResult | GrowthResult = (
            measure(prepare(sizes[0]), report)
            if len(sizes) == 1
            else grow(sizes, prepare, measure, report)
        )
    if isinstance(result, BenchResult):
        show_result(result, bench_tables, plot_bench, plot, as_json=as_json)
    else:
        show_result(result, growth_tables, plot_growth, plot, as_json=as_json)


def _check_place(
    url: str | None, index_limit: int | None, *, frameworks: bool | None, rivals: bool
) -> None:
    """Refuse options that say nothing where it is measured."""
    if url is None:
        if index_limit is not None:
            msg = "of use with --url only: the embedded engine indexes at once"
            raise typer.BadParameter(msg, param_hint="--index-limit")
        return
    for option, is_given in {"--frameworks": frameworks, "--rivals": rivals}.items():
        if is_given:
            msg = "measured in this process, not on a server: leave it or --url out"
            raise typer.BadParameter(msg, param_hint=option)


def _reached(url: str, api_key: str | None) -> "Place":
    """Return a server that answers."""
    from mrl_adapters.bench.server import Place
    from mrl_adapters.cli.engines import open_client

    with open_client(None, url, api_key) as client:
        client.get_collections()
    return Place(url, api_key)


def _embedded(
    dimensions: int, stage: int, only: list[str], *, frameworks: bool, rivals: bool
) -> "Callable[..., BenchResult]":
    """Make the function that measures in this process."""
    from mrl_adapters.bench import line_up, run
    from mrl_adapters.bench.rivals import present_rivals

    others = present_rivals(tuple(only)) if rivals else []
    everybody = line_up(dimensions, stage, frameworks=frameworks, rivals=others)
    contenders = _chosen(everybody, only)

    def measure(vectors: Path, folder: Path, **options: Any) -> "BenchResult":
        return run(vectors, contenders, folder, **options)

    return measure


def _on_server(
    place: "Place", dimensions: int, stage: int, only: list[str], index_limit: int | None
) -> "Callable[..., BenchResult]":
    """Make the function that measures on a server."""
    from mrl_adapters.bench.server import INDEX_LIMIT_S, run_on_server, server_line_up

    layouts = _chosen(server_line_up(dimensions, stage), only)
    limit_s = index_limit or INDEX_LIMIT_S

    def measure(vectors: Path, folder: Path, **options: Any) -> "BenchResult":
        del folder
        return run_on_server(vectors, layouts, place, index_limit_s=limit_s, **options)

    return measure


def _chosen(everybody: "Sequence[C]", only: list[str]) -> "list[C]":
    """Keep the first contender, and those that were asked for."""
    if unknown := [
        word for word in only if not any(word in contender.name for contender in everybody)
    ]:
        names = ", ".join(contender.name for contender in everybody)
        msg = f"no contender's name holds {unknown[0]!r}; there are: {names}"
        raise typer.BadParameter(msg, param_hint="--only")
    rest = everybody[1:]
    return [
        everybody[0],
        *(
            contender
            for contender in rest
            if not only or any(word in contender.name for word in only)
        ),
    ]
