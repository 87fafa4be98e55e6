"""``mrl-adapters curve`` and ``tune``: choose sizes and search plans by numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    CountedOption,
    HtmlOption,
    JsonOption,
    LanguageOption,
    ModelOption,
    PathOption,
    PlotOption,
    SeedOption,
    UrlOption,
    number,
    parse_sizes,
    parse_words,
    share,
    some,
    some_path,
)
from mrl_adapters.cli.reports import check_html, check_plot, show_result
from mrl_adapters.cli.terminal import errors, progress_bars
from mrl_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_adapters.embeddings import Embedder
    from mrl_adapters.evaluation import Dataset, JudgedQuestions


def curve(  # noqa: PLR0913 - one argument an option
    *,
    data: Annotated[
        Path | None,
        typer.Argument(
            parser=some_path,
            metavar="[DATA]",
            help="A folder in BEIR's layout, or a .jsonl file of texts. "
            "Default: the standard library's docstrings, summaries asking for bodies.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            parser=some,
            metavar="TEXT",
            help="wordllama, openai:NAME or sentence-transformers:NAME.",
        ),
    ] = "wordllama",
    dimensions: Annotated[
        str | None,
        typer.Option(
            help="Sizes to measure, such as 256,128. Default: halves of the full size.",
            show_default=False,
        ),
    ] = None,
    k: CountedOption = 10,
    oversampling: Annotated[
        float,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Two-stage search re-ranks so many times k candidates.",
        ),
    ] = 8.0,
    rotated: Annotated[
        bool, typer.Option("--rotated", help="Measure a learnt rotation beside plain slices.")
    ] = False,
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Measure what words add, too; needs judged questions."),
    ] = False,
    sparse: Annotated[
        bool, typer.Option("--sparse", help="As --hybrid, but words are found by sparse vectors.")
    ] = False,
    language: LanguageOption = None,
    seed: SeedOption = 0,
    plot: PlotOption = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what search loses at each size, with one stage and with two."""
    index, weights = parse_words(
        language, text_index=hybrid and not sparse, sparse=sparse, option="--hybrid"
    )
    sizes = None if dimensions is None else parse_sizes(dimensions, "--dimensions")
    check_plot(plot)
    check_html(html)
    from mrl_adapters.cli.engines import make_embedder
    from mrl_adapters.evaluation import curve as run
    from mrl_adapters.evaluation import curve_table, plot_curve

    embedder = make_embedder(model)
    with errors.status("Reading the texts"):
        dataset = read_dataset(data)
    with progress_bars() as report:
        result = run(
            embedder,
            dataset,
            sizes,
            k=k,
            oversampling=oversampling,
            rotation="fit" if rotated else None,
            hybrid=weights or index,
            seed=seed,
            progress=report,
        )
    show_result(result, curve_table, plot_curve, plot, as_json=as_json)
    if html is not None:
        from mrl_adapters.demo.offline import write_curve

        errors.print(Text(f"Written into {write_curve(result, html)}"))


def tune(  # noqa: PLR0913 - one argument an option
    *,
    collection: CollectionArgument,
    target_overlap: Annotated[
        float,
        typer.Option(
            parser=share,
            metavar="NUMBER",
            help="Share of the exact search's results to find, on average.",
        ),
    ] = 0.99,
    k: CountedOption = 10,
    confidence: Annotated[
        float,
        typer.Option(
            parser=share, metavar="NUMBER", help="How sure to be that the plan reaches it."
        ),
    ] = 0.95,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Real questions, one a line (.txt) or JSON lines (.jsonl). "
            "Default: a sample of the stored points, which is kinder than real questions.",
            parser=some_path,
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    judged: Annotated[
        Path | None,
        typer.Option(
            parser=some_path,
            metavar="FOLDER",
            help="Questions whose answers are known, to weigh words against vectors: a folder in "
            "BEIR's layout, its documents in the collection under the same ids.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    save: Annotated[
        bool,
        typer.Option("--save", help="Store the plan with the collection: searches then use it."),
    ] = False,
    seed: SeedOption = 0,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest way to search a collection that finds what the exact search finds."""
    check_plot(plot)
    real = None if questions is None else read_questions(questions)
    known = None if judged is None else read_dataset(judged)
    from mrl_adapters.cli.engines import embedder_of, open_client, read_collection
    from mrl_adapters.evaluation import plot_tuning, save_plan, tuning_table
    from mrl_adapters.evaluation import tune as run
    from mrl_adapters.evaluation.searcher import OpenCollection
    from mrl_adapters.qdrant import Driver, MatryoshkaCollection

    with open_client(path, url, api_key) as client:
        store = OpenCollection(MatryoshkaCollection(collection), Driver(client))
        asked = words = None
        if real is not None or known is not None:
            layout = read_collection(client, collection)
            named = model or (layout.model if layout else None)
            embedder = embedder_of(named, f"Collection {collection!r}")
            asked, words = embedded(embedder, real, known)
        with progress_bars() as report:
            result = run(
                store,
                target_overlap=target_overlap,
                k=k,
                confidence=confidence,
                queries=asked,
                judged=words,
                seed=seed,
                progress=report,
            )
        if save:
            save_plan(store, result.plan)
    show_result(result, tuning_table, plot_tuning, plot, as_json=as_json)
    if save:
        errors.print(Text(f"The plan is stored with {collection}: searches use it from now on."))


def read_dataset(data: Path | None) -> "Dataset":
    """Read texts.

    Args:
        data: A folder in BEIR's layout or a .jsonl file; None takes the docstrings.
    """
    from mrl_adapters.evaluation import docstring_dataset, load_beir, load_jsonl

    if data is None:
        return docstring_dataset()
    return load_beir(data) if data.is_dir() else load_jsonl(data)


def embedded(
    embedder: "Embedder", questions: "Sequence[str] | None", judged: "Dataset | None"
) -> "tuple[list[Sequence[float]] | None, JudgedQuestions | None]":
    """Embed questions.

    Args:
        embedder: Who embeds.
        questions: Real ones; None has none.
        judged: Those whose answers are known; None has none.

    Returns:
        The vectors of the real ones, and those whose answers are known with theirs.
    """
    from mrl_adapters.evaluation import JudgedQuestions

    asked = None if questions is None else [*map(embedder.embed_query, questions)]
    if judged is None:
        return asked, None
    vectors = [*map(embedder.embed_query, judged.queries.values())]
    return asked, JudgedQuestions(judged.queries, vectors, judged.qrels)


def read_questions(file: Path) -> list[str]:
    """Read questions.

    Args:
        file: One a line, or JSON lines (.jsonl).

    Raises:
        ConfigurationError: There is none in it.
    """
    from mrl_adapters.cli.files import read_text
    from mrl_adapters.evaluation.records import number_lines, read_records

    lines = number_lines(read_text(file).split("\n"))
    if file.suffix.lower() == ".jsonl":
        asked = [record.text for record in read_records(lines, file)]
    else:
        asked = [line.strip() for _, line in lines]
    if not any(asked):
        msg = f"{file} holds no question. Write one a line, or leave --questions out."
        raise ConfigurationError(msg)
    return asked
