"""``mrl-adapters search``: ask a collection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    FilterOption,
    HybridOption,
    JsonOption,
    LateInteractionOption,
    ModelOption,
    PathOption,
    PlanOption,
    ResultsOption,
    StagesOption,
    ThresholdOption,
    UrlOption,
    parse_sizes,
    some,
)
from mrl_adapters.cli.results import Hit, answered
from mrl_adapters.cli.terminal import output

if TYPE_CHECKING:
    from langchain_core.documents import Document

_SNIPPET_LINES = 3
_SIGNALS = "signals"  # metadata key, and what JSON has


def search(  # noqa: PLR0913 - one argument an option
    *,
    collection: CollectionArgument,
    question: Annotated[
        str, typer.Argument(parser=some, metavar="QUESTION", help="What to look for.")
    ],
    k: ResultsOption = 5,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    model: ModelOption = None,
    stages: StagesOption = None,
    query_filter: FilterOption = None,
    threshold: ThresholdOption = None,
    plan: PlanOption = None,
    hybrid: HybridOption = None,
    late_interaction: LateInteractionOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare the full vectors of all points instead.")
    ] = False,
    signals: Annotated[
        bool,
        typer.Option(
            "--signals", help="Show signs of weak retrieval: how scores spread, rankings agree."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the passages nearest to a question, in two stages; by its words too, where asked."""
    sizes = parse_sizes(stages) if stages is not None else None
    said: dict[str, object] = {"exact": True} if exact else {}
    if hybrid is not None:
        said["hybrid"] = hybrid
    if late_interaction is not None:
        said["late_interaction"] = True
    _refuse_contradictions(plan or {}, said)
    # Imported here, so that the other commands need no framework.
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.cli.stores import open_existing

    with open_client(path, url, api_key) as client:
        store = open_existing(client, collection, model, sizes, late_interaction)
        found = store.similarity_search_with_score(
            question,
            k,
            filter=query_filter,
            score_threshold=threshold,
            plan={**(plan or {}), **said} or None,
            signals_key=_SIGNALS if signals else None,
        )
    if as_json:
        output.print_json(json.dumps([_record(*hit) for hit in found], ensure_ascii=False))
    else:
        hits = [_hit(*hit) for hit in found]
        output.print(answered(question, hits, lines=_SNIPPET_LINES))
        if signals and found:
            output.print(Text(_told(found[0][0].metadata[_SIGNALS]), style="dim"))


def _refuse_contradictions(plan: Mapping[str, object], said: Mapping[str, object]) -> None:
    """Refuse a plan that says something else than an option does.

    Raises:
        typer.BadParameter: One does.
    """
    for knob, value in said.items():
        if plan.get(knob, value) != value:
            option = f"--{knob.replace('_', '-')}"
            stated = f"{option} {value}" if isinstance(value, str) else option
            msg = f"it has {knob}={plan[knob]!r}, and {stated} says otherwise: pass one of both."
            raise typer.BadParameter(msg, param_hint="--plan")


def _told(signals: Mapping[str, float | None]) -> str:
    """Write signals in a line; those that there are not are left out."""
    known = [(name, value) for name, value in signals.items() if value is not None]
    return "Signals: " + ", ".join(f"{name} {value:.3f}" for name, value in known)


def _hit(document: "Document", score: float) -> Hit:
    """Name a result by its file where it has one, whoever wrote the collection."""
    metadata = document.metadata
    title = str(metadata.get("title") or "")
    source = str(metadata.get("source") or "")
    if not source:
        return Hit(title or str(document.id), "", document.page_content, score)
    place = f"{_short(source)}:{metadata['line']}" if metadata.get("line") else _short(source)
    # A text file's passages are titled by its name, which the place says already.
    detail = f"  {title}" if title and title != Path(source).name else ""
    return Hit(place, detail, document.page_content, score)


def _short(source: str) -> str:
    """Write a path the way one would type it here."""
    path, here = Path(source), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else source


def _record(document: "Document", score: float) -> dict[str, object]:
    return {
        "id": document.id,
        "score": score,
        "text": document.page_content,
        "metadata": document.metadata,
    }
