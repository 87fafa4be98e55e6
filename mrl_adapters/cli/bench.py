"""The command that measures what two stages buy."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrl_adapters.cli.measure import read_dataset
from mrl_adapters.cli.options import (
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
    from mrl_adapters.bench import BenchData, Contender, GrowthResult
    from mrl_adapters.progress import ProgressCallback

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
        bool, typer.Option(help="Measure LangChain's and LlamaIndex's stores too.")
    ] = True,
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
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure two stages beside other ways to search: memory, disk, builds, matched latency."""
    sizes = [] if points is None else sorted(set(parse_sizes(points, "--points")))
    check_plot(plot)
    if alike and data is None:
        msg = "needs DATA to draw others like: vectors, texts or a folder in BEIR's layout"
        raise typer.BadParameter(msg, param_hint="--alike")
    from mrl_adapters.bench import (
        BenchResult,
        bench_tables,
        grow,
        growth_tables,
        line_up,
        plot_bench,
        plot_growth,
        run,
    )
    from mrl_adapters.bench.rivals import present_rivals

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="mrl-bench-") as made,
        progress_bars() as report,
    ):
        work = Path(made)
        if data is None:
            prepare = _drawer(work / "data", dimensions, queries, seed, report)
            sizes = sizes or [_POINTS]
        else:
            most = None if alike else max(sizes, default=None)
            whole = _read(work / "whole", data, model, most, queries, seed, report)
            if alike:
                prepare = _imitator(work / "data", whole, queries, seed, report)
            else:
                prepare = _taker(work / "data", whole, report)
            sizes = sizes or [len(whole.documents)]
            dimensions = whole.documents.shape[1]
        wanted = stage or min(256, dimensions // 2)
        others = present_rivals(tuple(only or ())) if rivals else []
        everybody = line_up(dimensions, wanted, frameworks=frameworks, rivals=others)
        contenders = _chosen(everybody, only or [])

        def measure(vectors: Path, progress: "ProgressCallback") -> BenchResult:
            found = run(
                vectors,
                contenders,
                work / "engine",
                k=k,
                repeats=repeats,
                builds=builds,
                progress=progress,
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


def _drawer(
    folder: Path, dimensions: int, queries: int | None, seed: int, report: "ProgressCallback"
) -> Callable[[int], Path]:
    """Make the function that draws as many synthetic vectors as it is told."""
    from mrl_adapters.bench import synthetic

    def prepare(size: int) -> Path:
        synthetic(folder, size, dimensions, queries=queries, seed=seed, progress=report)
        return folder

    return prepare


def _imitator(
    folder: Path, whole: "BenchData", queries: int | None, seed: int, report: "ProgressCallback"
) -> Callable[[int], Path]:
    """Make the function that draws as many vectors like the data's as it is told."""
    from mrl_adapters.bench import fit_likeness, imitated, likeness_table

    likeness = fit_likeness(whole.documents, seed, report)
    tables(likeness_table(likeness), errors)

    def prepare(size: int) -> Path:
        name = f"drawn like {whole.name.rpartition(', ')[0]}"
        imitated(folder, likeness, name, size, queries=queries, seed=seed, progress=report)
        return folder

    return prepare


def _taker(folder: Path, whole: "BenchData", report: "ProgressCallback") -> Callable[[int], Path]:
    """Make the function that takes as many documents of the data as it is told."""
    from mrl_adapters.bench import take

    def prepare(size: int) -> Path:
        take(folder, whole, size, report)
        return folder

    return prepare


def _read(
    folder: Path,
    data: Path,
    model: str,
    points: int | None,
    queries: int | None,
    seed: int,
    report: "ProgressCallback",
) -> "BenchData":
    """Read vectors, or embed texts."""
    from mrl_adapters.bench import from_file, from_texts
    from mrl_adapters.cli.engines import make_embedder

    if data.suffix.lower() in {".npy", ".parquet"}:
        return from_file(folder, data, points=points, queries=queries, seed=seed, progress=report)
    return from_texts(
        folder,
        read_dataset(data),
        make_embedder(model),
        points=points,
        queries=queries,
        seed=seed,
        progress=report,
    )


def _chosen(everybody: "list[Contender]", only: list[str]) -> "list[Contender]":
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
