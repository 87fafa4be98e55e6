"""``mrl-adapters recommend``: which layout to take, for the memory that there is."""

import math
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CountedOption,
    HtmlOption,
    JsonOption,
    ModelOption,
    PathOption,
    PlotOption,
    SeedOption,
    UrlOption,
    share,
    some,
    some_path,
)
from mrl_adapters.cli.reports import check_html, check_plot, show_result
from mrl_adapters.cli.terminal import errors, progress_bars

if TYPE_CHECKING:
    import numpy as np

    from mrl_adapters.evaluation import LayoutOption

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_AMOUNT = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)B?", re.IGNORECASE | re.ASCII)
_MOST = 10**15
_TEXTS = ".jsonl"
_VECTORS = {".npy", ".parquet"}


def amount(text: str) -> int:
    """Read a number with a unit, such as 200MB or 10M."""
    match = _AMOUNT.fullmatch(text.strip())
    found = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if not 1 <= found <= _MOST or (match and not match[2] and not found.is_integer()):
        msg = f"expected a number such as 200MB, 1.5G or 10M, found {text[:80]!r}"
        raise typer.BadParameter(msg)
    return round(found)


def recommend(  # noqa: PLR0913 - one argument an option
    *,
    source: Annotated[
        str,
        typer.Argument(
            parser=some,
            metavar="SOURCE",
            help="Texts (.jsonl), vectors (.npy, .parquet), or the name of a collection, whoever "
            "made it.",
        ),
    ],
    model: ModelOption = None,
    target_overlap: Annotated[
        float,
        typer.Option(
            parser=share,
            metavar="NUMBER",
            help="Share of the exact search's results to find, on average.",
        ),
    ] = 0.99,
    memory: Annotated[
        int | None,
        typer.Option(
            parser=amount,
            metavar="BYTES",
            help="RAM that searches may take, such as 200MB.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            parser=amount,
            metavar="NUMBER",
            help="Points that there will be, such as 10M. Default: those that there are.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Most points that are built to measure.")
    ] = 20_000,
    every_graph: Annotated[
        bool,
        typer.Option("--every-graph", help="Try each layout with two graphs, not the best alone."),
    ] = False,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Real questions, one a line (.txt) or JSON lines (.jsonl). Default: some of the "
            "vectors are held back.",
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
            help="Questions whose answers are known, to show nDCG and recall too: a folder in "
            "BEIR's layout, its documents in SOURCE under the same ids (of vectors: rows from 0).",
            show_default=False,
        ),
    ] = None,
    k: CountedOption = 10,
    confidence: Annotated[
        float,
        typer.Option(
            parser=share, metavar="NUMBER", help="How sure to be that the plan reaches it."
        ),
    ] = 0.95,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Migrate the collection to it, and save its plan there."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --apply: do not ask.")] = False,
    seed: SeedOption = 0,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    plot: PlotOption = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure which layout to take: cut, codes, graph and plan, for the memory there is.

    A sample is built once a layout, in a temporary folder, and searched; memory, disk and latency
    are predicted for the number of points that there will be. With --apply it asks before it
    builds anything in the collection.
    """
    check_plot(plot)
    check_html(html)
    file = Path(source)
    is_file = file.suffix.lower() in {_TEXTS, *_VECTORS}
    if is_file and (apply or path or url):
        msg = "belongs to a collection, and a file was given: leave it out, or name a collection"
        hint = "--apply" if apply else "--path" if path else "--url"
        raise typer.BadParameter(msg, param_hint=hint)
    from mrl_adapters.cli.measure import embedded, read_dataset, read_questions

    real = None if questions is None else read_questions(questions)
    known = None if judged is None else read_dataset(judged)
    from mrl_adapters.cli.engines import embedder_of, open_client, read_collection
    from mrl_adapters.evaluation import (
        OpenCollection,
        apply_recommendation,
        plot_recommendation,
        recommendation_table,
    )
    from mrl_adapters.evaluation import recommend as run
    from mrl_adapters.qdrant import Driver, MatryoshkaCollection

    with ExitStack() as opened:
        what: Any
        client, name, rows = None, model, dict[str, str]()
        if is_file:
            what, name, rows = _read(file, model)
        else:
            client = opened.enter_context(open_client(path, url, api_key))
            layout = read_collection(client, source)
            name = model or (layout.model if layout else None)
            what = OpenCollection(MatryoshkaCollection(source, model=model), Driver(client))
        asked = answers = None
        if real is not None or known is not None:
            asked, answers = embedded(embedder_of(model or name, source), real, known)
        if answers is not None:
            qrels = {
                question: {rows.get(each, each): grade for each, grade in grades.items()}
                for question, grades in answers.qrels.items()
            }
            answers = answers._replace(qrels=qrels)
        with progress_bars() as report:
            result = run(
                what,
                target_overlap=target_overlap,
                memory_bytes=memory,
                points=points,
                k=k,
                confidence=confidence,
                queries=asked,
                judged=answers,
                model=name,
                sample=sample,
                every_graph=every_graph,
                seed=seed,
                progress=report,
            )
        show_result(result, recommendation_table, plot_recommendation, plot, as_json=as_json)
        if html is not None:
            from mrl_adapters.demo.offline import write_recommendation

            errors.print(Text(f"Written into {write_recommendation(result, html)}"))
        if apply and client is not None:
            if result.chosen is not None and not yes:
                typer.confirm(_question(source, result.chosen), abort=True, err=True)
            apply_recommendation(client, source, result)
            errors.print(Text(f"{source} has that layout now, and its plan is saved with it."))


def _question(name: str, chosen: "LayoutOption") -> str:
    """Ask for what applying a choice does to a collection."""
    if chosen.built or chosen.plan.exact:
        return f"Save that plan with {name!r}, so that searches use it?"
    seconds = math.ceil(chosen.build_s)
    return (
        f"Migrate {name!r} in place to {chosen.label}, about {seconds:,} s of building graphs, "
        "and save its plan?"
    )


def _read(file: Path, model: str | None) -> "tuple[np.ndarray, str | None, dict[str, str]]":
    """Read vectors, or texts and embed them; with the model's name, and the rows of texts by id."""
    import numpy as np

    if file.suffix.lower() in _VECTORS:
        from mrl_adapters.bench.vector_files import open_vectors

        _, blocks = open_vectors(file)
        return np.concatenate(list(blocks)), model, {}
    from mrl_adapters.cli.engines import WORDLLAMA, make_embedder
    from mrl_adapters.embeddings.inspection import model_name
    from mrl_adapters.evaluation import load_jsonl

    embedder = make_embedder(model or WORDLLAMA)
    with errors.status("Embedding the texts"):
        texts = load_jsonl(file).documents
        vectors = np.asarray(embedder.embed_documents(list(texts.values())), dtype=np.float32)
    return vectors, model_name(embedder), {each: str(row) for row, each in enumerate(texts)}
