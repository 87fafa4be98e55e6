"""``mrl-adapters index``: put files into a collection, and keep it in step with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mrl_adapters.cli.options import (
    ApiKeyOption,
    JsonOption,
    LanguageOption,
    LateInteractionOption,
    ModelOption,
    PathOption,
    SparseOption,
    StagesOption,
    TextIndexOption,
    UrlOption,
    parse_sizes,
    parse_words,
    some,
    some_path,
)
from mrl_adapters.cli.terminal import output, progress_bars, tell

if TYPE_CHECKING:
    from mrl_adapters.cli.indexing import Outcome

_KEPT = (
    "what came from {}, which holds no file to index now. Is it mounted? If they are gone, "
    "pass --remove-emptied."
)

_BLANK = "{}: {:,} of its documents hold no text (a letter or digit), so nothing is stored of them."
_EMPTY = "{}: it holds no text (no letter or digit), so nothing is stored of it."


def index(  # noqa: PLR0913 - one argument an option
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(
            parser=some_path,
            metavar="PATH...",
            help="Files (text, Markdown, HTML, PDF, Word, tables, notebooks, sources) or folders.",
        ),
    ],
    collection: Annotated[
        str,
        typer.Option(
            "--collection", "-c", parser=some, metavar="NAME", help="Collection to put them into."
        ),
    ],
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    model: ModelOption = None,
    stages: StagesOption = None,
    text_index: TextIndexOption = False,
    sparse: SparseOption = False,
    language: LanguageOption = None,
    late_interaction: LateInteractionOption = None,
    remove_missing: Annotated[
        bool,
        typer.Option(
            "--remove-missing", help="Delete what came from files below PATH that are gone."
        ),
    ] = False,
    remove_emptied: Annotated[
        bool,
        typer.Option(
            "--remove-emptied",
            help="The same, also in folders that are empty now: those may be not mounted.",
        ),
    ] = False,
    size: Annotated[
        int, typer.Option(min=50, max=100_000, help="Characters of a passage; code stays whole.")
    ] = 800,
    overlap: Annotated[
        int, typer.Option(min=0, help="Characters that a passage repeats of the one before.")
    ] = 80,
    least: Annotated[
        int, typer.Option(min=0, help="A passage of fewer characters is joined to the next one.")
    ] = 40,
    as_json: JsonOption = False,
) -> None:
    """Cut files into passages, embed them and store them; unchanged files are left alone.

    JSON lines: each line a string, or an object with "text" and perhaps "title" and "id".
    Files that cannot be read are skipped and named, and the exit code is then 1. Files that were
    cut in another way (--size, --overlap, --least) are cut and embedded anew.
    """
    sizes = parse_sizes(stages) if stages is not None else None
    words = parse_words(language, text_index=text_index, sparse=sparse)
    # Imported here, so that the other commands need no framework.
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.cli.indexing import PAYLOAD_INDEXES, FileIndex
    from mrl_adapters.cli.passages import Cutting
    from mrl_adapters.cli.stores import open_or_prepare
    from mrl_adapters.cli.walking import find_files

    cutting = Cutting(size, overlap, least)
    found = find_files(paths)
    with open_client(path, url, api_key, make=True) as client:
        store = open_or_prepare(
            client, collection, model, sizes, PAYLOAD_INDEXES, words, late_interaction
        )
        files = FileIndex(store, cutting)
        with progress_bars(in_bytes=True) as report:
            outcome = files.update(found.files, report)
        outcome.skipped += found.skipped
        outcome.unknown = dict(found.unknown.most_common())
        if remove_missing or remove_emptied:
            found.skipped = outcome.skipped
            files.remove_missing(found, outcome, emptied=remove_emptied)
    if as_json:
        output.print_json(json.dumps(outcome.as_dict()))
    else:
        output.print(_told(outcome, collection), highlight=False, soft_wrap=True)
    for skipped in outcome.skipped:
        tell("Skipped", "bold yellow", str(skipped))
    for file, count in outcome.blank.items():
        said = _EMPTY if file in outcome.empty else _BLANK
        tell("Blank", "bold yellow", said.format(file, count))
    if outcome.unknown:
        kinds = [f"{kind or 'no suffix'} ({count:,})" for kind, count in outcome.unknown.items()]
        tell("Left out", "bold", f"{', '.join(kinds)}: not kinds that are read.")
    for folder in outcome.kept:
        tell("Kept", "bold yellow", _KEPT.format(folder))
    if outcome.skipped or outcome.kept:
        raise typer.Exit(1)


def _told(outcome: "Outcome", collection: str) -> str:
    counts = {
        "new": len(outcome.added),
        "changed": len(outcome.changed),
        "unchanged": len(outcome.unchanged),
        "removed": len(outcome.removed),
        "without text": len(outcome.empty),
        "skipped": len(outcome.skipped),
    }
    files = ", ".join(f"[bold]{count}[/] {what}" for what, count in counts.items() if count)
    kinds = "file" if sum(counts.values()) == 1 else "files"
    passages = "passage" if outcome.passages == 1 else "passages"
    return (
        f"[bold]{escape(collection)}[/]: {files or 'no'} {kinds}; "
        f"{outcome.passages:,} {passages} embedded"
    )
